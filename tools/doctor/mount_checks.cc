// What a mount of the keystore shows of itself and of its daemon.

#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string_view>

#include "fs/fuse/attribute_names.h"
#include "tools/doctor/check.h"
#include "tools/doctor/remount.h"
#include "tools/mounts.h"
#include "tools/system.h"

namespace certfs::doctor {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kStatusBytesMax = std::size_t{64} << 20;
// What the daemon keeps secrets in (crypto/base/secret.cc).
constexpr std::uint64_t kLockedBytes = std::uint64_t{32} << 20;

std::string Remount(const Examination& at) {
  return "certfs umount " + Word(at.mount().mountpoint) + " && " +
         MountCommand(at.patient().keystore, at.mount().mountpoint);
}

bool HasOption(std::string_view options, std::string_view wanted) {
  for (std::size_t at = 0; at <= options.size();) {
    const std::size_t end = std::min(options.find(',', at), options.size());
    if (options.substr(at, end - at) == wanted) return true;
    at = end + 1;
  }
  return false;
}

// An attribute of the mount's root; nothing where it has none.
std::optional<std::string> AttributeOf(const fs::path& mountpoint, const char* name) {
  std::array<char, 256> text{};
  const ssize_t size = getxattr(mountpoint.c_str(), name, text.data(), text.size());
  if (size <= 0) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(size));
}

std::optional<pid_t> ProcessOf(const fs::path& mountpoint) {
  const auto text = AttributeOf(mountpoint, kPidAttribute);
  pid_t process = 0;
  if (!text) return std::nullopt;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), process);
  if (parsed.ec != std::errc() || process <= 0) return std::nullopt;
  return process;
}

// The soft limit that a line of /proc/PID/limits says; nothing where it is not there.
std::optional<std::uint64_t> LimitOf(const fs::path& process, std::string_view name) {
  std::ifstream file(process / "limits");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream words(line.substr(name.size()));
    std::string soft;
    words >> soft;
    if (soft == "unlimited") return ~std::uint64_t{0};
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(soft.data(), soft.data() + soft.size(), value);
    if (parsed.ec == std::errc()) return value;
  }
  return std::nullopt;
}

// A line of /proc/PID/status; nothing where it is not there.
std::optional<std::string> StatusLine(const fs::path& process, std::string_view name) {
  std::ifstream file(process / "status");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const std::size_t begin = line.find_first_not_of(" \t", name.size());
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return std::nullopt;
}

bool KernelHasLandlock() {
  constexpr int kAskForVersion = 1;
  return syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskForVersion) > 0;
}

// Under -o subtree=stores there is no status/.
Result<std::optional<std::string>> ReadStatus(const Examination& at, std::string_view name) {
  auto text = ReadWholeFile(at.mount().mountpoint / "status" / name, kStatusBytesMax);
  if (!text.has_value()) {
    if (text.error().code() == ErrorCode::kNotFound) return std::optional<std::string>();
    return std::move(text).error();
  }
  return std::optional(std::string(AsText(text.value())));
}

Urgency UrgencyOf(const std::string& severity) {
  if (severity == "critical") return Urgency::kCritical;
  return severity == "warning" ? Urgency::kWarning : Urgency::kInfo;
}

