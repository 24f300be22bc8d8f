// Goal: a request file asks for what a certificate certifies, or says that it cannot; one file serves several
// entries. Method: subjects as `openssl x509 -nameopt RFC2253` prints them, read back by RequestConfig.

#include "tools/certificate_manager/subject_config.h"

#include <gtest/gtest.h>

#include "crypto/request_config.h"
#include "tests/support/must.h"
#include "tests/support/vectors.h"

namespace certfs {
namespace {

Certificate Leaf(const std::string& name) { return Must(Certificate::FromDer(test::Vector(name))); }

TEST(SubjectConfig, SaysWhatTheCertificateSays) {
  const std::string config = Must(ConfigOf(
      "CN=web \\C3\\A4,OU=b+OU=a,O=Acme\\=Co,L=Wien,ST=W,C=AT,DC=example,DC=com",
      {"DNS:www.example.com", "DNS:example.com", "IP Address:192.0.2.7", "email:a@example.com"}, "EC P-384"));
  const RequestConfig read = Must(RequestConfig::Parse(AsBytes(config)));
  EXPECT_EQ(read.name, "web \xC3\xA4");
  EXPECT_EQ(read.units, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read.organizations, std::vector<std::string>{"Acme=Co"});
  EXPECT_EQ(read.countries, std::vector<std::string>{"AT"});
  EXPECT_EQ(read.domain_components, (std::vector<std::string>{"example", "com"}));
  EXPECT_EQ(read.hosts, (std::vector<std::string>{"www.example.com", "example.com"}));
  EXPECT_EQ(read.addresses, std::vector<std::string>{"192.0.2.7"});
  EXPECT_EQ(read.emails, std::vector<std::string>{"a@example.com"});
  EXPECT_EQ(read.key_type, KeyType::kEcP384);
}

TEST(SubjectConfig, OfACertificateAsItIs) {
  const std::string config = Must(ConfigOf(Leaf("leaf.der")));
  EXPECT_EQ(config, "Hostname = www.example.com\nName = www.example.com\n");
}

TEST(SubjectConfig, KeysAreOfTheSameKind) {
  struct Case {
    std::string key;
    std::string line;
  };
  for (const Case& each : {Case{"EC P-256", ""}, Case{"EC P-384", "KeyType = ec-p384\n"},
                           Case{"EC P-521", "KeyType = ec-p384\n"}, Case{"RSA 2048", "KeyType = rsa-3072\n"},
                           Case{"RSA 3072", "KeyType = rsa-3072\n"}, Case{"RSA 4096", "KeyType = rsa-4096\n"},
                           Case{"RSA 8192", "KeyType = rsa-4096\n"}, Case{"ED25519", ""}}) {
    EXPECT_EQ(Must(ConfigOf("CN=x", {}, each.key)), each.line + "Name = x\n") << each.key;
  }
}

TEST(SubjectConfig, SaysWhatItCannotAskFor) {
  struct Case {
    std::string subject;
    std::vector<std::string> names;
    std::string words;
  };
  for (const Case& each :
       {Case{"CN=x,UID=7", {}, "UID=7"}, Case{"CN=x,O=Acme\\, Inc.", {}, "a comma in O=Acme, Inc."},
        Case{"CN=x,CN=y", {}, "several common names"}, Case{"CN=x", {"URI:http://x"}, "URI:http://x"},
        Case{"CN=x,1.2.3=y", {}, "1.2.3=y"}, Case{"CN=x\\0AHostname = y", {}, "a line break"}}) {
    const auto config = ConfigOf(each.subject, each.names, "EC P-256");
    ASSERT_FALSE(config.has_value()) << each.subject;
    EXPECT_EQ(config.error().code(), ErrorCode::kUnsupported);
    EXPECT_NE(config.error().message().find(each.words), std::string::npos) << config.error().message();
  }
  EXPECT_EQ(Must(ConfigOf("CN=Acme\\, Inc.", {}, "EC P-256")), "Name = Acme, Inc.\n") << "a name is no list";
}

TEST(SubjectConfig, PutsOneValueInAnothersPlace) {
  EXPECT_EQ(WithValue("# c\nName = x\nHostname = y\n", "Name", "z"), "# c\nName = z\nHostname = y\n");
  EXPECT_EQ(WithValue("NAME=x", "Name", "z"), "Name = z\n") << "whatever its case; no newline at the end";
  EXPECT_EQ(WithValue("Hostname = y\n", "Name", "z"), "Hostname = y\nName = z\n");
  EXPECT_EQ(WithValue("# Name = x\n", "Name", "z"), "# Name = x\nName = z\n");
  EXPECT_EQ(WithValue("", "Name", "z"), "Name = z\n");
}

TEST(SubjectConfig, ListsItsValues) {
  const auto values = ValuesOf("# c\n Name = x y \r\nHOSTNAME=a, b\nnonsense\n");
  EXPECT_EQ(values, (std::map<std::string, std::string>{{"name", "x y"}, {"hostname", "a, b"}}));
}

}  // namespace
}  // namespace certfs
