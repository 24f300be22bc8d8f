#!/usr/bin/env bash
# Makes the vectors of the store's own tests, by the stock openssl command line and never by certfs: CRLs without a
# number, and certificates that share issuer and serial number. Tests judge them at 2026-03-01, as those in
# tests/vectors/pki. The results are kept in the repository; run this only to add a vector.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

cat > "$work/ca.cnf" <<CNF
[ca]
default_ca=d
[d]
database=$work/index.txt
serial=$work/serial
new_certs_dir=$work
default_md=sha256
policy=p
unique_subject=no
default_crl_days=30
[p]
commonName=optional
[req]
distinguished_name=dn
[dn]
[ca_extensions]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[server_extensions]
basicConstraints=critical,CA:FALSE
extendedKeyUsage=serverAuth
subjectAltName=DNS:www.example.com
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
[crl_extensions]
authorityKeyIdentifier=keyid
CNF

# issue OUT SERIAL KEY SUBJECT EXTENSIONS [more openssl ca options]: forgets what was issued before, so that a serial
# number can be given twice.
issue() {
  local out=$1 serial=$2 key=$3 subject=$4 extensions=$5
  shift 5
  : > "$work/index.txt"
  echo "$serial" > "$work/serial"
  openssl req -new -config "$work/ca.cnf" -key "$key" -subj "$subject" -out "$work/csr" 2>/dev/null
  openssl ca -batch -notext -config "$work/ca.cnf" -keyfile "$work/plain.key" -startdate 20260101000000Z \
    -enddate 20270101000000Z -extensions "$extensions" -in "$work/csr" -out "$out" "$@" 2>"$work/log" ||
    { cat "$work/log"; exit 1; }
}

# crl OUT LAST [more options]: a version 2 CRL without a number, because the configuration names no crlnumber.
crl() {
  local out=$1 last=$2
  shift 2
  openssl ca -gencrl -config "$work/ca.cnf" -keyfile "$work/plain.key" -cert plain-root.pem -crlexts crl_extensions \
    -crl_lastupdate "$last" -crl_nextupdate 20260401000000Z -out "$out" "$@" 2>/dev/null
}

key "$work/plain.key"
issue plain-root.pem 1000 "$work/plain.key" "/CN=Plain Root" ca_extensions -selfsign
by=(-cert plain-root.pem)
key serial.key
issue serial-first.pem 2000 serial.key "/CN=first" server_extensions "${by[@]}"
issue serial-second.pem 2000 serial.key "/CN=second" server_extensions "${by[@]}"
issue serial-other.pem 2001 serial.key "/CN=other" server_extensions "${by[@]}"
key "$work/between.key"
issue serial-authority.pem 2000 "$work/between.key" "/CN=Between" ca_extensions "${by[@]}"
: > "$work/index.txt"
crl plain-crl-early.pem 20260201000000Z
crl plain-crl-late.pem 20260202000000Z
crl plain-crl-late-other-bytes.pem 20260202000000Z
ls
