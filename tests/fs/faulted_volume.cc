#include "tests/fs/faulted_volume.h"

#include <algorithm>
#include <sstream>

namespace certfs::test {

namespace {

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}
std::string NameIn(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Serial numbers, and what entries are named by, are as random as the keys.
std::string ShapeOfName(const std::string& name) {
  constexpr std::size_t kDigitsMin = 16;
  std::string shape;
  std::string digits;
  for (const char c : name + '\0') {
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0) {
      digits += c;
      continue;
    }
    shape += digits.size() < kDigitsMin ? digits : "HEX";
    digits.clear();
    if (c != '\0') shape += c;
  }
  return shape;
}

// The first line of a text: of what is made at random no other is the same twice.
std::string ShapeOfBytes(const std::string& bytes) {
  if (bytes.find('\0') != std::string::npos) return "binary";
  return bytes.substr(0, bytes.find('\n')).substr(0, 40);
}

template <typename T>
Result<void> Drop(const Result<T>& result) {
  if (!result.has_value()) return result.error();
  return {};
}

}  // namespace

FaultedVolume::FaultedVolume()
    : tree([this](Keystore::Clock clock) {
        auto shared = std::make_unique<SharedTable>(table, foreign);
        return Must(Keystore::Over(std::make_unique<FaultyTable>(std::move(shared), faults), {0, 0},
                                   std::move(clock)));
      }) {}

void FaultedVolume::CommitElsewhere(const std::function<void(Keystore&)>& change) {
  // It has no notion of the faults, and nothing of what the first one remembers.
  const auto other = Must(
      Keystore::Over(std::make_unique<SharedTable>(table, foreign), {0, 0}, [this] { return tree.now; }));
  change(*other);
  ++foreign;
}

std::string FaultedVolume::State() {
  return Aside([&] { return Walk(true); });
}
std::string FaultedVolume::Shape() {
  return Aside([&] { return Walk(false); });
}

std::string FaultedVolume::Walk(bool exact) {
  // Who reads is nobody whom the volume remembers: neither pinned nor in the middle of anything.
  static std::int32_t next_thread = 1'000'000;
  const Caller looker{0, 0, next_thread++};
  std::string out;
  for (const char* const path : {"stores", "ca"}) WalkInto(out, looker, path, tree.At(path), exact);
  const auto shown = Must(Command(looker, "show"));
  const auto ledger = Must(Command(looker, "list"));
  if (exact) return out + shown + ledger;
  const auto lines = std::count(ledger.begin(), ledger.end(), '{');
  return out + "the ledger has " + std::to_string(lines) + '\n';
}

void FaultedVolume::WalkInto(std::string& out, const Caller& caller, const std::string& path,
                             const Node& node, bool exact) {
  std::ostringstream line;
  line << path << ' ' << std::oct << node.attributes.mode << std::dec << ' ' << node.attributes.uid << ':'
       << node.attributes.gid;
  const bool fixed = node.id.fixed().has_value();
  if (!fixed) line << " at " << node.attributes.mtime.time_since_epoch().count();
  if (!node.attributes.access_acl.empty()) line << " acl";
  if (!node.attributes.default_acl.empty()) line << " default acl";
  if (Must(tree.volume.EnforcesRevocation(node.id)).value_or(false)) line << " enforcing";
  if (node.type == NodeType::kFile && path != "ca/control") {
    const std::string bytes = Must(tree.ReadNode(caller, node.id));
    EXPECT_EQ(bytes.size(), node.size) << path;
    line << ' ' << (exact ? bytes : ShapeOfBytes(bytes));
  }
  out += line.str() + '\n';
  if (node.type != NodeType::kDirectory) return;
  std::vector<std::string> lines;
  std::vector<std::string> names;
  Must(tree.volume.List(caller, node.id, 0, [&](const DirectoryItem& item) {
    if (item.name != "." && item.name != "..") names.emplace_back(item.name);
    return true;
  }));
  for (const std::string& name : names) {
    const Node child = Must(tree.volume.Lookup(caller, node.id, name));
    std::string& below = lines.emplace_back();
    WalkInto(below, caller, path + "/" + (exact ? name : ShapeOfName(name)), child, exact);
  }
  // The order of a listing is as random as the keystore's keys.
  std::sort(lines.begin(), lines.end());
  for (const std::string& each : lines) out += each;
}

