// Manual pages, in man(7).
//
// Thread-safety: pure functions.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/documentation/outline.h"

namespace certfs::documentation {

// One page: "certfs-ca.1" and what stands in it.
struct Page {
  std::string file;
  std::string text;
};

// What a page says that its parser does not know. Paragraphs are separated by an empty line; lines that begin
// with a space stand as they are; a paragraph whose first line ends in a tab and words is a term and its
// meaning.
struct Section {
  std::string title;  // "EXIT STATUS"
  std::string text;
};

struct PageFrame {
  int number = 1;
  std::string date;               // 2026-11-28
  std::string source;             // certfs 0.1.0
  std::vector<Section> sections;  // Before the examples.
  std::vector<std::string> also;  // "mount(8)"
};

// The page of `command`; what its footer has behind "Example:" or "Examples:" are the examples. The commands
// below it are described in it if `whole`, and else listed with the pages that they have.
Page WritePage(const CommandOutline& command, const PageFrame& frame, bool whole);

// A page that is not of a command: `name` and `what` it is, then the sections.
Page WritePage(const std::string& name, const std::string& what, const PageFrame& frame);

// `text` as it has to be written to stand for itself.
std::string Escaped(const std::string& text);

}  // namespace certfs::documentation
