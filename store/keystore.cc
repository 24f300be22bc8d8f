#include "store/keystore.h"

#include <system_error>

#include "crypto/pem.h"
#include "store/memory_table.h"
#include "store/sealed_table.h"

namespace certfs {

namespace {

namespace filesystem = std::filesystem;

constexpr std::uint32_t kPermissionBits = 07777;
constexpr std::uint32_t kBitsForOthers = 0007;

Error NoSuchStore() { return {ErrorCode::kNotFound, "there is no such store"}; }
Error NoSuchEntry() { return {ErrorCode::kNotFound, "there is no such entry"}; }

Result<Store> GetStore(TableSnapshot& table, Number number) {
  std::optional<Store> store = TRY(table.FindStoreByNumber(number));
  if (!store) return NoSuchStore();
  return *std::move(store);
}

Result<Store> GetStore(TableSnapshot& table, const StoreName& name) {
  std::optional<Store> store = TRY(table.FindStore(name));
  if (!store) return NoSuchStore();
  return *std::move(store);
}

Result<Entry> GetEntry(TableSnapshot& table, Number number) {
  std::optional<Entry> entry = TRY(table.FindEntryByNumber(number));
  if (!entry) return NoSuchEntry();
  return *std::move(entry);
}

Result<Entry> GetEntry(TableSnapshot& table, Number store, const Alias& alias) {
  std::optional<Entry> entry = TRY(table.FindEntry(store, alias));
  if (!entry) return NoSuchEntry();
  return *std::move(entry);
}

// Moves a store's mtime: an entry came, went or changed its name.
Result<void> TouchStore(TableTransaction& transaction, Number number, Time now) {
  Store store = TRY(GetStore(transaction, number));
  store.attributes.mtime = store.attributes.ctime = now;
  TRY(transaction.PutStore(std::move(store)));
  return {};
}

Attributes NewAttributes(Actor actor, std::uint32_t mode, Time now) {
  Attributes attributes;
  attributes.uid = actor.uid;
  attributes.gid = actor.gid;
  attributes.mode = mode & kPermissionBits;
  attributes.atime = attributes.mtime = attributes.ctime = now;
  return attributes;
}

void SetTimes(Attributes& attributes, const AttributeChange& change) {
  if (change.atime) attributes.atime = *change.atime;
  if (change.mtime) attributes.mtime = *change.mtime;
}

void SetAll(Attributes& attributes, const AttributeChange& change, Time now) {
  if (change.mode) attributes.mode = *change.mode & kPermissionBits;
  if (change.uid) attributes.uid = *change.uid;
  if (change.gid) attributes.gid = *change.gid;
  SetTimes(attributes, change);
  attributes.ctime = now;
}

// Says whether `actor` may remove or rename what the store's policy protects.
Result<void> CheckRemoval(const StorePolicy& policy, Actor actor) {
  if (policy.entries == Removal::kNobody) {
    return Error(ErrorCode::kNotPermitted, "protected-entry",
                 "entries of " + std::string(policy.name) + " are protected");
  }
  if (policy.entries == Removal::kRoot && actor.uid != 0) {
    return Error(ErrorCode::kNotPermitted, "protected-entry",
                 "only root removes or renames entries of " + std::string(policy.name));
  }
  return {};
}

Error ProtectedStore(const StoreName& name) {
  return {ErrorCode::kNotPermitted, "protected-store", "the store " + name.text() + " is protected"};
}

// A new file's attributes: 0600 for key material and 0644 for the rest, whatever the umask was; what was
// asked for explicitly holds, save that key material never has a bit for others.
Attributes NewFileAttributes(Member member, Actor actor, const AttributeChange& change, Time now) {
  Attributes attributes = NewAttributes(actor, IsKeyMaterial(member) ? 0600 : 0644, now);
  SetAll(attributes, change, now);
  if (IsKeyMaterial(member)) attributes.mode &= ~kBitsForOthers;
  return attributes;
}

}  // namespace

// --- Making and opening

namespace {

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

template <typename Change>
auto Keystore::Apply(Change&& change, const bool* unchanged)
    -> decltype(change(std::declval<TableTransaction&>())) {
  for (bool first = true;; first = false) {
    auto transaction = table_->BeginTransaction();
    if (!transaction.has_value()) return std::move(transaction).error();
    auto outcome = change(*transaction.value());
    if (outcome.has_value()) {
      if (unchanged != nullptr && *unchanged) return outcome;
      auto committed = transaction.value()->Commit();
      if (committed.has_value()) return outcome;
      outcome = std::move(committed).error();
    }
    if (outcome.error().code() != ErrorCode::kNoSpace || !first) return outcome;
    std::move(transaction).value().reset();  // The map can grow only when no transaction is live.
    auto grown = table_->Grow();
    if (!grown.has_value()) return std::move(grown).error();
    if (!grown.value()) return outcome;
  }
}

// --- Stores

Result<Store> Keystore::CreateStore(const StoreName& name, Actor actor, std::uint32_t mode) {
  if (FoldName(name.text()) == FoldName(kLinkName)) {
    return Error(ErrorCode::kAlreadyExists, name.text() + " is the second name of TRUSTED_ROOTS_CRLS");
  }
  return Apply([&](TableTransaction& transaction) -> Result<Store> {
    if (TRY(transaction.FindStoreFolded(name))) {
      return Error(ErrorCode::kAlreadyExists, "a store of that name exists, ignoring case");
    }
    Store store;
    store.name = name;
    store.attributes = NewAttributes(actor, mode, clock_());
    const Number number = TRY(transaction.PutStore(store));
    return GetStore(transaction, number);
  });
}

Result<void> Keystore::RemoveStore(const StoreName& name) {
  return Apply([&](TableTransaction& transaction) -> Result<void> {
    const Store store = TRY(GetStore(transaction, name));
    if (!PolicyOf(name).removable) return ProtectedStore(name);
    if (store.entry_count != 0) return Error(ErrorCode::kNotEmpty, "the store holds entries");
    return transaction.RemoveStore(store);
  });
}

Result<void> Keystore::RenameStore(const StoreName& from, const StoreName& to) {
  if (FoldName(to.text()) == FoldName(kLinkName)) return ProtectedStore(to);
  return Apply([&](TableTransaction& transaction) -> Result<void> {
    Store store = TRY(GetStore(transaction, from));
    if (!PolicyOf(from).removable) return ProtectedStore(from);
    const std::optional<Store> taken = TRY(transaction.FindStoreFolded(to));
    if (taken && taken->number != store.number)
      return Error(ErrorCode::kAlreadyExists, "a store of that name exists");
    store.name = to;
    store.attributes.ctime = clock_();
    TRY(transaction.PutStore(std::move(store)));
    return {};
  });
}

// --- Entries

Result<Entry> Keystore::CreateEntry(Number store, const Alias& alias, Actor actor, std::uint32_t mode) {
  return Apply([&](TableTransaction& transaction) -> Result<Entry> {
    const Store parent = TRY(GetStore(transaction, store));
    if (PolicyOf(parent.name).holds == Holds::kNothing) {
      return Error(ErrorCode::kReadOnly, parent.name.text() + " is written by certfs alone");
    }
    if (TRY(transaction.FindEntryFolded(store, alias))) {
      return Error(ErrorCode::kAlreadyExists, "an entry of that alias exists, ignoring case");
    }
    Entry entry;
    entry.store = store;
    entry.alias = alias;
    entry.attributes = NewAttributes(actor, mode, clock_());
    const Number number = TRY(transaction.PutEntry(std::move(entry)));
    TRY(TouchStore(transaction, store, clock_()));
    return GetEntry(transaction, number);
  });
}

Result<void> Keystore::RemoveEntry(Number store, const Alias& alias, Actor actor) {
  return Apply([&](TableTransaction& transaction) -> Result<void> {
    const Store parent = TRY(GetStore(transaction, store));
    const Entry entry = TRY(GetEntry(transaction, store, alias));
    const StorePolicy& policy = PolicyOf(parent.name);
    // An alias that never got its CRL protects nothing yet.
    const bool unused = policy.entries == Removal::kNobody && entry.empty();
    if (!unused) TRY(CheckRemoval(policy, actor));
    if (!entry.empty()) return Error(ErrorCode::kNotEmpty, "the entry holds files");
    TRY(transaction.RemoveEntry(entry));
    return TouchStore(transaction, store, clock_());
  });
}

Result<void> Keystore::RenameEntry(Number store, const Alias& from, const Alias& to, Actor actor) {
  return Apply([&](TableTransaction& transaction) -> Result<void> {
    const Store parent = TRY(GetStore(transaction, store));
    Entry entry = TRY(GetEntry(transaction, store, from));
    if (PolicyOf(parent.name).entries != Removal::kAnyone && actor.uid != 0) {
      return Error(ErrorCode::kNotPermitted, "protected-entry",
                   "only root renames entries of " + parent.name.text());
    }
    const std::optional<Entry> taken = TRY(transaction.FindEntryFolded(store, to));
    if (taken && taken->number != entry.number) {
      return Error(ErrorCode::kAlreadyExists, "an entry of that alias exists, ignoring case");
    }
    entry.alias = to;
    entry.attributes.ctime = clock_();
    TRY(transaction.PutEntry(std::move(entry)));
    return TouchStore(transaction, store, clock_());
  });
}

// --- Files

// What judging leaves to be written.
struct Keystore::Judged {
  SecretBytes text;
  std::vector<Finding> findings;
};

Result<Keystore::Judged> Keystore::Judge(TableTransaction& transaction, const StorePolicy& policy,
                                         const Entry& entry, Member member, BytesView bytes) {
  Question question;
  question.rules = policy.rules;
  question.now = std::chrono::floor<std::chrono::seconds>(clock_());
  std::shared_ptr<const Trust> trust;
  // An anchor needs no chain; asking for the trust set would remake it for each of a hundred roots copied in.
  const bool anchor = policy.rules == RuleSet::kTrust && member == Member::kCertificate;
  if (!anchor && member != Member::kSecret && member != Member::kKey) {
    trust = TRY(trust_.Get(transaction));
    question.trust = &trust->set;
  }
  const auto conclude = [](const Verdict& verdict, SecretBytes text) -> Result<Judged> {
    if (auto refusal = verdict.refusal()) return *std::move(refusal);
    return Judged{std::move(text), verdict.findings()};
  };

  switch (member) {
    case Member::kCertificate: {
      CertificateFile file = TRY(ReadCertificateFile(bytes));
      std::optional<PrivateKey> key;
      if (entry.file(Member::kKey)) {
        key = TRY(ReadKeyFile(TRY(transaction.ReadFile(entry, Member::kKey)).Reveal())).key;
      }
      Arrange(file, key ? &*key : nullptr);
      return conclude(JudgeCertificates(file, key ? &*key : nullptr, question),
                      SecretBytes::CopyOf(file.text));
    }
    case Member::kKey: {
      KeyFile file = TRY(ReadKeyFile(bytes));
      std::optional<CertificateFile> partner;
      if (entry.file(Member::kCertificate)) {
        partner = TRY(ReadCertificateFile(TRY(transaction.ReadFile(entry, Member::kCertificate)).Reveal()));
      }
      return conclude(JudgeKey(file, partner ? &*partner : nullptr, question), std::move(file.text));
    }
    case Member::kRevocationList: {
      const RevocationListFile file = TRY(ReadRevocationListFile(bytes));
      std::optional<RevocationList> live;
      if (entry.file(Member::kRevocationList)) {
        live = TRY(ReadRevocationListFile(TRY(transaction.ReadFile(entry, Member::kRevocationList)).Reveal()))
                   .list;
      }
      if (policy.rules == RuleSet::kTrust) {
        for (std::size_t i = 0; i < trust->list_entries.size(); ++i) {
          if (trust->list_entries[i] != entry.number && trust->set.lists()[i].SameAuthority(file.list)) {
            return Error(ErrorCode::kAlreadyExists, "crl-second-alias",
                         "the CRL of " + file.list.issuer() + " has another alias already");
          }
        }
      }
      return conclude(JudgeRevocationList(file, live ? &*live : nullptr, question),
                      SecretBytes::CopyOf(file.text));
    }
    case Member::kSecret:
      return Judged{SecretBytes::CopyOf(bytes), {}};
  }
  return Error(ErrorCode::kInternal, "no such member");
}

Result<WriteOutcome> Keystore::WriteFile(Number number, Member member, BytesView bytes, Actor actor,
                                         const AttributeChange& attributes) {
  if (bytes.empty()) return Error(ErrorCode::kInvalidArgument, "nothing to write");
  if (bytes.size() > kFileBytesMax)
    return Error(ErrorCode::kTooLarge, "too-large", "a file is at most 1 MiB");
  bool unchanged = false;
  const auto change = [&](TableTransaction& transaction) -> Result<WriteOutcome> {
    unchanged = false;
    const Time now = clock_();
    Entry entry = TRY(GetEntry(transaction, number));
    const Store store = TRY(GetStore(transaction, entry.store));
    const StorePolicy& policy = PolicyOf(store.name);
    if (policy.holds == Holds::kNothing)
      return Error(ErrorCode::kReadOnly, store.name.text() + " is written by certfs alone");
    if (!MayHold(policy, entry, member)) {
      return Error(ErrorCode::kNotPermitted, "wrong-file",
                   "this entry of " + store.name.text() + " holds no " + std::string(FileName(member)));
    }
    const bool replaces = entry.file(member).has_value();
    const SecretBytes live = replaces ? TRY(transaction.ReadFile(entry, member)) : SecretBytes();
    const auto keep = [&]() -> Result<WriteOutcome> {
      unchanged = !attributes.atime && !attributes.mtime;
      SetTimes(entry.file(member)->attributes, attributes);
      if (!unchanged) TRY(transaction.PutEntry(entry));
      return WriteOutcome{entry, false, {}};
    };
    // What is there already is not judged again: it may have expired since.
    if (replaces && EqualSecrets(live.Reveal(), bytes)) return keep();
    Judged judged = TRY(Judge(transaction, policy, entry, member, bytes));
    if (replaces && EqualSecrets(live.Reveal(), judged.text.Reveal())) return keep();
    if (!replaces) {
      entry.file(member).emplace().attributes = NewFileAttributes(member, actor, attributes, now);
      entry.attributes.mtime = entry.attributes.ctime = now;
    }
    TRY(transaction.PutFile(entry, member, judged.text.Reveal()));
    ++entry.revision;
    // One commit, one mtime for the pair; what was set explicitly holds for its member.
    for (auto& file : entry.files) {
      if (file) file->attributes.mtime = file->attributes.ctime = now;
    }
    SetTimes(entry.file(member)->attributes, attributes);
    TRY(transaction.PutEntry(entry));
    return WriteOutcome{std::move(entry), true, std::move(judged.findings)};
  };
  return Apply(change, &unchanged);
}

Result<Entry> Keystore::RemoveFile(Number number, Member member, Actor actor) {
  return Apply([&](TableTransaction& transaction) -> Result<Entry> {
    Entry entry = TRY(GetEntry(transaction, number));
    const Store store = TRY(GetStore(transaction, entry.store));
    if (!entry.file(member)) return Error(ErrorCode::kNotFound, "the entry has no such file");
    TRY(CheckRemoval(PolicyOf(store.name), actor));
    TRY(transaction.RemoveFile(entry, member));
    entry.attributes.mtime = entry.attributes.ctime = clock_();
    TRY(transaction.PutEntry(entry));
    return entry;
  });
}

// --- Attributes

Result<Store> Keystore::SetStoreAttributes(Number number, const AttributeChange& change) {
  return Apply([&](TableTransaction& transaction) -> Result<Store> {
    Store store = TRY(GetStore(transaction, number));
    if (PolicyOf(store.name).holds == Holds::kNothing) return ProtectedStore(store.name);
    SetAll(store.attributes, change, clock_());
    TRY(transaction.PutStore(store));
    return store;
  });
}

Result<Entry> Keystore::SetEntryAttributes(Number number, const AttributeChange& change) {
  return Apply([&](TableTransaction& transaction) -> Result<Entry> {
    Entry entry = TRY(GetEntry(transaction, number));
    SetAll(entry.attributes, change, clock_());
    TRY(transaction.PutEntry(entry));
    return entry;
  });
}

Result<Entry> Keystore::SetFileAttributes(Number number, Member member, const AttributeChange& change) {
  if (IsKeyMaterial(member) && change.mode && (*change.mode & kBitsForOthers) != 0) {
    return Error(ErrorCode::kNotPermitted, "key-for-others",
                 "key material never has permission bits for others");
  }
  return Apply([&](TableTransaction& transaction) -> Result<Entry> {
    Entry entry = TRY(GetEntry(transaction, number));
    if (!entry.file(member)) return Error(ErrorCode::kNotFound, "the entry has no such file");
    SetAll(entry.file(member)->attributes, change, clock_());
    TRY(transaction.PutEntry(entry));
    return entry;
  });
}

}  // namespace certfs
