#!/usr/bin/env bash
# Makes tests/vectors/pki: certificates, keys and CRLs at fixed dates, by the stock openssl command line and never by
# certfs. Tests judge them at 2026-03-01. The results are kept in the repository; run this only to add a vector.
set -euo pipefail
cd "$(dirname "$0")/pki"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

# authority NAME: a directory with the state that `openssl ca` needs.
authority() {
  mkdir -p "$work/$1"
  : > "$work/$1/index.txt"
  echo "${2:-1000}" > "$work/$1/serial"
  echo 05 > "$work/$1/crlnumber"
  cat > "$work/$1/ca.cnf" <<CNF
[ca]
default_ca=d
[d]
database=$work/$1/index.txt
serial=$work/$1/serial
new_certs_dir=$work/$1
crlnumber=$work/$1/crlnumber
default_md=sha256
policy=p
unique_subject=no
default_crl_days=30
[p]
commonName=optional
[req]
distinguished_name=dn
[dn]
CRL=x
[crl]
authorityKeyIdentifier=keyid
CNF
}

# issue ISSUER OUT KEY SUBJECT EXTENSIONS [more openssl ca options]
issue() {
  local issuer=$1 out=$2 key=$3 subject=$4 extensions=$5
  shift 5
  local dates=(-startdate 20260101000000Z -enddate 20270101000000Z)
  printf '%b' "$extensions" > "$work/ext.cnf"
  openssl req -new -config "$work/$issuer/ca.cnf" -key "$key" -subj "$subject" -out "$work/csr" 2>/dev/null
  openssl ca -batch -notext -config "$work/$issuer/ca.cnf" -keyfile "$work/$issuer.key" "${dates[@]}" \
    -extfile "$work/ext.cnf" -in "$work/csr" -out "$out" "$@" 2>"$work/log" || { cat "$work/log"; exit 1; }
}

ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n'
server='basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:www.example.com\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n'

authority root; authority issuing; authority other
for name in root issuing other narrow; do key "$work/$name.key"; done
issue root root.pem "$work/root.key" "/CN=Vector Root" "$ca" -selfsign
issue root issuing.pem "$work/issuing.key" "/CN=Vector Issuing CA" "${ca/CA:TRUE/CA:TRUE,pathlen:0}" -cert root.pem
issue other other-root.pem "$work/other.key" "/CN=Other Root" "$ca" -selfsign
by=(-cert issuing.pem)

key leaf.key
issue issuing leaf.pem leaf.key "/CN=www.example.com" "$server" "${by[@]}"
cat leaf.pem issuing.pem > chain.pem
cat issuing.pem leaf.pem > chain-wrong-order.pem
cat leaf.pem issuing.pem root.pem > chain-with-root.pem
cat leaf.pem issuing.pem other-root.pem > chain-with-stranger.pem
issue issuing no-san.pem leaf.key "/CN=www.example.com" "${server/subjectAltName=DNS:www.example.com/}" "${by[@]}"
issue issuing client-only.pem leaf.key "/CN=client" "${server/serverAuth/clientAuth}" "${by[@]}"
issue issuing no-eku.pem leaf.key "/CN=www.example.com" "${server/extendedKeyUsage=serverAuth/}" "${by[@]}"
issue issuing expired.pem leaf.key "/CN=old" "$server" "${by[@]}" -startdate 20240101000000Z -enddate 20250101000000Z
issue issuing future.pem leaf.key "/CN=new" "$server" "${by[@]}" -startdate 20260601000000Z
issue issuing tomorrow.pem leaf.key "/CN=soon" "$server" "${by[@]}" -startdate 20260301120000Z
issue issuing unknown-critical.pem leaf.key "/CN=x" "${server}1.2.3.4=critical,DER:0500\n" "${by[@]}"
issue issuing ca-as-server.pem leaf.key "/CN=x" "${server/CA:FALSE/CA:TRUE}keyUsage=keyCertSign\n" "${by[@]}"
issue issuing leaf-signs.pem leaf.key "/CN=x" "${server}keyUsage=keyCertSign\n" "${by[@]}"
issue issuing long-lived.pem leaf.key "/CN=x" "$server" "${by[@]}" -enddate 20300101000000Z
issue issuing sha1.pem leaf.key "/CN=x" "$server" "${by[@]}" -md sha1
# ECDSA has no MD5; RSA does.
authority rsa
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/rsa.key" 2>/dev/null
issue root rsa-issuing.pem "$work/rsa.key" "/CN=Vector RSA CA" "$ca" -cert root.pem
issue rsa md5-leaf.pem leaf.key "/CN=x" "$server" -cert rsa-issuing.pem -md md5
cat md5-leaf.pem rsa-issuing.pem > md5.pem; rm md5-leaf.pem rsa-issuing.pem
issue other untrusted.pem leaf.key "/CN=www.example.com" "$server" -cert other-root.pem
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa1024.key 2>/dev/null
issue issuing rsa1024.pem rsa1024.key "/CN=weak" "$server" "${by[@]}"
echo 00 > "$work/issuing/serial"
issue issuing zero-serial.pem leaf.key "/CN=zero" "$server" "${by[@]}"
echo 2000 > "$work/issuing/serial"

