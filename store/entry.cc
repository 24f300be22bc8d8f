#include "store/entry.h"

namespace certfs {

std::string_view FileName(Member member) {
  switch (member) {
    case Member::kCertificate:
      return "cert.pem";
    case Member::kKey:
      return "key.pem";
    case Member::kRevocationList:
      return "crl.pem";
    case Member::kSecret:
      return "secret";
    case Member::kRequest:
      return "request.cfg";
    case Member::kSigningRequest:
      return "request.csr";
  }
  return {};
}

std::optional<Member> MemberNamed(std::string_view file_name) {
  for (const Member member : kMembers) {
    if (FileName(member) == file_name) return member;
  }
  return std::nullopt;
}

}  // namespace certfs
