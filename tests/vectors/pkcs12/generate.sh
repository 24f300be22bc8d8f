#!/bin/sh
# Makes the PKCS#12 files of this directory anew, with the programs that people have them from, of the pairs in ../pki.
# The password is "geheim" unless the name says otherwise. Needs openssl, keytool, certtool (gnutls-bin) and pk12util
# (libnss3-tools).
set -eu
cd "$(dirname "$0")"
pki=../pki
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/mail.key" -out "$work/mail.pem" -days 7000 \
  -subj "/CN=mail.example.com" -addext "subjectAltName=DNS:mail.example.com" 2>/dev/null
export_web() { # FILE PASSWORD [option...]
  file=$1 password=$2
  shift 2
  openssl pkcs12 -export -inkey $pki/leaf.key -in $pki/leaf.pem -certfile "$work/others.pem" -name web \
    -passout "pass:$password" -out "$file" "$@"
}
cat $pki/issuing.pem $pki/root.pem > "$work/others.pem"
export_web openssl.p12 geheim
export_web openssl-legacy.p12 geheim -legacy
export_web openssl-compatible.p12 geheim -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1
export_web openssl-rc4.p12 geheim -provider legacy -provider default -certpbe PBE-SHA1-RC4-128 -keypbe PBE-SHA1-2DES
export_web openssl-aes128-sha512.p12 geheim -certpbe AES-128-CBC -keypbe AES-192-CBC -macalg sha512
export_web openssl-no-mac.p12 geheim -nomac
export_web openssl-plain.p12 geheim -certpbe NONE -keypbe NONE
export_web openssl-empty-password.p12 ""
export_web openssl-umlaut-password.p12 "pässwört"
export_web openssl-umlaut-password-compatible.p12 "pässwört" -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1
openssl pkcs12 -export -inkey "$work/mail.key" -in "$work/mail.pem" -name mail -passout pass:geheim -out "$work/mail.p12"

# Java: two keys in one file, and a trust store with its password.
rm -f java-keys.p12 java-trusted.p12
for name in openssl.p12 "$work/mail.p12"; do
  keytool -importkeystore -srckeystore "$name" -srcstorepass geheim -destkeystore java-keys.p12 \
    -deststoretype PKCS12 -deststorepass geheim 2>/dev/null
done
for name in root other-root; do
  keytool -importcert -noprompt -alias "acme $name" -file $pki/$name.pem -keystore java-trusted.p12 \
    -storetype PKCS12 -storepass changeit 2>/dev/null
done

# NSS writes BER of indefinite length.
certutil -N -d "sql:$work" --empty-password
pk12util -i openssl.p12 -d "sql:$work" -W geheim -K "" >/dev/null
pk12util -o nss.p12 -n web -d "sql:$work" -W geheim -K "" >/dev/null
pk12util -o nss-aes.p12 -n web -d "sql:$work" -W "pässwört" -K "" -c AES-256-CBC -C AES-256-CBC >/dev/null

certtool --to-p12 --load-privkey $pki/leaf.key --load-certificate $pki/leaf.pem --load-ca-certificate $pki/issuing.pem \
  --p12-name web --password geheim --outder --outfile gnutls.p12 >/dev/null 2>&1
certtool --to-p12 --load-privkey $pki/leaf.key --load-certificate $pki/leaf.pem --p12-name web --null-password \
  --outder --outfile gnutls-null-password.p12 >/dev/null 2>&1
# Other things that people call keystores.
keytool -importkeystore -srckeystore openssl.p12 -srcstorepass geheim -destkeystore "$work/jks" -deststoretype JKS \
  -deststorepass geheim 2>/dev/null
cp "$work/jks" java.jks
