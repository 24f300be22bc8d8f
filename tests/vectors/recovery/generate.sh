#!/bin/sh
# Makes the vectors of recovery certificates with OpenSSL's own tool: NAME.key and NAME.pem. The files in the
# repository were made once; the tests know nothing of their keys.
set -eu
cd "$(dirname "$0")"

# issue NAME KEYUSAGE [DAYS]: a self-signed certificate of NAME.key.
issue() {
  openssl req -x509 -new -key "$1.key" -subj "/O=Acme/CN=Recovery $1" -days "${3:-3650}" -sha256 -out "$1.pem" \
    ${2:+-addext "keyUsage=critical,$2"} -addext basicConstraints=critical,CA:FALSE
}
rsa() { openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:$2" -out "$1.key" 2>/dev/null; }
ec() { openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -out "$1.key"; }

rsa rsa 2048
issue rsa keyEncipherment
rsa rsa3072 3072
issue rsa3072 ''
ec p256 P-256
issue p256 keyAgreement
ec p384 P-384
issue p384 keyAgreement,digitalSignature
ec p521 P-521
issue p521 ''

# One of many names, which a header has room for only a few of.
cp p256.key large.key
openssl req -x509 -new -key large.key -subj "/CN=Recovery large" -days 3650 -sha256 -out large.pem \
  -addext "subjectAltName=$(seq -f 'DNS:a-rather-long-name-%04g.example.com' -s, 450)"
rm large.key

# What cannot be one.
cp rsa.key rsa-signs.key
issue rsa-signs digitalSignature
cp p256.key p256-signs.key
issue p256-signs digitalSignature
rsa rsa1024 1024
issue rsa1024 keyEncipherment
ec k256 secp256k1
issue k256 keyAgreement
openssl genpkey -algorithm ED25519 -out ed25519.key
issue ed25519 digitalSignature
rm rsa-signs.key p256-signs.key rsa1024.key k256.key ed25519.key

# The same keys under a passphrase: "open sesame".
openssl pkcs8 -topk8 -in p256.key -v2 aes-256-cbc -iter 2048 -passout "pass:open sesame" -out p256-encrypted.key
openssl pkcs8 -topk8 -in p256.key -v2 aes-256-cbc -iter 2048 -passout "pass:open sesame" -outform DER -out p256-encrypted.key.der
openssl rsa -in rsa.key -traditional -aes256 -passout "pass:open sesame" -out rsa-encrypted.key 2>/dev/null
