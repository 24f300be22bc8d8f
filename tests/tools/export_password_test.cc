// Goal: an export password is one that every consumer can be given, and not too short. Method: a table of
// passwords, and files of them.

#include "tools/export_password.h"

#include <gtest/gtest.h>

#include "store/settings.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

TEST(ExportPassword, HasSixCharactersOrMore) {
  const std::string a_umlaut = "\xC3\xA4";
  const std::string key_symbol = "\xF0\x9F\x94\x91";
  const std::string longest(kExportPasswordBytesMax, 'p');
  const struct {
    std::string password;
    std::size_t characters;  // 0: refused.
  } rows[] = {
      {"", 0},
      {"five5", 0},
      {"sixsix", 6},
      {" spaces stay ", 13},
      {a_umlaut + a_umlaut + a_umlaut, 0},  // Six bytes.
      {a_umlaut + "bcdef", 6},
      {key_symbol + "bcdef", 6},
      {longest, kExportPasswordBytesMax},
      {longest + "p", 0},
      {"tab\tulator", 0},
      {"two\nlines", 0},
      {std::string("nul\0nul", 7), 0},
      {"delete\x7F", 0},
      {"next line\xC2\x85", 0},  // C1.
      {"half of \xC3", 0},       // Not UTF-8,
      {"over\xC0\xAFlong", 0},   // not its shortest form,
      {"\xED\xA0\x80surrogate", 0},
  };
  for (const auto& row : rows) {
    const auto checked = CheckExportPassword(SecretBytes::CopyOf(AsBytes(row.password)));
    EXPECT_EQ(checked.has_value(), row.characters != 0) << row.password;
    if (checked.has_value()) {
      EXPECT_EQ(checked.value(), row.characters) << row.password;
    } else {
      EXPECT_EQ(checked.error().code(), ErrorCode::kRejected) << row.password;
      // The reason does not tell the password.
      const bool told = checked.error().message().find(row.password) != std::string::npos;
      EXPECT_EQ(told, row.password.empty());
    }
  }
}

TEST(ExportPassword, ComesFromAFileAndWarnsWhenItIsShort) {
  const ScratchDirectory scratch;
  const auto read = [&](const std::string& content) {
    testing::internal::CaptureStderr();
    auto password = ReadExportPassword(scratch.Write("password", content), "keystore");
    const std::string warning = testing::internal::GetCapturedStderr();
    return std::pair(password.has_value() ? std::string(AsText(password.value().Reveal())) : "refused",
                     warning);
  };
  EXPECT_EQ(read("twelve chars\n"), std::pair(std::string("twelve chars"), std::string()));
  const auto [password, warning] = read("eleven char\n");
  EXPECT_EQ(password, "eleven char");
  EXPECT_NE(warning.find("11 characters"), std::string::npos) << warning;
  EXPECT_EQ(read("two newlines\n\n").first, "refused");
  EXPECT_EQ(read("\n").first, "refused");
  EXPECT_EQ(ReadExportPassword(scratch / "none", "keystore").error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace certfs
