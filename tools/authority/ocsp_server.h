// HTTP on a loopback address that carries OCSP (RFC 6960, A.1): POST, and GET of the request in base64.
//
// Thread-safety: Stop may be called from any thread. Ownership: owns its socket and threads. Errors: kIo
// where the address cannot be had, kInvalidArgument where it is none of this machine alone.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace certfs::authority {

class OcspServer {
 public:
  // Turns a request into a response, DER both; from several threads at once.
  using Answer = std::function<Bytes(BytesView request)>;

  // Binds to `address` and `port`, 0 being any that is free.
  static Result<OcspServer> Listen(const std::string& address, int port, Answer answer);
  OcspServer(OcspServer&&) noexcept;
  ~OcspServer();

  int port() const noexcept;
  // Serves until Stop, which returns once another thread's Run has ended.
  void Run();
  void Stop();

 private:
  struct State;
  explicit OcspServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Returns the request in the path of a GET, which is base64 (RFC 4648, 4) behind a slash, with percent signs
// undone already. kMalformed for anything else.
Result<Bytes> RequestOfPath(std::string_view path);

}  // namespace certfs::authority
