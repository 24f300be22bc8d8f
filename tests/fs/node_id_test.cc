// Goal: node ids are what fs/README.md, "Node ids", says: derived, distinct, and readable backwards.
// Method: every kind of node made and taken apart again; the borders of the fields.

#include "fs/node_id.h"

#include <gtest/gtest.h>

#include <set>

namespace certfs {
namespace {

constexpr std::array kFixed{Fixed::kRoot,      Fixed::kStores, Fixed::kStatus,  Fixed::kLink,
                            Fixed::kErrorsLog, Fixed::kWhy,    Fixed::kVersion, Fixed::kExport,
                            Fixed::kBackup,    Fixed::kHealth, Fixed::kExpiry,  Fixed::kMetrics,
                            Fixed::kReport};

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
      for (const Revision revision : {Revision{1}, Revision{2}, (Revision{1} << 27) - 1}) {
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

TEST(NodeId, ViewsTellKindAndNumberAndAreNothingElse) {
  Digest state{};
  state[7] = 1;
  for (const Number number : {Number{0}, kFirstNumber, (Number{1} << 32) - 1}) {
    for (const std::uint8_t kind : {std::uint8_t{1}, std::uint8_t{30}}) {
      const NodeId id = NodeId::OfView(kind, number, state);
      EXPECT_EQ(id.view_kind(), kind);
      EXPECT_EQ(id.number(), number);
      EXPECT_NE(id, NodeId::OfView(kind, number, Digest{}));
      EXPECT_TRUE(id.is_view());
      EXPECT_FALSE(id.is_view_directory() || id.is_hashed_directory() || id.is_staging());
      EXPECT_FALSE(id.fixed() || id.directory() || id.member());
    }
    const NodeId directory = NodeId::OfViewDirectory(number);
    EXPECT_TRUE(directory.is_view() && directory.is_view_directory());
    EXPECT_FALSE(directory.is_hashed_directory() || directory.view_kind() || directory.directory());
    EXPECT_EQ(directory.number(), number);
    const NodeId hashed = NodeId::OfHashedDirectory(number);
    EXPECT_TRUE(hashed.is_view() && hashed.is_hashed_directory());
    EXPECT_FALSE(hashed.is_view_directory() || hashed.view_kind() || hashed.directory() || hashed.fixed());
  }
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
    add(NodeId::OfViewDirectory(number));
    add(NodeId::OfHashedDirectory(number));
    for (std::uint8_t kind = 1; kind <= 20; ++kind) add(NodeId::OfView(kind, number, Digest{}));
    for (const Member member : kMembers) {
      for (Revision revision = 1; revision <= 20; ++revision) add(NodeId::OfFile(number, member, revision));
    }
  }
  EXPECT_EQ(seen.size(), made);
}

}  // namespace
}  // namespace certfs
