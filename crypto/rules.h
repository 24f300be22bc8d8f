// The rules table: everything for which an imported object, or a request for a certificate, is refused or
// warned about, one row each.
//
// The error that a writer gets, the lines of `certfs verify`, the documentation and the tests all come from
// the rows. A verdict collects every finding in one pass; the first refusing row, in the order of the table,
// decides the error: parse, kind, match, chain, revocation, dates, then the rest.
//
// Thread-safety: the table is constant; a Verdict is a value. Ownership: findings point at rows of the table,
// which live for ever.

#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/error.h"

namespace certfs {

// The order in which rows decide; the table is sorted by it.
enum class Stage { kParse, kKind, kMatch, kChain, kRevocation, kDates, kRest };

// What a broken rule means to the one who wrote the object.
enum class Severity {
  kNone,    // The rule does not apply there.
  kFix,     // Put right silently, and noted.
  kWarn,    // Accepted, and shown for as long as the object lives.
  kRefuse,  // Not accepted.
};

// What an object is judged as; the columns of the table.
enum class Role {
  kServerLeaf,      // The leaf of an entry of a store with server rules (MACHINE_SSL_CERT).
  kLeaf,            // The leaf of an entry of any other store.
  kIntermediate,    // A CA certificate that comes along in a leaf's file, or in its chain.
  kAnchor,          // A certificate in TRUSTED_ROOTS.
  kKey,             // A private key.
  kRevocationList,  // A CRL in TRUSTED_ROOTS_CRLS.
  kLooseList,       // A CRL in any other store.
  kRequest,         // A request for a certificate, under the profile and the issuer that it is made to.
};
inline constexpr std::size_t kRoleCount = 8;

struct Rule {
  std::string_view id;  // "leaf-without-san": stable, for scripts and tests.
  Stage stage;
  ErrorCode code;            // What a refusal by this rule is; fs/errno.cc makes it an errno.
  std::string_view section;  // "RFC 5280, 4.2.1.6"; empty where the rule is ours alone.
  std::string_view
      summary;  // What is wrong, for people: "a server certificate names no host in subjectAltName".
  std::array<Severity, kRoleCount> severity;  // By Role.

  constexpr Severity For(Role role) const { return severity[static_cast<std::size_t>(role)]; }
};

// Returns the whole table, in the order in which rows decide.
std::span<const Rule> Rules();

// Returns the row with that id; ids that are not in the table abort (a defect of ours).
const Rule& RuleById(std::string_view id);

// One broken rule.
struct Finding {
  const Rule* rule;
  Severity severity;
  std::string subject;  // Which object: "certificate 2 (CN=Issuing CA)", "key", "CRL of CN=Root".
  std::string detail;   // The facts: "expired 2024-01-31T00:00:00Z". May be empty.

  // "leaf-without-san: a server certificate names no host in subjectAltName: certificate 1 (CN=x): detail".
  std::string Describe() const;
};

class Verdict {
 public:
  // Notes that `rule` is broken by an object in `role`. Does nothing where the rule is kNone for that role.
  void Add(const Rule& rule, Role role, std::string subject, std::string detail = {});

  // Notes a failure to read the object at all; `error` carries the id of its rule.
  void AddReadFailure(const Error& error, std::string subject);

  // All findings in the order of the table, then in that in which they were added.
  const std::vector<Finding>& findings() const noexcept { return findings_; }

  bool accepted() const noexcept { return !refusal().has_value(); }

  // The Error of the first refusing row, naming every refusing finding's rule; nothing when accepted.
  std::optional<Error> refusal() const;

 private:
  std::vector<Finding> findings_;
};

}  // namespace certfs
