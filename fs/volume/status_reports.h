// The files of status/ that tell of the stores, as they are shown: each text is made when it is first looked
// at, and again when what it tells of is something else. All who open one meanwhile share its bytes. Private
// to fs/.
//
// Thread-safety: any thread. Errors: as StatusFactsSource::Get.

#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "fs/volume/content.h"
#include "fs/volume/status_facts.h"

namespace certfs {

// What a file shows at the moment, and since when it shows just that: its mtime.
struct StatusText {
  ContentPointer content;  // Of the file's own node. Never null.
  Time since{};
  std::uint64_t left_out = 0;  // Bytes behind it, where only the size was asked for.

  std::uint64_t size() const { return content->size() + left_out; }
};

// `text` as the content of `node`.
ContentPointer ContentOf(Fixed node, std::string_view text);

class StatusReports {
 public:
  StatusReports(Keystore& keystore, CertificateAuthority& authority, const BackupNote& note,
                std::string version)
      : keystore_(keystore), facts_(keystore, authority, note, std::move(version)) {}

  using Make = std::string (*)(const StatusFacts&);
  Result<StatusText> Show(Fixed node, Make make, Audience audience, const std::optional<Error>& list_failure);

 private:
  struct Made {
    StatusFactsPointer of;
    StatusText text;
  };
  Keystore& keystore_;
  StatusFactsSource facts_;
  std::mutex mutex_;
  std::map<std::pair<Fixed, Audience>, Made> made_;  // Guarded by mutex_.
};

}  // namespace certfs
