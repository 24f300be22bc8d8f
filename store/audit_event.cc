#include "store/audit_event.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace certfs {

namespace {

thread_local AuditedRequest* current = nullptr;

class ThisProcess final : public AuditSubject {
 public:
  AuditActor Who() const override {
    AuditActor actor;
    actor.uid = getuid();
    actor.gid = getgid();
    actor.pid = getpid();
    std::array<char, 4096> path;
    const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
    if (length > 0) actor.executable = std::string(path.data(), static_cast<std::size_t>(length));
    actor.program = program_invocation_short_name;
    return actor;
  }
};

const AuditSubject& SubjectAround() {
  const AuditedRequest* const around = AuditedRequest::Current();
  return around != nullptr ? around->subject() : OwnProcess();
}

}  // namespace

const AuditSubject& OwnProcess() {
  static const ThisProcess process;
  return process;
}

AuditedRequest::AuditedRequest(const AuditSubject& subject, std::string operation,
                               std::optional<std::string> path)
    : subject_(subject),
      operation_(std::move(operation)),
      path_(std::move(path)),
      outer_(std::exchange(current, this)) {}

AuditedRequest::AuditedRequest(std::string operation, std::optional<std::string> path)
    : AuditedRequest(SubjectAround(), std::move(operation), std::move(path)) {}

AuditedRequest::~AuditedRequest() { current = outer_; }

AuditedRequest* AuditedRequest::Current() { return current; }

void AuditedRequest::Noted() {
  noted_ = true;
  if (outer_ != nullptr) outer_->Noted();
}

AuditEvent AuditedRequest::Event() const {
  AuditEvent event;
  event.operation = operation_;
  event.path = path_;
  event.who = subject_.Who();
  event.detail = detail_;
  return event;
}

}  // namespace certfs
