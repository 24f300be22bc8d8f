// fuzz_seeds DIRECTORY: makes the seeds of the corpora, from the vectors of tests/ and by the writers of the
// product. What has random numbers in it (seals, envelopes) becomes another file each time, as good as the
// last one.

#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "crypto/pem.h"
#include "crypto/profile.h"
#include "crypto/signed_data_writer.h"
#include "crypto/signing_request.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/targets.h"
#include "tests/store/ledger_fixture.h"
#include "tests/store/restore_fixture.h"

namespace certfs::fuzz {

namespace {

std::filesystem::path into;

}  // namespace

void Put(const std::string& target, const std::string& name, BytesView bytes) {
  const std::filesystem::path folder = into / target;
  std::filesystem::create_directories(folder);
  std::ofstream out(folder / name, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}
void Put(const std::string& target, const std::string& name, std::string_view text) {
  Put(target, name, AsBytes(text));
}
void Copy(const std::string& target, std::initializer_list<const char*> files) {
  for (const std::string file : files)
    Put(target, std::filesystem::path(file).filename().string(), TestFile("vectors/" + file));
}
Bytes Behind(std::uint8_t first, BytesView rest) {
  Bytes bytes{first};
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

namespace {

void PutPki() {
  Copy("pem", {"pki/chain.pem", "pki/leaf-sec1.key", "pki/encrypted-traditional.key", "pki/crl-5.pem"});
  Copy("certificate",
       {"pki/leaf.der", "pki/chain.pem", "pki/chain-wrong-order.pem", "pki/name-constraints.pem",
        "pki/algorithms-differ-leaf.pem", "pki/duplicate-extension-leaf.pem", "pki/explicit-curve.pem",
        "pki/malformed-extension-leaf.pem", "pki/rsa-even-exponent-leaf.pem", "pki/address.pem",
        "pki/version-1.pem", "pki/empty-subject.pem", "pki/serial-negative-leaf.pem", "pki/dsa-leaf.pem",
        "recovery/rsa.pem", "recovery/ed25519.pem"});
  for (const char* const name : {"root", "wildcard", "unknown-critical", "constrains-names"}) {
    const auto blocks = Have(ReadPem(TestFile("vectors/pki/" + std::string(name) + ".pem")));
    Put("certificate", std::string(name) + ".der", blocks.front().body.Reveal());
  }
  Copy("private_key",
       {"pki/leaf.key", "pki/leaf.key.der", "pki/leaf-sec1.key", "pki/rsa2048-pkcs1.key", "pki/rsa1024.key",
        "pki/ed25519.key", "pki/x25519.key", "pki/encrypted.key", "pki/encrypted-traditional.key",
        "pki/dsa.key", "pki/dsa-traditional.key.der", "pki/explicit-curve.key", "pki/inconsistent.key.der",
        "pki/rsa-even-exponent.key.der"});
  Copy("crl",
       {"pki/crl-5.der", "pki/crl-6.pem", "pki/crl-delta.pem", "pki/crl-indirect.pem",
        "pki/crl-empty-entries.der", "pki/crl-odd-entry.pem", "pki/crl-removed.pem",
        "pki/crl-unknown-critical.pem", "pki/crl-without-next-update.der", "pki/crl-revokes-leaf.pem"});
  for (const char* const name : {"crl-delta", "crl-partial", "crl-revokes-leaf"}) {
    const auto blocks = Have(ReadPem(TestFile("vectors/pki/" + std::string(name) + ".pem")));
    Put("crl", std::string(name) + ".der", blocks.front().body.Reveal());
  }
  Copy("pkcs12", {"pkcs12/gnutls.p12", "pkcs12/gnutls-null-password.p12", "pkcs12/java-keys.p12",
                  "pkcs12/java-trusted.p12", "pkcs12/nss.p12", "pkcs12/nss-aes.p12", "pkcs12/openssl.p12",
                  "pkcs12/openssl-compatible.p12", "pkcs12/openssl-no-mac.p12", "pkcs12/openssl-plain.p12",
                  "pkcs12/openssl-empty-password.p12", "pkcs12/openssl-legacy.p12"});
  Copy("bundle", {"pkcs12/java.jks", "pki/leaf.der", "pki/leaf.key.der", "pki/crl-5.der", "pki/encrypted.key",
                  "pki/encrypted-traditional.key"});
  std::string all;
  for (const char* const name : {"leaf.key", "chain.pem", "crl-5.pem", "encrypted.key"})
    all += AsText(TestFile("vectors/pki/" + std::string(name)));
  Put("bundle", "everything.pem", all);
}

constexpr auto kConfig =
    "Country = US\nName = www.example.com\nOrganization = Example, Other\nOrgUnit = One\nState = CA\n"
    "Locality = Palo Alto\nDomainComponent = example.com\nIPAddress = 192.0.2.1, 2001:db8::1\n"
    "Email = admin@example.com\nHostname = www.example.com, *.example.com, fa\xC3\x9F.example\nKeyType = "
    "rsa-3072\n";

void PutRequests() {
  Put("request_config", "everything.cfg", kConfig);
  Put("request_config", "name.cfg", "\xEF\xBB\xBF# a comment\r\nname=Machine1_Cert\r\n");
  Put("request_config", "template.cfg", "Country = US\nName= Acme\nOrganization = AcmeOrg\n");
  const RequestConfig config = Have(RequestConfig::Parse(AsBytes(kConfig)));
  for (const char* const key : {"pki/leaf.key", "pki/ed25519.key", "pki/rsa2048.key"}) {
    const std::string name = std::filesystem::path(key).stem();
    const auto request =
        Have(MakeSigningRequest(config, Have(ReadKeyFile(TestFile("vectors/" + std::string(key)))).key));
    Put("request", name + ".csr", request);
    Put("request", name + ".der", Have(ReadPem(request)).front().body.Reveal());
  }
  for (const BuiltInProfile& profile : BuiltInProfiles())
    Put("profile", std::string(profile.name) + ".toml", profile.toml);
  Put("profile", "everything.toml",
      "description = \"f\xC3\xBCr alle\"\nkeys = [\"ec-p256\", \"ed25519\", \"rsa-2048\"]\ndays = 90\n"
      "backdate_minutes = 5\nkey_usage = [\"digitalSignature\", \"keyEncipherment\"]\n"
      "extended_key_usage = [\"serverAuth\", \"1.3.6.1.5.5.7.3.2\"]\nocsp_no_check = false\n[names]\n"
      "hosts = [\"example.com\", \".example.com\"]\naddresses = [\"10.0.0.0/8\", \"fd00::/8\"]\n"
      "emails = [\"a@example.com\", \".example.com\"]\nwildcards = true\nhost_required = true\n[urls]\n"
      "crl = [\"http://pki.example.com/crl.der\"]\nocsp = [\"http://pki.example.com/ocsp\"]\n"
      "issuer = [\"http://pki.example.com/ca.der\"]\n");
  Put("profile", "authority.toml", "authority = true\npath_length = 0\nkeys = [\"ec-p384\"]\ndays = 3650\n");
}

void PutTexts() {
  Put("settings", "example.toml",
      "[mount.certs]\nkeystore = \"/var/lib/certfs/keystore\"\nmountpoint = \"/certs\"\nkeyfile = "
      "\"/etc/certfs/key\"\n"
      "subtree = \"stores\"\nread_only = false\nlog_level = \"info\"\naudit_mib = 16\naudit_files = 8\n"
      "[renew]\nwithin = \"30d\"\nmount = \"/certs\"\n"
      "[watch.nginx]\nentries = [\"machine/web\"]\ncommand = \"systemctl reload nginx\"\n");
  Put("settings", "watch.toml",
      "[watch.\"a b\"]\nentries = [\"machine/web\", \"vpxd/*\"]\ncommand = [\"kill\", \"-HUP\", \"1\"]\n"
      "mount = \"/certs\"\n");
  const struct {
    const char* name;
    const char* text;
  } names[] = {{"store", "MACHINE_SSL_CERT"},
               {"next", "web/next"},
               {"kept", "bkp_web@vpxd"},
               {"path", "machine/web"},
               {"host", "www.Example.com"},
               {"idn", "fa\xC3\x9F.example"},
               {"a-label", "xn--fa-hia.example"},
               {"wildcard", "*.example.com"},
               {"email", "admin@m\xC3\xBCller.example"},
               {"address", "2001:db8::1"},
               {"range", "10.0.0.0/8"}};
  for (const auto& row : names) Put("name", row.name, row.text);
  Put("access_control_list", "named", AclOf(33, 4'294'967'000, 4).Encode());
  Put("access_control_list", "least", Bytes{2, 0, 0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 4,   0,
                                            4, 0, 255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255});
  using std::string_literals::operator""s;
  Put("control", "life",
      "init --key=ec-p256 --days=100\nName = Fuzz CA\nOrganization = Acme\n\0show\0"
      "issue --profile=server --name=web --days=10\nName = www.example.com\nHostname = www.example.com\n\0"
      "list --state=active --limit=5\0status web\0crl --force"s);
  Put("control", "entries",
      "init\0write-entries reset\n[machine/a]\nprofile = server\nName = web\nHostname = a.example.com\n\0"
      "plan-renewal all --within=4000\0renew machine/a --rekey\0revoke machine/a superseded\0revert"s);
  Put("control", "pair",
      "write-entries reset --plan\n[vpxd/b]\n"s + std::string(AsText(TestFile("vectors/pki/leaf.pem"))) +
          std::string(AsText(TestFile("vectors/pki/leaf.key"))));
  Put("control", "replace",
      "init --permit=DNS:example.com --path-length=1\0replace-root --compromised\nName = Next\n\0"
      "replace-root-step 10\0show\0replace-root-back\0retire --now"s);
  Put("control", "import",
      "import\n"s + std::string(AsText(TestFile("vectors/recovery/p256.key"))) +
          std::string(AsText(TestFile("vectors/recovery/p256.pem"))));
  Put("control", "quotes", "issue \"two words\" --x=\"a \\\"b\\\" \\\\c\"\nName = a\n");
}

void PutMessages() {
  const Bytes message{'h', 'e', 'l', 'l', 'o'};
  const auto seal = [&](EnvelopeRecipients recipients) {
    Bytes out;
    auto writer = Have(EnvelopeWriter::Begin(Have(SealRecipients(recipients)), message.size(),
                                             [&](BytesView bytes) -> Result<void> {
                                               out.insert(out.end(), bytes.begin(), bytes.end());
                                               return {};
                                             }));
    Have(writer.Write(message));
    Have(writer.Finish());
    return out;
  };
  const auto recipient = [](const char* name) {
    return Have(ReadCertificateFile(TestFile("vectors/recovery/" + std::string(name)))).certificates.front();
  };
  Put("envelope", "password", Behind('w', seal({SecretOf(kExportPassword), {}, 2})));
  Put("envelope", "p256", Behind('k', seal({{}, {recipient("p256.pem")}, 2})));
  Put("envelope", "all",
      Behind('k', seal({SecretOf(kExportPassword),
                        {recipient("rsa.pem"), recipient("p384.pem"), recipient("p256.pem")},
                        2})));
}

void PutSigned() {
  const Bytes message = BytesOfText("what is signed\n");
  const struct {
    const char* name;
    const char* chain;
    const char* key;
  } rows[] = {{"ec", "pki/chain.pem", "pki/leaf.key"}, {"rsa", "recovery/rsa-signs.pem", "recovery/rsa.key"}};
  for (const auto& row : rows) {
    const auto chain = Have(ReadCertificateFile(TestFile("vectors/" + std::string(row.chain)))).certificates;
    const auto key = Have(ReadKeyFile(TestFile("vectors/" + std::string(row.key)))).key;
    auto writer = Have(SignedDataWriter::Begin(chain, key, test::kVectorTime));
    writer.Add(message);
    const SignedMessageEnds ends = Have(writer.Finish());
    Bytes whole = ends.head;
    whole.insert(whole.end(), message.begin(), message.end());
    whole.insert(whole.end(), ends.tail.begin(), ends.tail.end());
    Put("signed_data", row.name, whole);
  }
}

// Of the authority of that target: its name, and the key that it borrows.
void PutOcsp() {
  const Bytes name = Have(DistinguishedName(Have(RequestConfig::Parse(AsBytes("Name = Fuzzed\n")))));
  const std::uint8_t* at = name.data();
  X509_NAME* const issuer = d2i_X509_NAME(nullptr, &at, static_cast<long>(name.size()));
  const Certificate leaf = Have(ReadCertificateFile(TestFile("vectors/pki/leaf.pem"))).certificates.front();
  const ASN1_BIT_STRING* const key = X509_get0_pubkey_bitstr(leaf.handle());
  for (const auto& [file, digest, nonce] :
       {std::tuple("sha1", EVP_sha1(), false), std::tuple("sha256-nonce", EVP_sha256(), true)}) {
    OCSP_REQUEST* const request = OCSP_REQUEST_new();
    for (const int number : {17, 4711, 1'000'000'000}) {
      ASN1_INTEGER* const serial = ASN1_INTEGER_new();
      ASN1_INTEGER_set(serial, number);
      OCSP_request_add0_id(request, OCSP_cert_id_new(digest, issuer, key, serial));
      ASN1_INTEGER_free(serial);
    }
    if (nonce) OCSP_request_add1_nonce(request, nullptr, 16);
    unsigned char* der = nullptr;
    const int size = i2d_OCSP_REQUEST(request, &der);
    Put("ocsp", file, BytesView(der, static_cast<std::size_t>(size)));
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
  }
  X509_NAME_free(issuer);
}

}  // namespace
}  // namespace certfs::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fuzz_seeds DIRECTORY\n";
    return 2;
  }
  using namespace certfs::fuzz;
  into = argv[1];
  PutPki();
  PutRequests();
  PutTexts();
  PutStore();
  PutBackups();
  PutMessages();
  PutSigned();
  PutOcsp();
  PutVolume();
  return 0;
}
