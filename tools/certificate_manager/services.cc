#include "tools/certificate_manager/services.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <utility>

#include "store/name.h"
#include "tools/system.h"
#include "tools/toml_reading.h"

namespace certfs {

namespace {

constexpr std::int64_t kTimeoutMax = 3600;

Result<std::chrono::seconds> Timeout(const toml::node& node) {
  const auto seconds = node.value_exact<std::int64_t>();
  if (!seconds || *seconds < 1 || *seconds > kTimeoutMax)
    return WrongAt(node.source(), "timeout_seconds is a number from 1 to " + std::to_string(kTimeoutMax));
  return std::chrono::seconds(*seconds);
}

// Says whether `text` may name entries of services.
bool IsPattern(const std::string& text) {
  if (text == "*") return true;
  const std::size_t slash = text.find('/');
  if (!StoreName::Parse(text.substr(0, slash)).has_value()) return false;
  return slash == std::string::npos || Alias::Parse(text.substr(slash + 1)).has_value();
}

Result<Service> ParseService(const toml::node& node, const std::vector<std::string>& fallback,
                             std::chrono::seconds timeout) {
  const toml::table* const table = node.as_table();
  if (table == nullptr) return WrongAt(node.source(), "a service is a table: [[service]]");
  TRY(CheckKeys(*table, {"name", "entries", "command", "timeout_seconds"}));
  Service service;
  service.timeout = timeout;
  service.name = (*table)["name"].value_or(std::string());
  if (service.name.empty()) return WrongAt(node.source(), "a service has a name");
  const toml::node* const entries = table->get("entries");
  if (entries == nullptr) return WrongAt(node.source(), service.name + ": names no entries");
  service.entries = TRY(WordsOf(*entries, "entries"));
  for (const std::string& pattern : service.entries) {
    if (!IsPattern(pattern))
      return WrongAt(entries->source(), "'" + pattern + "' is neither STORE nor STORE/ALIAS nor *");
  }
  if (const toml::node* const own = table->get("timeout_seconds")) service.timeout = TRY(Timeout(*own));
  if (const toml::node* const command = table->get("command")) {
    service.command = TRY(CommandOf(*command, "command"));
  } else if (!fallback.empty()) {
    service.command = fallback;
    service.command.push_back(service.name);
  } else {
    return WrongAt(node.source(), service.name + ": has no command, and there is no 'reload' for all");
  }
  return service;
}

bool Uses(const Service& service, const std::string& entry) {
  const std::string folded = FoldName(entry);
  const std::string store = folded.substr(0, folded.find('/'));
  return std::any_of(service.entries.begin(), service.entries.end(), [&](const std::string& pattern) {
    return pattern == "*" || FoldName(pattern) == folded || FoldName(pattern) == store;
  });
}

// Ends the child and all that it started: it leads a group of its own.
void EndGroup(pid_t process) {
  kill(-process, SIGKILL);
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
}

// Waits for the child. Nothing when the time is up.
std::optional<int> Await(pid_t process, std::chrono::seconds timeout) {
  const Descriptor child(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  const auto end = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd waiting{child.number(), POLLIN, 0};
    const int ready = left > 0 ? poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return std::nullopt;
    int status = 0;
    if (waitpid(process, &status, 0) == process) return status;
    if (errno != EINTR) return std::nullopt;
  }
}

[[noreturn]] void BecomeCommand(const Service& service, const std::string& changed,
                                const std::filesystem::path& mountpoint) {
  setpgid(0, 0);
  setenv("CERTFS_SERVICE", service.name.c_str(), 1);
  setenv("CERTFS_ENTRY", changed.c_str(), 1);
  setenv("CERTFS_MOUNT", mountpoint.c_str(), 1);
  // Results are on stdout, and may be JSON.
  dup2(STDERR_FILENO, STDOUT_FILENO);
  std::vector<std::string> words = service.command;
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(arguments.front(), arguments.data());
  const int error = errno;
  std::cerr << SystemError(words.front(), error).message() << std::endl;
  _exit(error == ENOENT ? 127 : 126);
}

}  // namespace

Result<std::vector<Service>> ParseServices(std::string_view text) {
  const toml::table table = TRY(ParseToml(text));
  TRY(CheckKeys(table, {"reload", "timeout_seconds", "service"}));
  std::vector<std::string> fallback;
  if (const toml::node* const reload = table.get("reload")) fallback = TRY(WordsOf(*reload, "reload"));
  std::chrono::seconds timeout = Service().timeout;
  if (const toml::node* const given = table.get("timeout_seconds")) timeout = TRY(Timeout(*given));
  std::vector<Service> services;
  const toml::node* const listed = table.get("service");
  if (listed == nullptr) return services;
  if (!listed->is_array()) return WrongAt(listed->source(), "services are tables: [[service]]");
  for (const toml::node& each : *listed->as_array()) {
    services.push_back(TRY(ParseService(each, fallback, timeout)));
  }
  return services;
}

Result<std::vector<Service>> ReadServices(const std::filesystem::path& path) {
  const std::string text = TRY(ReadTomlText(path));
  auto services = ParseServices(text);
  if (!services.has_value()) return std::move(services).error().Within(path.string());
  return services;
}

Service ServiceOfCommand(const std::string& command) {
  return {"reload command", {"*"}, {"/bin/sh", "-c", command}, Service().timeout};
}

std::vector<const Service*> ServicesOf(std::span<const Service> services,
                                       std::span<const std::string> changed) {
  std::vector<const Service*> using_them;
  for (const Service& service : services) {
    const bool uses = std::any_of(changed.begin(), changed.end(),
                                  [&](const std::string& entry) { return Uses(service, entry); });
    if (uses) using_them.push_back(&service);
  }
  return using_them;
}

Result<void> Reload(const Service& service, std::span<const std::string> changed,
                    const std::filesystem::path& mountpoint) {
  std::string entries;
  for (const std::string& entry : changed) {
    if (Uses(service, entry)) entries += (entries.empty() ? "" : "\n") + entry;
  }
  std::cout.flush();
  std::cerr.flush();
  const pid_t process = fork();
  if (process < 0) return SystemError("fork", errno);
  if (process == 0) BecomeCommand(service, entries, mountpoint);
  setpgid(process, process);
  const std::optional<int> status = Await(process, service.timeout);
  if (!status) {
    EndGroup(process);
    return Error(ErrorCode::kRejected,
                 service.name + ": took longer than " + std::to_string(service.timeout.count()) + " seconds");
  }
  if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return {};
  const std::string how = WIFEXITED(*status) ? "exit code " + std::to_string(WEXITSTATUS(*status))
                                             : "signal " + std::to_string(WTERMSIG(*status));
  return Error(ErrorCode::kRejected, service.name + ": was not reloaded: its command ended with " + how);
}

}  // namespace certfs
