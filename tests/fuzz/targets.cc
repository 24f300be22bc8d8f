#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

namespace {

constexpr Target kTargets[] = {
    {"access_control_list", FuzzAccessControlList},
    {"audit", FuzzAudit},
    {"backup", FuzzBackup},
    {"backup_text", FuzzBackupText},
    {"bundle", FuzzBundle},
    {"certificate", FuzzCertificate},
    {"control", FuzzControl},
    {"crl", FuzzCrl},
    {"envelope", FuzzEnvelope},
    {"hash_tree", FuzzHashTree},
    {"header", FuzzHeader},
    {"high_water", FuzzHighWater},
    {"mounter_line", FuzzMounterLine},
    {"name", FuzzName},
    {"ocsp", FuzzOcsp},
    {"package", FuzzPackage},
    {"pages", FuzzPages},
    {"pem", FuzzPem},
    {"pkcs12", FuzzPkcs12},
    {"private_key", FuzzPrivateKey},
    {"profile", FuzzProfile},
    {"record", FuzzRecord},
    {"request", FuzzRequest},
    {"request_config", FuzzRequestConfig},
    {"salvage", FuzzSalvage},
    {"settings", FuzzSettings},
    {"signed_data", FuzzSignedData},
    {"volume", FuzzVolume},
};

}  // namespace

std::span<const Target> Targets() { return kTargets; }

}  // namespace certfs::fuzz
