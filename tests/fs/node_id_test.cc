// Goal: node ids are what fs/README.md, "Node ids", says: derived, distinct, and readable backwards.
// Method: every kind of node made and taken apart again; the borders of the fields.

#include "fs/node_id.h"

#include <gtest/gtest.h>

#include <set>

namespace certfs {
namespace {

constexpr std::array kFixed{Fixed::kRoot,      Fixed::kStores, Fixed::kStatus, Fixed::kLink,
                            Fixed::kErrorsLog, Fixed::kWhy,    Fixed::kVersion};

TEST(NodeId, TheRootIsTheOneThatFuseDemands) { EXPECT_EQ(NodeId::Of(Fixed::kRoot).value(), 1U); }

TEST(NodeId, FixedNodesAreFixedAndNothingElse) {
  for (const Fixed fixed : kFixed) {
    const NodeId id = NodeId::Of(fixed);
    EXPECT_EQ(id.fixed(), fixed);
    EXPECT_FALSE(id.directory());
    EXPECT_FALSE(id.member());
    EXPECT_FALSE(id.is_staging());
  }
}

TEST(NodeId, DirectoriesTellTheirNumber) {
  for (const Number number : {kFirstNumber, Number{1} << 20, (Number{1} << 32) - 1}) {
    const NodeId id = NodeId::OfDirectory(number);
    EXPECT_EQ(id.directory(), number);
    EXPECT_FALSE(id.fixed());
    EXPECT_FALSE(id.member());
  }
}

TEST(NodeId, FilesTellEntryMemberAndRevision) {
  for (const Number number : {kFirstNumber, (Number{1} << 32) - 1}) {
    for (const Member member : kMembers) {
      for (const Revision revision : {Revision{1}, Revision{2}, (Revision{1} << 28) - 1}) {
        const NodeId id = NodeId::OfFile(number, member, revision);
        EXPECT_EQ(id.number(), number);
        EXPECT_EQ(id.member(), member);
        EXPECT_TRUE(id.HasRevision(revision));
        EXPECT_FALSE(id.HasRevision(revision - 1));
        EXPECT_FALSE(id.fixed());
        EXPECT_FALSE(id.directory());
        EXPECT_FALSE(id.is_staging());
      }
    }
  }
}

TEST(NodeId, StagingInodesAreNothingElse) {
  const NodeId id = NodeId::OfStaging((std::uint64_t{1} << 55) + 5);
  EXPECT_TRUE(id.is_staging());
  EXPECT_FALSE(id.fixed());
  EXPECT_FALSE(id.directory());
  EXPECT_FALSE(id.member());
}

TEST(NodeId, NoTwoNodesShareAnId) {
  std::set<std::uint64_t> seen;
  std::size_t made = 0;
  const auto add = [&](NodeId id) {
    seen.insert(id.value());
    ++made;
  };
  for (const Fixed fixed : kFixed) add(NodeId::Of(fixed));
  for (Number number = kFirstNumber; number < kFirstNumber + 50; ++number) {
    add(NodeId::OfDirectory(number));
    add(NodeId::OfStaging(number));
    for (const Member member : kMembers) {
      for (Revision revision = 1; revision <= 20; ++revision) add(NodeId::OfFile(number, member, revision));
    }
  }
  EXPECT_EQ(seen.size(), made);
}

}  // namespace
}  // namespace certfs
