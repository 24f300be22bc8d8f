// Goal: an access control list means what libacl and the kernel take it for, and nothing else is one. Method:
// lists written out by hand; every malformed form; random lists judged by libacl.

#include "store/access_control_list.h"

#include <acl/libacl.h>
#include <gtest/gtest.h>
#include <sys/acl.h>

#include <memory>
#include <random>
#include <utility>

#include "store/keystore_change.h"
#include "tests/store/table_fixture.h"

namespace certfs {

namespace {

constexpr std::uint32_t kNoId = 0xffffffff;

struct Item {
  unsigned tag;
  unsigned permissions;
  std::uint32_t id = kNoId;
};

Bytes Encoded(const std::vector<Item>& items, unsigned version = 2) {
  Bytes bytes;
  const auto put = [&](std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  };
  put(version, 4);
  for (const Item& item : items) {
    put(item.tag, 2);
    put(item.permissions, 2);
    put(item.id, 4);
  }
  return bytes;
}
Result<AccessControlList> Parsed(const std::vector<Item>& items) {
  return AccessControlList::Parse(Encoded(items));
}
AccessControlList ListOf(const std::vector<Item>& items) { return Must(Parsed(items)); }

// u::rwx,u:7:rw-,u:1000:r--,g::r-x,g:8:-wx,m::rwx,o::r--
const std::vector<Item> kWhole{{0x01, 7},    {0x02, 6, 7}, {0x02, 4, 1000}, {0x04, 5},
                               {0x08, 3, 8}, {0x10, 7},    {0x20, 4}};

TEST(AccessControlList, ThereAndBack) {
  EXPECT_EQ(ListOf(kWhole).Encode(), Encoded(kWhole));
  EXPECT_TRUE(AccessControlList().Encode().empty());
  // One list has one form, in whatever order the names came.
  std::vector<Item> mixed = kWhole;
  std::swap(mixed[1], mixed[2]);
  std::swap(mixed[0], mixed[6]);
  EXPECT_EQ(ListOf(mixed).Encode(), Encoded(kWhole));
  EXPECT_EQ(ListOf(mixed), ListOf(kWhole));
}

TEST(AccessControlList, RefusesEveryOtherLength) {
  const Bytes whole = Encoded(kWhole);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    // What lacks its end lacks the entry for others.
    EXPECT_EQ(CodeOf(AccessControlList::Parse(BytesView(whole).first(size))), ErrorCode::kInvalidArgument)
        << size;
  }
  for (int more = 1; more < 8; ++more) {
    Bytes longer = whole;
    longer.resize(whole.size() + static_cast<std::size_t>(more));
    EXPECT_EQ(CodeOf(AccessControlList::Parse(longer)), ErrorCode::kInvalidArgument) << more;
  }
}

TEST(AccessControlList, RefusesWhatIsMalformed) {
  const struct {
    const char* what;
    std::vector<Item> items;
  } kCases[] = {
      {"no entries", {}},
      {"no owner", {{0x04, 0}, {0x20, 0}}},
      {"no group", {{0x01, 0}, {0x20, 0}}},
      {"no others", {{0x01, 0}, {0x04, 0}}},
      {"two owners", {{0x01, 0}, {0x01, 0}, {0x04, 0}, {0x20, 0}}},
      {"two groups", {{0x01, 0}, {0x04, 0}, {0x04, 0}, {0x20, 0}}},
      {"two others", {{0x01, 0}, {0x04, 0}, {0x20, 0}, {0x20, 0}}},
      {"two masks", {{0x01, 0}, {0x04, 0}, {0x10, 0}, {0x10, 0}, {0x20, 0}}},
      {"a user without a mask", {{0x01, 0}, {0x02, 0, 5}, {0x04, 0}, {0x20, 0}}},
      {"a group without a mask", {{0x01, 0}, {0x04, 0}, {0x08, 0, 5}, {0x20, 0}}},
      {"a user twice", {{0x01, 0}, {0x02, 0, 5}, {0x02, 4, 5}, {0x04, 0}, {0x10, 0}, {0x20, 0}}},
      {"a group twice", {{0x01, 0}, {0x04, 0}, {0x08, 0, 5}, {0x08, 4, 5}, {0x10, 0}, {0x20, 0}}},
      {"a user without a name", {{0x01, 0}, {0x02, 0}, {0x04, 0}, {0x10, 0}, {0x20, 0}}},
      {"a group without a name", {{0x01, 0}, {0x04, 0}, {0x08, 0}, {0x10, 0}, {0x20, 0}}},
      {"an owner with a name", {{0x01, 0, 5}, {0x04, 0}, {0x20, 0}}},
      {"a mask with a name", {{0x01, 0}, {0x04, 0}, {0x10, 0, 0}, {0x20, 0}}},
      {"a fourth permission", {{0x01, 8}, {0x04, 0}, {0x20, 0}}},
      {"a high permission", {{0x01, 0}, {0x04, 0x8000}, {0x20, 0}}},
      {"no tag", {{0x00, 0}, {0x01, 0}, {0x04, 0}, {0x20, 0}}},
      {"two tags in one", {{0x03, 0}, {0x04, 0}, {0x20, 0}}},
      {"an unknown tag", {{0x01, 0}, {0x04, 0}, {0x20, 0}, {0x40, 0}}},
      {"a high tag", {{0x01, 0}, {0x04, 0}, {0x20, 0}, {0x0120, 0}}},
  };
  for (const auto& each : kCases) {
    EXPECT_EQ(CodeOf(Parsed(each.items)), ErrorCode::kInvalidArgument) << each.what;
  }
  for (const unsigned version : {0U, 1U, 3U, 0x02000000U, 0x00000102U}) {
    EXPECT_EQ(CodeOf(AccessControlList::Parse(Encoded(kWhole, version))), ErrorCode::kInvalidArgument)
        << version;
  }
}

TEST(AccessControlList, HasALimit) {
  std::vector<Item> items{{0x01, 7}, {0x04, 5}, {0x10, 7}, {0x20, 0}};
  while (items.size() < AccessControlList::kEntriesMax) {
    items.push_back({0x02, 4, static_cast<std::uint32_t>(items.size())});
  }
  EXPECT_TRUE(Parsed(items).has_value());
  items.push_back({0x08, 4, 1});
  EXPECT_EQ(CodeOf(Parsed(items)), ErrorCode::kInvalidArgument);
}

// --- Against libacl

struct FreeAcl {
  void operator()(acl_t acl) const { acl_free(acl); }
};
using Acl = std::unique_ptr<std::remove_pointer_t<acl_t>, FreeAcl>;

Acl LibraryListOf(const std::vector<Item>& items) {
  acl_t acl = acl_init(static_cast<int>(items.size()));
  for (const Item& item : items) {
    acl_entry_t entry{};
    acl_permset_t permissions{};
    EXPECT_EQ(acl_create_entry(&acl, &entry), 0);
    EXPECT_EQ(acl_set_tag_type(entry, static_cast<acl_tag_t>(item.tag)), 0);
    if (item.tag == ACL_USER || item.tag == ACL_GROUP) {
      EXPECT_EQ(acl_set_qualifier(entry, &item.id), 0);
    }
    EXPECT_EQ(acl_get_permset(entry, &permissions), 0);
    EXPECT_EQ(acl_clear_perms(permissions), 0);
    for (const unsigned bit : {4U, 2U, 1U}) {
      if ((item.permissions & bit) == 0) continue;
      EXPECT_EQ(acl_add_perm(permissions, bit), 0);
    }
  }
  return Acl(acl);
}

TEST(AccessControlList, RandomListsAreValidAndAmountToModesAsLibaclSays) {
  std::mt19937 random(7);
  const auto below = [&](unsigned end) {
    return std::uniform_int_distribution<unsigned>(0, end - 1)(random);
  };
  const unsigned tags[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20};
  int valid = 0;
  int modes = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<Item> items;
    // Mostly what every list has, and more or less of the rest.
    for (const unsigned tag : {0x01U, 0x04U, 0x20U}) {
      if (below(12) != 0) items.push_back({tag, below(8)});
    }
    for (unsigned more = below(5); more > 0; --more) {
      const unsigned tag = tags[below(3) != 0 ? 1 + 2 * below(2) : below(6)];
      const bool named = tag == 0x02 || tag == 0x08;
      items.push_back({tag, below(8), named ? below(6) : kNoId});
    }
    if (below(3) != 0) items.push_back({0x10, below(8)});
    std::shuffle(items.begin(), items.end(), random);

    const Acl library = LibraryListOf(items);
    const auto ours = Parsed(items);
    ASSERT_EQ(ours.has_value(), acl_valid(library.get()) == 0) << ToHex(Encoded(items));
    if (!ours.has_value()) continue;
    ++valid;
    mode_t mode = 0;
    const bool is_mode = acl_equiv_mode(library.get(), &mode) == 0;
    EXPECT_EQ(ours.value().IsMode(), is_mode) << ToHex(Encoded(items));
    EXPECT_EQ(ours.value().mode(), mode) << ToHex(Encoded(items));
    EXPECT_EQ(ours.value().GivesOthers(), (mode & 7) != 0);
    modes += is_mode ? 1 : 0;
  }
  EXPECT_GT(valid, 2000);
  EXPECT_GT(modes, 200);
}

