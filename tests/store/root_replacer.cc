// Another process that replaces the root: root_replacer DIRECTORY begin|compromised|step|back [rekey]
//
// Opens the keystore with the tests' key. `begin` and `compromised` begin a replacement, `back` turns it
// around, and all of them go on, two entries a step, until nothing is left. Before each step it writes a byte
// to stdout and waits for one on stdin. Exits with 0 if all went well.

#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "tests/store/authority_door.h"

int main(int count, char** arguments) {
  using namespace certfs;
  if (count != 3 && count != 4) return 2;
  const std::string_view what = arguments[2];
  const bool rekey = count == 4;
  const auto run = [&]() -> Result<void> {
    const auto keystore = TRY(Keystore::Open(arguments[1], TestSecret(), FixedClock().get()));
    CertificateAuthority authority(*keystore);
    char step = 's';
    if (what == "begin" || what == "compromised")
      TRY(authority.BeginReplacement(NewRoot("New Root"), what == "compromised", rekey, kRoot));
    if (what == "back") TRY(authority.RollBackReplacement(kRoot));
    for (bool more = true; more;) {
      if (write(STDOUT_FILENO, &step, 1) != 1 || read(STDIN_FILENO, &step, 1) != 1)
        return Error(ErrorCode::kIo, "nobody is there");
      more = TRY(authority.StepReplacement(2, kRoot)).replacement.has_value();
    }
    return {};
  };
  const auto outcome = run();
  if (!outcome.has_value()) fprintf(stderr, "root_replacer: %s\n", outcome.error().message().c_str());
  return outcome.has_value() ? 0 : 1;
}
