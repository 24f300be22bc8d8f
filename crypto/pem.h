// Strict reading and plain writing of textual encodings (RFC 7468).
//
// Thread-safety: free functions over their arguments. Ownership: results own their bytes, blocks refer to the
// input by offset only.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs {

// The most that any file of a store may hold, in bytes.
inline constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

// One encapsulated message. What stands between the end of the block before it (or the start of the input)
// and `begin` is its explanatory text (RFC 7468, 5.2).
struct PemBlock {
  std::string label;    // "CERTIFICATE"; what stands between BEGIN and the dashes.
  SecretBytes body;     // The decoded bytes: secret, because a key may be among them. Never empty.
  bool encrypted;       // The block carries RFC 1421 encryption headers (Proc-Type: 4,ENCRYPTED).
  std::size_t text_at;  // Where its explanatory text begins, in the input.
  std::size_t begin;    // Where its BEGIN line begins.
  std::size_t end;      // One past its END line's newline.
};

// Splits `input` into its blocks, in order.
//
// What stands before the first block and after the last must be white space, `#` comments, or the lines that
// OpenSSL's tools print around PEM (MayBegin); between blocks it may be any printable text.
//
// Errors, each with its rule id: kTooLarge ("too-large") over kFileBytesMax; kMalformed: no block at all
// ("unreadable"), unmatched or malformed BEGIN and END lines, labels over 64 characters, base64 that is not
// canonical, control characters in the text ("unreadable"), headers other than those of an encrypted block
// ("pem-headers"), a block without a body ("empty-body"), text after the last block ("trailing-data"), more
// than 64 blocks
// ("unreadable").
Result<std::vector<PemBlock>> ReadPem(BytesView input);

// Returns the textual encoding of `der` under `label`, lines of 64 characters, ending in a newline.
SecretBytes WritePem(std::string_view label, BytesView der);

// Says whether a certificate, key or CRL file may begin with `start`, the first bytes that a writer has sent
// so far: `-----BEGIN`, DER's 0x30, white space, `#`, or an explanatory line of OpenSSL's tools (`Bag
// Attributes`, `Certificate:`, `subject=` ...). A start that is still too short to tell may begin.
bool MayBegin(BytesView start) noexcept;

}  // namespace certfs
