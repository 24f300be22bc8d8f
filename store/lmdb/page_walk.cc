#include "store/lmdb/page_walk.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace certfs::lmdb {

namespace {

// LMDB's cursors go no deeper.
constexpr std::size_t kDepthMax = 31;
// A file may be shorter than its last page: one that was won and given up within a commit is never written.
constexpr std::uint64_t kUnwrittenPagesMax = 65536;

// The tables, and what is lost with them.
struct TableWords {
  std::string_view name;
  const char* what;
};
constexpr std::string_view kContents = "contents";
constexpr std::array<TableWords, 6> kTables{{{"manifest", "the manifest"},
                                             {"stores", "the stores"},
                                             {"entries", "the entries"},
                                             {kContents, "the contents of files"},
                                             {"nodes", "the hash trees"},
                                             {"issued", "the ledger of the authority"}}};

// A walk over one state.
class Walk {
 public:
  Walk(BytesView file, const Meta& meta, const std::function<void()>& ready)
      : file_(file), meta_(meta), page_bytes_(meta.page_bytes()), ready_(ready) {}

  Result<PageFacts> Run();

 private:
  enum class Kind { kFree, kMain, kTable };
  struct Tree {
    Kind kind;
    const char* words;
    TreeFacts facts;     // As they are said,
    TreeFacts found{};   // and as they are.
    bool later = false;  // Its leaves are looked at when all the rest is sound.
  };
  // What the page above says of the keys of a page; null for nothing.
  struct Bounds {
    const BytesView* low = nullptr;   // The least,
    const BytesView* high = nullptr;  // and what all are less than.
  };

  Result<void> WalkTree(Tree& tree);
  Result<void> Compare(const Tree& tree) const;
  Result<void> Visit(Tree& tree, BytesView page, PageNumber number, std::size_t depth, Bounds bounds);
  Result<void> VisitBranch(Tree& tree, const TreePage& page, PageNumber number, std::size_t depth,
                           Bounds bounds);
  Result<void> VisitLeaf(Tree& tree, const TreePage& page, PageNumber number);
  Result<void> CheckOrder(const Tree& tree, const TreePage& page, PageNumber number, Bounds bounds) const;
  Result<void> TakeTable(const Node& node, PageNumber number);
  Result<void> TakeFreePages(const Tree& tree, const Node& node, PageNumber number);
  // Checks the run that holds the node's value.
  Result<void> TakeRun(Tree& tree, const Node& node, PageNumber number);
  // Notes that a page is reached. `from` is the page that leads there.
  Result<void> Claim(const Tree& tree, PageNumber page, PageNumber from);
  // What is read is there: what lies behind the end of the file is damage.
  Result<BytesView> Read(const Tree& tree, PageNumber page, std::uint64_t bytes) const;
  Error CutShort(const std::string& more) const;
  bool Less(const Tree& tree, BytesView a, BytesView b) const;
  Error Wrong(const Tree& tree, PageNumber page, const std::string& how) const {
    return DamagedPage(page, tree.words, how);
  }

