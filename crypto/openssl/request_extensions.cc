#include "crypto/openssl/request_extensions.h"

#include "crypto/openssl/extensions.h"

namespace certfs::openssl {

namespace {

void FreeExtensions(STACK_OF(X509_EXTENSION) * stack) noexcept {
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
}
using ExtensionsHandle = Handle<STACK_OF(X509_EXTENSION), FreeExtensions>;
using ConstraintsHandle = Handle<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;
using BitStringHandle = Handle<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;

template <typename T>
T* Decoded(const STACK_OF(X509_EXTENSION) * stack, int nid) {
  return static_cast<T*>(X509V3_get_d2i(stack, nid, nullptr, nullptr));
}

// Takes apart the one attribute that holds extensions: PKCS#9's, or the older one of Microsoft.
ExtensionsHandle StackOf(X509_REQ* request, RequestedExtensions& asked) {
  X509_ATTRIBUTE* holder = nullptr;
  for (int i = 0; i < X509_REQ_get_attr_count(request); ++i) {
    X509_ATTRIBUTE* const attribute = X509_REQ_get_attr(request, i);
    const int nid = OBJ_obj2nid(X509_ATTRIBUTE_get0_object(attribute));
    if (nid != NID_ext_req && nid != NID_ms_ext_req) continue;
    if (holder != nullptr || X509_ATTRIBUTE_count(attribute) > 1) asked.repeated = "the extension request";
    holder = attribute;
  }
  if (holder == nullptr || asked.repeated) return nullptr;
  const ASN1_TYPE* const value = X509_ATTRIBUTE_get0_type(holder, 0);
  if (value == nullptr || value->type != V_ASN1_SEQUENCE) {
    asked.malformed = "the extension request";
    return nullptr;
  }
  const ASN1_STRING* const sequence = value->value.sequence;
  const unsigned char* at = ASN1_STRING_get0_data(sequence);
  const unsigned char* const end = at + ASN1_STRING_length(sequence);
  ExtensionsHandle stack(d2i_X509_EXTENSIONS(nullptr, &at, end - at));
  if (!stack || at != end) asked.malformed = "the extension request";
  return stack;
}

}  // namespace

RequestedExtensions ExtensionsOf(const CertificationRequest& request) {
  RequestedExtensions asked;
  const ExtensionsHandle stack = StackOf(request.keyless_handle(), asked);
  if (!stack || asked.malformed) return asked;
  asked.repeated = RepeatedExtension(stack.get());
  asked.malformed = UndecodableExtension(stack.get());
  // What stands twice says nothing.
  if (asked.repeated || asked.malformed) return asked;
  asked.names.reset(Decoded<GENERAL_NAMES>(stack.get(), NID_subject_alt_name));
  const ConstraintsHandle constraints(Decoded<BASIC_CONSTRAINTS>(stack.get(), NID_basic_constraints));
  asked.authority = constraints && constraints->ca != 0;
  const BitStringHandle usage(Decoded<ASN1_BIT_STRING>(stack.get(), NID_key_usage));
  if (usage && usage->length > 0) asked.key_usage = usage->data[0];
  if (usage && usage->length > 1) asked.key_usage |= static_cast<std::uint32_t>(usage->data[1]) << 8;
  return asked;
}

}  // namespace certfs::openssl