authority self; cp leaf.key "$work/self.key"
issue self self-signed.pem leaf.key "/CN=www.example.com" "$server" -selfsign

# CA certificates that break one rule each.
authority ca2; cp "$work/other.key" "$work/ca2.key"
issue ca2 ca-not-critical.pem "$work/ca2.key" "/CN=CA" "${ca/critical,CA/CA}" -selfsign
issue ca2 ca-no-key-usage.pem "$work/ca2.key" "/CN=CA" "${ca/keyUsage=critical,keyCertSign,cRLSign/}" -selfsign
issue ca2 ca-may-not-sign.pem "$work/ca2.key" "/CN=CA" "${ca/keyCertSign,cRLSign/digitalSignature}" -selfsign
issue ca2 ca-no-ski.pem "$work/ca2.key" "/CN=CA" "${ca/subjectKeyIdentifier=hash/subjectKeyIdentifier=none}" -selfsign
issue ca2 ca-expired.pem "$work/ca2.key" "/CN=CA" "$ca" -selfsign -startdate 20200101000000Z -enddate 20210101000000Z
issue ca2 ca-sha1.pem "$work/ca2.key" "/CN=CA" "$ca" -selfsign -md sha1
issue ca2 ca-same-name.pem "$work/ca2.key" "/CN=Vector Root" "$ca" -selfsign

# Leaves and anchors that break one rule each. `-extfile /dev/null` gives a version 1 certificate.
server_ext_only=${server/basicConstraints=critical,CA:FALSE/}
issue issuing empty-subject.pem leaf.key "/" "$server" "${by[@]}"
issue issuing empty-subject-critical-san.pem leaf.key "/" "${server/subjectAltName=/subjectAltName=critical,}" "${by[@]}"
issue issuing version-1.pem leaf.key "/CN=www.example.com" "" "${by[@]}"
echo 7F00112233445566778899AABBCCDDEEFF0011223344 > "$work/issuing/serial"
issue issuing long-serial.pem leaf.key "/CN=long" "$server_ext_only" "${by[@]}"
echo 3000 > "$work/issuing/serial"
authority nameless; cp "$work/other.key" "$work/nameless.key"
issue nameless ca-nameless.pem "$work/nameless.key" "/" "$ca" -selfsign
issue ca2 ca-version-1.pem "$work/ca2.key" "/CN=CA" "" -selfsign
issue ca2 ca-future.pem "$work/ca2.key" "/CN=CA" "$ca" -selfsign -startdate 20260601000000Z
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp224r1 -out ec224.key 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -out explicit-curve.key 2>/dev/null
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2052 -out rsa2052.key 2>/dev/null
issue issuing ec224.pem ec224.key "/CN=weak" "$server" "${by[@]}"
issue issuing explicit-curve.pem explicit-curve.key "/CN=weak" "$server" "${by[@]}"

