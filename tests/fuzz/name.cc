#include "store/name.h"

#include "crypto/host_name.h"
#include "fs/control/payload.h"
#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

namespace {

template <typename Name>
void ReadName(std::string_view text) {
  const auto given = Name::Parse(text);
  if (given.has_value()) {
    PROPERTY(given.value().text() == text && !text.empty() && text.front() != '.');
    PROPERTY(text.find_first_of(std::string_view("/@\0", 3)) == std::string_view::npos);
    PROPERTY(IsUtf8(text) && !HasControl(text) && !given.value().is_next());
    PROPERTY(Name::Parse(FoldName(text)).has_value());
    PROPERTY(Name::ParseStored(given.value().Next().text()).has_value());
    NoteRead();
  }
  // Who may give less may give no more.
  const auto own = Name::ParseGiven(text);
  PROPERTY(!given.has_value() || own.has_value());
  const auto stored = Name::ParseStored(text);
  PROPERTY(!own.has_value() || stored.has_value());
  if (stored.has_value()) PROPERTY(stored.value().text() == text);
}

}  // namespace

// Names of stores and entries, and of hosts, mailboxes and ranges of addresses: what is taken is taken again
// in the form that it was given.
int FuzzName(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = AsText(BytesView(data, size));
  ReadName<StoreName>(text);
  ReadName<Alias>(text);
  const auto path = control::ParseEntryPath(text);
  if (path.has_value()) PROPERTY(path.value().store.text() + "/" + path.value().alias.text() == text);

  const auto host = ToHost(text);
  if (host.has_value()) {
    PROPERTY(IsHost(host.value()));
    const auto again = ToHost(host.value());
    PROPERTY(again.has_value() && again.value() == host.value());
  }
  const auto email = ToEmail(text);
  if (email.has_value()) {
    PROPERTY(IsEmail(email.value()));
    const auto again = ToEmail(email.value());
    PROPERTY(again.has_value() && again.value() == email.value());
  }
  if (const auto octets = AddressOctets(text)) {
    PROPERTY(octets->size() == 4 || octets->size() == 16);
    PROPERTY(AddressOctets(AddressText(*octets)) == octets);
  }
  if (const auto range = AddressRange::Parse(text)) {
    PROPERTY(range->network.size() == range->mask.size() && range->Holds(range->network));
  }
  static_cast<void>(LooksLikeHost(text));
  return 0;
}

}  // namespace certfs::fuzz
