#include "crypto/certification_request.h"
#include "crypto/description.h"
#include "crypto/file_outline.h"
#include "crypto/pem.h"
#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

// A request reads again as what was read, can be described and judged; and where it is judged well there is a
// subject to certify.
int FuzzRequest(const std::uint8_t* data, std::size_t size) {
  const BytesView input(data, size);
  const auto request = CertificationRequest::Parse(input);
  if (!request.has_value()) return 0;
  const BytesView der = request.value().der();
  const auto again = CertificationRequest::Parse(der);
  PROPERTY(again.has_value() && AsText(again.value().der()) == AsText(der));
  PROPERTY(OutlineSigningRequest(WritePem("CERTIFICATE REQUEST", der).Reveal()).has_value());
  static_cast<void>(DescribeRequest(der));
  for (const bool authority : {false, true}) {
    const Verdict verdict = JudgeRequest(request.value(), authority);
    Tell(verdict);
    const auto subject = SubjectOf(request.value(), authority);
    PROPERTY(!subject.has_value() || verdict.accepted());
    if (subject.has_value()) PROPERTY(IsUtf8(subject.value().common_name));
  }
  NoteRead();
  return 0;
}

}  // namespace certfs::fuzz
