#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "store/audit_opening.h"
#include "store/files.h"
#include "store/keystore_change.h"
#include "store/memory_table.h"
#include "store/opened_keystore.h"
#include "store/sealed_table.h"

namespace certfs {

namespace {

namespace filesystem = std::filesystem;

// The directory in which a keystore is being made. Unless Keep() is called, it is left as it was found.
class Site {
 public:
  explicit Site(filesystem::path directory) : directory_(std::move(directory)) {}
  ~Site();
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  // Makes the directory, or takes an empty one, and makes it private.
  Result<void> Prepare();
  // Makes all that was done durable, and leaves it there.
  Result<void> Keep();

 private:
  filesystem::path directory_;
  std::unique_ptr<Descriptor> open_;
  std::vector<filesystem::path> files_;  // What may be there that was not before.
  bool made_directory_ = false;
  std::optional<mode_t> mode_before_;
};

Site::~Site() {
  std::error_code ignored;
  for (const auto& file : files_) filesystem::remove(file, ignored);
  if (mode_before_) fchmod(open_->number(), *mode_before_);
  if (made_directory_) filesystem::remove(directory_, ignored);
}

Result<void> Site::Prepare() {
  made_directory_ = mkdir(directory_.c_str(), 0700) == 0;
  if (!made_directory_ && errno != EEXIST) return SystemFailure("mkdir", errno);
  open_ = std::make_unique<Descriptor>(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!open_->open() && errno == ENOTDIR) {
    return Error(ErrorCode::kAlreadyExists, "exists and is no directory");
  }
  if (!open_->open()) return SystemFailure("open", errno);
  // Two that make a keystore in one directory would each take the files of the other for leftovers of its
  // own.
  if (flock(open_->number(), LOCK_EX | LOCK_NB) != 0) {
    return Error(ErrorCode::kBusy, "somebody else is making a keystore there");
  }
  std::error_code error;
  if (filesystem::exists(directory_ / "keystore.hdr", error)) {
    return Error(ErrorCode::kAlreadyExists, "holds a keystore already");
  }
  if (!filesystem::is_empty(directory_, error)) return Error(ErrorCode::kAlreadyExists, "is not empty");
  struct stat status {};
  if (fstat(open_->number(), &status) != 0) return SystemFailure("stat", errno);
  mode_before_ = status.st_mode & kPermissionBits;
  // Also where we made it: the umask may have taken the owner's own bits.
  if (fchmod(open_->number(), 0700) != 0) return SystemFailure("chmod", errno);
  files_ = {directory_ / "keystore.hdr", directory_ / "data.mdb", directory_ / "lock.mdb"};
  return {};
}

Result<void> Site::Keep() {
  if (made_directory_) {
    const filesystem::path parent = directory_.parent_path();
    TRY(SyncDirectory(parent.empty() ? "." : parent));
  }
  files_.clear();
  mode_before_.reset();
  made_directory_ = false;
  return {};
}

}  // namespace

Result<void> Keystore::Create(const filesystem::path& directory, const UnlockSecret& secret, Actor owner,
                              Clock clock) {
  return CreateFilled(directory, secret, clock, [&](UnlockedHeader&, RootKeys keys) -> Result<void> {
    TRY(Over(TRY(OpenSealedTable(directory, std::move(keys))), owner, clock));
    return {};
  });
}

Result<void> Keystore::CreateFilled(const filesystem::path& directory, const UnlockSecret& secret,
                                    Clock clock, const Filler& fill) {
  Site site(directory);
  const auto make = [&]() -> Result<void> {
    TRY(site.Prepare());
    const auto now = std::chrono::floor<std::chrono::seconds>(clock());
    UnlockedHeader header = TRY(UnlockedHeader::Create(now));
    TRY(header.Add(secret, now));
    RootKeys keys = TRY(header.Keys());
    TRY(CreateSealedTable(directory, keys));
    TRY(fill(header, std::move(keys)));
    // Last, because a directory without a header is no keystore.
    TRY(header.header().Save(directory));
    return site.Keep();
  };
  auto made = make();
  if (!made.has_value()) return std::move(made).error().Within(directory.string());
  return {};
}

Result<std::unique_ptr<Keystore>> Keystore::Open(const filesystem::path& directory,
                                                 const UnlockSecret& secret, Clock clock) {
  const auto open = [&]() -> Result<std::unique_ptr<Keystore>> {
    OpenedKeystore opened = TRY(OpenShared(directory, secret));
    std::unique_ptr<AuditLog> audit = TRY(OpenAuditLog(directory, *opened.table, clock));
    std::unique_ptr<Keystore> keystore(new Keystore(std::move(opened.table), std::move(clock)));
    keystore->lock_ = std::shared_ptr<const DirectoryLock>(std::move(opened.lock));
    keystore->audit_ = std::move(audit);
    keystore->directory_ = directory;
    // The root key itself is not needed any more.
    keystore->header_keys_ = std::move(TRY(opened.header.Keys()).header);
    return keystore;
  };
  auto keystore = open();
  if (!keystore.has_value()) return std::move(keystore).error().Within(directory.string());
  return keystore;
}

Result<std::vector<Certificate>> Keystore::RecoveryCertificates() {
  if (!header_keys_) return std::vector<Certificate>();
  const auto read = [&]() -> Result<std::vector<Certificate>> {
    return TRY(Header::Load(directory_)).RecoveryCertificates(*header_keys_);
  };
  auto certificates = read();
  if (!certificates.has_value()) return std::move(certificates).error().Within(directory_.string());
  return certificates;
}

Result<std::unique_ptr<Keystore>> Keystore::Over(std::unique_ptr<EntryTable> table, Actor owner,
                                                 Clock clock) {
  std::unique_ptr<Keystore> keystore(new Keystore(std::move(table), std::move(clock)));
  const bool empty = !TRY(TRY(keystore->Snapshot())->NextStore(0, nullptr));
  if (empty) TRY(keystore->CreateDefaultStores(owner));
  return keystore;
}

Result<std::unique_ptr<Keystore>> Keystore::InMemory(Actor owner, Clock clock) {
  return Over(MakeMemoryTable(), owner, std::move(clock));
}

Result<void> Keystore::CreateDefaultStores(Actor owner) {
  return Apply([&](TableTransaction& transaction) -> Result<void> {
    for (const StorePolicy& policy : DefaultStores()) {
      Store store;
      store.name = TRY(StoreName::Parse(policy.name));
      store.attributes = NewAttributes(owner, policy.mode, clock_());
      TRY(transaction.PutStore(std::move(store)));
    }
    return {};
  });
}

}  // namespace certfs
