// What may follow a command, and what is dropped into ca/requests/: keys and certificates in PEM, orders for
// certificates, and orders for entries. Private to fs/.
//
// Thread-safety: values. Ownership: results own what they hold. Errors: those of reading PEM, certificates,
// keys, requests (crypto/certification_request.h) and certool.cfg (crypto/request_config.h), whose lines are
// counted from the beginning of what was given; kMalformed ("control") for anything else.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/certification_request.h"
#include "crypto/private_key.h"
#include "crypto/request_config.h"
#include "crypto/revocation_list.h"
#include "store/certificate_authority.h"

namespace certfs::control {

// PEM blocks by what they are, in their order.
struct Material {
  std::optional<PrivateKey> key;
  std::vector<Certificate> certificates;
  std::optional<RevocationList> list;
};
// kPasswordRequired ("encrypted-key"); kMalformed for two keys, two CRLs, and blocks of other kinds.
Result<Material> ParseMaterial(BytesView text);
// The same where a key and at least one certificate are needed.
Result<Material> ParseKeyAndChain(BytesView text);

// What a certificate is asked for by: certool.cfg, a request, or both, and a line `Profile = client` among
// those of the former.
struct OrderText {
  std::optional<std::string> profile;
  std::optional<RequestConfig> config;
  std::optional<CertificationRequest> request;
};
// `lines_before` is how many lines of the whole stand before `text`.
Result<OrderText> ParseOrder(BytesView text, std::size_t lines_before = 0);

// The sections of `write-entries`: `[STORE/ALIAS]` on a line each, then what the entry gets.
Result<std::vector<EntryOrder>> ParseEntryOrders(BytesView text);

// "STORE/ALIAS".
struct EntryPath {
  StoreName store;
  Alias alias;
};
Result<EntryPath> ParseEntryPath(std::string_view text);

}  // namespace certfs::control
