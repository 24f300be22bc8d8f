// An open file of ca/control: the answer of its last command. Private to fs/.
//
// Thread-safety: its mutex guards it.

#pragma once

#include <mutex>

#include "store/view.h"

namespace certfs {

struct ControlHandle {
  std::mutex mutex;
  ViewBytes answer;  // One of the two is empty; both before the first command.

  BytesView bytes() const { return answer.secret.empty() ? BytesView(answer.plain) : answer.secret.Reveal(); }
};

}  // namespace certfs
