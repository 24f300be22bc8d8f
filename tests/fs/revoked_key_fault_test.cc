// Goal: the key of a revoked certificate stays withheld where the store enforces it, whatever call of the
// table fails, and no failure is remembered as a verdict. Method: every way to such a key, over a table that
// fails its first call, its second, and so on, until none fails; and once more without a fault.

#include <array>

#include "tests/fs/faulted_operations.h"
#include "tests/support/rounds.h"

namespace certfs::test {
namespace {

constexpr std::size_t kCallsMax = 2000;
constexpr auto kEntry = "stores/machine/web";
constexpr auto kKey = "stores/machine/web/key.pem";

// A CRL of the issuer, which the stores of trust alone hold, revokes the certificate; nobody has reached a
// verdict since.
void Revoke(FaultedVolume& at) {
  Furnish(at);
  SetPassword(at);
  Must(at.Put(kRoot, std::string(kEntry) + "/cert.pem", TextOf("leaf.pem")));
  Must(at.tree.volume.SetEnforcesRevocation(kRoot, at.tree.At("stores/machine").id, true));
  Must(at.MakeDirectory(kRoot, "stores/TRUSTED_ROOTS_CRLS/issuing"));
  Must(at.Put(kRoot, "stores/TRUSTED_ROOTS_CRLS/issuing/crl.pem", TextOf("crl-revokes-leaf.pem")));
}

Result<void> Open(FaultedVolume& at, const char* path) {
  const auto read = at.tree.Get(kRoot, path);
  return read.has_value() ? Result<void>() : read.error();
}

struct Way {
  const char* name;
  Result<void> (*take)(FaultedVolume& at);
};
constexpr std::array kWays{
    Way{"key.pem", [](FaultedVolume& at) { return Open(at, kKey); }},
    Way{"combined.pem", [](FaultedVolume& at) { return Open(at, "export/machine/web/combined.pem"); }},
    Way{"keystore.p12", [](FaultedVolume& at) { return Open(at, "export/machine/web/keystore.p12"); }},
    Way{"a copy by rename",
        [](FaultedVolume& at) { return at.Rename(kRoot, kKey, std::string(kEntry) + "/key.pem~"); }},
    Way{"a handle that edits",
        [](FaultedVolume& at) -> Result<void> {
          const Tree::Writer writer = TRY(at.OpenToWrite(kRoot, kKey, kEdit));
          at.tree.volume.Release(writer.node, writer.handle);
          return {};
        }},
    Way{"a copy by link",
        [](FaultedVolume& at) { return at.Link(kRoot, kKey, std::string(kEntry) + "/.key"); }},
};

class RevokedKey : public testing::TestWithParam<ErrorCode> {};

TEST_P(RevokedKey, StaysWithheldWhateverFails) {
  const ErrorCode code = GetParam();
  // Each call takes a volume of its own: of sanitized code some are enough, others for each code.
  const std::size_t step = RoundsFactor() < 1 ? 13 : 1;
  const std::size_t first = 1 + static_cast<std::size_t>(code) % step;
  for (const Way& way : kWays) {
    bool met = true;
    for (std::size_t call = first; met; call += step) {
      ASSERT_LT(call, kCallsMax);
      SCOPED_TRACE(std::string(way.name) + ", call " + std::to_string(call));
      // What was read before is at hand: each call fails on a volume of its own.
      FaultedVolume at;
      Revoke(at);
      at.faults.fail_at = call;
      at.faults.code = code;
      const auto outcome = Failure(way.take(at));
      met = std::exchange(at.faults, Faults{}).failed != 0;
      ASSERT_TRUE(outcome) << "it is handed out";
      EXPECT_TRUE(outcome == ErrorCode::kRevoked || (met && outcome == code)) << ToString(*outcome);
      ASSERT_EQ(Failure(way.take(at)), ErrorCode::kRevoked) << "the failure is remembered";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Codes, RevokedKey,
                         testing::Values(ErrorCode::kIo, ErrorCode::kNoSpace, ErrorCode::kCorrupt,
                                         ErrorCode::kBusy, ErrorCode::kNoMemory));

}  // namespace
}  // namespace certfs::test
