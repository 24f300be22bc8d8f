#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

namespace {

constexpr Target kTargets[] = {
    {"access_control_list", FuzzAccessControlList, 8192},
    {"audit", FuzzAudit, 16384},
    {"backup", FuzzBackup, 65536},
    {"backup_text", FuzzBackupText, 16384},
    {"bundle", FuzzBundle, 16384},
    {"certificate", FuzzCertificate, 16384},
    {"control", FuzzControl, 8192},
    {"crl", FuzzCrl, 8192},
    {"envelope", FuzzEnvelope, 8192},
    {"hash_tree", FuzzHashTree, 4096},
    {"header", FuzzHeader, 16384},
    {"name", FuzzName, 1024},
    {"ocsp", FuzzOcsp, 4096},
    {"package", FuzzPackage, 32768},
    {"pem", FuzzPem, 16384},
    {"pkcs12", FuzzPkcs12, 8192},
    {"private_key", FuzzPrivateKey, 8192},
    {"profile", FuzzProfile, 8192},
    {"record", FuzzRecord, 8192},
    {"request", FuzzRequest, 8192},
    {"request_config", FuzzRequestConfig, 8192},
    {"settings", FuzzSettings, 8192},
    {"signed_data", FuzzSignedData, 16384},
    {"volume", FuzzVolume, 8192},
};

}  // namespace

std::span<const Target> Targets() { return kTargets; }

}  // namespace certfs::fuzz
