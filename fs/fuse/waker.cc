#include "fs/fuse/waker.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <utility>

namespace certfs {

namespace {

// Beyond it the oldest are lost: nobody watches for tens of thousands of commits at once.
constexpr std::size_t kQueueMax = 65536;

// After running out of memory.
constexpr std::chrono::milliseconds kRetry{200};

// What the kernel learns of a revision that nobody has open and that is not kept: enough to be replaced.
Node Unknown(NodeId id) {
  Node node;
  node.id = id;
  node.attributes.mode = 0;
  node.links = 1;
  return node;
}

}  // namespace

Waker::Waker(WakerProcess process, Volume& volume, WakerMount mount, std::function<void()> settle)
    : process_(std::move(process)),
      id_(process_.process()),
      volume_(volume),
      mount_(mount),
      settle_(std::move(settle)),
      stop_event_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {}

Waker::~Waker() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  static_cast<void>(eventfd_write(stop_event_, 1));
  thread_.join();
  close(stop_event_);
}

void Waker::Wake(NodeId directory, std::string name, NodeId replaced) {
  Add({directory, std::move(name), replaced});
}

void Waker::WakeDirectory(NodeId directory) { Add({directory, ".", NodeId(), WakerAction::kAttribute}); }

void Waker::Add(Order order) {
  {
    const std::lock_guard lock(mutex_);
    if (!process_.running()) return;
    if (queue_.size() == kQueueMax) queue_.pop_front();
    queue_.push_back(std::move(order));
  }
  wake_.notify_one();
}

std::optional<Result<Node>> Waker::Lookup(const Caller& caller, NodeId directory, std::string_view name) {
  if (caller.thread != id_) return std::nullopt;
  std::optional<Order> order;
  {
    const std::lock_guard lock(mutex_);
    order = current_;
  }
  const bool own = name == kWakerName;
  if (!order || order->directory != directory || (!own && name != order->name)) return std::nullopt;
  const auto volatile_node = [](Node node) -> Result<Node> {
    node.volatile_name = node.volatile_attributes = true;
    return node;
  };
  if (own) {
    auto live = volume_.Lookup(caller, directory, order->name);
    return live.has_value() ? volatile_node(live.value()) : std::move(live);
  }
  // What the kernel has forgotten nobody watches.
  if (!volume_.IsHeld(order->replaced)) {
    if (order->action == WakerAction::kAttribute) return std::nullopt;  // Of the live file, then.
    return Result<Node>(Error(ErrorCode::kNotFound, "nobody holds what was replaced"));
  }
  auto replaced = volume_.GetAttributes(caller, order->replaced, 0);
  return volatile_node(replaced.has_value() ? replaced.value() : Unknown(order->replaced));
}

bool Waker::IsOwnRename(const Caller& caller, std::string_view name) const {
  return caller.thread == id_ && name == kWakerName;
}
bool Waker::IsOwnAttribute(const Caller& caller, std::string_view name) const {
  return caller.thread == id_ && name == kWakerAttribute;
}

std::optional<int> Waker::CarryOut(const Order& order, const std::string& path) {
  {
    const std::lock_guard lock(mutex_);
    current_ = order;
  }
  std::optional<int> outcome;
  if (process_.Send({order.action, mount_.device, path, order.name})) {
    std::array<pollfd, 2> waiting{pollfd{process_.socket(), POLLIN, 0}, pollfd{stop_event_, POLLIN, 0}};
    while (poll(waiting.data(), waiting.size(), -1) < 0 && errno == EINTR) {
    }
    if (waiting[0].revents != 0) {
      const auto received = process_.Receive();
      if (received.has_value()) outcome = received.value();
    }
  }
  const std::lock_guard lock(mutex_);
  current_.reset();
  return outcome;
}

std::optional<int> Waker::Attempt(Order& order, std::string& path) {
  const auto found = volume_.PathOfDirectory(order.directory);
  if (!found.has_value()) return found.error().code() == ErrorCode::kNoMemory ? ENOMEM : 0;
  path = found.value().value_or("");
  if (mount_.stores_only) {
    if (path == "stores") {
      path = ".";
    } else if (path.starts_with("stores/")) {
      path.erase(0, std::strlen("stores/"));
    } else {
      path.clear();  // Beside the stores: not in this mount, where a store may have that name.
    }
  }
  if (path.empty()) return 0;
  const std::optional<int> outcome = CarryOut(order, path);
  if (!outcome || (*outcome != EACCES && *outcome != EPERM)) return outcome;
  // A mounter that is not root, and so its waker, may not write to every directory. Watchers then learn of a
  // change of attributes.
  order.action = WakerAction::kAttribute;
  return CarryOut(order, path);
}

void Waker::Run() {
  bool told = false;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    Order order = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    settle_();
    std::string path;
    const std::optional<int> outcome = Attempt(order, path);
    const int failed = outcome.value_or(0);
    const bool expected = failed == 0 || failed == ENOENT || failed == ESTALE || failed == ENOMEM;
    if (!expected && !std::exchange(told, true))
      spdlog::warn("{}/{}: its watchers were not woken: {}", path, order.name, std::strerror(failed));
    lock.lock();
    if (outcome == ENOMEM) {
      // The oldest is what is lost when there are too many.
      if (queue_.size() < kQueueMax) queue_.push_front(std::move(order));
      wake_.wait_for(lock, kRetry, [this] { return stop_; });
    }
    if (!outcome && !stop_) {
      spdlog::error("the process certfs-waker has gone: watchers are not woken until the next mount");
      process_.Close();
      queue_.clear();
    }
  }
}

}  // namespace certfs