# Chains: a leaf as an issuer; a CA that may not sign in the file; a root that has expired; an expired stranger.
authority leafca; cp leaf.key "$work/leafca.key"
issue leafca under-a-leaf.tmp "$work/other.key" "/CN=under" "$server" -cert leaf.pem
cat under-a-leaf.tmp leaf.pem issuing.pem > under-a-leaf.pem
issue root mute.tmp "$work/other.key" "/CN=Mute CA" "${ca/keyCertSign,cRLSign/digitalSignature}" -cert root.pem
cp -r "$work/other" "$work/mute"; cp "$work/other.key" "$work/mute.key"
issue other under-mute.tmp leaf.key "/CN=www.example.com" "$server" -cert mute.tmp
cat under-mute.tmp mute.tmp > under-a-mute-ca.pem
authority old; cp "$work/other.key" "$work/old.key"
issue old old-root.pem "$work/old.key" "/CN=Old Root" "$ca" -selfsign -startdate 20200101000000Z -enddate 20260201000000Z
issue old under-old-root.pem leaf.key "/CN=www.example.com" "$server" -cert old-root.pem
cat leaf.pem issuing.pem expired.pem > chain-with-expired-stranger.pem
issue root issuing-expired.tmp "$work/issuing.key" "/CN=Vector Issuing CA" "$ca" -cert root.pem -startdate 20240101000000Z -enddate 20250101000000Z
cat leaf.pem issuing-expired.tmp > chain-with-expired-issuer.pem
# Nine certificates: a root, seven CAs under each other, a leaf.
authority deep; cp "$work/narrow.key" "$work/deep.key"
above=root; cert=root.pem; : > deep.tmp
for i in 1 2 3 4 5 6 7; do
  key "$work/deep$i.key"; authority "deep$i"
  issue "$above" "deep$i.tmp" "$work/deep$i.key" "/CN=Deep $i" "$ca" -cert "$cert"
  cat "deep$i.tmp" deep.tmp > deep-all.tmp; mv deep-all.tmp deep.tmp
  above=deep$i; cert=deep$i.tmp
  if [ "$i" = 6 ]; then
    issue "$above" deep-leaf.tmp leaf.key "/CN=www.example.com" "$server" -cert "$cert"
    cat deep-leaf.tmp deep.tmp > chain-of-eight.pem
  fi