std::string TextOf(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Result<void> CheckFuse(Examination& at) {
  struct stat status {};
  if (stat("/dev/fuse", &status) == 0) return {};
  at.Add("no-fuse", Urgency::kInfo, "/dev/fuse",
         "is not there: nothing can be mounted on this machine, or in this container",
         "modprobe fuse; a container needs --device /dev/fuse");
  return {};
}

Result<void> CheckAlive(Examination& at) {
  const std::string mountpoint = at.mount().mountpoint.string();
  struct statfs usage {};
  if (statfs(mountpoint.c_str(), &usage) == 0) return {};
  const int why = errno;
  if (why != ENOTCONN && why != ECONNABORTED) return SystemError(mountpoint, why);
  at.Add("dead-mount", Urgency::kCritical, mountpoint,
         "its daemon died and left it behind: every access fails (" +
             SystemError("", why).message().substr(2) + ")",
         Remount(at) + "; why it died: journalctl -t certfs");
  return {};
}

Result<void> CheckMountOptions(Examination& at) {
  const std::string mountpoint = at.mount().mountpoint.string();
  std::string missing;
  for (const std::string_view option : {"allow_other", "default_permissions", "nosuid", "nodev", "noexec"}) {
    if (!HasOption(at.mount().options, option)) missing += (missing.empty() ? "" : ",") + std::string(option);
  }
  if (missing.empty()) return {};
  const bool unchecked = missing.find("default_permissions") != std::string::npos;
  at.Add("mount-options", unchecked ? Urgency::kCritical : Urgency::kWarning, mountpoint,
         "somebody mounted it, or mounted it again, without " + missing, Remount(at));
  return {};
}

Result<void> CheckDaemon(Examination& at) {
  const std::optional<pid_t> process = ProcessOf(at.mount().mountpoint);
  if (!process) return Error(ErrorCode::kIo, "the daemon's process is not known");
  const fs::path proc = fs::path("/proc") / std::to_string(*process);
  const std::string subject = "the daemon of " + at.mount().mountpoint.string();
  const auto core = LimitOf(proc, "Max core file size");
  const auto locked = StatusLine(proc, "VmLck:");
  if (!core || !locked) return Error(ErrorCode::kIo, proc.string() + " cannot be read");
  if (*core != 0) {
    at.Add("core-dumps", Urgency::kWarning, subject,
           "somebody raised its limit of core dumps: what it holds could be written to disk",
           "prlimit --pid " + std::to_string(*process) + " --core=0");
  }
  if (std::strtoull(locked->c_str(), nullptr, 10) << 10 < kLockedBytes) {
    at.Add("memory-not-locked", Urgency::kWarning, subject,
           "has locked " + *locked + " of memory and needs 32768 kB: keys may reach the swap device",
           "LimitMEMLOCK=64M in its unit, or memlock in /etc/security/limits.conf; then " + Remount(at));
  }
  return {};
}

// What the daemon says it has given up, and what the kernel says of it. One that says nothing was not made
// to.
Result<void> CheckConfinement(Examination& at) {
  const auto held = AttributeOf(at.mount().mountpoint, kConfinementAttribute);
  const std::optional<pid_t> process = ProcessOf(at.mount().mountpoint);
  if (!held || !process) return {};
  const fs::path proc = fs::path("/proc") / std::to_string(*process);
  const auto capabilities = StatusLine(proc, "CapEff:");
  const auto privileges = StatusLine(proc, "NoNewPrivs:");
  const auto filter = StatusLine(proc, "Seccomp:");
  if (!capabilities || !privileges || !filter)
    return Error(ErrorCode::kIo, proc.string() + "/status cannot be read");
  std::string missing;
  const auto require = [&](bool holds, const std::string& words) {
    if (!holds) missing += (missing.empty() ? "" : "; ") + words;
  };
  require(capabilities->find_first_not_of('0') == std::string::npos,
          "it has capabilities (" + *capabilities + ")");
  require(*privileges == "1", "programs that it starts may get privileges");
  require(*filter == "2", "no system call is refused to it");
  require(held->find("landlock=") != std::string::npos || !KernelHasLandlock(), "it can open any path");
  if (missing.empty()) return {};
  at.Add("less-confined", Urgency::kWarning, "the daemon of " + at.mount().mountpoint.string(),
         "is less confined than this kernel can do it: " + missing,
         "journalctl -t certfs says what failed; then " + Remount(at));
  return {};
}

Result<void> CheckVersion(Examination& at) {
  const auto text = TRY(ReadStatus(at, "version"));
  if (!text) return {};
  const std::string version = text->substr(0, text->find('\n'));
  if (version == "certfs " CERTFS_VERSION) return {};
  at.Add("old-daemon", Urgency::kInfo, "the daemon of " + at.mount().mountpoint.string(),
         "is " + version + ", and this is certfs " CERTFS_VERSION, Remount(at));
  return {};
}

// What it says of entries is looked for in the keystore itself, where there is a key.
Result<void> CheckHealth(Examination& at) {
  const auto text = TRY(ReadStatus(at, "health.json"));
  if (!text) return {};
  const nlohmann::json health = nlohmann::json::parse(*text, nullptr, false);
  const auto findings = health.is_object() ? health.find("findings") : health.end();
  if (!health.is_object() || findings == health.end() || !findings->is_array()) {
    at.Add("no-health", Urgency::kWarning, (at.mount().mountpoint / "status/health.json").string(),
           "is not what certfs writes there", Remount(at));
    return {};
  }
  if (at.has_key()) return {};
  for (const nlohmann::json& each : *findings) {
    at.Add(TextOf(each, "id"), UrgencyOf(TextOf(each, "severity")), TextOf(each, "subject"),
           TextOf(each, "detail"), TextOf(each, "action"));
  }
  return {};
}

}  // namespace certfs::doctor
