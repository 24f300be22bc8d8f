#include "tools/package/contents.h"

#include <set>

#include "tests/fuzz/scratch.h"
#include "tests/fuzz/tar_sums.h"

namespace certfs::fuzz {

// The tar inside a package: what is taken lies beneath where it is unpacked, each item once, and unpacks to
// no more than was allowed.
int FuzzPackage(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kBytesMax = 1 << 20;
  static const ScratchDirectory directory;
  Bytes tar(data, data + size);
  FixTarSums(tar);
  auto spool = Have(package::Spool::Make(directory.path()));
  Have(spool.Append(tar));
  const auto items = package::ReadContents(spool, kBytesMax);
  if (!items.has_value()) return 0;
  std::set<std::string> names;
  std::uint64_t total = 0;
  for (const package::Item& item : items.value()) {
    PROPERTY(package::CheckName(item.name).has_value() && (item.mode & ~0777U) == 0);
    PROPERTY(names.insert(item.name).second);
    total += item.size;
  }
  PROPERTY(!names.empty() && total <= kBytesMax);
  // A second reading, which unpacks, finds the same.
  package::ItemReader reader(spool);
  std::size_t at = 0;
  while (const auto item = Have(reader.Next())) {
    PROPERTY(at < items.value().size() && *item == items.value()[at]);
    ++at;
    Bytes piece(512);
    std::uint64_t left = item->size;
    while (const std::size_t got = Have(reader.Read(piece))) left -= got;
    PROPERTY(left == 0);
  }
  PROPERTY(at == items.value().size());
  NoteRead();
  return 0;
}

}  // namespace certfs::fuzz
