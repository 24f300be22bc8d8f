#include <fstream>

#include "store/audit_file.h"
#include "store/audit_text.h"
#include "tests/fuzz/pieces.h"
#include "tests/fuzz/scratch.h"

namespace certfs::fuzz {

namespace {

constexpr StoreId kStore{1, 2, 3};

std::shared_ptr<const AuditCipher> Cipher() {
  static const auto cipher = std::make_shared<const AuditCipher>(kStore, SecretBytes(kDataKeyBytes));
  return cipher;
}

// A file of the log: lines, sealed as they are, between bytes that are anything. What begins with 'h' has
// another header.
Bytes FileOf(Pieces pieces) {
  Bytes file = EncodeAuditHeader(kStore, 1);
  std::uint64_t number = 0;
  while (!pieces.empty()) {
    const std::uint8_t kind = pieces.U8();
    const BytesView bytes = pieces.Take(pieces.U16());
    if (kind == 'h') {
      std::copy_n(bytes.begin(), std::min(bytes.size(), file.size()), file.begin());
    } else if (kind == 'l' && !bytes.empty()) {
      const Bytes frame = Have(Cipher()->Seal(++number, AsText(bytes)));
      file.insert(file.end(), frame.begin(), frame.end());
    } else if (kind == 'n') {
      number += pieces.U8();  // Lines that are missing.
    } else {
      file.insert(file.end(), bytes.begin(), bytes.end());
    }
  }
  return file;
}

std::string TextOf(const AuditText& text, std::size_t piece) {
  std::string all;
  while (all.size() < text.size()) {
    const Bytes part = Have(text.Read(all.size(), piece));
    PROPERTY(!part.empty() && part.size() <= piece);
    all += AsText(part);
  }
  PROPERTY(all.size() == text.size());
  return all;
}

}  // namespace

// Whatever lies in audit.log, it shows as text of one length, however it is read; and the next line is
// appended to what of it are lines, and found again.
int FuzzAudit(const std::uint8_t* data, std::size_t size) {
  static const ScratchDirectory directory;
  const Bytes bytes = FileOf(Pieces(BytesView(data, size)));
  {
    std::ofstream out(directory.path() / kAuditLogName, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  const auto text = AuditText::Take(directory.path(), Cipher(), nullptr);
  PROPERTY(text.has_value());
  const std::string shown = TextOf(*text.value(), std::size_t{1} << 20);
  PROPERTY(TextOf(*text.value(), 997) == shown);
  if (!shown.empty()) NoteRead();
  PROPERTY(shown.empty() || shown.back() == '\n');

  const AuditAnchor anchor;
  AuditFile file(directory.path(), *Cipher(), anchor);
  const auto locked = file.Lock();
  if (!locked.has_value()) return 0;
  const std::uint64_t before = file.head().number;
  AuditEvent event;
  event.operation = "read";
  const std::string line = EncodeAuditLine(event, before + 1, Time{}, file.head().digest);
  PROPERTY(NamesBefore(line, file.head().digest) && BeforeOf(line) == file.head().digest);
  const auto appended = file.Append(line);
  file.Unlock();
  PROPERTY(appended.has_value() && file.head().number == before + 1);
  const std::string after = TextOf(*Have(AuditText::Take(directory.path(), Cipher(), nullptr)), 4096);
  PROPERTY(after.ends_with(line + "\n"));
  return 0;
}

}  // namespace certfs::fuzz
