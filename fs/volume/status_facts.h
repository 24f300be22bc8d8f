// What the files of status/ tell, found out once for all of them. Private to fs/.
//
// Not everybody may read every entry, and everybody may read these files: whoever is neither root nor the
// daemon's user is told of open entries alone, and of others only that something is wrong with one.
//
// Thread-safety: any thread; one finds out, and others wait for it, a moment: where that takes seconds (a
// large keystore whose roots changed), they are told what was found before, so that no mount stands still for
// it. Ownership: borrows the keystore, the authority and the note. Errors: those of reading; damage is what
// was found. kBusy where there is nothing from before and so many wait already that the mount would stand
// still.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fs/volume/backup_note.h"
#include "store/certificate_authority.h"
#include "store/concerns.h"
#include "store/inspection.h"

namespace certfs {

enum class Audience { kOwner, kEverybody };

struct StatusFacts {
  std::string version;                           // "certfs 1.0".
  std::shared_ptr<const Inspection> inspection;  // As far as the audience may know it.
  std::vector<Concern> concerns;
  // The day, UTC. What follows from the moment moves once a day, so that copies of the files keep calm; what
  // is wrong shows within a minute.
  std::chrono::sys_days today;
  Time keystore_backed_up{};   // Zero: never.
  Time authority_backed_up{};  // Zero: never, or there is none.
  bool has_authority = false;
  bool hides = false;  // There is more than the audience may know.

  friend bool operator==(const StatusFacts&, const StatusFacts&) = default;
};
using StatusFactsPointer = std::shared_ptr<const StatusFacts>;

// "critical", "warning" or "ok": what the worst of them comes to.
std::string_view StatusOf(const std::vector<Concern>& concerns);

class StatusFactsSource {
 public:
  StatusFactsSource(Keystore& keystore, CertificateAuthority& authority, const BackupNote& note,
                    std::string version);

  // How long whoever comes waits for somebody else who is finding out, if there is anything to tell him else.
  static constexpr std::chrono::milliseconds kPatience{200};
  // How many wait longer than that where there is nothing. Fewer than a mount has threads.
  static constexpr int kWaitersMax = 4;

  // Found out anew when the keystore has changed, or a minute is over: what expires does so by itself. The
  // same pointer while all of it is the same. `list_failure` is why a CRL could not be signed anew.
  Result<StatusFactsPointer> Get(Audience audience, const std::optional<Error>& list_failure);

 private:
  // What the facts were found in.
  struct Moment {
    std::uint64_t commit = 0;
    std::int64_t minute = 0;
    std::string failure;
    Time backed_up{};

    friend bool operator==(const Moment&, const Moment&) = default;
  };
  Result<StatusFacts> FindOut(TableSnapshot& snapshot, std::shared_ptr<const Inspection> inspection,
                              const Moment& moment, std::chrono::sys_seconds now);
  void Keep(StatusFacts facts, Moment moment);

  Keystore& keystore_;
  CertificateAuthority& authority_;
  const BackupNote& note_;
  const std::string version_;
  Inspector inspector_;
  std::timed_mutex looking_;  // Held while finding out. Taken before mutex_.
  std::atomic<int> waiting_ = 0;
  std::mutex mutex_;
  std::optional<Moment> moment_;  // Guarded by mutex_, as all below; changed under both.
  StatusFactsPointer owner_;
  StatusFactsPointer everybody_;
  std::shared_ptr<const Inspection> opened_of_;
  std::shared_ptr<const Inspection> opened_;  // What everybody may know of that.
};

}  // namespace certfs
