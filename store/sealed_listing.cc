// Listing the entries of a store, a few dozen at a time: what was checked once is at hand for the next
// listing, for as long as the node above it is the same.

#include "store/sealed_view.h"

namespace certfs {

namespace {

// How many entries are checked, kept and dropped together. A change of one makes the next listing check these
// again; fewer would cost memory.
constexpr std::size_t kBlockItemsMax = 64;

// Of an attribute list or a name, what lies outside its object.
std::size_t HeapBytes(const EntryHead& head) {
  constexpr std::size_t kShortName = 15;
  const std::size_t name = head.alias.text().size() > kShortName ? head.alias.text().capacity() : 0;
  return name + head.attributes.access_acl.HeapBytes() + head.attributes.default_acl.HeapBytes();
}

}  // namespace

std::size_t HeadBlock::MemoryBytes() const noexcept {
  std::size_t bytes = sizeof(HeadBlock) + heads.capacity() * sizeof(Head);
  for (const Head& each : heads) bytes += HeapBytes(each.head);
  return bytes;
}

// Offers what the tree holds to a sink, block after block.
class SealedView::Lister final : public TreeVisitor {
 public:
  Lister(SealedView& view, const Store& store, Cursor after, const EntryHeadSink& sink)
      : view_(view), store_(store), after_(after), sink_(sink) {}

  bool TakeKnown(const Digest& subtree) override {
    const auto block = view_.shared_.heads.Find(subtree);
    if (!block) return false;
    Offer(*block);
    return true;
  }

  Result<void> Take(const Digest& subtree, const std::vector<TreeItem>& items, bool whole) override {
    auto block = std::make_shared<HeadBlock>();
    block->heads.reserve(items.size());
    for (const TreeItem& item : items) {
      auto entry = view_.LoadEntry(store_, item, nullptr);
      if (entry.has_value()) {
        const Entry& found = *entry.value();
        block->heads.push_back(
            {CursorOf(item.key),
             {found.number, found.alias, found.attributes, found.revision, found.members()}});
        continue;
      }
      if (entry.error().code() != ErrorCode::kCorrupt) return std::move(entry).error();
      if (CursorOf(item.key) > after_) Damaged(std::move(entry).error());
      whole = false;
    }
    // What damage took may be put right, and the digest would not tell.
    if (whole) view_.shared_.heads.Add(subtree, block);
    Offer(*block);
    return {};
  }

  void Damaged(Error error) override { damage_ = std::move(error); }
  bool full() const override { return full_; }

  Result<void> Finish() {
    if (damage_ && !full_) return *std::move(damage_);
    return {};
  }

 private:
  void Offer(const HeadBlock& block) {
    for (const HeadBlock::Head& each : block.heads) {
      if (full_) return;
      if (each.at > after_) full_ = !sink_(each.at, each.head);
    }
  }

  SealedView& view_;
  const Store& store_;
  const Cursor after_;
  const EntryHeadSink& sink_;
  bool full_ = false;
  std::optional<Error> damage_;
};

Result<void> SealedView::ListEntries(Number number, Cursor after, const EntryHeadSink& sink) {
  const std::optional<Store> store = TRY(FindStoreByNumber(number));
  if (!store) return {};
  HashTree tree(nodes_, number, store->entries);
  Lister lister(*this, *store, after, sink);
  TRY(tree.Visit(after, kBlockItemsMax, lister));
  return lister.Finish();
}

}  // namespace certfs
