// The callbacks of a mount without a mount: requests are handed over as the bytes that one read(2) of the
// device gives, one after the other, and answered in bytes. For whoever plays the kernel: tests/fuzz.
//
// As there, the kernel is trusted to frame what it sends: sizes fit, names end in a NUL. Nobody is notified
// and no watcher is woken.
//
// Thread-safety: one thread. Ownership: borrows the keystore.

#pragma once

#include <functional>
#include <memory>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "fs/volume.h"

namespace certfs {

class RequestServer {
 public:
  // Each answer goes to `answer`. kInternal where libfuse makes no session.
  static Result<std::unique_ptr<RequestServer>> Make(Keystore& keystore, const VolumeOptions& options,
                                                     std::function<void(BytesView)> answer);
  ~RequestServer();
  RequestServer(const RequestServer&) = delete;
  RequestServer& operator=(const RequestServer&) = delete;

  // The first one has to be FUSE_INIT.
  void Serve(BytesView request);

 private:
  struct State;
  explicit RequestServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace certfs