done
issue "$above" deep-leaf.tmp leaf.key "/CN=www.example.com" "$server" -cert "$cert"
cat deep-leaf.tmp deep.tmp > chain-of-nine.pem
rm -f ./*.tmp

# pathLen: the issuing CA may issue no CA. Name constraints: the narrow CA may issue for example.org alone.
issue issuing below.pem "$work/narrow.key" "/CN=Below" "$ca" "${by[@]}"
authority narrow
issue narrow path-length-leaf.pem leaf.key "/CN=www.example.com" "$server" -cert below.pem
cat path-length-leaf.pem below.pem issuing.pem > path-length.pem
issue root narrow.pem "$work/narrow.key" "/CN=Narrow" "${ca}nameConstraints=critical,permitted;DNS:example.org\n" -cert root.pem
issue narrow name-constraints-leaf.pem leaf.key "/CN=www.example.com" "$server" -cert narrow.pem
cat name-constraints-leaf.pem narrow.pem > name-constraints.pem
rm -f path-length-leaf.pem name-constraints-leaf.pem

# Certificates that `openssl ca` would not make: the parts of a good one, one of them replaced, signed anew.
# All DER here is hexadecimal text.
hex() { xxd -p | tr -d '\n'; }
tlv() {  # TAG CONTENT
  local size=$((${#2} / 2))
  if [ $size -lt 128 ]; then printf '%s%02x%s' "$1" $size "$2"
  elif [ $size -lt 256 ]; then printf '%s81%02x%s' "$1" $size "$2"
  else printf '%s82%04x%s' "$1" $size "$2"; fi
}
# parts HEX: the elements of a SEQUENCE, one a line.
parts() {
  xxd -r -p <<< "$1" > "$work/parts.der"
  openssl asn1parse -inform DER -in "$work/parts.der" |
    sed -n 's/^ *\([0-9]*\):d=1 *hl=\([0-9]*\) l= *\([0-9]*\) .*/\1 \2 \3/p' |
    while read -r at header size; do dd if="$work/parts.der" bs=1 skip="$at" count=$((header + size)) 2>/dev/null | hex; echo; done
}
content() { local all; all=$(parts "$1" | tr -d '\n'); printf %s "$all"; }
tbs_of() { openssl x509 -in "$1" -outform DER -out "$work/whole.der"; parts "$(hex < "$work/whole.der")" | head -1; }
# variant TEMPLATE SIGNER OUT PLACE HEX [PLACE HEX]...: the parts of a TBSCertificate are 0 version, 1 serial number,
# 2 algorithm, 3 issuer, 4 validity, 5 subject, 6 key, 7 extensions.
variant() {
  local template=$1 signer=$2 out=$3 fields tbs signature
  shift 3
  mapfile -t fields < <(parts "$(tbs_of "$template")")
  while [ $# -gt 0 ]; do fields[$1]=$2; shift 2; done
  tbs=$(tlv 30 "$(printf %s "${fields[@]}")")
  xxd -r -p <<< "$tbs" > "$work/tbs.der"
  signature=$(openssl dgst -sha256 -sign "$signer" "$work/tbs.der" | hex)
  tlv 30 "$tbs${outer:-$ecdsa256}$(tlv 03 "00$signature")" | xxd -r -p | openssl x509 -inform DER -out "$out"
}
ecdsa256=300a06082a8648ce3d040302
ecdsa384=300a06082a8648ce3d040303
# extensions TEMPLATE [HEX]...: its extensions, and more behind them.
extensions() {
  local fields
  mapfile -t fields < <(parts "$(tbs_of "$1")")
  shift
  tlv a3 "$(tlv 30 "$(content "$(content "${fields[7]}")")$(printf %s "$@")")"
}
spki() { openssl pkey -in "$1" -pubout -outform DER | hex; }
# rsa_spki MODULUS EXPONENT, both the content of an INTEGER.
rsa_spki() { tlv 30 "300d06092a864886f70d0101010500$(tlv 03 "00$(tlv 30 "$(tlv 02 "$1")$(tlv 02 "$2")")")"; }
modulus=00$(openssl rsa -in "$work/rsa.key" -noout -modulus | sed 's/Modulus=//' | tr A-F a-f)
huge_modulus=00c1$(printf '5a%.0s' $(seq 1 2047))01
twice=300906032a030404020500
empty_key_usage=300b0603551d0f040403020700
openssl dsaparam -genkey -out "$work/dsa.param" 2048 2>/dev/null
openssl pkey -in "$work/dsa.param" -out "$work/dsa.key" 2>/dev/null
key "$work/stranger.key"
variants() {  # NAME TEMPLATE SIGNER: one of each for leaf, CA and root
  local name=$1 template=$2 signer=$3
  variant "$template" "$signer" "algorithms-differ-$name.pem" 2 $ecdsa384
  variant "$template" "$signer" "duplicate-extension-$name.pem" 7 "$(extensions "$template" $twice $twice)"
  variant "$template" "$signer" "not-version-3-extensions-$name.pem" 0 a003020101
  variant "$template" "$signer" "version-1-$name.pem" 0 '' 7 ''
  variant "$template" "$signer" "serial-negative-$name.pem" 1 0201ff
  variant "$template" "$signer" "serial-21-octets-$name.pem" 1 "021500ff$(printf '11%.0s' $(seq 1 19))"
  variant "$template" "$signer" "expired-$name.pem" 4 "301e170d3234303130313030303030305a170d3235303130313030303030305a"
  variant "$template" "$signer" "future-$name.pem" 4 "301e170d3236303630313030303030305a170d3237303130313030303030305a"
  variant "$template" "$signer" "tomorrow-$name.pem" 4 "301e170d3236303330313132303030305a170d3237303130313030303030305a"
  variant "$template" "$signer" "unknown-critical-$name.pem" 7 "$(extensions "$template" 300c06032a03040101ff04020500)"
  variant "$template" "$signer" "nameless-$name.pem" 5 3000
  variant "$template" "$signer" "nameless-issuer-$name.pem" 3 3000
  variant "$template" "$signer" "dsa-$name.pem" 6 "$(spki "$work/dsa.key")"
  variant "$template" "$signer" "rsa1024-$name.pem" 6 "$(spki rsa1024.key)"
  variant "$template" "$signer" "rsa-huge-$name.pem" 6 "$(rsa_spki "$huge_modulus" 010001)"
  variant "$template" "$signer" "rsa-even-exponent-$name.pem" 6 "$(rsa_spki "$modulus" 010000)"
  variant "$template" "$signer" "explicit-curve-$name.pem" 6 "$(spki explicit-curve.key)"
}
variants leaf leaf.pem "$work/issuing.key"
variants ca issuing.pem "$work/root.key"
variants root root.pem "$work/root.key"
# The keyUsage of a CA has no bit; that of a leaf is not there and is added.
variant leaf.pem "$work/issuing.key" malformed-extension-leaf.pem 7 "$(extensions leaf.pem $empty_key_usage)"
issue root malformed-extension-ca.pem "$work/issuing.key" "/CN=Vector Issuing CA" "${ca/keyUsage=critical,keyCertSign,cRLSign/keyUsage=DER:03020700}" -cert root.pem
issue root malformed-extension-root.pem "$work/root.key" "/CN=Vector Root" "${ca/CA:TRUE/CA:TRUE,pathlen:0}nameConstraints=DER:020100\n" -selfsign
# CAs of the issuing CA's name and key that break one row each.
ca_like() { issue root "$1" "$work/issuing.key" "/CN=Vector Issuing CA" "$2" -cert root.pem "${@:3}"; }
known=${ca}authorityKeyIdentifier=keyid\\n
ca_like not-a-ca-ca.pem "${known/CA:TRUE/CA:FALSE}"
ca_like may-not-sign-ca.pem "${known/keyCertSign,cRLSign/digitalSignature}"
ca_like not-critical-ca.pem "${known/critical,CA/CA}"
ca_like no-key-usage-ca.pem "${known/keyUsage=critical,keyCertSign,cRLSign/}"
ca_like no-ski-ca.pem "${known/subjectKeyIdentifier=hash/subjectKeyIdentifier=none}"
ca_like no-aki-ca.pem "${ca}authorityKeyIdentifier=none\n"
ca_like sha1-ca.pem "$known" -md sha1
ca_like long-lived-ca.pem "$known" -enddate 20300101000000Z
ca_like short-lived-ca.pem "$known" -enddate 20260601000000Z
ca_like empty-constraints-ca.pem "${known}nameConstraints=critical,DER:3000\n"
issue root empty-constraints-root.pem "$work/root.key" "/CN=Vector Root" "${ca}nameConstraints=critical,DER:3000\n" -selfsign
issue root rekeyed-ca.pem "$work/stranger.key" "/CN=Vector Issuing CA" "$known" -cert root.pem
# MD5 in a CA, in a root and in a CRL; ECDSA has none.
cp "$work/rsa.key" "$work/md5.key"
authority md5root; cp "$work/rsa.key" "$work/md5root.key"
issue md5root md5-root.pem "$work/rsa.key" "/CN=MD5 Root" "$ca" -selfsign -md md5
issue root rsa-ca.pem "$work/rsa.key" "/CN=Vector RSA CA" "$ca" -cert root.pem
issue rsa md5-ca.tmp "$work/stranger.key" "/CN=MD5 CA" "$ca" -cert rsa-ca.pem -md md5
authority stranger
issue stranger under-md5.tmp leaf.key "/CN=www.example.com" "$server" -cert md5-ca.tmp
cat under-md5.tmp md5-ca.tmp rsa-ca.pem > under-md5-ca.pem
# nameConstraints is SEQUENCE { permitted [0] { base dNSName "x", minimum [0] 1 } }.
issue root minimum-constraints-root.pem "$work/root.key" "/CN=Vector Root" "${ca}nameConstraints=critical,DER:300aa0083006820178800101\n" -selfsign
# Leaves that say that their issuer's key is RSA or DSA; the signature is not worth anything.
rsa256=300d06092a864886f70d01010b0500
dsa256=300b0609608648016503040302
outer=$rsa256 variant leaf.pem "$work/issuing.key" under-rsa.pem 2 $rsa256
outer=$dsa256 variant leaf.pem "$work/issuing.key" under-dsa.pem 2 $dsa256
variant leaf.pem "$work/issuing.key" under-a-nameless-ca.pem 3 3000
# Leaves of the issuing CA.
issue issuing constrains-names.pem leaf.key "/CN=www.example.com" "${server}nameConstraints=critical,permitted;DNS:example.com\n" "${by[@]}"
issue issuing other-common-name.pem leaf.key "/CN=other.example.com" "$server" "${by[@]}"
issue issuing wildcard.pem leaf.key "/CN=*.example.com" "${server/DNS:www.example.com/DNS:*.example.com}" "${by[@]}"
issue issuing address.pem leaf.key "/CN=192.0.2.7" "${server/DNS:www.example.com/IP:192.0.2.7}" "${by[@]}"
# An intermediate whose own name its issuer excludes.
cat > "$work/excluded.cnf" <<CNF
nameConstraints=critical,excluded;dirName:dn
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign
subjectKeyIdentifier=hash
[dn]
CN=Excluded CA
CNF
issue root excluding.tmp "$work/narrow.key" "/CN=Excluding CA" "$(cat "$work/excluded.cnf")" -cert root.pem
issue narrow excluded.tmp "$work/stranger.key" "/CN=Excluded CA" "$ca" -cert excluding.tmp
issue stranger under-excluded.tmp leaf.key "/CN=www.example.com" "$server" -cert excluded.tmp
cat under-excluded.tmp excluded.tmp excluding.tmp > excluded-ca.pem
rm -f ./*.tmp

# Keys.
openssl ec -in leaf.key -out leaf-sec1.body 2>/dev/null
{ openssl ecparam -name prime256v1; cat leaf-sec1.body; } > leaf-sec1.key; rm leaf-sec1.body
openssl pkey -in leaf.key -outform DER -out leaf.key.der
openssl x509 -in leaf.pem -outform DER -out leaf.der
key other.key
openssl genpkey -algorithm ED25519 -out ed25519.key
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa2048.key 2>/dev/null
openssl rsa -in rsa2048.key -traditional -out rsa2048-pkcs1.key 2>/dev/null
openssl pkcs8 -topk8 -in leaf.key -passout pass:secret -out encrypted.key
openssl rsa -in rsa2048.key -traditional -aes128 -passout pass:secret -out encrypted-traditional.key 2>/dev/null
openssl dsaparam -genkey -out dsa.pem.tmp 2048 2>/dev/null && openssl pkey -in dsa.pem.tmp -out dsa.key 2>/dev/null; rm -f dsa.pem.tmp

# Keys with the public numbers of one and the private ones of another, and with numbers that no key has.
rsa_private() {  # OUT MODULUS EXPONENT
  local one=020101
  tlv 30 "020100$(tlv 02 "$2")$(tlv 02 "$3")$one$one$one$one$one$one" | xxd -r -p > "$1"
}
rsa_private rsa-huge.key.der "$huge_modulus" 010001
rsa_private rsa-even-exponent.key.der "$modulus" 010000
openssl genpkey -algorithm X25519 -out x25519.key
openssl dsa -in dsa.key -outform DER -out dsa-traditional.key.der 2>/dev/null
mapfile -t mine < <(parts "$(openssl ec -in leaf.key -outform DER 2>/dev/null | hex)")
mapfile -t theirs < <(parts "$(openssl ec -in other.key -outform DER 2>/dev/null | hex)")
tlv 30 "${mine[0]}${mine[1]}${mine[2]}${theirs[3]}" | xxd -r -p > inconsistent.key.der

# CRLs.
crl() {  # ISSUER CERT OUT LAST NEXT [options]
  local issuer=$1 cert=$2 out=$3 last=$4 next=$5
  shift 5
  openssl ca -gencrl -config "$work/$issuer/ca.cnf" -keyfile "$work/$issuer.key" -cert "$cert" -crlexts crl \
    -crl_lastupdate "$last" -crl_nextupdate "$next" -out "$out" "$@" 2>/dev/null
}
crl root root.pem crl-5.pem 20260201000000Z 20260401000000Z
crl root root.pem crl-6.pem 20260202000000Z 20260401000000Z
echo 05 > "$work/root/crlnumber"; crl root root.pem crl-5-other-bytes.pem 20260203000000Z 20260401000000Z
crl root root.pem crl-stale.pem 20250201000000Z 20250401000000Z
crl root root.pem crl-future.pem 20260501000000Z 20260601000000Z
crl other other-root.pem crl-other.pem 20260201000000Z 20260401000000Z
# `openssl ca` revokes as of now; the third column of its index holds the date.
revoke() {  # DATE[,REASON]
  openssl ca -config "$work/issuing/ca.cnf" -keyfile "$work/issuing.key" -cert issuing.pem -revoke leaf.pem 2>/dev/null || true
  awk -v d="$1" 'BEGIN{FS=OFS="\t"} $1=="R"{$3=d} {print}' "$work/issuing/index.txt" > "$work/index" && mv "$work/index" "$work/issuing/index.txt"
}
revoke 260115000000Z,keyCompromise; crl issuing issuing.pem crl-revokes-leaf.pem 20260201000000Z 20260401000000Z
revoke 260115000000Z; crl issuing issuing.pem crl-revokes-leaf-stale.pem 20260116000000Z 20260201000000Z
revoke 260225000000Z; crl issuing issuing.pem crl-odd-entry.pem 20260201000000Z 20260401000000Z
revoke 260115000000Z,removeFromCRL; crl issuing issuing.pem crl-removed.pem 20260201000000Z 20260401000000Z

cat >> "$work/root/ca.cnf" <<CNF
[crl_critical]
authorityKeyIdentifier=keyid
1.2.3.4=critical,DER:0500
[crl_part]
authorityKeyIdentifier=keyid
issuingDistributionPoint=critical,@idp
[idp]
onlyuser=TRUE
[crl_bare]
[crl_delta]
deltaCRL=DER:020101
[crl_indirect]
issuingDistributionPoint=critical,@indirect
[indirect]
indirectCRL=TRUE
[crl_critical_number]
2.5.29.20=critical,DER:020105
CNF
crl root root.pem crl-delta.pem 20260201000000Z 20260401000000Z -crlexts crl_delta
crl root root.pem crl-indirect.pem 20260201000000Z 20260401000000Z -crlexts crl_indirect
crl rsa rsa-ca.pem crl-md5.pem 20260201000000Z 20260401000000Z -md md5
crl root root.pem crl-unknown-critical.pem 20260201000000Z 20260401000000Z -crlexts crl_critical
crl root root.pem crl-partial.pem 20260201000000Z 20260401000000Z -crlexts crl_part
sed -i '/^crlnumber/d' "$work/root/ca.cnf"
crl root root.pem crl-number-critical.pem 20260201000000Z 20260401000000Z -crlexts crl_critical_number
crl root root.pem crl-without-number.pem 20260201000000Z 20260401000000Z
crl root root.pem crl-without-number-newer.pem 20260202000000Z 20260401000000Z
authority unsigning; cp "$work/other.key" "$work/unsigning.key"
issue unsigning ca-no-crl-sign.pem "$work/unsigning.key" "/CN=No CRLs" "${ca/keyCertSign,cRLSign/keyCertSign}" -selfsign
crl unsigning ca-no-crl-sign.pem crl-may-not-sign.pem 20260201000000Z 20260401000000Z
cp -r "$work/root" "$work/rooted"; : > "$work/rooted/index.txt"; cp "$work/root.key" "$work/rooted.key"
sed -i "s|$work/root/|$work/rooted/|" "$work/rooted/ca.cnf"
echo 07 > "$work/rooted/crlnumber"
issuing_serial=$(openssl x509 -in issuing.pem -noout -serial | sed 's/serial=//')
printf 'R\t270101000000Z\t260115000000Z\t%s\tunknown\t/CN=Vector Issuing CA\n' "$issuing_serial" > "$work/rooted/index.txt"
crl rooted root.pem crl-revokes-issuing.pem 20260201000000Z 20260401000000Z
openssl crl -in crl-5.pem -outform DER -out crl-5.der
# A TBSCertList without nextUpdate, and with revokedCertificates that hold nothing.
resigned_list() {  # OUT PARTS...
  local tbs signature
  tbs=$(tlv 30 "$(printf %s "${@:2}")")
  xxd -r -p <<< "$tbs" > "$work/tbs.der"
  signature=$(openssl dgst -sha256 -sign "$work/root.key" "$work/tbs.der" | hex)
  tlv 30 "$tbs$ecdsa256$(tlv 03 "00$signature")" | xxd -r -p > "$1"
}
mapfile -t list < <(parts "$(parts "$(hex < crl-5.der)" | head -1)")  # Version, algorithm, issuer, two dates, extensions.
resigned_list crl-without-next-update.der "${list[@]:0:4}" "${list[5]}"
resigned_list crl-empty-entries.der "${list[@]:0:5}" 3000 "${list[5]}"

# Two authorities with one name, whose lists do not say which key signed them.
for name in twin twin-other; do
  authority $name "$(printf %04d ${#name})"; key "$work/$name.key"
  issue $name $name.pem "$work/$name.key" "/CN=Vector Twin" "$ca" -selfsign
done
echo 06 > "$work/twin-other/crlnumber"
printf '[crl_bare]\n' | tee -a "$work/twin/ca.cnf" >> "$work/twin-other/ca.cnf"
crl twin twin.pem crl-twin.pem 20260201000000Z 20260401000000Z -crlexts crl_bare
crl twin-other twin-other.pem crl-twin-other.pem 20260202000000Z 20260401000000Z -crlexts crl_bare

# A server's key that may do nothing that a handshake of TLS has.
issue twin usage-without-tls.pem leaf.key "/CN=www.example.com" "${server}keyUsage=critical,nonRepudiation\n" -cert twin.pem
issue twin usage-for-tls.pem leaf.key "/CN=www.example.com" "${server}keyUsage=critical,keyAgreement\n" -cert twin.pem

# One CA whose name is written in two string types: the leaf names the one, the CRL and the trusted root are the other.
authority spelled; key "$work/spelled.key"; cp -r "$work/spelled" "$work/printable"; cp "$work/spelled.key" "$work/printable.key"
sed -i "s|$work/spelled|$work/printable|; s|^\[req\]|&\nstring_mask=default|" "$work/printable/ca.cnf"
sed -i 's|^\[req\]|&\nstring_mask=utf8only|' "$work/spelled/ca.cnf"
issue spelled spelled-root.pem "$work/spelled.key" "/CN=Vector Spelling" "$ca" -selfsign
issue printable "$work/printable.pem" "$work/spelled.key" "/CN=Vector Spelling" "$ca" -selfsign
issue printable spelled-leaf.pem leaf.key "/CN=www.example.com" "$server" -cert "$work/printable.pem"
serial=$(openssl x509 -in spelled-leaf.pem -noout -serial | sed 's/serial=//')
printf 'R\t270101000000Z\t260115000000Z\t%s\tunknown\t/CN=x\n' "$serial" > "$work/spelled/index.txt"
crl spelled spelled-root.pem crl-revokes-spelled-leaf.pem 20260201000000Z 20260401000000Z
