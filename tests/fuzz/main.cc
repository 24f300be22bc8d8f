// One target as libFuzzer runs it; FUZZ_TARGET is its function.

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return certfs::fuzz::RunTarget(certfs::fuzz::FUZZ_TARGET, data, size);
}
