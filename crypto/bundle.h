// What a file holds in which somebody brings keys and certificates from elsewhere: PKCS#12, any number of PEM
// blocks, or one object in DER.
//
// Thread-safety: free functions and values. Ownership: results own what they hold.

#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/pem.h"
#include "crypto/pkcs12_reader.h"
#include "crypto/revocation_list.h"

namespace certfs {

struct Bundle {
  std::string_view format;        // "PKCS#12", "PEM" or "DER".
  std::vector<Pkcs12Item> items;  // As ReadPkcs12 gives them, whatever the format.
  std::vector<RevocationList> lists;
  std::vector<std::string> skipped;  // What is not among them, and why.
};

// Reads `file`; `password` opens the file, or the keys in it.
//
// Errors: those of ReadPkcs12; kPasswordRequired or kAccessDenied for an encrypted key as well; kMalformed if
// the file is nothing of the kind or a key or a PEM block in it is damaged; kUnsupported for a Java keystore.
Result<Bundle> ReadBundle(BytesView file, const SecretBytes& password);

// Says which type of Java keystore `file` is, as keytool names it: "JKS", "JCEKS", or nothing.
std::string_view JavaKeystoreType(BytesView file) noexcept;

// Says what an item is called: by its file, else by the common name in its certificate's subject. UTF-8
// without control characters; empty if by neither.
std::string NameOf(const Pkcs12Item& item);

// The common name in a certificate's subject, and in a CRL's issuer; the same.
std::string CommonNameOf(const Certificate& certificate);
std::string CommonNameOf(const RevocationList& list);

// Calls `use` with each block of `text`, of which there may be more than a file of a store can hold, and with
// the text of that block. kMalformed where a block is damaged or there is none; the first error of `use`.
Result<void> ForEachPemBlock(BytesView text, const std::function<Result<void>(PemBlock, BytesView)>& use);

}  // namespace certfs
