// Another process that rotates: key_rotator DIRECTORY [BYTES]
//
// Rotates the data key of the keystore with the tests' key, and writes a byte to stdout for each step. With
// BYTES no file can be written beyond that place. Exits with 0 if all went well.

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "store/keystore_keys.h"
#include "tests/store/keystore_fixture.h"

int main(int count, char** arguments) {
  using namespace certfs;
  if (count != 2 && count != 3) return 2;
  if (count == 3) {
    // A write that goes too far is an error then, as it is on a full disk.
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{std::stoull(arguments[2]), std::stoull(arguments[2])};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
  }
  const auto outcome = RotateDataKey(arguments[1], TestSecret(), [](std::size_t, std::size_t) {
    const char step = 's';
    if (write(STDOUT_FILENO, &step, 1) != 1) _exit(3);
  });
  if (!outcome.has_value()) fprintf(stderr, "key_rotator: %s\n", outcome.error().message().c_str());
  return outcome.has_value() && outcome.value().damaged.empty() ? 0 : 1;
}