// --- With a mode

TEST(AccessControlList, ChmodSetsOwnerMaskAndOthers) {
  AccessControlList list = ListOf(kWhole);
  EXPECT_EQ(list.mode(), 0774U);
  list.SetMode(0640);
  EXPECT_EQ(
      list,
      ListOf({{0x01, 6}, {0x02, 6, 7}, {0x02, 4, 1000}, {0x04, 5}, {0x08, 3, 8}, {0x10, 4}, {0x20, 0}}));
  EXPECT_EQ(list.mode(), 0640U);
  AccessControlList plain = ListOf({{0x01, 7}, {0x04, 5}, {0x20, 5}});
  plain.SetMode(0600);
  EXPECT_EQ(plain, ListOf({{0x01, 6}, {0x04, 0}, {0x20, 0}}));
  AccessControlList none;
  none.SetMode(0777);
  EXPECT_TRUE(none.empty());
}

AttributeChange AclChange(const AccessControlList& list) {
  AttributeChange change;
  change.access_acl = list;
  return change;
}

TEST(AccessControlList, ModeAndListAreKeptInStep) {
  Attributes attributes;
  attributes.mode = 02600;
  SetPermissions(attributes, AclChange(ListOf(kWhole)));
  EXPECT_EQ(attributes.mode, 02774U);
  EXPECT_EQ(attributes.access_acl, ListOf(kWhole));
  AttributeChange mode;
  mode.mode = 0700;
  SetPermissions(attributes, mode);
  EXPECT_EQ(attributes.mode, 0700U);
  EXPECT_EQ(attributes.access_acl.mode(), 0700U);
  // Removing it leaves the mode; a list that says no more than a mode is stored as that.
  SetPermissions(attributes, AclChange({}));
  EXPECT_EQ(attributes.mode, 0700U);
  EXPECT_TRUE(attributes.access_acl.empty());
  SetPermissions(attributes, AclChange(ListOf({{0x01, 6}, {0x04, 4}, {0x20, 4}})));
  EXPECT_EQ(attributes.mode, 0644U);
  EXPECT_TRUE(attributes.access_acl.empty());
  // A chmod in the same change comes after it.
  AttributeChange both = AclChange(ListOf(kWhole));
  both.mode = 0611;
  SetPermissions(attributes, both);
  EXPECT_EQ(attributes.access_acl.mode(), 0611U);
  EXPECT_EQ(attributes.mode, 0611U);
}

