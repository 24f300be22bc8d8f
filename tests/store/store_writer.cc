// Another process with the keystore open: store_writer DIRECTORY STORE ALIAS COUNT MEMBER FILE
//
// Opens the keystore with the tests' key, writes a byte to stdout, waits for one on stdin, then makes the
// entries ALIAS0, ALIAS1, ... in STORE and puts FILE into each as its MEMBER ("cert.pem"). Exits with 0 if
// all went well.

#include <unistd.h>

#include <cstdio>

#include "tests/store/keystore_fixture.h"

int main(int count, char** arguments) {
  using namespace certfs;
  if (count != 7) return 2;
  const auto run = [&]() -> Result<void> {
    const auto keystore = TRY(Keystore::Open(arguments[1], TestSecret(), FixedClock().get()));
    char byte = 'o';
    if (write(STDOUT_FILENO, &byte, 1) != 1 || read(STDIN_FILENO, &byte, 1) != 1) {
      return Error(ErrorCode::kIo, "nobody is there");
    }
    const auto store = TRY(TRY(keystore->Snapshot())->FindStore(TRY(StoreName::Parse(arguments[2]))));
    const auto member = MemberNamed(arguments[5]);
    if (!store || !member) return Error(ErrorCode::kNotFound, "no such store or member");
    for (int i = 0; i < std::stoi(arguments[4]); ++i) {
      const Alias alias = TRY(Alias::Parse(arguments[3] + std::to_string(i)));
      const Entry entry = TRY(keystore->CreateEntry(store->number, alias, kRoot, 0755));
      TRY(keystore->WriteFile(entry.number, *member, test::ReadAll(arguments[6]), kRoot, {}));
    }
    return {};
  };
  const auto outcome = run();
  if (!outcome.has_value()) fprintf(stderr, "store_writer: %s\n", outcome.error().message().c_str());
  return outcome.has_value() ? 0 : 1;
}
