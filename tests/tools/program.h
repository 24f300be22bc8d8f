// Runs a program itself, and looks at what it printed and how it ended.

#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

namespace certfs {

struct End {
  int code;
  std::string words;  // stdout and stderr.
};

inline std::string Quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

// Runs `program` without a terminal.
inline End RunTool(const std::string& program, const std::string& arguments) {
  FILE* out = popen(("setsid -w " + program + " " + arguments + " 2>&1 </dev/null").c_str(), "r");
  std::string words;
  std::array<char, 4096> chunk{};
  while (const std::size_t got = fread(chunk.data(), 1, chunk.size(), out)) words.append(chunk.data(), got);
  const int status = pclose(out);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, words};
}

inline End Certfs(const std::string& arguments) { return RunTool(CERTFS_PROGRAM, arguments); }

inline bool Has(const End& end, const std::string& words) {
  return end.words.find(words) != std::string::npos;
}

}  // namespace certfs
