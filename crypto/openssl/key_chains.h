// Which certificates belong to which key, among all those of a file. Private to crypto/.

#pragma once

#include "crypto/openssl/pkcs12_bags.h"
#include "crypto/pkcs12_reader.h"

namespace certfs::openssl {

// Gives each key its chain, as Pkcs12Item says; what belongs to none is an item of its own. Leaves the error
// queue to its caller.
Pkcs12Contents Join(Pkcs12Bags bags);

}  // namespace certfs::openssl
