#include "store/examination.h"

#include <utility>

#include "store/audit_opening.h"
#include "store/directory_lock.h"
#include "store/sealed_entry_table.h"

namespace certfs {

KeystoreExamination::KeystoreExamination(std::unique_ptr<Keystore> keystore, SealedTable& table,
                                         UnlockedHeader header)
    : keystore_(std::move(keystore)), table_(table), header_(std::move(header)) {}

KeystoreExamination::~KeystoreExamination() = default;

Result<std::unique_ptr<KeystoreExamination>> KeystoreExamination::Open(const std::filesystem::path& directory,
                                                                       const UnlockSecret& secret,
                                                                       Keystore::Clock clock) {
  const auto open = [&]() -> Result<std::unique_ptr<KeystoreExamination>> {
    // Before the lock: stretching a passphrase takes its time, in which nobody is kept waiting.
    UnlockedHeader header = TRY(UnlockedHeader::Open(TRY(Header::Load(directory)), secret));
    auto lock = TRY(DirectoryLock::Share(directory));
    const Header latest = TRY(Header::Load(directory));
    if (latest.bytes() != header.header().bytes()) header = TRY(UnlockedHeader::Open(latest, secret));
    auto opened = TRY(SealedTable::OpenReadOnly(directory, TRY(header.Keys())));
    SealedTable& table = *opened;
    std::unique_ptr<Keystore> keystore(new Keystore(std::move(opened), std::move(clock)));
    keystore->lock_ = std::shared_ptr<const DirectoryLock>(std::move(lock));
    keystore->directory_ = directory;
    // To be verified: nothing that is opened here is ever appended to it.
    keystore->audit_ = TRY(OpenAuditLog(directory, table, keystore->clock_));
    keystore->header_keys_ = std::move(TRY(header.Keys()).header);
    return std::unique_ptr<KeystoreExamination>(
        new KeystoreExamination(std::move(keystore), table, std::move(header)));
  };
  auto opened = open();
  if (!opened.has_value()) return std::move(opened).error().Within(directory.string());
  return opened;
}

Result<KeyState> KeystoreExamination::Keys() {
  const ManifestFacts facts = TRY(table_.ReadManifestFacts());
  return KeyState{TRY(header_.header().Slots(TRY(header_.Keys()).header)), header_.opened(), facts.epoch,
                  facts.old_data_keys != 0, facts.rewrite_pending};
}

Result<VerificationReport> KeystoreExamination::Verify(const VerificationProgress& progress) {
  return table_.Verify(progress);
}

Result<std::vector<KeystoreExamination::Reader>> KeystoreExamination::Readers() {
  const std::uint64_t now = TRY(table_.LatestCommit());
  std::vector<Reader> readers;
  for (const lmdb::Environment::ReaderSlot& slot : TRY(table_.Readers()))
    readers.push_back({slot.process, slot.commit < now ? now - slot.commit : 0});
  return readers;
}

}  // namespace certfs
