#include "tools/authority/ocsp_server.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

namespace certfs::authority {

namespace {

constexpr std::size_t kRequestBytesMax = std::size_t{64} << 10;
constexpr std::size_t kThreads = 4;
constexpr time_t kPatienceSeconds = 5;
constexpr auto kRequestType = "application/ocsp-request";
constexpr auto kResponseType = "application/ocsp-response";

// An answer is signed, but a question tells who is talked to: nobody beside this machine is to ask.
bool IsLoopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

int DigitOf(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

struct OcspServer::State {
  httplib::Server server;
  int port = 0;
  std::atomic<bool> ended = false;
};

OcspServer::OcspServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
OcspServer::OcspServer(OcspServer&&) noexcept = default;
OcspServer::~OcspServer() = default;

Result<OcspServer> OcspServer::Listen(const std::string& address, int port, Answer answer) {
  if (!IsLoopback(address))
    return Error(ErrorCode::kInvalidArgument, address + ": not a loopback address, such as 127.0.0.1 or ::1");
  auto state = std::make_unique<State>();
  httplib::Server& server = state->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  // The library's own choice (SO_REUSEPORT) would share the port with another responder, unnoticed.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  server.set_payload_max_length(kRequestBytesMax);
  server.set_read_timeout(kPatienceSeconds);
  server.set_write_timeout(kPatienceSeconds);
  server.set_keep_alive_timeout(kPatienceSeconds);
  const auto respond = [answer = std::move(answer)](BytesView request, httplib::Response& response) {
    response.set_content(std::string(AsText(answer(request))), kResponseType);
  };
  server.Post(".*", [respond](const httplib::Request& request, httplib::Response& response) {
    if (request.get_header_value("Content-Type") != kRequestType) {
      response.status = 415;
      return;
    }
    respond(AsBytes(request.body), response);
  });
  server.Get(".*", [respond](const httplib::Request& request, httplib::Response& response) {
    const auto decoded = RequestOfPath(request.path);
    if (!decoded.has_value()) {
      response.status = 400;
      return;
    }
    respond(decoded.value(), response);
  });
  state->port = port == 0 ? server.bind_to_any_port(address) : server.bind_to_port(address, port) ? port : -1;
  if (state->port <= 0)
    return Error(ErrorCode::kIo, address + ":" + std::to_string(port) + ": cannot be listened on");
  return OcspServer(std::move(state));
}

int OcspServer::port() const noexcept { return state_->port; }
void OcspServer::Run() {
  state_->server.listen_after_bind();
  state_->ended = true;
}

// A server that has not begun to accept yet does not hear of it.
void OcspServer::Stop() {
  while (!state_->ended) {
    state_->server.stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Result<Bytes> RequestOfPath(std::string_view path) {
  const Error malformed(ErrorCode::kMalformed, "the path is not an OCSP request in base64");
  if (!path.starts_with('/')) return malformed;
  path.remove_prefix(1);
  while (path.ends_with('=')) path.remove_suffix(1);
  // One digit alone makes no byte.
  if (path.empty() || path.size() > kRequestBytesMax || path.size() % 4 == 1) return malformed;
  Bytes request;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : path) {
    const int digit = DigitOf(c);
    if (digit < 0) return malformed;
    bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xFFFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    request.push_back(static_cast<std::uint8_t>(bits >> count));
  }
  return request;
}

}  // namespace certfs::authority
