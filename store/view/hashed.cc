#include "store/view/hashed.h"

#include <map>
#include <string>
#include <utility>

#include "crypto/description.h"
#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "store/view/attributes.h"
#include "store/view/rows.h"

namespace certfs::view {

namespace {

ViewBytes PemBytes(std::string_view label, BytesView der) {
  const SecretBytes pem = WritePem(label, der);
  return ViewBytes{Bytes(pem.Reveal().begin(), pem.Reveal().end()), {}};
}

// The certificate or CRL of an entry in one form, and the hash of the name by which it is looked for.
struct HashedFile {
  std::string hash;
  Digest fingerprint{};
  ViewBytes bytes;
};
Result<std::optional<HashedFile>> ReadHashed(TableSnapshot& snapshot, const Entry& entry) {
  if (entry.file(Member::kRevocationList)) {
    const SecretBytes text = TRY(snapshot.ReadFile(entry, Member::kRevocationList));
    const auto file = ReadRevocationListFile(text.Reveal());
    if (!file.has_value()) return std::optional<HashedFile>();
    const RevocationList& list = file.value().list;
    return std::optional(HashedFile{IssuerHash(list), list.fingerprint(), PemBytes("X509 CRL", list.der())});
  }
  const auto chain = TRY(ReadChain(snapshot, entry));
  if (chain.empty()) return std::optional<HashedFile>();
  const Certificate& root = chain.front();
  return std::optional(
      HashedFile{SubjectHash(root), root.fingerprint(), PemBytes("CERTIFICATE", root.der())});
}

// The names of one kind. Which of those with one hash is the first is told by their fingerprints, so that it
// does not change with their aliases.
Result<void> AddHashed(TableSnapshot& snapshot, const Store& store, ViewKind kind,
                       std::vector<ShownView>& names) {
  const Member member = kind == ViewKind::kHashedRoot ? Member::kCertificate : Member::kRevocationList;
  std::map<std::pair<std::string, Digest>, ShownView> found;
  TRY(ForEachEntry(snapshot, store, [&](const Entry& entry) -> Result<void> {
    if (!entry.file(member) || !IsPublic(store, entry, member)) return {};
    const auto file = TRY(ReadHashed(snapshot, entry));
    if (!file) return {};
    ShownView shown{&ViewOf(kind),
                    entry.number,
                    {},
                    file->fingerprint,
                    file->bytes.plain.size(),
                    OfFile(entry.file(member)->attributes)};
    found.emplace(std::pair(file->hash, file->fingerprint), std::move(shown));
    return {};
  }));
  std::string last;
  std::size_t count = 0;
  for (auto& [key, shown] : found) {
    count = key.first == last ? count + 1 : 0;
    last = key.first;
    shown.name = key.first + (kind == ViewKind::kHashedRoot ? "." : ".r") + std::to_string(count);
    names.push_back(std::move(shown));
  }
  return {};
}

}  // namespace

Result<ViewBytes> HashedBytes(TableSnapshot& snapshot, const Entry& entry) {
  auto file = TRY(ReadHashed(snapshot, entry));
  if (!file) return Error(ErrorCode::kStale, "what it shows is gone");
  return std::move(file->bytes);
}

Result<std::vector<ShownView>> HashedNames(TableSnapshot& snapshot, const Store& roots, const Store& lists) {
  std::vector<ShownView> names;
  TRY(AddHashed(snapshot, roots, ViewKind::kHashedRoot, names));
  TRY(AddHashed(snapshot, lists, ViewKind::kHashedList, names));
  return names;
}

}  // namespace certfs::view
