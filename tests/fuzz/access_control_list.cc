#include "store/access_control_list.h"

#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

// A list has one order, in which it reads as itself, and shows as the mode that it is given.
int FuzzAccessControlList(const std::uint8_t* data, std::size_t size) {
  const auto list = AccessControlList::Parse(BytesView(data, size));
  if (!list.has_value()) {
    PROPERTY(list.error().code() == ErrorCode::kInvalidArgument);
    return 0;
  }
  PROPERTY(!list.value().empty() && list.value().mode() <= 0777);
  const Bytes encoded = list.value().Encode();
  PROPERTY(encoded.size() == size);
  const auto again = AccessControlList::Parse(encoded);
  PROPERTY(again.has_value() && again.value() == list.value() && again.value().Encode() == encoded);
  for (const std::uint32_t mode : {0777U, 0640U, 0U}) {
    AccessControlList changed = list.value();
    changed.SetMode(mode);
    PROPERTY(changed.mode() == mode && AccessControlList::Parse(changed.Encode()).has_value());
    changed.Limit({0, 0, 0, 0});
    PROPERTY((changed.mode() & 0707) == 0 && !changed.GivesOthers());
  }
  NoteRead();
  return 0;
}

}  // namespace certfs::fuzz
