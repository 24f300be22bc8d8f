#include "tools/settings.h"

#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

// certfs.toml: tables that have a name and say what they are for, or the line that is wrong.
int FuzzSettings(const std::uint8_t* data, std::size_t size) {
  const auto settings = ParseMachineSettings(AsText(BytesView(data, size)));
  if (!settings.has_value()) {
    PROPERTY(settings.error().code() == ErrorCode::kInvalidArgument);
    PROPERTY(IsUtf8(settings.error().message()));
    return 0;
  }
  NoteRead();
  for (const MountSettings& mount : settings.value().mounts) {
    PROPERTY(!mount.keystore.empty());
    PROPERTY(mount.audit_mib >= 0 && mount.audit_files >= 0);
    PROPERTY(settings.value().FindMount(mount.name) == &mount);
  }
  for (const WatchSettings& watch : settings.value().watches) {
    PROPERTY(!watch.entries.empty() && !watch.command.empty());
    PROPERTY(settings.value().FindWatch(watch.name) == &watch);
  }
  return 0;
}

}  // namespace certfs::fuzz
