#include "fs/fuse/session.h"

#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <spdlog/spdlog.h>

#include "fs/fuse/adapter.h"
#include "fs/fuse/data_watch.h"
#include "fs/fuse/periodic.h"

namespace certfs {

namespace {

// One thread answers most requests fastest on few cores; the others are for those that wait for the disk.
constexpr unsigned kThreadsMax = 10;
// Requests go to whoever has waited longest: the more wait, the longer has each been away from its processor.
// With fewer, two readers at once have threads made and ended all the time (measured on two cores).
constexpr unsigned kThreadsIdleMax = 4;
// How often somebody looks whether a CRL is past half of its life, which is days.
constexpr std::chrono::seconds kListsLookedAt = std::chrono::hours(1);

struct DestroySession {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};
struct DestroyLoopConfig {
  void operator()(fuse_loop_config* config) const { fuse_loop_cfg_destroy(config); }
};

// That this daemon serves, until everything about it has ended, however that comes about.
class Serving {
 public:
  Serving(fuse_session* session, Adapter& adapter, bool resumed)
      : session_(session), adapter_(adapter), resumed_(resumed) {}
  ~Serving() {
    if (resumed_ && !begun_) {
      // What it lacked may be there for the next one, and the mount stays. Nothing is waited for here: a
      // thread that tells the kernel something may wait for somebody whom no one answers yet.
      spdlog::error("the mount could not be taken over");
      std::_Exit(EXIT_FAILURE);
    }
    if (!handed_over_) adapter_.host->Abort();
    adapter_.waker.reset();
    adapter_.notifier.reset();
    fuse_remove_signal_handlers(session_);
  }
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  // From here on requests are answered.
  void Begin() noexcept { begun_ = true; }
  // Leaves the mount to a successor. The notifier has ended: one of those whom that will answer may hold what
  // it waits for.
  void HandOver() noexcept { handed_over_ = true; }

 private:
  fuse_session* const session_;
  Adapter& adapter_;
  const bool resumed_;
  bool begun_ = false;
  bool handed_over_ = false;
};

// Waits for SIGUSR2, by which the mounter asks for the mount, and then ends the loop that answers.
class HandoverWatch {
 public:
  explicit HandoverWatch(Adapter& adapter)
      : adapter_(adapter), main_(pthread_self()), thread_([this] { Run(); }) {}
  ~HandoverWatch() {
    ending_ = true;
    pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
  }
  HandoverWatch(const HandoverWatch&) = delete;
  HandoverWatch& operator=(const HandoverWatch&) = delete;

  static void Block() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  }

  bool asked() const { return asked_; }

 private:
  void Run() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR2);
    int number = 0;
    while (sigwait(&signals, &number) != 0) {
    }
    if (ending_) return;
    // While requests are still answered: what it waits for may wait for an answer.
    adapter_.notifier->Stop();
    asked_ = true;
    // libfuse has a handler for it, which ends its loop alone.
    pthread_kill(main_, SIGTERM);  // NOLINT(bugprone-bad-signal-to-kill-thread,cert-pos44-c)
    // Whoever asks again is told by the end.
    while (!ending_) sigwait(&signals, &number);
  }

  Adapter& adapter_;
  const pthread_t main_;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> asked_ = false;
  std::thread thread_;
};

// That a mount began and ended, in the audit log.
class NotedMount {
 public:
  NotedMount(AuditLog* log, std::string mountpoint, bool resumed)
      : log_(log), mountpoint_(std::move(mountpoint)) {
    Note("mount", resumed ? ", taken over from the daemon before" : "");
  }
  ~NotedMount() {
    static_cast<void>(WithinMemory([&]() -> Result<void> {
      Note("unmount", handed_over_ ? ", handed over to another daemon" : "");
      return {};
    }));
  }
  NotedMount(const NotedMount&) = delete;
  NotedMount& operator=(const NotedMount&) = delete;

  void HandOver() noexcept { handed_over_ = true; }

