// The ledger of a table in memory: a value, as the rest of its state. Private to store/.
//
// Thread-safety: a value; copies share lines, which never change.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "store/entry_table.h"

namespace certfs {

class MemoryLedger {
 public:
  std::optional<IssuedCertificate> Find(const SerialNumber& serial) const;
  std::optional<IssuedCertificate> FindByNumber(Number number) const;
  void List(Cursor after, const IssuedSink& sink) const;
  void List(const IssuedGroupKey& group, const IssuedSink& sink) const;
  std::uint64_t size() const noexcept { return lines_.size(); }

  // Puts a line that has its number in place of the one with its serial number, if there is one.
  void Put(IssuedCertificate issued);

 private:
  using Line = std::shared_ptr<const IssuedCertificate>;
  using Group = std::pair<IssuedGroup, Bytes>;

  std::map<Digest, Line> lines_;  // By a digest of the serial number: in an order as odd as SealedTable's.
  std::map<Number, Digest> numbers_;
  std::map<Group, std::set<Digest>> groups_;
};

}  // namespace certfs
