// Goal: certool's request files are read as certool reads them, and what is wrong is named by its line; the
// requests made of them say what was asked for. Method: tables of files; OpenSSL's own reading of the
// requests.

#include "crypto/request_config.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/openssl/handles.h"
#include "crypto/signing_request.h"
#include "tests/support/must.h"

namespace certfs {
namespace {

Result<RequestConfig> Parse(std::string_view text) { return RequestConfig::Parse(AsBytes(text)); }

// The template of certool, edited.
constexpr std::string_view kWhole =
    "#\r\n# Template file for a CSR request\r\n#\r\n"
    "\r\n"
    "Country = US\r\n"
    "Name = www.example.com\r\n"
    "Organization = Example, Example Labs\r\n"
    "OrgUnit = Engineering\r\n"
    "State = California\r\n"
    "Locality = Palo Alto\r\n"
    "IPAddress = 192.0.2.1, 2001:db8::1\r\n"
    "Email = admin@example.com\r\n"
    "Hostname = www.example.com, *.example.net\r\n"
    "DomainComponent = example.com";

TEST(RequestConfig, ReadsWhatCertoolReads) {
  for (const std::string mark : {"", "\xEF\xBB\xBF"}) {
    const RequestConfig config = Must(Parse(mark + std::string(kWhole)));
    using Texts = std::vector<std::string>;
    EXPECT_EQ(config.countries, Texts{"US"});
    EXPECT_EQ(config.name, "www.example.com");
    EXPECT_EQ(config.organizations, (Texts{"Example", "Example Labs"}));
    EXPECT_EQ(config.units, Texts{"Engineering"});
    EXPECT_EQ(config.states, Texts{"California"});
    EXPECT_EQ(config.localities, Texts{"Palo Alto"});
    EXPECT_EQ(config.addresses, (Texts{"192.0.2.1", "2001:db8::1"}));
    EXPECT_EQ(config.emails, Texts{"admin@example.com"});
    EXPECT_EQ(config.hosts, (Texts{"www.example.com", "*.example.net"}));
    EXPECT_EQ(config.domain_components, (Texts{"example", "com"}));
    EXPECT_FALSE(config.key_type);
  }
}

TEST(RequestConfig, TheFirstHostIsTheNameWhereNoneIsGiven) {
  EXPECT_EQ(Must(Parse("Hostname = a.example, b.example\n")).name, "a.example");
  EXPECT_EQ(Must(Parse("hostname=a.example\nNAME =  Müller  \n")).name, "Müller");
  // One that is too long for a common name stands among the hosts alone.
  const std::string label(60, 'a');
  EXPECT_EQ(Must(Parse("Hostname = " + label + "." + label + "\n")).name, "");
}

TEST(RequestConfig, KnowsTheKindsOfKey) {
  EXPECT_EQ(Must(Parse("Name = x\nKeyType = EC-P384")).key_type, KeyType::kEcP384);
  EXPECT_EQ(Must(Parse("Name = x\nKeyType = ec-p256")).key_type, KeyType::kEcP256);
  EXPECT_EQ(Must(Parse("Name = x\nKeyType = rsa-3072")).key_type, KeyType::kRsa3072);
  EXPECT_EQ(Must(Parse("Name = x\nKeyType = rsa-4096")).key_type, KeyType::kRsa4096);
}

std::string ListOf(int count) {
  std::string list = "v";
  for (int i = 1; i < count; ++i) list += ", v";
  return list;
}

TEST(RequestConfig, NamesTheLineThatIsWrong) {
  const struct {
    std::string file;
    std::string words;  // That the message holds.
  } cases[] = {
      {"", "neither a Name nor a Hostname"},
      {"# nothing\n", "neither a Name nor a Hostname"},
      {"Country = US\n", "neither a Name nor a Hostname"},
      {"Name = x\nState = " + ListOf(40) + "\nOrgUnit = " + ListOf(40) + "\n",
       "a name of 81 values: at most 64"},
      {"Name = x\nFavourite = blue\n", "line 2: 'Favourite' is not a key"},
      {"Name = x\nName = y\n", "line 2: 'Name' stands twice"},
      {"\n\nName\n", "line 3: not 'Key = value'"},
      {"Name =\n", "line 1: a value is missing"},
      {"Hostname = a.example,,b.example\n", "line 1: a value is missing"},
      {"Country = USA\n", "line 1: 'USA' is over 2 bytes"},
      {"Country = U1\n", "'U1' is not a country code"},
      {"Hostname = -a.example\n", "'-a.example' is not a host name"},
      {"Hostname = a..example\n", "'a..example' is not a host name"},
      {"Hostname = a.*.example\n", "is not a host name"},
      {"Hostname = a b\n", "is not a host name"},
      {"IPAddress = 1.2.3\n", "'1.2.3' is not an IPv4 or IPv6 address"},
      {"Email = nobody\n", "'nobody' is not an e-mail address"},
      {"Email = no body@example.com\n", "is not an e-mail address"},
      {"DomainComponent = .com\n", "is not a domain name"},
      {"Name = " + std::string(65, 'x') + "\n", "over 64 bytes"},
      {"Name = a\x01z\n", "has control characters"},
      {"Name = a\x00z\n" + std::string(1, '\0'), "line 1: "},
      {"Name = \xFF\xFE\n", "line 1: not UTF-8"},
      {"\xFF\xFEN", "line 1: not UTF-8"},
      {"Name = server.acme.com\n", "line 1: 'server.acme.com' is certool's template value"},
      {"Name = x\nEmail = Email@Acme.com\n", "line 2: 'Email@Acme.com' is certool's template value"},
      {"Name = x\nKeyType = dsa\n", "line 2: KeyType is"},
      {"Name = x\nHostname = " +
           [] {
             std::string many = "h";
             for (int i = 0; i < 100; ++i) many += ",h";
             return many;
           }(),
       "line 2: more than 100 values"},
  };
  for (const auto& [file, words] : cases) {
    const auto config = Parse(file);
    ASSERT_FALSE(config.has_value()) << file;
    EXPECT_EQ(config.error().code(), ErrorCode::kMalformed) << file;
    EXPECT_EQ(config.error().rule(), "request-config") << file;
    EXPECT_NE(config.error().message().find(words), std::string::npos)
        << file << ": " << config.error().message();
  }
  EXPECT_EQ(Parse(std::string((64 << 10) + 1, '#')).error().code(), ErrorCode::kTooLarge);
}

using RequestHandle = openssl::Handle<X509_REQ, X509_REQ_free>;

RequestHandle Read(BytesView pem) {
  const openssl::BioHandle bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return RequestHandle(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
}

std::string SubjectOf(const X509_REQ* request) {
  const openssl::BioHandle bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_REQ_get_subject_name(request), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

TEST(SigningRequest, SaysWhatWasAskedForAndVerifies) {
  const RequestConfig config = Must(Parse(kWhole));
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa3072}) {
    const PrivateKey key = Must(PrivateKey::Generate(type));
    EXPECT_TRUE(key.Is(type));
    const RequestHandle request = Read(Must(MakeSigningRequest(config, key)));
    ASSERT_TRUE(request);
    EXPECT_EQ(X509_REQ_verify(request.get(), key.handle()), 1);
    EXPECT_EQ(SubjectOf(request.get()),
              "CN=www.example.com,OU=Engineering,O=Example Labs,O=Example,L=Palo Alto,ST=California,C=US,"
              "DC=example,DC=com");
    STACK_OF(X509_EXTENSION)* const extensions = X509_REQ_get_extensions(request.get());
    const openssl::NamesHandle names(
        static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr)));
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    ASSERT_TRUE(names);
    ASSERT_EQ(sk_GENERAL_NAME_num(names.get()), 5);
    const int types[] = {GEN_DNS, GEN_DNS, GEN_IPADD, GEN_IPADD, GEN_EMAIL};
    for (int i = 0; i < 5; ++i) EXPECT_EQ(sk_GENERAL_NAME_value(names.get(), i)->type, types[i]);
  }
}

TEST(SigningRequest, IsMadeWithoutAlternativeNamesAndByEveryKey) {
  const RequestConfig config = Must(Parse("Name = Müller\n"));
  const PrivateKey key = Must(PrivateKey::Generate(KeyType::kEcP256));
  const RequestHandle request = Read(Must(MakeSigningRequest(config, key)));
  ASSERT_TRUE(request);
  EXPECT_EQ(X509_REQ_get_attr_count(request.get()), 0);
}

}  // namespace
}  // namespace certfs