  const BytesView file_;
  const Meta& meta_;
  const std::size_t page_bytes_;
  std::vector<bool> claimed_;
  const std::function<void()>& ready_;
  std::vector<Tree> tables_;
  struct Leaf {
    PageNumber number;
    std::optional<BytesView> low;
    std::optional<BytesView> high;
  };
  std::vector<Leaf> leaves_;  // That are left for later.
  PageFacts facts_;
};

Result<PageFacts> Walk::Run() {
  // Before anything is set aside for it.
  if (meta_.last_page >= file_.size() / page_bytes_ + kUnwrittenPagesMax) return CutShort({});
  claimed_.resize(meta_.last_page + 1);
  claimed_[0] = claimed_[1] = true;
  facts_.commit = meta_.commit;
  facts_.pages = kMetas;
  Tree main{Kind::kMain, "the list of tables", meta_.main};
  TRY(WalkTree(main));
  for (Tree& table : tables_) TRY(WalkTree(table));
  Tree free{Kind::kFree, "the list of free pages", meta_.free};
  TRY(WalkTree(free));
  if (ready_) ready_();
  for (Tree& table : tables_) {
    if (!table.later) continue;
    for (const Leaf& leaf : leaves_) {
      const Bounds bounds{leaf.low ? &*leaf.low : nullptr, leaf.high ? &*leaf.high : nullptr};
      TRY(Visit(table, TRY(Read(table, leaf.number, page_bytes_)), leaf.number, table.facts.depth, bounds));
    }
    TRY(Compare(table));
  }
  facts_.pages -= facts_.free;
  return facts_;
}

Result<void> Walk::WalkTree(Tree& tree) {
  const TreeFacts& said = tree.facts;
  if (said.root != kNoPage) {
    if (said.depth == 0 || said.depth > kDepthMax)
      return Damaged(std::string(tree.words) + ": it has no depth");
    TRY(Claim(tree, said.root, 0));
    const BytesView root = TRY(Read(tree, said.root, page_bytes_));
    TRY(Visit(tree, root, said.root, 1, {}));
  } else if (said.depth != 0) {
    return Damaged(std::string(tree.words) + ": it has no root");
  }
  return tree.later ? Result<void>() : Compare(tree);
}

Result<void> Walk::Compare(const Tree& tree) const {
  const TreeFacts& said = tree.facts;
  const TreeFacts& found = tree.found;
  if (said.branches != found.branches || said.leaves != found.leaves || said.overflows != found.overflows)
    return Damaged(std::string(tree.words) + ": there are more pages, or fewer, than it says");
  if (said.entries != found.entries) {
    return Damaged(std::string(tree.words) + ": there are " + std::to_string(found.entries) + " rows where " +
                   std::to_string(said.entries) + " should be");
  }
  return {};
}

bool Walk::Less(const Tree& tree, BytesView a, BytesView b) const {
  if (tree.kind == Kind::kFree) return NumberAt<std::uint64_t>(a, 0) < NumberAt<std::uint64_t>(b, 0);
  const std::size_t common = std::min(a.size(), b.size());
  const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
  return order != 0 ? order < 0 : a.size() < b.size();
}

Result<void> Walk::Claim(const Tree& tree, PageNumber page, PageNumber from) {
  if (page < kMetas || page > meta_.last_page)
    return Wrong(tree, from, "it leads to page " + std::to_string(page) + ", which is none");
  if (claimed_[page])
    return Wrong(tree, from, "it leads to page " + std::to_string(page) + ", which belongs elsewhere");
  claimed_[page] = true;
  ++facts_.pages;
  return {};
}

Error Walk::CutShort(const std::string& more) const {
  return {ErrorCode::kCorrupt, "data.mdb is cut short: it has " + std::to_string(file_.size()) + " of " +
                                   std::to_string((meta_.last_page + 1) * page_bytes_) + " bytes" + more};
}

Result<BytesView> Walk::Read(const Tree& tree, PageNumber page, std::uint64_t bytes) const {
  const std::uint64_t offset = page * page_bytes_;
  if (offset + bytes > file_.size())
    return CutShort(std::string(", and of ") + tree.words + " some are missing");
  return file_.subspan(offset, bytes);
}

Result<void> Walk::Visit(Tree& tree, BytesView page, PageNumber number, std::size_t depth, Bounds bounds) {
  const char* wrong = nullptr;
  const auto parsed = TreePage::Parse(page, number, &wrong);
  if (!parsed) return Wrong(tree, number, wrong);
  if (parsed->is_leaf() != (depth == tree.facts.depth))
    return Wrong(tree, number, "it lies at another depth");
  TRY(CheckOrder(tree, *parsed, number, bounds));
  return parsed->is_leaf() ? VisitLeaf(tree, *parsed, number)
                           : VisitBranch(tree, *parsed, number, depth, bounds);
}

Result<void> Walk::CheckOrder(const Tree& tree, const TreePage& page, PageNumber number,
                              Bounds bounds) const {
  // The first key of a branch stands for all that are less than the second, and may be anything.
  const std::size_t first = page.is_leaf() ? 0 : 1;
  BytesView before;
  for (std::size_t i = first; i < page.count(); ++i) {
    const BytesView key = page.At(i).key;
    if (key.empty() || key.size() > kKeyBytesMax || (tree.kind == Kind::kFree && key.size() != 8))
      return Wrong(tree, number, "a key is none");
    const bool ordered =
        i == first ? bounds.low == nullptr || !Less(tree, key, *bounds.low) : Less(tree, before, key);
    if (!ordered) return Wrong(tree, number, "its keys are out of order");
    before = key;
  }
  if (bounds.high != nullptr && !before.empty() && !Less(tree, before, *bounds.high))
    return Wrong(tree, number, "its keys are out of order");
  return {};
}

Result<void> Walk::VisitBranch(Tree& tree, const TreePage& page, PageNumber number, std::size_t depth,
                               Bounds bounds) {
  ++tree.found.branches;
  const std::size_t count = page.count();
  // LMDB ends the process where a branch of a table leads to one page alone.
  if (count < 2 && tree.kind != Kind::kFree) return Wrong(tree, number, "it leads to one page alone");
  for (std::size_t i = 0; i < count; ++i) {
    const Node node = page.At(i);
    const BytesView high = i + 1 < count ? page.At(i + 1).key : BytesView();
    const Bounds inner{i == 0 ? bounds.low : &node.key, i + 1 < count ? &high : bounds.high};
    TRY(Claim(tree, node.child, number));
    if (tree.later && depth + 1 == tree.facts.depth) {
      const auto copy = [](const BytesView* key) {
        return key != nullptr ? std::optional(*key) : std::nullopt;
      };
      leaves_.push_back({node.child, copy(inner.low), copy(inner.high)});
      continue;
    }
    TRY(Visit(tree, TRY(Read(tree, node.child, page_bytes_)), node.child, depth + 1, inner));
  }
  return {};
}

Result<void> Walk::VisitLeaf(Tree& tree, const TreePage& page, PageNumber number) {
  ++tree.found.leaves;
  tree.found.entries += page.count();
  for (std::size_t i = 0; i < page.count(); ++i) {
    const Node node = page.At(i);
    if (tree.kind == Kind::kMain) {
      TRY(TakeTable(node, number));
      continue;
    }
    if ((node.flags & ~kBigNode) != 0) return Wrong(tree, number, "a value is of no kind");
    if ((node.flags & kBigNode) != 0) {
      TRY(TakeRun(tree, node, number));
    } else if (kNodeHeaderBytes + node.key.size() + node.size > NodeBytesMax(page_bytes_)) {
      return Wrong(tree, number, "a value is too long for its page");
    }
    if (tree.kind == Kind::kFree) TRY(TakeFreePages(tree, node, number));
  }
  return {};
}

Result<void> Walk::TakeTable(const Node& node, PageNumber number) {
  const Tree main{Kind::kMain, "the list of tables", meta_.main};
  const std::string_view name = AsText(node.key);
  const auto known =
      std::find_if(kTables.begin(), kTables.end(), [&](const TableWords& each) { return each.name == name; });
  if (known == kTables.end()) return Wrong(main, number, "there is a table of no name that is known");
  if (node.flags != kTreeNode || node.size != kTreeFactsBytes)
    return Wrong(main, number, std::string("of ") + known->what + " it says nothing");
  const TreeFacts facts = TreeFacts::Parse(node.value);
  if (facts.flags != 0)
    return Wrong(main, number, std::string(known->what) + ": the table is of another kind");
  tables_.push_back({Kind::kTable, known->what, facts, {}, name == kContents && facts.depth > 1});
  return {};
}

Result<void> Walk::TakeRun(Tree& tree, const Node& node, PageNumber number) {
  const PageNumber first = node.run();
  TRY(Claim(tree, first, number));
  // The end of the value has to be there; what the run has beyond it was perhaps never written.
  const BytesView bytes = TRY(Read(tree, first, kPageHeaderBytes + std::uint64_t{node.size}));
  const PageHeader header = PageHeader::Parse(bytes);
  if (header.number != first) return Wrong(tree, first, "it says that it is another page");
  if (header.flags != kOverflowPage) return Wrong(tree, first, "it holds no value");
  if (header.run < RunOf(node.size, page_bytes_) || header.run > meta_.last_page)
    return Wrong(tree, first, "it is too short for its value");
  for (std::uint64_t i = 1; i < header.run; ++i) TRY(Claim(tree, first + i, first));
  tree.found.overflows += header.run;
  return {};
}

// A list is its length and then the numbers, descending; behind them there may be room.
Result<void> Walk::TakeFreePages(const Tree& tree, const Node& node, PageNumber number) {
  const auto commit = NumberAt<std::uint64_t>(node.key, 0);
  if (commit == 0 || commit > meta_.commit) return Wrong(tree, number, "it is of a commit that never was");
  constexpr std::size_t kWord = sizeof(PageNumber);
  if (node.size < kWord || node.size % kWord != 0) return Wrong(tree, number, "a list has no length");
  BytesView list = node.value;
  if ((node.flags & kBigNode) != 0)
    list = TRY(Read(tree, node.run(), kPageHeaderBytes + std::uint64_t{node.size})).subspan(kPageHeaderBytes);
  const auto length = NumberAt<std::uint64_t>(list, 0);
  if (length > node.size / kWord - 1) return Wrong(tree, number, "a list is longer than its room");
  PageNumber before = kNoPage;
  for (std::uint64_t i = 1; i <= length; ++i) {
    const auto page = NumberAt<PageNumber>(list, i * kWord);
    if (page >= before) return Wrong(tree, number, "a list is out of order");
    TRY(Claim(tree, page, number));
    ++facts_.free;
    before = page;
  }
  return {};
}

}  // namespace

Error Damaged(const std::string& how) { return {ErrorCode::kCorrupt, "data.mdb is damaged: " + how}; }

Error DamagedPage(PageNumber page, const char* tree, const std::string& how) {
  return Damaged("page " + std::to_string(page) + ", of " + tree + ": " + how);
}

Result<PageFacts> WalkPages(BytesView file, const Meta& meta, const std::function<void()>& ready) {
  return Walk(file, meta, ready).Run();
}

}  // namespace certfs::lmdb
