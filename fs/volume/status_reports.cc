#include "fs/volume/status_reports.h"

namespace certfs {

ContentPointer ContentOf(Fixed node, std::string_view text) {
  auto content = std::make_shared<Content>();
  content->node = NodeId::Of(node);
  content->plain.assign(text.begin(), text.end());
  return content;
}

Result<StatusText> StatusReports::Show(Fixed node, Make make, Audience audience,
                                       const std::optional<Error>& list_failure) {
  const StatusFactsPointer facts = TRY(facts_.Get(audience, list_failure));
  const std::lock_guard lock(mutex_);
  Made& made = made_[{node, audience}];
  if (made.of == facts) return made.text;
  const std::string text = make(*facts);
  if (!made.text.content || AsText(made.text.content->plain) != text) {
    made.text = {ContentOf(node, text), keystore_.Now()};
    // Nobody else has it yet.
    std::const_pointer_cast<Content>(made.text.content)->attributes.mtime = made.text.since;
  }
  made.of = facts;
  return made.text;
}

}  // namespace certfs
