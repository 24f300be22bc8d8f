// certfs package verify and list: who signed a package, and what is in it.

#include <array>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "crypto/base/time.h"
#include "tools/json_text.h"
#include "tools/package/commands.h"
#include "tools/package/contents.h"
#include "tools/package/standing.h"
#include "tools/shown.h"
#include "tools/system.h"

namespace certfs::package {

namespace {

using Json = nlohmann::ordered_json;

struct Inspected {
  OpenedPackage package;
  std::vector<Item> items;
  Standing standing;
};

Result<Inspected> Inspect(const OpenOptions& options) {
  ProtectSecrets();
  OpenedPackage package = TRY(OpenPackage({options.package, options.decrypt_with, options.password_file,
                                           options.mount, TemporaryDirectory(), options.size_max}));
  const TrustFiles trust = TRY(GatherTrust({options.mount, options.roots, options.lists}));
  Standing standing = Judge(package.signer, trust, Now());
  auto items = ReadContents(package.tar, options.size_max);
  if (!items.has_value()) return std::move(items).error().Within(Shown(options.package));
  return Inspected{std::move(package), std::move(items).value(), std::move(standing)};
}

Json ToJson(const OpenOptions& options, const Inspected& inspected) {
  std::uint64_t bytes = 0;
  std::size_t files = 0;
  for (const Item& item : inspected.items) {
    bytes += item.size;
    files += item.directory ? 0 : 1;
  }
  return {
      {"package", options.package},
      {"sha256", inspected.package.digest},
      {"encrypted", !inspected.package.opened_with.empty()},
      {"opened_with", inspected.package.opened_with.empty() ? Json() : Json(inspected.package.opened_with)},
      {"files", files},
      {"bytes", bytes},
      {"accepted", inspected.standing.trusted},
      {"signer", SignerJson(inspected.package.signer, inspected.standing)}};
}

std::string ModeText(const Item& item) {
  std::string text(item.directory ? "d" : "-");
  for (int bit = 8; bit >= 0; --bit) {
    const bool set = (item.mode >> static_cast<unsigned>(bit) & 1U) != 0;
    text += set ? "xwr"[bit % 3] : '-';
  }
  return text;
}

std::string OctalText(std::uint32_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04o", mode);
  return text.data();
}

}  // namespace

Result<ExitCode> Verify(const OpenOptions& options) {
  const Inspected inspected = TRY(Inspect(options));
  const Standing& standing = inspected.standing;
  if (options.json) {
    PrintJson(ToJson(options, inspected));
  } else {
    std::cout << Shown(options.package) << ": " << (standing.trusted ? "accepted" : Describe(standing))
              << "\n";
    if (!inspected.package.opened_with.empty())
      std::cout << "  encrypted, opened with " << Shown(inspected.package.opened_with) << "\n";
    PrintSigner(std::cout, inspected.package.signer, standing, "  ");
  }
  if (standing.trusted) return ExitCode::kOk;
  return standing.refusal ? ExitCode::kFailed : ExitCode::kUntrustedSigner;
}

Result<ExitCode> List(const OpenOptions& options) {
  const Inspected inspected = TRY(Inspect(options));
  if (options.json) {
    Json json = ToJson(options, inspected);
    Json& items = json["items"] = Json::array();
    for (const Item& item : inspected.items) {
      items.push_back({{"name", item.name},
                       {"kind", item.directory ? "directory" : "file"},
                       {"mode", OctalText(item.mode)},
                       {"size", item.size},
                       {"mtime", FormatTimestamp(item.mtime)}});
    }
    PrintJson(json);
    return ExitCode::kOk;
  }
  for (const Item& item : inspected.items) {
    const std::string size = std::to_string(item.size);
    std::cout << ModeText(item) << " " << std::string(12 - std::min<std::size_t>(12, size.size()), ' ')
              << size << " " << FormatTimestamp(item.mtime) << " " << item.name << (item.directory ? "/" : "")
              << "\n";
  }
  std::cout << "signed by " << Shown(inspected.package.signer.certificate.subject()) << ": "
            << Describe(inspected.standing) << "\n";
  return ExitCode::kOk;
}

}  // namespace certfs::package
