// The process that examines one file, from its fork to its end. Private to store/; store/examiner.h asks it.
//
// Thread-safety: it is a process of its own. Ownership: takes both descriptors.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "store/examiner.h"

namespace certfs {

struct ExaminationRequest {
  Extent extent = Extent::kPages;
  std::uint32_t seconds = 0;      // After which it is ended, whatever it waits for,
  std::uint32_t cpu_seconds = 0;  // or has computed.
};

// What is answered, in one message each: this, and words.
struct ExaminationAnswer {
  static constexpr std::uint8_t kSound = 0;    // Else the ErrorCode and one more, or
  static constexpr std::uint8_t kReady = 255;  // not yet the end: all but the contents of files is sound.
  std::uint8_t code = kSound;
};
inline constexpr std::size_t kAnswerWordsMax = 512;

// Lets this process read and ask about what it has open, take memory, send, and end; whatever else it tries
// ends it (SIGSYS). Returns an errno, 0 for none.
int ShutIn();

// Shuts this process in, walks over `file`, sends the answer to `answer`, and ends. Everything else that is
// open is closed first.
[[noreturn]] void ExamineAndEnd(const ExaminationRequest& request, int file, int answer);

}  // namespace certfs
