// The commands of ca/control: one table of their names, arguments and functions. Private to fs/.
//
// Thread-safety: any thread. Ownership: a Context borrows everything. Errors: those of the command
// (store/certificate_authority.h); kMalformed ("control") for what is no command.

#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "crypto/base/secret.h"
#include "fs/control/answers.h"
#include "fs/control/command_line.h"
#include "store/certificate_authority.h"
#include "store/view.h"

namespace certfs::control {

struct Context {
  Keystore& keystore;
  CertificateAuthority& authority;
  Actor actor;
  // Runs what may change the files of `entries`, and those of trust stores, so that the kernel and those who
  // watch hear of it.
  std::function<Result<void>(const std::vector<Number>& entries, const std::function<Result<void>()>& change)>
      change;
};

struct Answer {
  Json json = Json::object();
  SecretBytes key;  // PEM of a key that was made: the member "key", which stays out of `json`.
};

struct CommandRow {
  std::string_view name;
  std::size_t arguments_max;  // Words behind the name.
  std::span<const std::string_view> options;
  bool payload;
  Result<Answer> (*run)(Context& context, const CommandLine& line);
};
std::span<const CommandRow> CommandTable();

// A member of the answer to what is done already, which no failure to look at it undoes: what `read` finds,
// or where that fails `known`.
Json ReadBack(Context& context, Json known, const std::function<Result<Json>(TableSnapshot&)>& read);

// Carries out what was written to ca/control. Returns the answer: one JSON object and a newline.
Result<ViewBytes> Run(Context& context, BytesView command);
// The answer of a command that failed.
ViewBytes AnswerOf(const Error& error);

// The rows' functions: of the authority itself, of certificates, of entries, of replacing the root.
Result<Answer> Init(Context& context, const CommandLine& line);
Result<Answer> Import(Context& context, const CommandLine& line);
Result<Answer> Show(Context& context, const CommandLine& line);
Result<Answer> RefreshList(Context& context, const CommandLine& line);
Result<Answer> Restore(Context& context, const CommandLine& line);

Result<Answer> Issue(Context& context, const CommandLine& line);
Result<Answer> ShowCertificate(Context& context, const CommandLine& line);
Result<Answer> Status(Context& context, const CommandLine& line);
Result<Answer> List(Context& context, const CommandLine& line);
Result<Answer> Revoke(Context& context, const CommandLine& line);

Result<Answer> PlanRenewal(Context& context, const CommandLine& line);
Result<Answer> Renew(Context& context, const CommandLine& line);
Result<Answer> WriteEntries(Context& context, const CommandLine& line);
Result<Answer> Revert(Context& context, const CommandLine& line);

Result<Answer> ReplaceRoot(Context& context, const CommandLine& line);
Result<Answer> ReplaceRootStep(Context& context, const CommandLine& line);
Result<Answer> ReplaceRootBack(Context& context, const CommandLine& line);
Result<Answer> Retire(Context& context, const CommandLine& line);

// What `init` and `replace-root` say of a new authority.
Result<NewAuthority> ParseNewAuthority(const CommandLine& line);

}  // namespace certfs::control
