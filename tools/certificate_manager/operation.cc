#include "tools/certificate_manager/operation.h"

#include <array>
#include <string>

namespace certfs {

namespace {

constexpr std::array kOperations{
    OperationRow{Operation::kMachineSslCustom, "machine-ssl-custom",
                 "Replace Machine SSL certificate with Custom Certificate",
                 "Replacing Machine SSL certificate"},
    OperationRow{Operation::kRootCustom, "root-custom",
                 "Replace the authority's Root certificate with Custom Signing Certificate and replace all "
                 "Certificates",
                 "Replacing Root certificate and all certificates"},
    OperationRow{Operation::kMachineSsl, "machine-ssl",
                 "Replace Machine SSL certificate with a Certificate of the authority",
                 "Replacing Machine SSL certificate"},
    OperationRow{Operation::kRootNew, "root-new",
                 "Regenerate a new Root Certificate of the authority and replace all certificates",
                 "Replacing Root certificate and all certificates"},
    OperationRow{Operation::kSolutionUsersCustom, "solution-users-custom",
                 "Replace Solution user certificates with Custom Certificates",
                 "Replacing Solution user certificates"},
    OperationRow{Operation::kSolutionUsers, "solution-users",
                 "Replace Solution user certificates with Certificates of the authority",
                 "Replacing Solution user certificates"},
    OperationRow{Operation::kRevert, "revert",
                 "Revert last performed operation by re-publishing old certificates",
                 "Reverting the last operation"},
    OperationRow{Operation::kResetAll, "reset-all", "Reset all Certificates", "Resetting all certificates"},
};

}  // namespace

std::span<const OperationRow> Operations() { return kOperations; }

const OperationRow& RowOf(Operation operation) {
  return kOperations.at(static_cast<std::size_t>(operation) - 1);
}

Result<Operation> ParseOperation(std::string_view text) {
  std::string known;
  for (const OperationRow& row : kOperations) {
    const std::string number = std::to_string(static_cast<int>(row.operation));
    if (text == row.name || text == number) return row.operation;
    known += (known.empty() ? "" : ", ") + number + " " + std::string(row.name);
  }
  return Error(ErrorCode::kInvalidArgument,
               "'" + std::string(text) + "' is no operation; there are " + known);
}

bool ReplacesRoot(Operation operation) {
  return operation == Operation::kRootCustom || operation == Operation::kRootNew ||
         operation == Operation::kResetAll;
}

bool TakesPairs(Operation operation) {
  return operation == Operation::kMachineSslCustom || operation == Operation::kRootCustom ||
         operation == Operation::kSolutionUsersCustom;
}

}  // namespace certfs
