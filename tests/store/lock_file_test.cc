// Goal: whatever single bit of lock.mdb is another one, whoever opens the keystore alone sees it as it is;
// and beside somebody who has it open, of the bits that LMDB does not go by, both do. Method: its first 8
// KiB, an even sample of the bits (all under CERTFS_SOAK), in child processes that are seen to die.
//
// What LMDB goes by while somebody has it open cannot be made safe: it maps the file and believes it
// (store/README.md, "Threat model").

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include <functional>

#include "crypto/base/descriptor.h"
#include "tests/store/bit_trials.h"
#include "tests/store/data_file.h"

namespace certfs {
namespace {

constexpr std::size_t kBytes = 8192;
// A trial that takes so long waits for a lock that nobody has.
constexpr unsigned int kGivenUpSeconds = 60;

// How LMDB 0.9.24 lays it out.
constexpr std::size_t kLine = 64;
constexpr std::size_t RoundedUp(std::size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }
constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::size_t kReadersMutex = 8;  // Behind the magic number and the format.
constexpr std::size_t kCommit = kReadersMutex + sizeof(pthread_mutex_t);
constexpr std::size_t kReaderCount = kCommit + 8;
constexpr std::size_t kWritersMutex = RoundedUp(kReaderCount + 4);
constexpr std::size_t kReaders = kWritersMutex + RoundedUp(sizeof(pthread_mutex_t));

// Whether LMDB believes it of a file that somebody has open. Of the readers nobody reads at that moment.
bool IsBelieved(std::size_t byte) {
  return (byte >= kReadersMutex && byte < kReaderCount + 4) ||
         (byte >= kWritersMutex && byte < kWritersMutex + sizeof(pthread_mutex_t));
}

class LockFile : public BitTrials {
 protected:
  LockFile() {
    keystore_.Restore();
    Must(Must(OpenSealedTable(keystore_.path(), keystore_.Keys()))->Snapshot());
    good_ = BytesOfFile(file());
  }
  std::filesystem::path file() const { return keystore_.path() / "lock.mdb"; }

  // A bit that is another one, in the file that is there.
  void Flip(std::size_t bit) const {
    const Descriptor open_file(open(file().c_str(), O_RDWR | O_CLOEXEC));
    std::uint8_t byte = 0;
    const auto at = static_cast<off_t>(bit / 8);
    if (pread(open_file.number(), &byte, 1, at) != 1) abort();
    byte = static_cast<std::uint8_t>(byte ^ (1U << bit % 8));
    if (pwrite(open_file.number(), &byte, 1, at) != 1) abort();
  }

  // What a process sees that has it open while `meanwhile` happens in this one, and then looks, changes it
  // and looks again; or what that saw, if it is worse.
  Outcome UseBeside(const RootKeys& keys, const std::function<Outcome()>& meanwhile) const {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return kWrong;
    const Descriptor line(ends[0]);
    const pid_t other = fork();
    if (other == 0) {
      close(ends[0]);
      alarm(kGivenUpSeconds);
      _exit(LiveBeside(keys, ends[1]));
    }
    close(ends[1]);
    std::uint8_t byte = 0;
    Outcome seen = kWrong;
    if (read(line.number(), &byte, 1) == 1) seen = meanwhile();
    static_cast<void>(send(line.number(), &byte, 1, MSG_NOSIGNAL));
    int status = 0;
    if (waitpid(other, &status, 0) != other || !WIFEXITED(status)) {
      std::cerr << "who had it open died, status " << status << "\n";
      return kWrong;
    }
    return std::max(seen, static_cast<Outcome>(WEXITSTATUS(status)));
  }

  std::string good_;

 private:
  Outcome LiveBeside(const RootKeys& keys, int line) const {
    const auto opened = OpenSealedTable(keystore_.path(), {keys.store_id, keys.manifest_key.Clone()});
    std::vector<std::string> wrong;
    if (!opened.has_value() || Look(*opened.value(), wrong) != kUnaffected) return kWrong;
    std::uint8_t byte = 0;
    if (write(line, &byte, 1) != 1 || read(line, &byte, 1) != 1) return kWrong;
    const Outcome before = Look(*opened.value(), wrong);
    if (!Change(*opened.value()).has_value()) return kWrong;
    return std::max(before, Look(*opened.value(), wrong));
  }
};

// Who finds nobody there makes it anew.
TEST_F(LockFile, OpenedAlone) {
  const RootKeys keys = keystore_.Keys();
  const auto bits = SampleOf(kBytes, 400);
  std::size_t trial = 0;
  const auto counts = RunTrials(bits, [&](std::size_t bit) {
    alarm(kGivenUpSeconds);
    keystore_.Restore();
    PutBytes(file(), good_);
    Flip(bit);
    return Use(keys, ++trial % kWritesEvery == 0);
  });
  Print("lock.mdb, alone", counts);
  EXPECT_EQ(counts[kUnaffected], bits.size());
}

TEST_F(LockFile, OpenedBesideAnother) {
  // Were it laid out otherwise, other bits would be left out.
  const BytesView bytes = AsBytes(good_);
  ASSERT_EQ(lmdb::NumberAt<std::uint32_t>(bytes, 0), kMagic);
  const DataFile data(keystore_.path());
  ASSERT_EQ(lmdb::NumberAt<std::uint64_t>(bytes, kCommit), data.MetaAt(data.newer()).commit);
  ASSERT_EQ(lmdb::NumberAt<std::uint32_t>(bytes, kReaderCount), 1U);
  const RootKeys keys = keystore_.Keys();
  // Most of it is places of readers that nobody takes: half of the trials are of what comes before, and of
  // the first of these.
  std::vector<std::size_t> bits = SampleOf(kBytes, 200);
  const std::vector<std::size_t> first = EvenSample(kReaders + 2 * kLine, 200 * RoundsFactor());
  bits.insert(bits.end(), first.begin(), first.end());
  std::erase_if(bits, [](std::size_t bit) { return IsBelieved(bit / 8); });
  std::size_t trial = 0;
  const auto counts = RunTrials(bits, [&](std::size_t bit) {
    alarm(2 * kGivenUpSeconds);
    keystore_.Restore();
    return UseBeside(keys, [&] {
      Flip(bit);
      return Use(keys, ++trial % kWritesEvery == 0);
    });
  });
  Print("lock.mdb, beside another", counts);
  // What it is, and its format, are asked; nothing else may be told at all.
  const auto asked = static_cast<std::size_t>(
      std::count_if(bits.begin(), bits.end(), [](std::size_t bit) { return bit / 8 < kReadersMutex; }));
  EXPECT_EQ(counts[kRefused], asked);
  EXPECT_EQ(counts[kUnaffected], bits.size() - asked);
}

}  // namespace
}  // namespace certfs
