// What a node id stands for, what stat shows of it, and the path that refusals name.

#include "fs/volume/state.h"

namespace certfs {

Node NodeOf(const Store& store) {
  Node node;
  node.id = NodeId::OfDirectory(store.number);
  node.type = NodeType::kDirectory;
  node.attributes = store.attributes;
  return node;
}

Node NodeOf(const EntryHead& head) {
  Node node;
  node.id = NodeId::OfDirectory(head.number);
  node.type = NodeType::kDirectory;
  node.attributes = head.attributes;
  node.revision = head.revision;
  node.members = head.members;
  return node;
}

Node NodeOf(const Entry& entry) {
  return NodeOf(EntryHead{entry.number, entry.alias, entry.attributes, entry.revision, entry.members()});
}

Node NodeOf(const Entry& entry, Member member) {
  Node node;
  node.id = NodeId::OfFile(entry.number, member, entry.revision);
  node.attributes = entry.file(member)->attributes;
  node.size = entry.file(member)->size;
  node.uncached = IsKeyMaterial(member);
  return node;
}

Node NodeOf(const Entry& next, const Entry& live, Member member) {
  Node node = NodeOf(live, member);
  node.id = NodeId::OfFile(next.number, member, next.revision);
  node.volatile_name = node.volatile_attributes = true;
  return node;
}

Node NodeOf(const Content& superseded) {
  Node node;
  node.id = superseded.node;
  node.attributes = superseded.attributes;
  node.size = superseded.bytes().size();
  node.links = 0;
  node.volatile_name = true;
  node.uncached = node.id.member() && IsKeyMaterial(*node.id.member());
  return node;
}

Node NodeOf(const Staging& staging) {
  Node node;
  node.id = staging.node;
  node.shown_as = staging.shown_as;
  node.attributes = staging.attributes;
  node.size = staging.opened ? staging.buffer.size() : staging.live_size;
  node.volatile_name = true;
  node.uncached = true;
  return node;
}

std::string PathOf(const Store& store) { return "stores/" + store.name.text(); }

std::string PathOf(TableSnapshot& snapshot, const Entry& entry) {
  const auto store = snapshot.FindStoreByNumber(entry.store);
  const bool known = store.has_value() && store.value().has_value();
  return (known ? PathOf(*store.value()) : std::string("stores/?")) + "/" + entry.alias.text();
}

Result<Place> Resolve(TableSnapshot& snapshot, NodeId node) {
  Place place;
  if (const auto number = node.directory()) {
    place.entry = TRY(snapshot.FindEntryByNumber(*number));
    if (!place.entry) place.store = TRY(snapshot.FindStoreByNumber(*number));
  } else if (node.member()) {
    place.entry = TRY(snapshot.FindEntryByNumber(node.number()));
  }
  return place;
}

Result<Place> Resolve(Keystore& keystore, NodeId node) {
  const auto snapshot = TRY(keystore.Snapshot());
  return Resolve(*snapshot, node);
}

}  // namespace certfs
