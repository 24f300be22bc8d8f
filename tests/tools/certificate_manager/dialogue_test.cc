// Goal: the menu and the questions lead to the same options as the command line, and Ctrl-D ends them.
// Method: conversations, typed in advance.

#include "tools/certificate_manager/dialogue.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/support/must.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

struct Talk {
  explicit Talk(const std::string& typed) : in(typed) {}
  bool Says(const std::string& words) const { return out.str().find(words) != std::string::npos; }

  std::istringstream in;
  std::ostringstream out;
  Dialogue dialogue{in, out};
};

TEST(Dialogue, ShowsTheMenuUntilOneIsChosen) {
  Talk talk("\n9\nthree\n 3 \n");
  EXPECT_EQ(Must(talk.dialogue.ChooseOperation()), Operation::kMachineSsl);
  for (const OperationRow& row : Operations()) {
    EXPECT_TRUE(
        talk.Says("  " + std::to_string(static_cast<int>(row.operation)) + ". " + std::string(row.title)));
  }
  EXPECT_TRUE(talk.Says("Note : Use Ctrl-D to exit.\nOption[1 to 8]: ")) << talk.out.str();
  EXPECT_TRUE(talk.Says("'three' is none of them."));
}

TEST(Dialogue, EndsAtTheEndOfInput) {
  EXPECT_EQ(Talk("").dialogue.ChooseOperation().error().code(), ErrorCode::kCancelled);
  EXPECT_FALSE(Talk("").dialogue.Confirm());
  ManagerOptions options;
  for (const char* typed : {"", "1\n", "2\n"}) {
    Talk talk(typed);
    const auto filled = talk.dialogue.Fill(Operation::kMachineSslCustom, {}, "host", options);
    ASSERT_FALSE(filled.has_value()) << typed;
    EXPECT_EQ(filled.error().code(), ErrorCode::kCancelled);
  }
}

TEST(Dialogue, ConfirmsByYesAlone) {
  EXPECT_TRUE(Talk("Y\n").dialogue.Confirm());
  EXPECT_TRUE(Talk("what\nyes\n").dialogue.Confirm());
  EXPECT_FALSE(Talk("n\n").dialogue.Confirm());
  Talk talk("y\n");
  talk.dialogue.Confirm();
  EXPECT_TRUE(talk.Says("Continue operation : Option[Y/N] ? : "));
}

TEST(Dialogue, AsksForTheFilesOfACustomCertificate) {
  const ScratchDirectory scratch;
  const std::string file = scratch.Write("x", "").string();
  ManagerOptions options;
  Talk talk("3\n2\n/no/such\n" + file + "\n" + file + "\n\n");
  Must(talk.dialogue.Fill(Operation::kMachineSslCustom, {}, "host", options));
  EXPECT_EQ(options.certificates, std::vector<std::string>{"MACHINE_SSL_CERT=" + file});
  EXPECT_EQ(options.keys, std::vector<std::string>{"MACHINE_SSL_CERT=" + file});
  EXPECT_TRUE(options.roots.empty()) << "Enter: none";
  EXPECT_TRUE(talk.Says("Please provide valid custom certificate for Machine SSL.\nFile : "));
  EXPECT_TRUE(talk.Says("'/no/such' cannot be read."));

  options = {};
  Talk users("2\nn\nn\ny\n" + file + "\n" + file + "\nn\nn\nn\n" + file + "\n");
  Must(users.dialogue.Fill(Operation::kSolutionUsersCustom, {}, "host", options));
  EXPECT_EQ(options.certificates, std::vector<std::string>{"vpxd=" + file});
  EXPECT_EQ(options.roots, std::vector<std::string>{file});

  options = {};
  Talk root("2\n" + file + "\n" + file + "\n\n");
  Must(root.dialogue.Fill(Operation::kRootCustom, {}, "host", options));
  EXPECT_EQ(options.certificates, std::vector<std::string>{"root=" + file});
}

// Values of the live certificate are proposed; what is wrong is asked for again.
TEST(Dialogue, AsksForTheValuesOfARequestFile) {
  ManagerOptions options;
  Talk talk("y\nAustria\n\n\n\n\n\n\n\nweb.example.com\nAT\n\n\n\n\n\n\n\n\n");
  Must(talk.dialogue.Fill(Operation::kMachineSsl, {{"MACHINE_SSL_CERT", "KeyType = ec-p384\nName = web\n"}},
                          "host", options));
  EXPECT_TRUE(talk.Says("Please configure MACHINE_SSL_CERT.cfg"));
  EXPECT_TRUE(talk.Says("Enter proper value for 'Name' [Default value : web] : "));
  EXPECT_TRUE(talk.Says("Enter proper value for 'Organization' [optional] : "));
  EXPECT_TRUE(talk.Says("'Austria'")) << "the reason why it is asked for again";
  EXPECT_EQ(options.typed_configs["machine_ssl_cert"],
            "KeyType = ec-p384\nName = web\nCountry = AT\nHostname = web.example.com\n");
}

TEST(Dialogue, AMachineWithoutACertificateIsAskedForItsName) {
  ManagerOptions options;
  Talk talk("n\n\n\n\n\n\n\n\n\n\n");
  Must(talk.dialogue.Fill(Operation::kMachineSsl, {}, "host.example.com", options));
  EXPECT_EQ(options.typed_configs["machine_ssl_cert"],
            "Name = host.example.com\nHostname = host.example.com\n");

  options = {};
  Talk taken_over("n\n");
  Must(taken_over.dialogue.Fill(Operation::kMachineSsl, {{"MACHINE_SSL_CERT", "Name = x\n"}}, "host",
                                options));
  EXPECT_TRUE(options.typed_configs.empty());
}

TEST(Dialogue, RequestsGoIntoADirectory) {
  ManagerOptions options;
  Talk talk("1\n\ncsrs\n\n\n\n\n\n\n\n\n\n");
  Must(talk.dialogue.Fill(Operation::kRootCustom, {}, "host", options));
  EXPECT_EQ(options.requests, "csrs");
  EXPECT_EQ(options.typed_configs["root"], "Name = certfs CA\n");
}

TEST(Dialogue, ARevertIsAskedNothing) {
  ManagerOptions options;
  Talk talk("");
  EXPECT_TRUE(talk.dialogue.Fill(Operation::kRevert, {}, "host", options).has_value());
}

}  // namespace
}  // namespace certfs
