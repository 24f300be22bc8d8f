// NodeId: what the kernel calls an inode, derived from the keystore (fs/README.md, "Node ids"), never a
// pointer.
//
// Thread-safety: values.

#pragma once

#include <compare>
#include <cstdint>
#include <optional>

#include "store/entry.h"

namespace certfs {

// The fixed nodes of the tree.
enum class Fixed : std::uint8_t {
  kRoot = 0,
  kStores = 1,
  kStatus = 2,
  kLink = 3,
  kErrorsLog = 4,
  kWhy = 5,
  kVersion = 6,
  kExport = 7,
  kBackup = 8,
  kAuthority = 9,  // ca/, and what is in it.
  kRequests = 10,
  kIssued = 11,
  kProfiles = 12,
  kControl = 13,
  kHealth = 14,
  kExpiry = 15,
  // Stores and entries, which are numbered from 16 on, are directories; of files these numbers are free.
  kMetrics = 16,
  kReport = 17,
  kAudit = 18
};
inline constexpr Fixed kLastFixed = Fixed::kAudit;

class NodeId {
 public:
  constexpr NodeId() = default;
  constexpr explicit NodeId(std::uint64_t value) : value_(value) {}

  static NodeId Of(Fixed fixed);
  static NodeId OfDirectory(Number number);  // Of a store or an entry.
  static NodeId OfFile(Number entry, Member member, Revision revision);
  static NodeId OfStaging(std::uint64_t count);
  // What shows a store or an entry in export/: its directory there, hashed/ of a store, and generated files
  // (number 0: in export/ or backup/ itself), each state of one as a node of its own.
  static NodeId OfViewDirectory(Number number);
  static NodeId OfHashedDirectory(Number store);
  static NodeId OfView(std::uint8_t kind, Number number, const Digest& identity);

  constexpr std::uint64_t value() const { return value_; }

  bool is_staging() const;
  std::optional<Fixed> fixed() const;         // Set for the fixed nodes alone.
  std::optional<Number> directory() const;    // Set for stores and entries alone.
  std::optional<Member> member() const;       // Set for files of entries alone; then
  Number number() const;                      // the entry, and
  bool HasRevision(Revision revision) const;  // whether the id is of that revision (its low 27 bits),
  Revision revision() const;                  // which are these.

  // What is beneath export/ and backup/, and generated files of ca/ (number: the line of the ledger). Of
  // these, number() is the store's or entry's as well.
  bool is_view() const;
  bool is_view_directory() const;  // Of a store or an entry,
  bool is_hashed_directory() const;
  std::optional<std::uint8_t> view_kind() const;  // Set for generated files alone.

  friend constexpr auto operator<=>(const NodeId&, const NodeId&) = default;

 private:
  std::uint64_t value_ = 0;
};

}  // namespace certfs
