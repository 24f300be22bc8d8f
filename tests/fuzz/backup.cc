#include "crypto/envelope_writer.h"
#include "crypto/store_file.h"
#include "store/backup_reader.h"
#include "tests/fuzz/pieces.h"
#include "tests/fuzz/tar_sums.h"
#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

namespace {

// Takes what is read, as whoever restores it does.
class Counting final : public BackupConsumer {
 public:
  Result<void> Take(const BackupManifest& manifest) override {
    PROPERTY(!seen_);
    seen_ = true;
    manifest_ = manifest;
    return {};
  }
  Result<void> Take(Settings settings) override {
    PROPERTY(settings.export_password.size() <= kExportPasswordBytesMax);
    return {};
  }
  Result<void> Take(const Certificate&) override { return {}; }
  Result<void> Take(const BackupStore& store) override {
    PROPERTY(seen_ && !store.name.text().empty());
    ++found_.stores;
    return {};
  }
  Result<void> Take(BackupEntry entry) override {
    PROPERTY(found_.stores != 0 && !entry.alias.text().empty());
    ++found_.entries;
    found_.bytes += entry.size();
    for (const auto& file : entry.files) found_.files += file ? 1U : 0U;
    return {};
  }
  Result<void> Take(ArchivedAuthority authority) override {
    PROPERTY(authority.places.size() == authority.record.certificates.size());
    return {};
  }
  Result<void> Take(ArchivedLine) override {
    ++found_.issued;
    return {};
  }

  void Check() const {
    PROPERTY(seen_ && found_ == manifest_.counts);
    NoteRead();
  }

 private:
  bool seen_ = false;
  BackupManifest manifest_;
  BackupCounts found_;
};

Bytes SealFor(const Certificate& recipient, BytesView message) {
  Bytes out;
  EnvelopeRecipients recipients;
  recipients.certificates.push_back(recipient);
  auto writer = Have(EnvelopeWriter::Begin(Have(SealRecipients(recipients)), message.size(),
                                           [&](BytesView bytes) -> Result<void> {
                                             out.insert(out.end(), bytes.begin(), bytes.end());
                                             return {};
                                           }));
  Have(writer.Write(message));
  Have(writer.Finish());
  return out;
}

}  // namespace

// The archive of a backup, in an envelope that is whole: what is read to its end holds what its manifest
// says.
int FuzzBackup(const std::uint8_t* data, std::size_t size) {
  static const Certificate recipient =
      Have(ReadCertificateFile(TestFile("vectors/recovery/p256.pem"))).certificates.front();
  static const EnvelopeKey key = Have(ReadKeyFile(TestFile("vectors/recovery/p256.key"))).key;
  Bytes tar(data, data + size);
  FixTarSums(tar);
  const Bytes sealed = SealFor(recipient, tar);
  auto reader = Have(EnvelopeReader::Open(SourceOf(sealed, 4096), key));
  Counting consumer;
  if (ReadBackup(reader, consumer).has_value()) consumer.Check();
  return 0;
}

}  // namespace certfs::fuzz
