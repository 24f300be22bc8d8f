// Goal: colour on a terminal, and nowhere else, and never with NO_COLOR. Method: a pseudo-terminal and a
// pipe, with each environment.

#include "tools/style.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <cstdlib>

#include "tools/system.h"

namespace certfs {
namespace {

TEST(Style, IsForTerminals) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const Descriptor terminal(slave);
  const Descriptor other(master);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Descriptor out(ends[0]);
  const Descriptor in(ends[1]);

  setenv("TERM", "xterm", 1);
  unsetenv("NO_COLOR");
  EXPECT_EQ(Styled("x", Style::kError, terminal.number()), "\x1b[1;31mx\x1b[0m");
  EXPECT_EQ(Styled("x", Style::kError, in.number()), "x");
  setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(HasColour(terminal.number())) << "empty is as good as not there";
  setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(Styled("x", Style::kError, terminal.number()), "x");
  unsetenv("NO_COLOR");
  setenv("TERM", "dumb", 1);
  EXPECT_EQ(Styled("x", Style::kError, terminal.number()), "x");
  unsetenv("TERM");
  EXPECT_EQ(Styled("x", Style::kError, terminal.number()), "x");
}

}  // namespace
}  // namespace certfs
