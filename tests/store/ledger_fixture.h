// Authorities and lines of the ledger to put in, made up: a table does not ask whether a certificate is one.

#pragma once

#include <string>

#include "crypto/sealing.h"
#include "store/authority_record.h"
#include "tests/store/table_fixture.h"

namespace certfs {

inline SerialNumber SerialOf(std::uint32_t seed) {
  const Digest digest = Sha256({AsBytes("serial " + std::to_string(seed))});
  SerialNumber serial;
  std::copy_n(digest.begin(), serial.size(), serial.begin());
  return serial;
}

inline Bytes BytesOfText(std::string_view text) { return {text.begin(), text.end()}; }

// A line that is in every kind of group.
inline IssuedCertificate SomeIssued(std::uint32_t seed) {
  IssuedCertificate issued;
  issued.authority = 1 + seed % 2;
  issued.certificate = BytesOfText("certificate " + std::to_string(seed));
  issued.serial = SerialOf(seed);
  issued.not_before = std::chrono::sys_seconds(std::chrono::seconds(1'800'000'000));
  issued.not_after = issued.not_before + std::chrono::days(seed % 7);
  issued.common_name = "Host" + std::to_string(seed) + ".example.com";
  issued.names = {"host" + std::to_string(seed) + ".example.com", "alias.example.com"};
  issued.profile = "server";
  issued.uid = 1000;
  issued.gid = 1001;
  issued.issued = Time(std::chrono::nanoseconds(1'800'000'000'123'456'789));
  if (seed % 3 == 0)
    issued.revocation = Revocation{issued.issued + std::chrono::hours(1), RevocationReason::kSuperseded};
  issued.entry = 100 + seed;
  issued.replaces = SerialOf(seed + 1'000'000);
  issued.replaced_by = SerialOf(seed + 2'000'000);
  issued.pickup = "Web" + std::to_string(seed);
  issued.key = SecretOf("key " + std::to_string(seed));
  return issued;
}

inline AuthorityCertificate SomeAuthorityCertificate(std::uint32_t id, AuthorityRole role) {
  AuthorityCertificate each;
  each.id = id;
  each.role = role;
  each.certificate = BytesOfText("authority " + std::to_string(id));
  each.chain = {BytesOfText("intermediate"), BytesOfText("root")};
  each.key = SecretOf("key of " + std::to_string(id));
  each.token = "pkcs11:object=ca";
  each.crl_number = 7;
  each.crl_made = Time(std::chrono::nanoseconds(8));
  each.root_entry = 40 + id;
  each.crl_entry = 50 + id;
  each.created = Time(std::chrono::nanoseconds(9));
  each.issued = 12;
  return each;
}

inline AuthorityRecord SomeAuthority() {
  AuthorityRecord record;
  record.certificates.push_back(SomeAuthorityCertificate(1, AuthorityRole::kIssuing));
  record.certificates.push_back(SomeAuthorityCertificate(4, AuthorityRole::kPrepared));
  record.next_id = 5;
  record.profiles = {{"client", "days = 1\n"}, {"server", "days = 2\n"}};
  record.requests_uid = 3;
  record.requests_gid = 4;
  record.requests_mode = 0770;
  record.replacement = RootReplacement{ReplacementPhase::kRollingBack, 1, 4, true, false, 100, 2,
                                       Time(std::chrono::seconds(5))};
  record.last_operation = LastOperation{"reset-all", Time(std::chrono::seconds(6)), {{20, 3}, {21, 4}}, true};
  record.backed_up = Time(std::chrono::seconds(7));
  record.issued_at_backup = 8;
  return record;
}

// Everything of it, for comparing.
inline std::string Encoded(const AuthorityRecord& record) { return ToHex(EncodeAuthority(record).Reveal()); }
inline std::string Encoded(const IssuedCertificate& issued) { return ToHex(EncodeIssued(issued).Reveal()); }

}  // namespace certfs
