// The generated files of the certificate authority: ca/*.pem, ca/crl.der, ca/issued/, ca/profiles/ and
// backup/ca.p12, each as stat shows it and as its bytes. Private to fs/.
//
// Thread-safety: any thread. Ownership: borrows the keystore and the authority. Errors, besides those of
// reading: kPasswordRequired for the bytes of ca.p12 while no export password is set.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fs/node_id.h"
#include "store/certificate_authority.h"
#include "store/view.h"

namespace certfs {

// In node ids, beside ViewKind and BackupFile: never change or reuse.
enum class AuthorityFile : std::uint8_t {
  kRoot = 20,       // root.pem: the trust anchor.
  kChain = 21,      // chain.pem: the issuing certificate, what certifies it, the root last.
  kListPem = 22,    // crl.pem.
  kListDer = 23,    // crl.der.
  kSerial = 24,     // issued/<serial>.pem. The number is the ledger's.
  kPickup = 25,     // issued/NAME.pem, the same bytes.
  kPickupKey = 26,  // issued/NAME.key.
  kBackup = 27,     // backup/ca.p12.
  kProfile = 28     // profiles/NAME.toml. The number is a digest of the name.
};

inline constexpr std::string_view kAuthorityBackupName = "ca.p12";

// What kind of file of the authority `node` is; nothing for all others.
std::optional<AuthorityFile> AuthorityFileOf(NodeId node);

// The parts of a name in ca/issued/: "web.pem", "web.key".
struct IssuedName {
  std::string stem;
  bool key = false;
};
std::optional<IssuedName> ParseIssuedName(std::string_view name);

class AuthorityFiles {
 public:
  struct Owner {
    std::uint32_t uid;
    std::uint32_t gid;
    Time began;  // The time of what has none of its own.
  };
  AuthorityFiles(Keystore& keystore, CertificateAuthority& authority, Owner owner)
      : keystore_(keystore), authority_(authority), owner_(owner) {}

  struct Shown {
    AuthorityFile file;
    Number number = 0;
    std::string name;
    Digest identity{};  // Another one whenever the bytes may be others.
    std::uint64_t size = 0;
    Attributes attributes;

    NodeId node() const { return NodeId::OfView(static_cast<std::uint8_t>(file), number, identity); }
  };

  // What stands in ca/ itself: nothing while there is no authority.
  Result<std::vector<Shown>> PublicFiles(TableSnapshot& snapshot);
  // Whether the CRL that is shown is past half of its life, and has to be signed anew.
  Result<bool> IsListDue(TableSnapshot& snapshot);

  // Whose ca/requests/ is, and who may use it. Until somebody has set it, the daemon's user.
  Result<AttributeChange> RequestsAttributes(TableSnapshot& snapshot);

  Result<std::vector<Shown>> ProfileFiles(TableSnapshot& snapshot);
  // Hears that a profile was written: the time of its file.
  void ProfileChanged(const std::string& name);

  // backup/ca.p12; nothing while there is no authority, or its key lies in a token.
  Result<std::optional<Shown>> BackupFile(TableSnapshot& snapshot);

  // One file of ca/issued/ by its name.
  Result<std::optional<Shown>> FindIssued(TableSnapshot& snapshot, std::string_view name);
  // All of them, of lines behind `after`: calls `sink` with the line's cursor and, one after the other, each
  // of its files, until it returns false.
  using IssuedFileSink = std::function<bool(Cursor line, std::size_t which, const Shown& shown)>;
  Result<void> ListIssued(TableSnapshot& snapshot, Cursor after, const IssuedFileSink& sink);
  // The line of the ledger that is picked up as `name`, in exactly that spelling.
  static Result<std::optional<IssuedCertificate>> FindPickup(TableSnapshot& snapshot,
                                                             const std::string& name);
  // The certificate of a pickup was taken, and its key not yet: the name of the certificate alone goes.
  void HidePickup(Number line);
  bool IsHidden(Number line);

  // What `node` shows in this snapshot, perhaps in another state; nothing when that is gone.
  Result<std::optional<Shown>> Find(TableSnapshot& snapshot, NodeId node);

  Result<ViewBytes> Read(TableSnapshot& snapshot, const Shown& shown);

  // Leaf and intermediates of a line, PEM.
  Result<Bytes> ChainOf(TableSnapshot& snapshot, const IssuedCertificate& line);

 private:
  // The public face at one commit, as bytes.
  struct Face {
    std::uint64_t commit = 0;
    bool there = false;
    struct File {
      Bytes bytes;
      Digest identity{};
    };
    File root, chain, list_pem, list_der;
    AuthorityCertificate facts;
    Digest certificate{};
    std::optional<RevocationList> list;
    AttributeChange requests;
  };
  Result<std::shared_ptr<const Face>> FaceOf(TableSnapshot& snapshot);
  // The intermediates below the root that issued under `id`, PEM: they never change.
  Result<std::shared_ptr<const Bytes>> IntermediatesOf(TableSnapshot& snapshot, std::uint32_t id);
  Attributes AttributesOf(std::uint32_t mode, Time when) const;
  Result<std::vector<Shown>> FilesOf(TableSnapshot& snapshot, const IssuedCertificate& line);

  Keystore& keystore_;
  CertificateAuthority& authority_;
  const Owner owner_;
  std::mutex mutex_;
  std::shared_ptr<const Face> face_;                                     // Guarded by mutex_, as all below.
  std::map<std::uint32_t, std::shared_ptr<const Bytes>> intermediates_;  // By id.
  std::map<std::string, Time> profile_times_;
  std::set<Number> hidden_;
};

}  // namespace certfs
