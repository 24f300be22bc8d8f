#include "crypto/openssl/extensions.h"

#include <set>
#include <string_view>

#include "crypto/base/bytes.h"

namespace certfs::openssl {

namespace {

// Says whether `method` decodes the value of `extension`, and all of it: X509V3_EXT_d2i overlooks what
// follows.
bool Decodes(const X509V3_EXT_METHOD* method, X509_EXTENSION* extension) {
  const ASN1_OCTET_STRING* const value = X509_EXTENSION_get_data(extension);
  const unsigned char* const begin = ASN1_STRING_get0_data(value);
  const unsigned char* at = begin;
  const int size = ASN1_STRING_length(value);
  void* decoded = nullptr;
  if (method->it != nullptr) {
    const ASN1_ITEM* const item = ASN1_ITEM_ptr(method->it);
    decoded = ASN1_item_d2i(nullptr, &at, size, item);
    ASN1_item_free(static_cast<ASN1_VALUE*>(decoded), item);
  } else if (method->d2i != nullptr) {
    decoded = method->d2i(nullptr, &at, size);
    if (decoded != nullptr) method->ext_free(decoded);
  } else {
    return true;
  }
  return decoded != nullptr && at == begin + size;
}

}  // namespace

std::string ExtensionName(const X509_EXTENSION* extension) {
  char text[80] = {};
  OBJ_obj2txt(text, sizeof text, X509_EXTENSION_get_object(const_cast<X509_EXTENSION*>(extension)), 0);
  return text;
}

std::optional<std::string> RepeatedExtension(const STACK_OF(X509_EXTENSION) * extensions) {
  std::set<std::string_view> seen;
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
    X509_EXTENSION* const extension = sk_X509_EXTENSION_value(extensions, i);
    const ASN1_OBJECT* const id = X509_EXTENSION_get_object(extension);
    const std::string_view octets = AsText({OBJ_get0_data(id), OBJ_length(id)});
    if (!seen.insert(octets).second) return ExtensionName(extension);
  }
  return std::nullopt;
}

std::optional<std::string> UndecodableExtension(const STACK_OF(X509_EXTENSION) * extensions) {
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
    X509_EXTENSION* const extension = sk_X509_EXTENSION_value(extensions, i);
    const X509V3_EXT_METHOD* const method = X509V3_EXT_get(extension);
    if (method != nullptr && !Decodes(method, extension)) return ExtensionName(extension);
  }
  return std::nullopt;
}

}  // namespace certfs::openssl
