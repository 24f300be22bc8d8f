#include "tools/authority/report.h"

#include <iomanip>
#include <string>
#include <string_view>

namespace certfs::authority {

namespace {

constexpr int kLabelWidth = 14;
constexpr std::size_t kDateSize = 10;  // "2026-01-31" of a timestamp.

void Line(std::ostream& out, std::string_view label, const std::string& value) {
  if (!value.empty()) out << std::left << std::setw(kLabelWidth) << label << value << "\n";
}

std::string Joined(const Json& names) {
  std::string words;
  if (!names.is_array()) return words;
  for (const Json& name : names) {
    if (!name.is_string()) continue;
    if (!words.empty()) words += ", ";
    words += name.get<std::string>();
  }
  return words;
}

// What a terminal would act on has no place in a table of names that others chose.
std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return text;
}

}  // namespace

void WriteAuthority(std::ostream& out, const Json& authority) {
  Line(out, "subject", Printable(TextOf(authority, "subject")));
  Line(out, "role", TextOf(authority, "role"));
  Line(out, "serial", TextOf(authority, "serial"));
  Line(out, "key", TextOf(authority, "key"));
  Line(out, "valid", TextOf(authority, "not_before") + " to " + TextOf(authority, "not_after"));
  Line(out, "sha256", TextOf(authority, "sha256"));
  const std::string root = Printable(TextOf(authority, "root"));
  if (root != Printable(TextOf(authority, "subject"))) Line(out, "root", root);
  Line(out, "issued", std::to_string(NumberOf(authority, "issued")));
  Line(out, "CRL number", std::to_string(NumberOf(authority, "crl_number")));
}

void WriteIssued(std::ostream& out, const Json& issued) {
  Line(out, "serial", TextOf(issued, "serial"));
  Line(out, "subject", Printable(TextOf(issued, "subject")));
  Line(out, "names", Printable(Joined(FieldOf(issued, "names"))));
  Line(out, "profile", TextOf(issued, "profile"));
  Line(out, "valid", TextOf(issued, "not_before") + " to " + TextOf(issued, "not_after"));
  Line(out, "state", TextOf(issued, "state"));
  const Json& revoked = FieldOf(issued, "revoked");
  if (revoked.is_object()) Line(out, "revoked", TextOf(revoked, "at") + ", " + TextOf(revoked, "reason"));
  Line(out, "entry", Printable(TextOf(issued, "entry")));
  Line(out, "replaces", TextOf(issued, "replaces"));
  Line(out, "replaced by", TextOf(issued, "replaced_by"));
  Line(out, "in ca/issued", Printable(TextOf(issued, "pickup")));
}

void WriteIssuedHeading(std::ostream& out) {
  out << std::left << std::setw(34) << "SERIAL" << std::setw(12) << "NOT AFTER" << std::setw(9) << "STATE"
      << std::setw(32) << "ENTRY"
      << "SUBJECT, NAMES\n";
}

void WriteIssuedRow(std::ostream& out, const Json& issued) {
  std::string entry = Printable(TextOf(issued, "entry"));
  if (entry.empty()) entry = "-";
  out << std::left << std::setw(34) << TextOf(issued, "serial") << std::setw(12)
      << TextOf(issued, "not_after").substr(0, kDateSize) << std::setw(9) << TextOf(issued, "state")
      << std::setw(31) << entry << ' ' << Printable(TextOf(issued, "subject"));
  const std::string names = Printable(Joined(FieldOf(issued, "names")));
  if (!names.empty()) out << "; " << names;
  out << "\n";
}

void WriteReplacement(std::ostream& out, const Json& replacement) {
  const bool back = TextOf(replacement, "phase") == "rolling-back";
  const std::uint64_t total = NumberOf(replacement, "total");
  const std::uint64_t left = NumberOf(replacement, "left");
  out << "a replacement of the root, begun " << TextOf(replacement, "began") << ", is "
      << (back ? "being taken back: " : "under way: ") << (total > left ? total - left : 0) << " of " << total
      << (back ? " entries have their old certificate again" : " entries are re-issued");
  const std::uint64_t failed = NumberOf(replacement, "failed");
  if (failed != 0) out << ", " << failed << " could not be";
  out << "\n";
}

std::string CalledBy(const Json& issued) {
  for (const char* const field : {"entry", "common_name", "serial"}) {
    std::string text = Printable(TextOf(issued, field));
    if (!text.empty()) return text;
  }
  return "a certificate";
}

}  // namespace certfs::authority