Result<Tree::Writer> FaultedVolume::OpenToWrite(const Caller& caller, const std::string& path,
                                                OpenMode mode) {
  const auto live = tree.Find(caller, path);
  if (!live.has_value() && live.error().code() != ErrorCode::kNotFound) return live.error();
  const Node parent = TRY(tree.Find(caller, ParentOf(path)));
  if (!live.has_value()) {
    const auto created = TRY(tree.volume.Create(caller, parent.id, NameIn(path), mode));
    return Tree::Writer{created.node.id, created.handle};
  }
  // A placeholder, and a profile, is opened itself.
  if (live.value().id.is_staging() || live.value().id.is_view())
    return Tree::Writer{live.value().id, TRY(tree.volume.Open(caller, live.value().id, mode))};
  const Node staging = TRY(tree.volume.Stage(caller, live.value().id));
  auto opened = tree.volume.Open(caller, staging.id, mode);
  if (opened.has_value()) return Tree::Writer{staging.id, opened.value()};
  // As the adapter does it for an open that does not come.
  tree.volume.Unstage(staging.id);
  return std::move(opened).error();
}

Result<void> FaultedVolume::Put(const Caller& caller, const std::string& path, std::string_view bytes,
                                OpenMode mode) {
  const Tree::Writer writer = TRY(OpenToWrite(caller, path, mode));
  auto outcome = tree.volume.Write(caller, writer.handle, 0, AsBytes(bytes));
  auto closed = tree.volume.Flush(caller, writer.handle);
  tree.volume.Release(writer.node, writer.handle);
  if (!outcome.has_value()) return outcome;
  return closed;
}

Result<void> FaultedVolume::PutScratch(const Caller& caller, const std::string& path,
                                       std::string_view bytes) {
  const Node parent = TRY(tree.Find(caller, ParentOf(path)));
  const auto made = TRY(tree.volume.Create(caller, parent.id, NameIn(path), kReplace));
  auto written = tree.volume.Write(caller, made.handle, 0, AsBytes(bytes));
  auto closed = tree.volume.Flush(caller, made.handle);
  tree.volume.Release(made.node.id, made.handle);
  if (written.has_value() && closed.has_value()) return {};
  Aside([&] { Must(tree.volume.Unlink(caller, parent.id, NameIn(path))); });
  return written.has_value() ? closed : written;
}

Result<void> FaultedVolume::Rename(const Caller& caller, const std::string& from, const std::string& to,
                                   unsigned flags) {
  const NodeId parent = TRY(tree.Find(caller, ParentOf(from))).id;
  const NodeId new_parent = TRY(tree.Find(caller, ParentOf(to))).id;
  return tree.volume.Rename(caller, parent, NameIn(from), new_parent, NameIn(to), flags);
}

Result<void> FaultedVolume::Link(const Caller& caller, const std::string& from, const std::string& to) {
  const NodeId node = TRY(tree.Find(caller, from)).id;
  return Drop(tree.volume.Link(caller, node, TRY(tree.Find(caller, ParentOf(to))).id, NameIn(to)));
}

Result<void> FaultedVolume::Unlink(const Caller& caller, const std::string& path) {
  return tree.volume.Unlink(caller, TRY(tree.Find(caller, ParentOf(path))).id, NameIn(path));
}

Result<void> FaultedVolume::MakeDirectory(const Caller& caller, const std::string& path) {
  return Drop(
      tree.volume.MakeDirectory(caller, TRY(tree.Find(caller, ParentOf(path))).id, NameIn(path), 0755));
}

Result<void> FaultedVolume::RemoveDirectory(const Caller& caller, const std::string& path) {
  return tree.volume.RemoveDirectory(caller, TRY(tree.Find(caller, ParentOf(path))).id, NameIn(path));
}

Result<void> FaultedVolume::SetAttributes(const Caller& caller, const std::string& path,
                                          const AttributeChange& change) {
  const NodeId node = TRY(tree.Find(caller, path)).id;
  return Drop(tree.volume.SetAttributes(caller, node, 0, change, std::nullopt));
}

Result<std::string> FaultedVolume::Names(const Caller& caller, const std::string& path) {
  std::vector<std::string> names;
  TRY(tree.volume.List(caller, TRY(tree.Find(caller, path)).id, 0, [&](const DirectoryItem& item) {
    names.push_back(std::string(item.name) + ' ' + std::to_string(item.node.size) + '\n');
    return true;
  }));
  std::sort(names.begin(), names.end());
  std::string all;
  for (const std::string& each : names) all += each;
  return all;
}

Result<std::string> FaultedVolume::Command(const Caller& caller, std::string_view text) {
  const NodeId node = NodeId::Of(Fixed::kControl);
  const HandleId handle = TRY(tree.volume.Open(caller, node, kEdit));
  auto written = tree.volume.Write(caller, handle, 0, AsBytes(text));
  auto answer = tree.volume.Read(node, handle, 0, std::size_t{1} << 20);
  static_cast<void>(tree.volume.Flush(caller, handle));
  tree.volume.Release(node, handle);
  if (!written.has_value()) return std::move(written).error();
  if (!answer.has_value()) return std::move(answer).error();
  return std::string(AsText(answer.value().Reveal()));
}

}  // namespace certfs::test
