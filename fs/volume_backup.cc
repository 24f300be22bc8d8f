// backup/: keystore.cms and manifest.json, as nodes; and ca.p12, which is the authority's
// (volume_authority.cc).

#include "fs/volume.h"
#include "fs/volume/state.h"

namespace certfs {

bool IsBackup(NodeId node) {
  const auto kind = node.view_kind();
  return kind == static_cast<std::uint8_t>(BackupFile::kKeystore) ||
         kind == static_cast<std::uint8_t>(BackupFile::kManifest);
}

Result<std::vector<std::pair<std::string, Node>>> Volume::BackupNodes(TableSnapshot& snapshot) {
  std::vector<std::pair<std::string, Node>> nodes;
  for (const BackupFile file : {BackupFile::kKeystore, BackupFile::kManifest}) {
    const BackupFiles::Shown shown = TRY(state_->backups.Describe(snapshot, file));
    Node node;
    node.id = NodeId::OfView(static_cast<std::uint8_t>(file), 0, shown.identity);
    node.shown_as = ShownAs(node.id);
    node.attributes.uid = state_->options.uid;
    node.attributes.gid = state_->options.gid;
    node.attributes.mode = 0600;
    node.attributes.atime = node.attributes.mtime = node.attributes.ctime = shown.made;
    node.size = shown.size;
    node.volatile_name = node.volatile_attributes = true;
    node.uncached = true;
    nodes.emplace_back(NameOf(file), std::move(node));
  }
  if (const auto authority = TRY(AuthorityBackup(snapshot)))
    nodes.emplace_back(kAuthorityBackupName, *authority);
  return nodes;
}

Result<ContentPointer> Volume::OpenBackup(TableSnapshot& snapshot, NodeId node) {
  auto content = std::make_shared<Content>();
  content->node = node;
  if (node.view_kind() == static_cast<std::uint8_t>(BackupFile::kKeystore)) {
    content->spooled = TRY(state_->backups.Open(snapshot, state_->Now()));
  } else {
    const std::string text = TRY(state_->backups.Manifest(snapshot, state_->Now()));
    content->plain.assign(text.begin(), text.end());
  }
  for (const auto& [name, each] : TRY(BackupNodes(snapshot))) {
    if (each.id.view_kind() == node.view_kind()) content->attributes = each.attributes;
  }
  return ContentPointer(std::move(content));
}

}  // namespace certfs
