// vecs-cli entry create, replace, delete.

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "crypto/description.h"
#include "crypto/pem.h"
#include "tools/entry_writer.h"
#include "tools/package_ledger.h"
#include "tools/system.h"
#include "tools/vecs/entry_content.h"
#include "tools/vecs/entry_view.h"
#include "tools/vecs/errors.h"
#include "tools/vecs/forecast.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

namespace {

constexpr auto kProgram = "vecs-cli";

// "Entry with alias [A] in store [S]", as people have written them.
std::string Called(const char* entry, const std::string& alias, const Options& options) {
  return std::string(entry) + " with alias [" + alias + "] in store [" + options.store + "]";
}

Json AsObject(const StorePlace& store, const std::string& alias, std::string_view type, const char* verb,
              bool done) {
  return {{"store", ShownName(store.name.text())}, {"alias", alias}, {"type", type}, {verb, done}};
}

// Ends a --dry-run: what was found, and what would be done.
void SayForecast(const Options& options, const Findings& findings, const std::string& words, Json object) {
  object["dry_run"] = true;
  object["findings"] = ToJson(findings);
  Say(options, TextOf(findings) + words, object);
}

// The alias given, or else the SHA-1 of the certificate, as in VECS.
Result<Alias> AliasFor(const Options& options, const Content& content) {
  if (!options.alias.empty()) return AliasOf(options);
  if (!content.file) return Error(ErrorCode::kInvalidArgument, "a key alone needs an --alias");
  return Alias::Parse(ToHex(Sha1Fingerprint(content.file->certificates.front())));
}

Result<void> Fill(const StorePlace& store, const fs::path& entry, const Content& content) {
  if (!content.file) return WriteMember(store.mount, entry, content.key_member, content.key.Reveal());
  if (content.key.empty()) return WriteMember(store.mount, entry, Member::kCertificate, content.certificates);
  return ThroughNext(entry, [&](const fs::path& next) -> Result<void> {
    TRY(WriteMember(store.mount, next, Member::kKey, content.key.Reveal()));
    return WriteMember(store.mount, next, Member::kCertificate, content.certificates);
  });
}

Holds HoldsOf(const StorePlace& store) { return PolicyOf(store.name).holds; }

// The key that an entry's live certificate certifies; nothing where it has none.
std::optional<Bytes> LiveKey(const fs::path& entry) {
  const auto pem = ReadWholeFile(entry / FileName(Member::kCertificate), kFileBytesMax);
  if (!pem.has_value()) return std::nullopt;
  const auto live = ReadCertificateFile(pem.value());
  if (!live.has_value()) return std::nullopt;
  return PublicKeyInfo(live.value().certificates.front());
}

// Half of a pair has to be for the half that stays. That is told by the certificate that is live: the key may
// not be this user's to read. The mount would refuse it as well; but only the number of this refusal is its
// own.
Result<void> MatchesLive(const fs::path& entry, const Content& content) {
  const bool certificate_alone = content.file && content.key.empty() && Has(entry, Member::kKey);
  const bool key_alone = content.private_key && !content.file;
  if (!certificate_alone && !key_alone) return {};
  const std::optional<Bytes> live = LiveKey(entry);
  if (!live) return {};
  if (key_alone && content.PublicKeyInfo() == live) return {};
  for (std::size_t i = 0; certificate_alone && i < content.file->certificates.size(); ++i) {
    if (PublicKeyInfo(content.file->certificates[i]) == *live) return {};
  }
  return Error(ErrorCode::kRejected, kKeyMismatch,
               "Private key does not match certificate: a new key and its certificate are replaced together, "
               "with --key and --cert");
}

// What is replaced has to be there.
Result<void> HasParts(const fs::path& entry, const Options& options, const Content& content) {
  const auto lacks = [&](const std::string& what) {
    return Error(ErrorCode::kInvalidArgument, "No " + what + " was found for entry [" + options.alias +
                                                  "] of type [" + std::string(TypeOf(entry)) +
                                                  "]: there is nothing to replace");
  };
  if (content.file && !Has(entry, Member::kCertificate)) return lacks("certificate");
  if (!content.key.empty() && !Has(entry, content.key_member)) return lacks("key");
  return {};
}

// Something staged in the entry, which would keep it from going in the end, refuses before anything has gone.
// Whatever fails later leaves those files that come after it; BACKUP_STORE keeps the whole.
Result<void> Remove(const StorePlace& store, const fs::path& entry) {
  const auto failed = [&](const fs::path& path, int error) {
    return Explain(SystemError(path, error), store.mount, path, "write");
  };
  if (HoldsOf(store) != Holds::kNothing) {
    TRY(MayChange(store.mount, store.directory));
    const fs::path next = entry / kNextName;
    if (rmdir(next.c_str()) != 0 && errno != ENOENT) {
      if (errno != ENOTEMPTY) return failed(next, errno);
      return Error(
          ErrorCode::kNotEmpty,
          next.string() + ": a replacement is staged there; abandon it first: rm -r '" + next.string() + "'");
    }
    // The certificate first: a key that cannot be removed then stays, and serves nobody.
    for (const Member member : kMembers) {
      const fs::path file = entry / FileName(member);
      if (unlink(file.c_str()) != 0 && errno != ENOENT) return failed(file, errno);
    }
  }
  if (rmdir(entry.c_str()) != 0) return failed(entry, errno);
  return {};
}

}  // namespace

