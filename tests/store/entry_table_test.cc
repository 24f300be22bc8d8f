#include "store/entry_table.h"

#include "store/memory_table.h"
#include "store/sealed_table.h"
#include "tests/store/entry_table_contract.h"
#include "tests/store/ledger_contract.h"

namespace certfs {

namespace {

std::unique_ptr<EntryTable> MakeMemory(const std::filesystem::path&, std::uint64_t limit) {
  return MakeMemoryTable(limit);
}

std::unique_ptr<EntryTable> MakeSealed(const std::filesystem::path& directory, std::uint64_t limit) {
  Must(CreateSealedTable(directory, TestKeys()));
  return Must(OpenSealedTable(directory, TestKeys(), {std::uint64_t{1} << 20, limit}));
}

INSTANTIATE_TEST_SUITE_P(Tables, EntryTableContract,
                         testing::Values(TableKind{"Memory", MakeMemory}, TableKind{"Sealed", MakeSealed}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace

}  // namespace certfs
