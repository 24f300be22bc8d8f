// A caller of the volume, as the audit log has him. Private to fs/.
//
// Thread-safety: as AuditedRequest. Ownership: borrows the process table.

#pragma once

#include <optional>
#include <string>
#include <utility>

#include "fs/volume.h"
#include "store/audit_event.h"

namespace certfs {

class AuditedCaller final : public AuditSubject {
 public:
  AuditedCaller(const Caller& caller, const ProcessTable& processes)
      : caller_(caller), processes_(processes) {}

  AuditActor Who() const override;
  // As the errno that the mount answers with: "EPERM".
  std::string OutcomeOf(const Error& error) const override;

 private:
  const Caller caller_;
  const ProcessTable& processes_;
};

// The opener of a file that is written, as he is to be noted when he closes it: he may do so within an
// execve, and then /proc does not tell of his program until that close has returned.
Caller Known(const Caller& opener, const ProcessTable& processes);
// Whoever closes a file that `opener`, of `opener_process`, has opened. Asks /proc for nothing.
Caller Closing(const Caller& caller, std::int32_t process, const Caller& opener, std::int32_t opener_process);

// Somebody of whom nothing can be told.
class UnknownCaller final : public AuditSubject {
 public:
  AuditActor Who() const override { return {}; }
};

// What a caller asks for, while it is done.
class CallerRequest {
 public:
  CallerRequest(const Caller& caller, const ProcessTable& processes, std::string operation,
                std::optional<std::string> path)
      : subject_(caller, processes), request_(subject_, std::move(operation), std::move(path)) {}

  void Describe(std::string detail) { request_.Describe(std::move(detail)); }
  const AuditedRequest& request() const { return request_; }

 private:
  const AuditedCaller subject_;
  AuditedRequest request_;
};

// What setting attributes, or the size, is called.
std::string NameOfChange(const AttributeChange& change, std::optional<std::uint64_t> size);

// The name under which opening `node` to read it is noted; null where it is not.
const char* NotedReading(NodeId node);

}  // namespace certfs
