#include <system_error>

#include "store/keystore_change.h"
#include "store/memory_table.h"
#include "store/sealed_table.h"

namespace certfs {

namespace {

namespace filesystem = std::filesystem;

// Undoes what Create has made so far, unless it is told that all went well.
class Undo {
 public:
  explicit Undo(filesystem::path directory) : directory_(std::move(directory)) {}
  ~Undo() {
    std::error_code ignored;
    for (const auto& file : files_) filesystem::remove(file, ignored);
    if (made_directory_) filesystem::remove(directory_, ignored);
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;

  void MadeDirectory() { made_directory_ = true; }
  void WillMakeFiles() {
    files_ = {directory_ / "keystore.hdr", directory_ / "data.mdb", directory_ / "lock.mdb"};
  }
  void Keep() {
    files_.clear();
    made_directory_ = false;
  }

 private:
  filesystem::path directory_;
  std::vector<filesystem::path> files_;
  bool made_directory_ = false;
};

Result<void> PrepareDirectory(const filesystem::path& directory, Undo& undo) {
  std::error_code error;
  if (filesystem::exists(directory, error)) {
    if (!filesystem::is_directory(directory, error)) {
      return Error(ErrorCode::kAlreadyExists, "exists and is no directory");
    }
    if (filesystem::exists(directory / "keystore.hdr", error)) {
      return Error(ErrorCode::kAlreadyExists, "holds a keystore already");
    }
    if (!filesystem::is_empty(directory, error)) return Error(ErrorCode::kAlreadyExists, "is not empty");
  } else {
    if (!filesystem::create_directory(directory, error))
      return Error(ErrorCode::kIo, "mkdir: " + error.message());
    undo.MadeDirectory();
  }
  filesystem::permissions(directory, filesystem::perms::owner_all, error);
  if (error) return Error(ErrorCode::kIo, "chmod: " + error.message());
  undo.WillMakeFiles();
  return {};
}

}  // namespace

Result<void> Keystore::Create(const filesystem::path& directory, const UnlockSecret& secret, Actor owner,
                              Clock clock) {
  Undo undo(directory);
  const auto make = [&]() -> Result<void> {
    TRY(PrepareDirectory(directory, undo));
    const Header header = TRY(Header::Create(secret, std::chrono::floor<std::chrono::seconds>(clock())));
    TRY(CreateSealedTable(directory, TRY(header.Unlock(secret))));
    Keystore keystore(TRY(OpenSealedTable(directory, TRY(header.Unlock(secret)))), clock);
    TRY(keystore.CreateDefaultStores(owner));
    // Last, because a directory without a header is no keystore.
    return header.Save(directory);
  };
  auto made = make();
  if (!made.has_value()) return std::move(made).error().Within(directory.string());
  undo.Keep();
  return {};
}

Result<std::unique_ptr<Keystore>> Keystore::Open(const filesystem::path& directory,
                                                 const UnlockSecret& secret, Clock clock) {
  const auto open = [&]() -> Result<std::unique_ptr<EntryTable>> {
    const Header header = TRY(Header::Load(directory));
    return OpenSealedTable(directory, TRY(header.Unlock(secret)));
  };
  auto table = open();
  if (!table.has_value()) return std::move(table).error().Within(directory.string());
  return std::unique_ptr<Keystore>(new Keystore(std::move(table).value(), std::move(clock)));
}

Result<std::unique_ptr<Keystore>> Keystore::InMemory(Actor owner, Clock clock) {
  std::unique_ptr<Keystore> keystore(new Keystore(MakeMemoryTable(), std::move(clock)));
  TRY(keystore->CreateDefaultStores(owner));
  return keystore;
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
