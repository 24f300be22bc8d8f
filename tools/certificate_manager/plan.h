// What an operation is going to do: which entries get what, what becomes of the root, and the words that show
// it before anything is done.
//
// Thread-safety: pure functions and values. Ownership: a Plan owns the keys that it is going to write.
// Errors: kInvalidArgument where something has to be given that was not; kNotFound ("no authority", a store
// that is not there); kBusy while the root is being replaced.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "tools/certificate_manager/inputs.h"
#include "tools/certificate_manager/situation.h"

namespace certfs {

// One entry of `write-entries` (fs/README.md, "ca/control").
struct EntrySection {
  std::string entry;    // STORE/ALIAS.
  std::string profile;  // With `config`: to be issued. Empty: from elsewhere.
  std::string config;
  SecretBytes pem;  // From elsewhere: certificates, and the key unless it is a trusted root.
};

// A certificate in a few words.
struct CertificateWords {
  std::string subject;
  std::string serial;
  std::string not_after;  // RFC 3339.
};

struct PlannedEntry {
  std::string entry;
  std::optional<CertificateWords> before;  // Nothing where the entry is empty, or new.
  std::string after;
  std::vector<std::string> findings;  // What the authority says of it, once it was asked.
  bool changed = true;                // It already holds just that.
};

struct Plan {
  Operation operation = Operation::kMachineSsl;
  std::vector<ControlCommand> root;  // What becomes of the root, before the entries: none or one.
  std::string root_words;            // The same for people; empty where the root stays.
  std::vector<EntrySection> sections;
  bool reverts_entries = false;  // `revert`: what the last operation wrote into entries.
  bool steps = false;            // Entries are re-issued, or taken back, step by step.
  bool new_keys = false;         // What is re-issued so gets a new key.
  bool rolls_back = true;        // What fails is taken back; not a revert, nor what is resumed.
  std::vector<PlannedEntry> entries;
  std::vector<std::string> notes;  // What else is to be known.

  // Where the sections go: the command that writes them all, or judges them alone.
  ControlCommand WriteEntries(bool plan_only) const;
  // The names of all entries that change.
  std::vector<std::string> Changed() const;
};

// The request file for the entry of `target`: what was given for it; else what asks for what the certificate
// says that it holds; else, for a solution user, his name alone.
Result<std::string> ConfigForTarget(const Inputs& inputs, const Situation& situation, const Target& target);

Result<Plan> MakePlan(const Inputs& inputs, const Situation& situation);

// The plan of going on with a replacement of the root that was interrupted.
Result<Plan> PlanResumption(const Situation& situation);

// Fills in what the authority answered to `write-entries` or `revert`: findings, and which entries those are.
void Complete(Plan& plan, const Json& answer);

}  // namespace certfs
