// Kernel requests, one type for each kind of answer: the compiler refuses the wrong answer, and a request
// that nobody answered is answered by its destructor, so that no caller ever hangs in the kernel. Private to
// fs/fuse.

#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include <cerrno>
#include <string>
#include <utility>

#include "crypto/base/bytes.h"

namespace certfs {

class Request {
 public:
  explicit Request(fuse_req_t request) noexcept : request_(request) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() { ReplyError(EIO); }

  // Does nothing once answered: a late failure has no listener. 0 is success without more to say.
  void ReplyError(int error) noexcept {
    if (fuse_req_t request = Take()) static_cast<void>(fuse_reply_err(request, error));
  }

  // Null once answered.
  fuse_req_t raw() const noexcept { return request_; }

 protected:
  fuse_req_t Take() noexcept { return std::exchange(request_, nullptr); }

 private:
  fuse_req_t request_;
};

class DoneRequest : public Request {
 public:
  using Request::Request;
  void ReplyDone() noexcept { ReplyError(0); }
};

class EntryRequest : public Request {
 public:
  using Request::Request;
  // Returns whether the kernel took it; if not (the caller was interrupted) it will never forget it.
  [[nodiscard]] bool ReplyEntry(const fuse_entry_param& entry) noexcept {
    return fuse_reply_entry(Take(), &entry) != -ENOENT;
  }
};

class AttributesRequest : public Request {
 public:
  using Request::Request;
  void ReplyAttributes(const struct stat& attributes, double timeout) noexcept {
    static_cast<void>(fuse_reply_attr(Take(), &attributes, timeout));
  }
};

class OpenRequest : public Request {
 public:
  using Request::Request;
  // These return whether the kernel took the handle; if not (the caller was interrupted) it will never
  // release it.
  [[nodiscard]] bool ReplyOpen(const fuse_file_info& file) noexcept {
    return fuse_reply_open(Take(), &file) != -ENOENT;
  }
  [[nodiscard]] bool ReplyCreated(const fuse_entry_param& entry, const fuse_file_info& file) noexcept {
    return fuse_reply_create(Take(), &entry, &file) != -ENOENT;
  }
};

class BytesRequest : public Request {
 public:
  using Request::Request;
  // Returns whether the kernel took them.
  bool ReplyBytes(BytesView bytes) noexcept {
    return fuse_reply_buf(Take(), reinterpret_cast<const char*>(bytes.data()), bytes.size()) == 0;
  }
  void ReplySize(std::size_t size) noexcept { static_cast<void>(fuse_reply_xattr(Take(), size)); }
};

class WriteRequest : public Request {
 public:
  using Request::Request;
  void ReplyWritten(std::size_t size) noexcept { static_cast<void>(fuse_reply_write(Take(), size)); }
};

class LinkRequest : public Request {
 public:
  using Request::Request;
  void ReplyTarget(const std::string& target) noexcept {
    static_cast<void>(fuse_reply_readlink(Take(), target.c_str()));
  }
};

class UsageRequest : public Request {
 public:
  using Request::Request;
  void ReplyUsage(const struct statvfs& usage) noexcept {
    static_cast<void>(fuse_reply_statfs(Take(), &usage));
  }
};

}  // namespace certfs
