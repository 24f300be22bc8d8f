#include "tools/mount_handover.h"

#include <fcntl.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string_view>
#include <utility>

namespace certfs {

namespace {

// "PID DEVICE PAGE SECRET": whose it is, and the numbers of three descriptors, the last -1 for none.
constexpr const char* kVariable = "CERTFS_HANDED_OVER";

constexpr std::string_view kDeviceName = "certfs-device";
constexpr std::string_view kPageName = "certfs-page";

bool SetCloseOnExec(int descriptor, bool on) { return fcntl(descriptor, F_SETFD, on ? FD_CLOEXEC : 0) == 0; }

std::optional<HandedOver> TakeFromProgram() {
  const char* const value = getenv(kVariable);
  if (value == nullptr) return std::nullopt;
  std::istringstream words(value);
  unsetenv(kVariable);
  pid_t process = 0;
  int device = -1;
  int page = -1;
  int secret = -1;
  if (!(words >> process >> device >> page >> secret) || process != getpid()) return std::nullopt;
  HandedOver handed;
  handed.by_program = true;
  for (const auto& [number, into] :
       {std::pair(device, &handed.parts.device), std::pair(page, &handed.parts.page),
        std::pair(secret, &handed.secret)}) {
    if (number >= 0 && SetCloseOnExec(number, true)) *into = Descriptor(number);
  }
  if (!handed.parts.device.open() || !handed.parts.page.open()) return std::nullopt;
  return handed;
}

std::optional<HandedOver> TakeFromManager() {
  char** names = nullptr;
  constexpr int kUnset = 1;
  const int count = sd_listen_fds_with_names(kUnset, &names);
  HandedOver handed;
  for (int i = 0; i < count; ++i) {
    const int number = SD_LISTEN_FDS_START + i;
    const std::string name = names[i];
    free(names[i]);
    Descriptor taken(number);
    // The last of a name is the newest.
    if (name == kDeviceName) {
      handed.parts.device = std::move(taken);
    } else if (name == kPageName) {
      handed.parts.page = std::move(taken);
    }
  }
  free(names);
  if (!handed.parts.device.open() || !handed.parts.page.open()) return std::nullopt;
  return handed;
}

std::string Named(std::string_view what, std::string_view name) {
  return std::string(what) + "=1\nFDNAME=" + std::string(name);
}

}  // namespace

std::optional<HandedOver> TakeHandedOver() {
  if (auto handed = TakeFromProgram()) return handed;
  return TakeFromManager();
}

Error ReplaceProgram(const std::filesystem::path& program, const std::vector<std::string>& words,
                     const MountPoint& point, int secret) {
  const std::array<int, 3> kept{point.parts().device.number(), point.parts().page.number(), secret};
  std::string value = std::to_string(getpid());
  for (const int each : kept) value += " " + std::to_string(each);
  for (const int each : kept) {
    if (each >= 0) SetCloseOnExec(each, false);
  }
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  setenv(kVariable, value.c_str(), 1);
  execv(program.c_str(), arguments.data());
  const int failure = errno;
  unsetenv(kVariable);
  for (const int each : kept) {
    if (each >= 0) SetCloseOnExec(each, true);
  }
  return Error(ErrorCode::kIo, program.string() + ": " + std::strerror(failure));
}

void StoreWithManager(const MountPoint& point) {
  for (const auto& [name, number] : {std::pair(kDeviceName, point.parts().device.number()),
                                     std::pair(kPageName, point.parts().page.number())})
    sd_pid_notify_with_fds(0, 0, Named("FDSTORE", name).c_str(), &number, 1);
}

void RemoveFromManager() {
  for (const std::string_view name : {kDeviceName, kPageName})
    sd_notify(0, Named("FDSTOREREMOVE", name).c_str());
}

}  // namespace certfs
