// Grants as ACLs, on files of a test's own: what a list says afterwards, and what happens to everybody else.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "tests/tools/scratch_directory.h"
#include "tools/vecs/access_plan.h"
#include "tools/vecs/errors.h"

namespace certfs::vecs {
namespace {

const Grantee kUser{Grantee::Kind::kUser, 61001, "61001"};
const Grantee kOther{Grantee::Kind::kUser, 61002, "61002"};
const Grantee kEveryone{Grantee::Kind::kEveryone, 0, "EVERYONE"};

// A directory with a file, as the mount has a store with an entry: cert.pem in an entry "e".
class Access : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = scratch_ / "";
    std::filesystem::create_directory(store_ / "e");
    scratch_.Write("e/cert.pem", "x");
    scratch_.Write("e/key.pem", "x");
    std::filesystem::permissions(store_, std::filesystem::perms(0755));
    const auto list = AccessList::Read(store_, Which::kAccess);
    if (!list.has_value()) GTEST_SKIP() << "no ACLs on this filesystem: " << list.error().message();
  }

  std::vector<AccessChange> Plan(const Grantee& grantee, bool grant, Rights rights) {
    auto planned = PlanAccess(store_, {grantee, grant, rights});
    EXPECT_TRUE(planned.has_value()) << planned.error().message();
    return planned.has_value() ? std::move(planned).value() : std::vector<AccessChange>();
  }
  void Do(const Grantee& grantee, bool grant, Rights rights) {
    const auto done = ApplyAccess(Plan(grantee, grant, rights));
    if (!done.has_value() && done.error().message().find("not supported") != std::string::npos)
      GTEST_SKIP() << done.error().message();
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  Rights RightsOn(const std::string& name, const Grantee& grantee, Place place) {
    const auto list = AccessList::Read(store_ / name, Which::kAccess);
    EXPECT_TRUE(list.has_value());
    return list.value().RightsOf(grantee, place);
  }
  mode_t ModeOf(const std::string& name) {
    struct stat status {};
    EXPECT_EQ(stat((store_ / name).c_str(), &status), 0);
    return status.st_mode & 0777;
  }

  const ScratchDirectory scratch_;
  std::filesystem::path store_;
};

// Goal: rights are added to those that are there, and taken one by one. Method: the order alone.
TEST(AccessOrder, AddsAndTakesOnlyWhatItSays) {
  const Rights none{}, read{true, false}, write{false, true}, both{true, true};
  const AccessOrder grant_read{kUser, true, read}, grant_write{kUser, true, write};
  const AccessOrder revoke_read{kUser, false, read}, revoke_write{kUser, false, write};
  EXPECT_EQ(grant_read.Change(none, none), read);
  EXPECT_EQ(grant_write.Change(read, read), both);
  EXPECT_EQ(grant_read.Change(both, both), std::nullopt);
  EXPECT_EQ(grant_read.Change(write, write), both);  // Write does not imply read.
  EXPECT_EQ(grant_read.Change(read, none), read);    // The mask had taken it.
  EXPECT_EQ(revoke_read.Change(both, both), write);
  EXPECT_EQ(revoke_read.Change(both, none), write);
  EXPECT_EQ(revoke_write.Change(read, read), std::nullopt);
  EXPECT_EQ(revoke_read.Change(read, read), none);
}

// Goal: names, numbers and groups are found, and what is none is said. Method: those that every system has.
TEST(Grantees, AreFound) {
  EXPECT_EQ(FindGrantee("root").value().id, 0U);
  EXPECT_EQ(FindGrantee("0").value().name, "root");
  EXPECT_EQ(FindGrantee("61001").value().id, 61001U);
  EXPECT_EQ(FindGrantee("@root").value().kind, Grantee::Kind::kGroup);
  EXPECT_EQ(FindGrantee("everyone").value().kind, Grantee::Kind::kEveryone);
  for (const char* wrong : {"", "@", "no such user", "-1", "4294967295", "0x10", "@no such group"}) {
    const auto found = FindGrantee(wrong);
    ASSERT_FALSE(found.has_value()) << wrong;
    EXPECT_EQ(RowOf(found.error()).number, 1317);
  }
}

// Goal: a grant reaches store, entries and files, with no more than it says. Method: rights and modes.
TEST_F(Access, GrantsOnAllThatIsThereAndIsToCome) {
  Do(kUser, true, {true, false});
  EXPECT_EQ(RightsOn("", kUser, Place::kDirectory), (Rights{true, false}));
  EXPECT_EQ(RightsOn("e", kUser, Place::kDirectory), (Rights{true, false}));
  EXPECT_EQ(RightsOn("e/key.pem", kUser, Place::kFile), (Rights{true, false}));
  EXPECT_EQ(ModeOf("e/key.pem"), 0640U);  // The mask; others have nothing.
  for (const char* directory : {"", "e"}) {
    const auto inherited = AccessList::Read(store_ / directory, Which::kDefault);
    EXPECT_EQ(inherited.value().RightsOf(kUser, Place::kDirectory), (Rights{true, false}));
  }
  EXPECT_TRUE(Plan(kUser, true, {true, false}).empty());
}

// Goal: the end of a grant leaves no trace, and others theirs. Method: two users; the lists before and after.
TEST_F(Access, RevokesWithoutATrace) {
  Do(kUser, true, {true, true});
  Do(kOther, true, {true, false});
  Do(kUser, false, {true, true});
  EXPECT_EQ(RightsOn("e/key.pem", kUser, Place::kFile), Rights{});
  EXPECT_EQ(RightsOn("e/key.pem", kOther, Place::kFile), (Rights{true, false}));
  Do(kOther, false, {true, false});
  for (const char* name : {"", "e", "e/key.pem", "e/cert.pem"})
    EXPECT_EQ(getxattr((store_ / name).c_str(), "system.posix_acl_access", nullptr, 0), -1) << name;
  for (const char* name : {"", "e"}) {
    EXPECT_TRUE(AccessList::Read(store_ / name, Which::kDefault).value().empty()) << name;
    EXPECT_EQ(getxattr((store_ / name).c_str(), "system.posix_acl_default", nullptr, 0), -1) << name;
  }
  EXPECT_EQ(ModeOf("e/key.pem"), 0600U);
}

// Goal: everybody gets certificates and never keys. Method: modes.
TEST_F(Access, EveryoneGetsNoKey) {
  Do(kEveryone, true, {true, false});
  EXPECT_EQ(ModeOf("e/cert.pem"), 0604U);
  EXPECT_EQ(ModeOf("e/key.pem"), 0600U);
}

// Goal: a change that fails takes back what went before it. Method: a change of what is no file.
TEST_F(Access, IsTakenBackWhole) {
  std::vector<AccessChange> changes = Plan(kUser, true, {true, false});
  ASSERT_GE(changes.size(), 2U);
  changes.back().path = "/proc/self/status";
  EXPECT_FALSE(ApplyAccess(changes).has_value());
  EXPECT_EQ(RightsOn("", kUser, Place::kDirectory), Rights{});
  EXPECT_EQ(RightsOn("e/key.pem", kUser, Place::kFile), Rights{});
}

}  // namespace
}  // namespace certfs::vecs