TEST(AccessControlList, OnlyKeyMaterialIsKeptFromOthersAndOnlyDirectoriesHaveDefaults) {
  const AccessControlList open = ListOf({{0x01, 6}, {0x02, 4, 7}, {0x04, 0}, {0x10, 4}, {0x20, 1}});
  const AccessControlList closed = ListOf({{0x01, 6}, {0x02, 4, 7}, {0x04, 0}, {0x10, 4}, {0x20, 0}});
  for (const Member member : kMembers) {
    const auto expected = IsKeyMaterial(member) ? std::optional(ErrorCode::kNotPermitted) : std::nullopt;
    const auto outcome = CheckFilePermissions(member, AclChange(open));
    EXPECT_EQ(outcome.has_value() ? std::nullopt : std::optional(outcome.error().code()), expected);
    EXPECT_TRUE(CheckFilePermissions(member, AclChange(closed)).has_value());
    EXPECT_TRUE(CheckFilePermissions(member, AclChange({})).has_value());
    AttributeChange defaults;
    defaults.default_acl = closed;
    EXPECT_EQ(CodeOf(CheckFilePermissions(member, defaults)), ErrorCode::kAccessDenied);
    defaults.default_acl = AccessControlList();
    EXPECT_TRUE(CheckFilePermissions(member, defaults).has_value());
  }
}

