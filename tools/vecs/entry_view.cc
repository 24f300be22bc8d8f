#include "tools/vecs/entry_view.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "crypto/base/time.h"
#include "crypto/description.h"
#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "tools/certificate_json.h"
#include "tools/system.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

bool Has(const fs::path& entry, Member member) {
  struct stat status {};
  return lstat((entry / FileName(member)).c_str(), &status) == 0;
}

std::string_view TypeOf(const fs::path& entry) {
  const bool certificate = Has(entry, Member::kCertificate);
  if (Has(entry, Member::kKey)) return certificate ? "Private Key" : "Secret Key";
  if (certificate) return "Trusted Cert";
  if (Has(entry, Member::kSecret)) return "Secret Key";
  if (Has(entry, Member::kRevocationList)) return "Certification Revocation List";
  return "Unknown";
}

Result<EntryView> ViewOf(const Mount& mount, const fs::path& entry) {
  EntryView view{entry.filename().string(), TypeOf(entry), entry, {}, false};
  for (const Member member : {Member::kCertificate, Member::kRevocationList}) {
    const fs::path path = entry / FileName(member);
    auto pem = ReadWholeFile(path, kFileBytesMax);
    if (pem.has_value()) {
      view.pem = std::move(pem).value();
      view.is_list = member == Member::kRevocationList;
      return view;
    }
    if (pem.error().code() != ErrorCode::kNotFound) return Unreadable(pem.error(), mount, path);
  }
  struct stat status {};
  if (lstat(entry.c_str(), &status) != 0) return SystemError(entry, errno);
  return view;
}

std::string TextOf(const EntryView& view) {
  if (view.is_list) {
    const auto file = ReadRevocationListFile(view.pem);
    return file.has_value() ? FullText(file.value().list) : std::string(AsText(view.pem));
  }
  const auto file = ReadCertificateFile(view.pem);
  if (!file.has_value()) return std::string(AsText(view.pem));
  std::string text;
  for (const Certificate& certificate : file.value().certificates) text += FullText(certificate);
  return text;
}

std::optional<std::chrono::sys_seconds> EndOf(const EntryView& view) {
  if (view.is_list) {
    const auto file = ReadRevocationListFile(view.pem);
    return file.has_value() ? file.value().list.next_update() : std::nullopt;
  }
  const auto file = ReadCertificateFile(view.pem);
  if (!file.has_value()) return std::nullopt;
  const auto& all = file.value().certificates;
  return std::min_element(
             all.begin(), all.end(),
             [](const Certificate& a, const Certificate& b) { return a.not_after() < b.not_after(); })
      ->not_after();
}

Json ToJson(const EntryView& view) {
  const auto end = EndOf(view);
  Json json{{"alias", view.alias},
            {"type", view.type},
            {"path", view.path.string()},
            {"expires", end ? Json(FormatTimestamp(*end)) : Json()},
            {"certificates", Json::array()},
            {"crl", Json()},
            {"pem", view.pem.empty() ? Json() : Json(AsText(view.pem))}};
  if (view.is_list) {
    const auto file = ReadRevocationListFile(view.pem);
    if (file.has_value()) json["crl"] = ToJson(file.value().list);
    return json;
  }
  const auto file = ReadCertificateFile(view.pem);
  if (!file.has_value()) return json;
  for (const Certificate& each : file.value().certificates) json["certificates"].push_back(ToJson(each));
  return json;
}

}  // namespace certfs::vecs
