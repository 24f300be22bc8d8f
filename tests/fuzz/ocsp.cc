#include "crypto/ocsp.h"

#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

namespace {

Profile BuiltIn(std::string_view name) {
  for (const BuiltInProfile& each : BuiltInProfiles()) {
    if (each.name == name) return Have(Profile::Parse(name, AsBytes(each.toml)));
  }
  return {};
}

OcspResponder MakeResponder() {
  const PrivateKey root_key = Have(ReadKeyFile(TestFile("vectors/pki/leaf.key"))).key;
  const PrivateKey key = Have(ReadKeyFile(TestFile("vectors/pki/other.key"))).key;
  std::shared_ptr<const Signer> signer = Have(MakeSigner(root_key));
  RootOptions options;
  options.name = Have(DistinguishedName(Have(RequestConfig::Parse(AsBytes("Name = Fuzzed\n")))));
  const Certificate root = Have(MakeRoot(options, Have(RandomSerialNumber()), test::kVectorTime, *signer));
  const auto issuer = Have(Issuer::Make(root, {}, signer));
  const auto subject =
      Have(SubjectOf(Have(RequestConfig::Parse(AsBytes("Name = OCSP\n"))), Have(PublicKey::Of(key))));
  const Profile profile = BuiltIn("ocsp");
  const auto validity = ValidityOf(profile, test::kVectorTime, {}, root);
  const Certificate own = Have(issuer->Issue(subject, profile, Have(RandomSerialNumber()), validity));
  return Have(OcspResponder::Make(root, own, key));
}

}  // namespace

// Every request has an answer, whole DER, and a serial number that is looked up is one.
int FuzzOcsp(const std::uint8_t* data, std::size_t size) {
  static const OcspResponder responder = MakeResponder();
  const auto lookup = [](BytesView serial) -> Result<CertificateStatus> {
    if (serial.size() == 3) return Error(ErrorCode::kIo, "as if the ledger could not be read");
    NoteRead();
    CertificateStatus status;
    status.state = static_cast<CertificateState>(serial.size() % 3);
    return status;
  };
  const Bytes answer =
      responder.Answer(BytesView(data, size), lookup, test::kVectorTime, std::chrono::minutes(10));
  PROPERTY(answer.size() > 4 && answer[0] == 0x30);
  return 0;
}

}  // namespace certfs::fuzz
