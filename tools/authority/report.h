// What the authority says, for people: its certificates, and lines of its ledger.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <ostream>

#include "tools/control_client.h"

namespace certfs::authority {

// A paragraph on a certificate of the authority.
void WriteAuthority(std::ostream& out, const Json& authority);

// A paragraph on what was issued.
void WriteIssued(std::ostream& out, const Json& issued);

// A line of the table of what was issued, and the one above it.
void WriteIssuedHeading(std::ostream& out);
void WriteIssuedRow(std::ostream& out, const Json& issued);

// How far a replacement of the root is.
void WriteReplacement(std::ostream& out, const Json& replacement);

// What it is called in a sentence: its entry, else its common name, else its serial number.
std::string CalledBy(const Json& issued);

}  // namespace certfs::authority
