#include "crypto/profile.h"

#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

// A profile that is taken is one under which something can be issued: times in bounds, purposes, and an
// answer for every subject.
int FuzzProfile(const std::uint8_t* data, std::size_t size) {
  static const CertificateSubject subject = [] {
    const PrivateKey key = Have(ReadKeyFile(TestFile("vectors/pki/leaf.key"))).key;
    const auto text = AsBytes("Name = www.example.com\nIPAddress = 10.0.0.1\nEmail = a@example.com\n");
    return Have(SubjectOf(Have(RequestConfig::Parse(text)), Have(PublicKey::Of(key))));
  }();
  const auto profile = Profile::Parse("fuzzed", BytesView(data, size));
  if (!profile.has_value()) {
    PROPERTY(profile.error().rule() == "profile");
    PROPERTY(IsUtf8(profile.error().message()) && !HasControl(profile.error().message()));
    return 0;
  }
  const Profile& found = profile.value();
  PROPERTY(found.name == "fuzzed" && IsUtf8(found.description));
  PROPERTY(found.lifetime.count() > 0 && found.backdate.count() >= 0);
  PROPERTY(found.key_usage != 0);
  PROPERTY(!found.curves.empty() || found.rsa_bits_min > 0);
  static_cast<void>(NamesUnder(found, subject));
  const auto checked = CheckSubject(found, subject);
  PROPERTY(checked.has_value() || checked.error().code() == ErrorCode::kRejected);
  NoteRead();
  return 0;
}

}  // namespace certfs::fuzz
