// One case a cell of the rules table: a file that breaks the row, judged in the role of the column.

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/judgement.h"
#include "tests/crypto/verdicts.h"

namespace certfs::test {

struct RuleCase {
  std::string_view rule;
  Role role;  // An intermediate is a certificate behind the first in a leaf's file, judged by server rules.
  Severity severity;
  Bytes content;  // What somebody writes.

  // What it is judged against.
  std::vector<std::string> trusted = {"root.pem"};
  std::vector<std::string> lists = {};
  std::string partner = {};  // The key of a leaf, or the certificate of a key.
  std::string live = {};     // The CRL that is replaced.
  Purpose purpose = Purpose::kAny;
  std::optional<std::string> host = {};
  // What else than reading a request may refuse it: the profile, and the issuer.
  std::function<std::optional<Error>()> asked = {};
};

// Every case. Those of one row stand together; built once.
const std::vector<RuleCase>& RuleCases();

// Those of the column of requests, of which RuleCases() has a copy.
std::vector<RuleCase> RequestCases();

// Reads and judges the content of `row` as a store would, at the vectors' time.
Verdict JudgeCase(const RuleCase& row);

// Returns the finding that `row` promises, null where the verdict has none in that role.
const Finding* FindingOf(const RuleCase& row, const Verdict& verdict);

}  // namespace certfs::test
