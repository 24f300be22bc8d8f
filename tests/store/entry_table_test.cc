#include "store/entry_table.h"

#include "store/memory_table.h"
#include "store/sealed_table.h"
#include "tests/store/entry_table_contract.h"

namespace certfs {

namespace {

std::unique_ptr<EntryTable> MakeMemory(const std::filesystem::path&) { return MakeMemoryTable(); }

std::unique_ptr<EntryTable> MakeSealed(const std::filesystem::path& directory) {
  Must(CreateSealedTable(directory, TestKeys()));
  return Must(OpenSealedTable(directory, TestKeys()));
}

INSTANTIATE_TEST_SUITE_P(Tables, EntryTableContract,
                         testing::Values(TableKind{"Memory", MakeMemory}, TableKind{"Sealed", MakeSealed}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace

}  // namespace certfs
