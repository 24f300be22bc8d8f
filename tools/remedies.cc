#include "tools/remedies.h"

#include <algorithm>
#include <array>

namespace certfs {

namespace {

struct Remedy {
  std::string_view id;
  std::string_view words;
};

constexpr std::string_view kAskForAnother = "ask the CA for another certificate: this one cannot be repaired";
constexpr std::string_view kNewKey =
    "make a new key (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256) and have that certified";
constexpr std::string_view kChain =
    "put the right intermediates behind the leaf: cat leaf.pem intermediate.pem; certfs verify says what "
    "fits";
constexpr std::string_view kAskForList = "fetch the CRL again from the CA's distribution point";
constexpr std::string_view kTellTheCa = "nothing to do here; tell whoever runs that CA";
constexpr std::string_view kRequest =
    "change the request and send it again; certfs ca show lists the profiles";
constexpr std::string_view kRenew = "certfs renew STORE/ALIAS, or put a new certificate there";

// By group, as in the table of rules.
constexpr auto kRemedies = std::to_array<Remedy>({
    // --- Reading and kind.
    {"too-large", "leave out what is no certificate, key or CRL: 1 MiB is the most"},
    {"unreadable", "look at what it is: openssl x509 -in FILE -noout -text; it has to be PEM or DER"},
    {"empty-body", "the file was cut short: copy it again"},
    {"pem-headers", "convert it: openssl pkey -in FILE -out NEW decrypts a key of the old form"},
    {"trailing-data", "leave out what follows the object"},
    {"encrypted-key", "decrypt it on the way in: certfs import FILE STORE/ALIAS asks for its password"},
    {"signature-algorithms-differ", kAskForAnother},
    {"duplicate-extension", kAskForAnother},
    {"malformed-extension", kAskForAnother},
    {"extensions-without-v3", kAskForAnother},
    {"request-config", "correct the line that is named"},
    {"profile", "correct the line that is named"},
    {"request-duplicate-extension", kRequest},
    {"request-malformed-extension", kRequest},
    {"wrong-kind", "cert.pem takes certificates, key.pem a key, crl.pem a CRL: write it under its own name"},
    {"too-many-certificates", "leave out what does not belong to the chain"},
    {"anchor-not-alone", "one entry for each certificate: certfs import FILE TRUSTED_ROOTS makes them"},
    {"not-a-ca", "TRUSTED_ROOTS takes CA certificates; a server's own goes to another store"},
    // --- Match.
    {"key-mismatch", "to replace both, stage them: mkdir next, then write next/key.pem and next/cert.pem"},
    {"key-inconsistent", "the key is damaged: take it from its source, or make a new one"},
    {"request-signature", "make the request again with the key that it is for"},
    // --- Chain.
    {"bad-signature", kChain},
    {"issuer-key-mismatch", kChain},
    {"chain-too-long", kChain},
    {"chain-broken", kChain},
    {"name-constraints", "ask a CA that may certify these names"},
    {"path-length", "ask a CA that may have this one below it"},
    {"untrusted-issuer",
     "put the root of that CA into TRUSTED_ROOTS, if you trust it; the intermediates belong "
     "behind the leaf"},
    {"self-signed", "have the key certified by a CA: certfs ca issue"},
    {"chain-rearranged", "nothing: it was put in order"},
    {"unrelated-certificate", "leave out the certificate that is no part of the chain"},
    {"duplicate-certificate", "leave one of the two out"},
    {"root-in-chain", "leave the root out of cert.pem: peers have it, or do not trust it"},
    {"crl-untrusted-issuer", "put the issuer's certificate into TRUSTED_ROOTS first"},
    {"crl-bad-signature", kAskForList},
    {"crl-issuer-may-not-sign", kTellTheCa},
    {"crl-other-authority", "write it under an alias of its own"},
    {"issuer-name-constraints", "ask for names that the authority may certify: certfs ca show"},
    {"issuer-path-length", "the authority certifies no further CA: ask the one above it"},
    {"issuer-extended-key-usage", "ask an authority that is for that purpose"},
    {"issuer-own-name", "choose another subject than the authority's"},
    // --- Revocation and dates.
    {"revoked", "it cannot be used any more: get a new certificate, and where the key was stolen a new key"},
    {"expired", kRenew},
    {"not-yet-valid", "wait until it begins, or look at this machine's clock"},
    {"valid-tomorrow", "wait until it begins, or look at this machine's clock"},
    {"anchor-expired", "put the newer certificate of that CA into TRUSTED_ROOTS"},
    {"crl-from-the-future", "look at this machine's clock"},
    {"crl-stale", "fetch the newer CRL from the CA; of our own: certfs ca crl --force"},
    {"issuer-expired", "certfs ca replace-root"},
    // --- The rest.
    {"unknown-critical-extension", kAskForAnother},
    {"key-algorithm", kNewKey},
    {"weak-key", kNewKey},
    {"oversized-key", kNewKey},
    {"rsa-exponent", kNewKey},
    {"explicit-curve", kNewKey},
    {"weak-digest", kAskForAnother},
    {"sha1-signature", kAskForAnother},
    {"anchor-sha1-self-signature", "nothing: nobody relies on that signature"},
    {"not-version-3", kAskForAnother},
    {"ca-may-not-sign", kAskForAnother},
    {"ca-as-server", "a server gets a certificate of its own, below the CA"},
    {"leaf-signs-certificates", kAskForAnother},
    {"wrong-key-usage", "ask for one whose keyUsage has digitalSignature"},
    {"leaf-constrains-names", kAskForAnother},
    {"name-constraints-malformed", kTellTheCa},
    {"leaf-without-san", "ask for one with the server's names in subjectAltName"},
    {"wrong-extended-key-usage", "ask for one whose extendedKeyUsage has serverAuth"},
    {"no-extended-key-usage", "ask for one whose extendedKeyUsage has serverAuth next time"},
    {"empty-issuer", kAskForAnother},
    {"empty-subject", kAskForAnother},
    {"serial-reused", "one of the two is not from that CA, or it numbers wrongly: ask it"},
    {"crl-older", "nothing: the live CRL is newer"},
    {"crl-same-number", "ask the CA which of the two is its own"},
    {"crl-number-critical", kTellTheCa},
    {"crl-unknown-critical-extension", kTellTheCa},
    {"crl-partial", "fetch the complete CRL: a partial one cannot stand for it"},
    {"serial-not-positive", kTellTheCa},
    {"serial-too-long", kTellTheCa},
    {"basic-constraints-not-critical", kTellTheCa},
    {"no-key-usage", kTellTheCa},
    {"no-key-identifier", kTellTheCa},
    {"no-authority-key-identifier", kTellTheCa},
    {"same-subject-other-key", "remove the one that is out of use"},
    {"outlives-its-issuer", "renew the issuer before it ends"},
    {"common-name-not-in-san", "ask for one that has the common name in subjectAltName, too"},
    {"host-not-covered", "ask for one that has this name in subjectAltName"},
    {"crl-without-number", kTellTheCa},
    {"crl-odd-entry", kTellTheCa},
    {"crl-empty-entries", kTellTheCa},
    {"crl-without-next-update", kTellTheCa},
    {"request-asks-for-ca", kRequest},
    {"request-key-usage", kRequest},
    {"request-subject", kRequest},
    {"request-names", kRequest},
    {"request-too-many-names", kRequest},
    {"profile-key", kRequest},
    {"profile-wildcard", kRequest},
    {"profile-name", kRequest},
    {"profile-no-host", kRequest},
    {"profile-no-subject", kRequest},
    // --- What the mount and the authority refuse besides.
    {"key-for-others", "grant single users or groups: setfacl -m u:NAME:r FILE; a key is never for others"},
    {"wrong-file", "the names are cert.pem, key.pem, crl.pem and secret, as far as the store takes them"},
    {"protected-store", "this store stays: what is in it may go, entry by entry, as its rules allow"},
    {"protected-entry", "root alone may; a CRL is only ever replaced by a newer one"},
    {"crl-second-alias", "write it over the alias that this authority has already"},
    {"key-gone", "certfs renew STORE/ALIAS --rekey"},
    {"no-authority", "certfs ca init, or certfs ca import"},
    {"no-profile", "certfs ca show lists the profiles"},
    {"profile-reserved", "root, or the daemon's user, asks for certificates of that profile"},
    {"profile-built-in", "write another profile over it, or under another name"},
    {"pickup-taken", "choose another name: somebody else's certificate waits under that one"},
    {"pickup-name", "choose another name"},
    {"replacement-under-way", "certfs ca replace-root --resume, or --roll-back"},
    {"revoked-already", "nothing: it is revoked"},
    {"not-issued-here", "name a certificate of this authority: certfs ca list"},
    // --- Refusals by no rule, by their code.
    {"malformed", "look at what it is: openssl x509 -in FILE -noout -text; it has to be PEM or DER"},
    {"not-permitted",
     "fs/README.md says what may be done where; unknown names are refused so that nothing is lost"},
    {"password-required", "certfs password set KEYSTORE; an encrypted key is decrypted by certfs import"},
    {"no-space", "remove entries that nobody needs, or make room on the disk of the keystore"},
    {"no-memory", "too much is being written at once: try again; LimitMEMLOCK of the daemon may be too low"},
    {"busy", "try again"},
    {"corrupt", "certfs doctor says what is damaged"},
    {"read-only", "export/ and status/ are made by certfs; write to stores/"},
    {"already-exists", "the alias is taken, perhaps in another spelling: aliases differ in more than case"},
    {"request-key", "write key.pem of that type, or remove the staged one first"},
});

}  // namespace

std::string_view RemedyOf(std::string_view id) {
  const auto* const found =
      std::find_if(kRemedies.begin(), kRemedies.end(), [&](const Remedy& each) { return each.id == id; });
  return found == kRemedies.end() ? std::string_view() : found->words;
}

}  // namespace certfs
