// What to do about a finding: one row an id. Private to store/.
//
// Thread-safety: constants, and free functions over their arguments.

#pragma once

#include <string>
#include <string_view>

#include "store/concerns.h"

namespace certfs {

// What a command is about.
struct ActionSubject {
  std::string_view store;  // Empty where it is about no entry.
  std::string_view alias;
  bool list = false;       // The entry holds a CRL,
  bool trust = false;      // and its store says what is trusted.
  bool renewable = false;  // The authority of this keystore issued the certificate.
};

// The command; `certfs verify` of the certificate where the table has none.
std::string ActionOf(std::string_view id, const ActionSubject& subject);

// How much a finding of the rules table matters to whoever watches. What the row refuses is an alarm. What it
// only warns of is one warning, but for what is a matter of style (the stage "rest", save a missing name).
Urgency UrgencyOf(const Finding& finding);

}  // namespace certfs
