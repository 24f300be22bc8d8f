#include "crypto/issuing/lint.h"

#include <array>
#include <vector>

#include "crypto/openssl/certificate_rules.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/key_rules.h"
#include "crypto/openssl/list_rules.h"

namespace certfs::issuing {

namespace {

template <typename Predicate>
struct Row {
  const Rule* rule;
  const Predicate* predicate;
};

// The predicates whose rows say something about `role`.
template <typename Predicate>
std::vector<Row<Predicate>> RowsFor(std::span<const Predicate> predicates, Role role) {
  std::vector<Row<Predicate>> rows;
  for (const Predicate& predicate : predicates) {
    const Rule& rule = RuleById(predicate.rule);
    if (rule.For(role) != Severity::kNone) rows.push_back({&rule, &predicate});
  }
  return rows;
}

struct Table {
  explicit Table(Role role)
      : certificate(RowsFor(openssl::CertificatePredicates(), role)),
        key(RowsFor(openssl::KeyPredicates(), role)),
        list(RowsFor(openssl::ListPredicates(), role)) {}

  std::vector<Row<openssl::CertificatePredicate>> certificate;
  std::vector<Row<openssl::KeyPredicate>> key;
  std::vector<Row<openssl::ListPredicate>> list;
};

// Looked up once: thousands of certificates are judged by the same rows.
const Table& TableFor(Role role) {
  static const std::array<Table, kRoleCount> tables{Table(Role::kServerLeaf),   Table(Role::kLeaf),
                                                    Table(Role::kIntermediate), Table(Role::kAnchor),
                                                    Table(Role::kKey),          Table(Role::kRevocationList),
                                                    Table(Role::kLooseList),    Table(Role::kRequest)};
  return tables[static_cast<std::size_t>(role)];
}

Error Refusal(const Rule& rule, const std::string& detail) {
  return {rule.code, rule.id,
          std::string(rule.id) + ": " + std::string(rule.summary) + (detail.empty() ? "" : ": " + detail)};
}

}  // namespace

Result<void> Lint(const Certificate& certificate, const PublicKey& key, Role role) {
  const openssl::EmptyQueue empty;
  const Table& table = TableFor(role);
  for (const auto& row : table.certificate) {
    if (auto broken = row.predicate->broken(certificate)) return Refusal(*row.rule, *broken);
  }
  for (const auto& row : table.key) {
    if (auto broken = row.predicate->broken(key.handle())) return Refusal(*row.rule, *broken);
  }
  return {};
}

Result<void> Lint(const RevocationList& list) {
  const openssl::EmptyQueue empty;
  for (const auto& row : TableFor(Role::kRevocationList).list) {
    if (auto broken = row.predicate->broken(list)) return Refusal(*row.rule, *broken);
  }
  return {};
}

}  // namespace certfs::issuing
