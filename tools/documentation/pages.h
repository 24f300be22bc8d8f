// All manual pages: what stands in them beside what the parsers say.
//
// Thread-safety: pure functions.

#pragma once

#include <string>
#include <vector>

#include "tools/documentation/man_page.h"
#include "tools/documentation/outline.h"

namespace certfs::documentation {

// Who signs the pages.
struct Release {
  std::string version;  // 0.1.0
  std::string date;     // 2026-11-28
};

// certfs.1, and a page for each of its commands.
std::vector<Page> CertfsPages(const CommandOutline& certfs, const Release& release);

// certool.1, vecs-cli.1, certificate-manager.1.
Page ProgramPage(const CommandOutline& program, const Release& release);

// mount.certfs.8
Page FstabPage(const CommandOutline& program, const Release& release);

// certfs.toml.5
Page SettingsPage(const Release& release);

}  // namespace certfs::documentation
