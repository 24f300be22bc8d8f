#include "store/audit_text.h"

#include <algorithm>
#include <string>

#include "store/audit_segments.h"

namespace certfs {

namespace {

// Of text between two lines whose places are kept: as much is opened in vain when reading begins anywhere.
constexpr std::uint64_t kPointEvery = std::uint64_t{64} << 10;

// With its newline.
std::uint64_t TextOf(BytesView sealed) { return sealed.size() - kSealOverhead + 1; }

}  // namespace

Result<void> AuditText::Walk(Part& part, std::uint64_t size) {
  AuditFrames frames(part.file->number(), part.bytes, std::max(size, part.bytes));
  for (;;) {
    const std::uint64_t start = frames.offset();
    const auto sealed = TRY(frames.Next());
    if (!sealed) return {};
    if (part.points.empty() || part.text >= part.points.back().text + kPointEvery)
      part.points.push_back({part.text, start});
    part.text += TextOf(*sealed);
    part.bytes = frames.offset();
  }
}

Result<std::shared_ptr<const AuditText>> AuditText::Take(const std::filesystem::path& directory,
                                                         std::shared_ptr<const AuditCipher> cipher,
                                                         const AuditText* earlier) {
  std::shared_ptr<AuditText> text(new AuditText(std::move(cipher)));
  for (AuditSegment& segment : TRY(OpenAuditSegments(directory, text->cipher_->store_id()))) {
    Part part;
    part.bytes = kAuditHeaderBytes;
    if (earlier != nullptr) {
      for (const Part& known : earlier->parts_) {
        const bool same = known.inode == segment.inode && known.device == segment.device;
        if (!same) continue;
        if (known.bytes <= segment.size) part = known;
        segment.file = known.file;  // Who holds texts of several moments holds each file once.
      }
    }
    part.file = std::move(segment.file);
    part.device = segment.device;
    part.inode = segment.inode;
    part.at = text->size_;
    TRY(Walk(part, segment.size));
    text->size_ += part.text;
    text->parts_.push_back(std::move(part));
  }
  return std::shared_ptr<const AuditText>(std::move(text));
}

Bytes AuditText::LineOf(BytesView sealed) const {
  const std::uint64_t number = AuditCipher::NumberOf(sealed);
  const auto opened = cipher_->Unseal(number, sealed);
  std::string line;
  if (opened.has_value()) {
    line = opened.value();
  } else {
    const auto length = static_cast<std::size_t>(TextOf(sealed) - 1);
    line = "{\"n\":" + std::to_string(number) + ",\"damaged\":true}";
    if (line.size() > length) line.clear();
    line.resize(length, ' ');
  }
  line += '\n';
  return {line.begin(), line.end()};
}

Result<void> AuditText::ReadPart(const Part& part, std::uint64_t offset, std::size_t size,
                                 Bytes& into) const {
  const auto behind = std::upper_bound(part.points.begin(), part.points.end(), offset,
                                       [](std::uint64_t at, const Point& point) { return at < point.text; });
  const Point from = *std::prev(behind);
  AuditFrames frames(part.file->number(), from.file, part.bytes);
  std::uint64_t at = from.text;
  while (into.size() < size) {
    const auto sealed = TRY(frames.Next());
    if (!sealed) break;
    const std::uint64_t end = at + TextOf(*sealed);
    if (end > offset) {
      const Bytes line = LineOf(*sealed);
      const auto skipped = static_cast<std::size_t>(offset > at ? offset - at : 0);
      const std::size_t taken = std::min(line.size() - skipped, size - into.size());
      const auto begin = line.begin() + static_cast<std::ptrdiff_t>(skipped);
      into.insert(into.end(), begin, begin + static_cast<std::ptrdiff_t>(taken));
    }
    at = end;
  }
  return {};
}

Result<Bytes> AuditText::Read(std::uint64_t offset, std::size_t size) const {
  Bytes bytes;
  for (const Part& part : parts_) {
    if (bytes.size() >= size) break;
    const std::uint64_t at = offset + bytes.size();
    if (at < part.at || at >= part.at + part.text) continue;
    TRY(ReadPart(part, at - part.at, size, bytes));
  }
  return bytes;
}

}  // namespace certfs
