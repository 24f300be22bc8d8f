// vecs-cli entry list.

#include <unistd.h>

#include <iostream>

#include "crypto/description.h"
#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "store/entry.h"
#include "tools/system.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

namespace {

bool Has(const fs::path& entry, Member member) {
  return access((entry / FileName(member)).c_str(), F_OK) == 0;
}

// The names of VECS for what an entry holds.
std::string_view TypeOf(const fs::path& entry) {
  if (Has(entry, Member::kKey)) return "Private Key";
  if (Has(entry, Member::kSecret)) return "Secret Key";
  if (Has(entry, Member::kCertificate)) return "Trusted Cert";
  if (Has(entry, Member::kRevocationList)) return "Certification Revocation List";
  return "Unknown";
}

std::string TextOf(BytesView pem, Member member) {
  std::string text;
  if (member == Member::kRevocationList) {
    const auto file = ReadRevocationListFile(pem);
    return file.has_value() ? FullText(file.value().list) : std::string(AsText(pem));
  }
  const auto file = ReadCertificateFile(pem);
  if (!file.has_value()) return std::string(AsText(pem));
  for (const Certificate& certificate : file.value().certificates) text += FullText(certificate);
  return text;
}

Result<void> PrintEntry(const fs::path& entry, bool text) {
  std::cout << "Alias :\t" << entry.filename().string() << "\nEntry type :\t" << TypeOf(entry) << "\n";
  for (const Member member : {Member::kCertificate, Member::kRevocationList}) {
    const auto pem = ReadWholeFile(entry / FileName(member), kFileBytesMax);
    if (!pem.has_value()) {
      if (pem.error().code() == ErrorCode::kNotFound) continue;
      return pem.error();
    }
    std::cout << (member == Member::kCertificate ? "Certificate :\t" : "CRL :\t")
              << (text ? TextOf(pem.value(), member) : std::string(AsText(pem.value()))) << "\n";
  }
  std::cout << "\n";
  return {};
}

}  // namespace

Result<void> ListEntries(const Options& options) {
  const StorePlace store = TRY(FindStore(options));
  const auto names = TRY(NamesIn(store.directory));
  std::cout << "Number of entries in store :\t" << names.size() << "\n";
  for (const std::string& name : names) {
    if (options.aliases) {
      std::cout << name << "\n";
    } else {
      TRY(PrintEntry(store.directory / name, options.text));
    }
  }
  return {};
}

}  // namespace certfs::vecs
