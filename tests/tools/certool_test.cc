// certool, as far as no mount is needed: what it prints, the numbers that it ends with, and how it treats
// keys.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "crypto/certification_request.h"
#include "crypto/store_file.h"
#include "tests/support/must.h"
#include "tests/support/vectors.h"
#include "tests/tools/program.h"
#include "tests/tools/scratch_directory.h"
#include "tools/certool/errors.h"

namespace certfs {
namespace {

End Certool(const std::string& arguments) { return RunTool(CERTOOL_PROGRAM, arguments); }

unsigned ModeOf(const std::filesystem::path& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

// Goal: a key pair as the seeds' sequence begins: PEM, the private half 0600 under any umask, and never
// written over another. Method: twice, under umask 0; then with --force.
TEST(Certool, MakesKeysOnceAndPrivate) {
  const ScratchDirectory scratch;
  const std::string line = "--genkey --privkey=" + Quoted(scratch / "a.priv") +
                           " --pubkey=" + Quoted(scratch / "a.pub") + " --KeyType ec-p256";
  const mode_t mask = umask(0);
  const End made = Certool(line);
  umask(mask);
  ASSERT_EQ(made.code, 0) << made.words;
  EXPECT_EQ(made.words, "Status : Success\n");
  EXPECT_EQ(ModeOf(scratch / "a.priv"), 0600U);
  const Bytes before = test::ReadAll(scratch / "a.priv");
  Must(ReadKeyFile(before));
  EXPECT_TRUE(AsText(test::ReadAll(scratch / "a.pub")).starts_with("-----BEGIN PUBLIC KEY-----"));

  const End again = Certool(line);
  EXPECT_EQ(again.code, 70022 % 256) << again.words;
  EXPECT_TRUE(Has(again, "Status : Failed\nError Code : 70022\nError Message : ")) << again.words;
  EXPECT_EQ(test::ReadAll(scratch / "a.priv"), before);
  EXPECT_EQ(Certool(line + " --force").code, 0);
  EXPECT_NE(test::ReadAll(scratch / "a.priv"), before);
}

// Goal: the key that nothing is said about is RSA of more than 2048 bits. Method: made, and looked at.
TEST(Certool, MakesRsaUnlessToldOtherwise) {
  const ScratchDirectory scratch;
  const End made =
      Certool("--genkey --priv=" + Quoted(scratch / "a.priv") + " --pub=" + Quoted(scratch / "a.pub"));
  ASSERT_EQ(made.code, 0) << made.words;
  EXPECT_EQ(Must(ReadKeyFile(test::ReadAll(scratch / "a.priv"))).key.Describe(), "RSA 3072");
}

// Goal: the file is read unchanged, its values can be overridden, and what is wrong is said of the line or
// option that is. Method: a table of files and options.
TEST(Certool, ReadsItsConfigAndSaysWhatIsWrong) {
  const ScratchDirectory scratch;
  struct Case {
    const char* config;
    const char* options;
    const char* words;
  };
  int number = 0;
  for (const Case& tested : {
           Case{"Country = US\nName = web\nHostname = www.example.com\n", "", "Status : Success"},
           Case{"Country = US\nName = Acme\nHostname = server.acme.com\n", "--Hostname=www.example.com",
                "Status : Success"},
           Case{"Country = US\nName = Acme\nHostname = server.acme.com\n", "", "line 3: 'server.acme.com'"},
           Case{"Country = US\nName = a\nHostname = b.c\n", "--Country=USA", "--Country: 'USA"},
           Case{"# nothing\nColour = red\n", "--Name web", "line 2: 'Colour'"},
       }) {
    const std::string file = Quoted(scratch.Write("certool.cfg", tested.config));
    const std::string out = std::to_string(number++);
    const End end = Certool("--gencsr --KeyType ec-p256 --privkey=" + Quoted(scratch / (out + ".priv")) +
                            " --pubkey=" + Quoted(scratch / (out + ".pub")) + " --csrfile=" +
                            Quoted(scratch / (out + ".csr")) + " --config " + file + " " + tested.options);
    EXPECT_TRUE(Has(end, tested.words)) << end.words;
    const bool good = Has(end, "Status : Success");
    EXPECT_EQ(end.code, good ? 0 : 70012 % 256) << end.words;
    EXPECT_EQ(std::filesystem::exists(scratch / (out + ".priv")), good);
    EXPECT_EQ(std::filesystem::exists(scratch / (out + ".csr")), good);
  }
  const End missing =
      Certool("--genselfcacert --outprivkey x --outcert y --config=" + Quoted(scratch / "none"));
  EXPECT_TRUE(missing.code == 70003 % 256 && Has(missing, "Failed to open config file")) << missing.words;
}

// Goal: a CA of its own, and a request out of a certificate, without any mount. Method: made, and read again.
TEST(Certool, MakesSelfSignedAuthoritiesAndRequestsFromCertificates) {
  const ScratchDirectory scratch;
  const std::string config = Quoted(scratch.Write("c.cfg", "Country = US\nName = Test CA\n"));
  const std::string key = Quoted(scratch / "ca.key");
  const std::string cert = Quoted(scratch / "ca.pem");
  const std::string line =
      "--genselfcacert --KeyType ec-p384 --config " + config + " --outprivkey " + key + " --outcert " + cert;
  const End made = Certool(line);
  ASSERT_EQ(made.code, 0) << made.words;
  const Certificate root = Must(ReadCertificateFile(test::ReadAll(scratch / "ca.pem"))).certificates.front();
  EXPECT_TRUE(root.IsSelfSigned() && root.IsAuthority());
  EXPECT_EQ(root.subject(), "CN=Test CA,C=US");
  EXPECT_EQ(ModeOf(scratch / "ca.key"), 0600U);
  EXPECT_EQ(Certool(line + " --force --predate 10081").code, 70003 % 256);

  EXPECT_EQ(Certool("--gencsrfromcert --cert " + cert + " --privkey " + key + " --csrfile " +
                    Quoted(scratch / "ca.csr"))
                .code,
            0);
  const auto request = Must(CertificationRequest::Parse(test::ReadAll(scratch / "ca.csr")));
  EXPECT_FALSE(request.der().empty());

  const End shown = Certool("--viewcert --cert " + cert);
  EXPECT_TRUE(shown.code == 0 && Has(shown, "CA:TRUE") && Has(shown, "Status : Success")) << shown.words;
}

// Goal: what is no certificate, key or CRL has the number of that. Method: one file of words for each.
TEST(Certool, NumbersWhatCannotBeRead) {
  const ScratchDirectory scratch;
  const std::string words = Quoted(scratch.Write("words", "no certificate\n"));
  const std::string cert = Quoted(std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pki/root.pem");
  EXPECT_EQ(Certool("--viewcert --cert " + words).code, 70008 % 256);
  EXPECT_EQ(Certool("--viewcrl --crl " + words).code, 70054 % 256);
  EXPECT_EQ(Certool("--viewcert --cert " + Quoted(scratch / "none")).code, 70022 % 256);
  EXPECT_EQ(Certool("--gencsrfromcert --cert " + cert + " --privkey " + words + " --csrfile x").code,
            70065 % 256);
}

// Goal: with --json there is one object on stdout whatever happens, and words on stderr only of a failure.
// Method: what each command that prints something says of the test vectors, and what cannot be done.
TEST(Certool, SaysTheSameAsAnObject) {
  using Json = nlohmann::json;
  const auto vector = [](const std::string& name) {
    return Quoted(std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pki/" + name);
  };
  const End shown = Certool("--json --viewcert --cert " + vector("root.pem"));
  const Json certificate = Json::parse(shown.words);
  EXPECT_EQ(certificate.at("status"), "Success");
  const Certificate root =
      Must(ReadCertificateFile(test::ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pki/root.pem")))
          .certificates.front();
  EXPECT_EQ(certificate.at("certificate").at("subject"), root.subject());
  EXPECT_EQ(certificate.at("certificate").at("serial"), root.serial());
  EXPECT_EQ(
      Json::parse(Certool("--json --viewcrl --crl " + vector("crl-6.pem")).words).at("crl").at("number"),
      "06");
  EXPECT_EQ(Json::parse(Certool("--json --viewerror 70012").words).at("name"), "VMCA_INVALID_CSR_FIELD");
  EXPECT_EQ(Json::parse(Certool("--json --getserveroption").words).at("options"),
            Json::array({"multiplesan"}));

  for (const char* line : {"--json --viewcert --cert none", "--viewcert --frob --json", "--json"}) {
    const End failed = Certool(line);
    const Json object =
        Json::parse(failed.words.substr(std::min(failed.words.find('{'), failed.words.size())));
    EXPECT_EQ(object.at("status"), "Failed") << failed.words;
    EXPECT_EQ(object.at("error").at("exit_code"), failed.code);
    EXPECT_EQ(object.at("error").at("number").get<int>() % 256, failed.code);
    EXPECT_TRUE(failed.words.starts_with("Status : Failed\nError Code : ")) << failed.words;
  }
}

// Goal: wrong usage says so before anything is done. Method: a table of command lines.
TEST(Certool, RefusesWrongUsage) {
  for (const char* line :
       {"--frob", "--genkey", "--genkey --privkey=x", "--gencert --cert=x", "--enumcert",
        "--genkey --viewcert", "--config=x", "word", "--genCIScert --privkey a --cert b"}) {
    const End end = Certool(line);
    EXPECT_EQ(end.code, 70003 % 256) << line;
    EXPECT_TRUE(Has(end, "Status : Failed\nError Code : 70003\nError Message : ")) << end.words;
  }
  for (const char* line : {"--getdc", "--WaitVMDIR", "--disableserveroption --option multiplesan"})
    EXPECT_EQ(Certool(line).code, 70044 % 256) << line;
  EXPECT_EQ(Certool("--enumcert --filter=expird").code, 70003 % 256);
  const End elsewhere = Certool("--getrootca --server=vcenter.example.com");
  EXPECT_TRUE(elsewhere.code == 70003 % 256 && Has(elsewhere, "this machine")) << elsewhere.words;
}

// Goal: help by page, version, and what a number means. Method: each, and one that there is none of.
TEST(Certool, HelpsAndTellsWhatNumbersMean) {
  for (const char* line :
       {"", "--help", "--help=init", "--help functions", "--help=config", "--help=files"}) {
    const End end = Certool(line);
    EXPECT_EQ(end.code, 0) << line;
    EXPECT_TRUE(Has(end, "--")) << end.words;
  }
  EXPECT_TRUE(Has(Certool("--help=functions"), "--gencert"));
  EXPECT_FALSE(Has(Certool("--help=init"), "--gencert"));
  EXPECT_EQ(Certool("--version").words, "certool " CERTFS_VERSION "\n");
  EXPECT_TRUE(Has(Certool("--viewerror 70012"), "VMCA_INVALID_CSR_FIELD"));
  EXPECT_EQ(Certool("--viewerror 1").code, 70003 % 256);
}

// Goal: every error has a number, and none has two. Method: the table and all codes.
TEST(Certool, EveryErrorHasANumber) {
  for (const certool::CodeRow& row : certool::Codes()) EXPECT_EQ(certool::FindCode(row.number), &row);
  for (int number = 0; number <= static_cast<int>(ErrorCode::kInternal); ++number) {
    const Error error(static_cast<ErrorCode>(number), "x");
    EXPECT_NE(certool::CodeOf(error).number, 0);
  }
  EXPECT_EQ(certool::CodeOf(Error(ErrorCode::kNotFound, "no-authority", "x")).number, 70000);
  EXPECT_EQ(certool::CodeOf(Error(ErrorCode::kRejected, "profile-wildcard", "x")).number, 70061);
}

}  // namespace
}  // namespace certfs