Result<void> CreateEntry(const Options& options) {
  const StorePlace store = TRY(FindStore(options));
  const Content content = TRY(ReadContent(options, HoldsOf(store)));
  const Alias alias = TRY(AliasFor(options, content));
  if (TRY(FindEntry(store, alias)))
    return Error(ErrorCode::kAlreadyExists, Called("Entry", alias.text(), options) + " exists already");
  const Json object = AsObject(store, alias.text(), content.type(), "created", !options.dry_run);
  if (options.dry_run) {
    SayForecast(options, TRY(JudgeCreation(store, content)),
                "Would create " + Called("entry", alias.text(), options), object);
    return {};
  }
  const fs::path entry = store.directory / alias.text();
  const mode_t mask = umask(022);
  const bool made = mkdir(entry.c_str(), 0755) == 0;
  const int error = errno;
  umask(mask);
  if (!made) return Explain(SystemError(entry, error), store.mount, entry, "write");
  auto filled = Fill(store, entry, content);
  if (!filled.has_value()) {
    rmdir(entry.c_str());
    return Explain(filled.error(), store.mount, entry, "write");
  }
  Say(options, Called("Entry", alias.text(), options) + " was created successfully ", object);
  return {};
}

Result<void> ReplaceEntry(const Options& options) {
  const StorePlace store = TRY(FindStore(options));
  const Content content = TRY(ReadContent(options, HoldsOf(store)));
  const fs::path entry = TRY(GetEntry(store, options));
  TRY(HasParts(entry, options, content));
  TRY(MatchesLive(entry, content));
  const std::string alias = entry.filename().string();
  const Json object = AsObject(store, alias, TypeOf(entry), "replaced", !options.dry_run);
  const auto successor = content.PublicKeyInfo();
  if (successor) WarnOfPackages(kProgram, store.mount, entry, BytesView(*successor));
  if (options.dry_run) {
    SayForecast(options, TRY(JudgeReplacement(store, entry, content)),
                "Would replace " + Called("entry", alias, options), object);
    return {};
  }
  auto filled = Fill(store, entry, content);
  if (!filled.has_value()) return Explain(filled.error(), store.mount, entry, "write");
  Say(options, Called("Entry", alias, options) + " was replaced successfully ", object);
  return {};
}

Result<void> DeleteEntry(const Options& options) {
  const StorePlace store = TRY(FindStore(options));
  const auto entry = TRY(FindEntry(store, TRY(AliasOf(options))));
  if (!entry && options.if_exists) {
    Say(options, Called("Entry", options.alias, options) + " does not exist",
        AsObject(store, options.alias, "Unknown", "deleted", false));
    return {};
  }
  if (!entry) TRY(GetEntry(store, options));
  const Json object =
      AsObject(store, entry->filename().string(), TypeOf(*entry), "deleted", !options.dry_run);
  WarnOfPackages(kProgram, store.mount, *entry);
  if (options.dry_run) {
    TRY(MayDeleteEntry(store, *entry));
    SayForecast(options, {}, "Would delete " + Called("entry", options.alias, options), object);
    return {};
  }
  TRY(AskToContinue(options, "This operation will delete entry [" + options.alias + "] from store [" +
                                 options.store + "]"));
  TRY(Remove(store, *entry));
  Say(options, "Deleted " + Called("entry", options.alias, options) + " successfully", object);
  return {};
}

}  // namespace certfs::vecs
