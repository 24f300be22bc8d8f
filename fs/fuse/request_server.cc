#include "fs/fuse/request_server.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "fs/fuse/adapter.h"
#include "fs/fuse/mount_point.h"

namespace certfs {

struct RequestServer::State {
  State(Keystore& keystore, const VolumeOptions& options, std::unique_ptr<Connection> connection_in,
        std::function<void(BytesView)> answer_in)
      : connection(std::move(connection_in)),
        adapter(keystore, options, false, host, *connection, [] {}),
        answer(std::move(answer_in)) {}
  ~State() {
    if (session != nullptr) fuse_session_destroy(session);
    free(buffer.mem);  // libfuse's, of malloc.
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Whose request this thread serves: libfuse hands its callbacks the adapter alone.
  static thread_local State* serving;
  static ssize_t Read(int /*device*/, void* into, std::size_t size, void* /*adapter*/);
  static ssize_t Write(int /*device*/, iovec* parts, int count, void* /*adapter*/);

  MountPoint host{MountOptions{}};  // Never mounted.
  const std::unique_ptr<Connection> connection;
  Adapter adapter;
  const std::function<void(BytesView)> answer;
  fuse_session* session = nullptr;
  BytesView request;
  fuse_buf buffer{};
};

thread_local RequestServer::State* RequestServer::State::serving = nullptr;

ssize_t RequestServer::State::Read(int /*device*/, void* into, std::size_t size, void* /*adapter*/) {
  const std::size_t count = std::min(size, serving->request.size());
  std::copy_n(serving->request.begin(), count, static_cast<std::uint8_t*>(into));
  return static_cast<ssize_t>(count);
}

ssize_t RequestServer::State::Write(int /*device*/, iovec* parts, int count, void* /*adapter*/) {
  Bytes whole;
  for (const iovec& part : std::span(parts, static_cast<std::size_t>(count))) {
    const auto* const from = static_cast<const std::uint8_t*>(part.iov_base);
    whole.insert(whole.end(), from, from + part.iov_len);
  }
  serving->answer(whole);
  return static_cast<ssize_t>(whole.size());
}

RequestServer::RequestServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

RequestServer::~RequestServer() { State::serving = nullptr; }

Result<std::unique_ptr<RequestServer>> RequestServer::Make(Keystore& keystore, const VolumeOptions& options,
                                                           std::function<void(BytesView)> answer) {
  auto connection = TRY(Connection::Open({Descriptor(), TRY(Connection::NewPage())}));
  auto state = std::make_unique<State>(keystore, options, std::move(connection), std::move(answer));
  fuse_lowlevel_ops operations{};
  SetNameOperations(operations);
  SetFileOperations(operations);
  SetXattrOperations(operations);
  std::string program = "certfs";
  std::vector<char*> words{program.data()};
  fuse_args arguments = FUSE_ARGS_INIT(1, words.data());
  state->session = fuse_session_new(&arguments, &operations, sizeof operations, &state->adapter);
  fuse_opt_free_args(&arguments);
  if (state->session == nullptr) return Error(ErrorCode::kInternal, "libfuse makes no session");
  const fuse_custom_io io{State::Write, State::Read, nullptr, nullptr};
  // libfuse wants a descriptor, which it closes, and neither reads nor writes.
  const int device = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (device < 0 || fuse_session_custom_io(state->session, &io, device) != 0) {
    if (device >= 0) close(device);
    return Error(ErrorCode::kInternal, "libfuse takes no requests but the kernel's");
  }
  return std::unique_ptr<RequestServer>(new RequestServer(std::move(state)));
}

void RequestServer::Serve(BytesView request) {
  State::serving = state_.get();
  state_->request = request;
  if (fuse_session_receive_buf(state_->session, &state_->buffer) > 0)
    fuse_session_process_buf(state_->session, &state_->buffer);
}

}  // namespace certfs
