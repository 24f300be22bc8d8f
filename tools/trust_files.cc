#include "tools/trust_files.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "crypto/bundle.h"
#include "store/policy.h"
#include "tools/system.h"

namespace certfs {

namespace {

// A whole system's bundle is about 250 KiB.
constexpr std::size_t kBundleBytesMax = std::size_t{64} << 20;
constexpr std::string_view kBegin = "-----BEGIN ";

// Reads every object of `bytes`.
template <typename Object>
Result<std::vector<Object>> ReadAll(BytesView bytes, std::string_view label) {
  std::vector<Object> objects;
  if (AsText(bytes).find(kBegin) == std::string_view::npos) {
    objects.push_back(TRY(Object::FromDer(bytes)));
    return objects;
  }
  TRY(ForEachPemBlock(bytes, [&](const PemBlock& found, BytesView) -> Result<void> {
    if (found.label != label) {
      return Error(ErrorCode::kMalformed,
                   "holds a " + found.label + " where only " + std::string(label) + " may be");
    }
    objects.push_back(TRY(Object::FromDer(found.body.Reveal())));
    return {};
  }));
  return objects;
}

template <typename Object>
Result<std::vector<Object>> ReadFileOf(const std::string& path, std::string_view label) {
  const Bytes bytes = TRY(ReadWholeFile(path, kBundleBytesMax));
  auto objects = ReadAll<Object>(bytes, label);
  if (!objects.has_value()) return std::move(objects).error().Within(path);
  return objects;
}

// Calls `use` with the path of the file called `name` in every entry of `store`.
template <typename Use>
Result<void> ForEachEntry(const std::filesystem::path& store, std::string_view name, Use&& use) {
  std::error_code failure;
  std::filesystem::directory_iterator entries(store, failure);
  for (; !failure && entries != std::filesystem::directory_iterator(); entries.increment(failure)) {
    auto used = use((entries->path() / name).string());
    if (!used.has_value() && used.error().code() != ErrorCode::kNotFound) return std::move(used).error();
  }
  if (failure) return SystemError(store, failure.value());
  return {};
}

template <typename Object>
void Append(std::vector<Object>& to, std::vector<Object> objects) {
  to.insert(to.end(), objects.begin(), objects.end());
}

}  // namespace

Result<std::vector<Certificate>> ReadCertificates(const std::string& path) {
  return ReadFileOf<Certificate>(path, "CERTIFICATE");
}

Result<std::vector<RevocationList>> ReadRevocationLists(const std::string& path) {
  return ReadFileOf<RevocationList>(path, "X509 CRL");
}

Result<TrustFiles> ReadTrustOf(const Mount& mount) {
  const std::filesystem::path stores = StoresOf(mount);
  TrustFiles trust;
  TRY(ForEachEntry(stores / kTrustedRoots, "cert.pem", [&](const std::string& path) -> Result<void> {
    Append(trust.authorities, TRY(ReadCertificates(path)));
    return {};
  }));
  TRY(ForEachEntry(stores / kTrustedLists, "crl.pem", [&](const std::string& path) -> Result<void> {
    Append(trust.lists, TRY(ReadRevocationLists(path)));
    return {};
  }));
  return trust;
}

}  // namespace certfs