// --- Inheritance

TEST(AccessControlList, DirectoriesInheritAsAclFiveSays) {
  const Time now{};
  Attributes parent;
  EXPECT_EQ(NewDirectoryAttributes(parent, {1, 2, 027}, 0777, now).mode, 0750U);
  parent.default_acl = ListOf(kWhole);
  const Attributes made = NewDirectoryAttributes(parent, {1, 2, 077}, 02750, now);
  EXPECT_EQ(made.mode, 02750U);  // The umask does not count.
  EXPECT_EQ(
      made.access_acl,
      ListOf({{0x01, 7}, {0x02, 6, 7}, {0x02, 4, 1000}, {0x04, 5}, {0x08, 3, 8}, {0x10, 5}, {0x20, 0}}));
  EXPECT_EQ(made.default_acl, parent.default_acl);
  parent.default_acl = ListOf({{0x01, 7}, {0x04, 7}, {0x20, 1}});
  const Attributes plain = NewDirectoryAttributes(parent, {1, 2, 077}, 0755, now);
  EXPECT_EQ(plain.mode, 0751U);
  EXPECT_TRUE(plain.access_acl.empty());
}

TEST(AccessControlList, FilesInheritWhatIsGrantedToNames) {
  const Time now{};
  Attributes directory;
  EXPECT_EQ(NewFileAttributes(Member::kKey, {1, 2, 077}, directory, now).mode, 0600U);
  EXPECT_EQ(NewFileAttributes(Member::kCertificate, {1, 2, 077}, directory, now).mode, 0644U);
  directory.default_acl = ListOf(kWhole);
  const Attributes key = NewFileAttributes(Member::kKey, {1, 2}, directory, now);
  EXPECT_EQ(
      key.access_acl,
      ListOf({{0x01, 6}, {0x02, 6, 7}, {0x02, 4, 1000}, {0x04, 0}, {0x08, 3, 8}, {0x10, 6}, {0x20, 0}}));
  EXPECT_EQ(key.mode, 0660U);
  EXPECT_TRUE(key.default_acl.empty());
  const Attributes certificate = NewFileAttributes(Member::kCertificate, {1, 2}, directory, now);
  EXPECT_EQ(
      certificate.access_acl,
      ListOf({{0x01, 6}, {0x02, 6, 7}, {0x02, 4, 1000}, {0x04, 4}, {0x08, 3, 8}, {0x10, 6}, {0x20, 4}}));
  EXPECT_EQ(certificate.mode, 0664U);
  // Without names nobody is granted a key.
  directory.default_acl = ListOf({{0x01, 7}, {0x04, 7}, {0x20, 7}});
  const Attributes plain = NewFileAttributes(Member::kSecret, {1, 2}, directory, now);
  EXPECT_EQ(plain.mode, 0600U);
  EXPECT_TRUE(plain.access_acl.empty());
  EXPECT_EQ(NewFileAttributes(Member::kRevocationList, {1, 2}, directory, now).mode, 0664U);
  // What was asked for at create holds, less what others would get.
  AttributeChange asked;
  asked.access_acl = ListOf(kWhole);
  const Attributes wanted = NewFileAttributes(Member::kKey, {1, 2}, directory, asked, now);
  EXPECT_EQ(wanted.mode, 0770U);
  EXPECT_FALSE(wanted.access_acl.GivesOthers());
}

}  // namespace

}  // namespace certfs