 private:
  void Note(const char* operation, const char* more) {
    if (log_ == nullptr) return;
    AuditEvent event;
    event.operation = operation;
    event.who = OwnProcess().Who();
    event.detail = mountpoint_ + more;
    const auto noted = log_->Append(event);
    // What is public can be read all the same.
    if (!noted.has_value())
      spdlog::error("{}: no key is given out, and nothing can be changed", noted.error().message());
  }

  AuditLog* const log_;
  const std::string mountpoint_;
  bool handed_over_ = false;
};

}  // namespace

Result<MountEnd> RunMount(Keystore& keystore, const VolumeOptions& volume, const MountOptions& options,
                          MountHost& host, WakerProcess waker, const std::function<void()>& ready) {
  HandoverWatch::Block();
  const std::string mountpoint = options.mountpoint.string();
  if (AuditLog* const log = keystore.audit()) log->SetLimits(options.audit);
  Mounted mounted = TRY(host.Connect());
  const auto connection = TRY(Connection::Open(std::move(mounted.parts)));
  VolumeOptions served = volume;
  served.read_only = options.read_only;
  served.incarnation = connection->incarnation();
  served.pairs = connection.get();
  Adapter adapter(keystore, served, options.stores_only, host, *connection, ready);
  fuse_lowlevel_ops operations{};
  SetNameOperations(operations);
  SetFileOperations(operations);
  SetXattrOperations(operations);

  std::string program = "certfs";
  std::array<char*, 1> words{program.data()};
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(words.size()), words.data());
  const std::unique_ptr<fuse_session, DestroySession> session(
      fuse_session_new(&arguments, &operations, sizeof operations, &adapter));
  fuse_opt_free_args(&arguments);
  if (!session) return Error(ErrorCode::kInternal, "libfuse made no session");
  TRY(connection->Attach(session.get()));
  if (fuse_set_signal_handlers(session.get()) != 0) return Error(ErrorCode::kInternal, "no signal handlers");
  Serving serving(session.get(), adapter, connection->is_resumed());
  NotedMount noted(keystore.audit(), mountpoint, connection->is_resumed());
  adapter.notifier = std::make_unique<Notifier>(session.get(), [&adapter] {
    // What cannot be done now is done the next time.
    static_cast<void>(WithinMemory([&]() -> Result<void> {
      adapter.volume.DropExpired();
      return {};
    }));
  });
  // A mount that cannot be told from another is left alone, and one that is read-only takes no operation.
  if (waker.running() && mounted.number != 0 && !options.read_only) {
    adapter.waker = std::make_unique<Waker>(std::move(waker), adapter.volume,
                                            WakerMount{mounted.number, options.stores_only},
                                            [&] { adapter.Settle(KernelHolds::kNoDirectory); });
  }

  // Ends before what it tells.
  auto data_watch = DataWatch::Start(options.source, [&] {
    if (options.written) options.written();
    return adapter.volume.CatchUp();
  });
  if (!data_watch.has_value()) {
    spdlog::warn("{}: what other processes change wakes no watcher", data_watch.error().message());
  }

  // A failure is told by the volume.
  const Periodic lists(kListsLookedAt, [&adapter] { static_cast<void>(adapter.volume.RefreshLists()); });

  const std::unique_ptr<fuse_loop_config, DestroyLoopConfig> config(fuse_loop_cfg_create());
  if (!config) return Error(ErrorCode::kNoMemory, "no memory for the threads of the mount");
  fuse_loop_cfg_set_max_threads(config.get(), kThreadsMax);
  fuse_loop_cfg_set_idle_threads(config.get(), kThreadsIdleMax);
  if (connection->is_resumed()) TRY(connection->Resume(session.get()));
  const HandoverWatch handover(adapter);
  serving.Begin();
  const int outcome = fuse_session_loop_mt(session.get(), config.get());
  if (outcome < 0) return Error(ErrorCode::kIo, std::string("the mount ended: ") + std::strerror(-outcome));
  if (!handover.asked()) return MountEnd::kEnded;
  serving.HandOver();
  noted.HandOver();
  return MountEnd::kHandedOver;
}

}  // namespace certfs
