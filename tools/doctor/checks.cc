#include <array>

#include "tools/doctor/check.h"

namespace certfs::doctor {

namespace {

// In the order in which they are done.
constexpr auto kChecks = std::to_array<Check>({
    {"files", Needs::kDirectory, "whether the keystore's files are there", CheckFiles},
    {"header", Needs::kDirectory, "whether keystore.hdr is whole", CheckHeader},
    {"ways-in", Needs::kDirectory, "how many secrets open it", CheckWaysIn},
    {"permissions", Needs::kDirectory, "who may read and write its files", CheckPermissions},
    {"key-file", Needs::kDirectory, "who may read the key file, and where it lies", CheckKeyFile},
    {"leftovers", Needs::kDirectory, "what a crash left behind", CheckLeftovers},
    {"disk", Needs::kDirectory, "room on its disk", CheckDisk},
    {"fuse", Needs::kDirectory, "whether this machine can mount", CheckFuse},
    {"alive", Needs::kMount, "whether the daemon lives and answers", CheckAlive},
    {"mount-options", Needs::kAliveMount, "the options that must always hold", CheckMountOptions},
    {"daemon", Needs::kAliveMount, "core dumps and locked memory of the daemon", CheckDaemon},
    {"confinement", Needs::kAliveMount, "what the daemon has given up", CheckConfinement},
    {"version", Needs::kAliveMount, "whether the daemon is of this version", CheckVersion},
    {"health", Needs::kAliveMount, "status/health.json", CheckHealth},
    {"records", Needs::kKey, "every record, read and verified", CheckRecords},
    {"rotation", Needs::kKey, "whether a key rotation is unfinished", CheckRotation},
    {"recovery", Needs::kKey, "the recovery certificates", CheckRecovery},
    {"readers", Needs::kKey, "who keeps old pages from being used again", CheckReaders},
    {"space", Needs::kKey, "the keystore's size limit", CheckSpace},
    {"entries", Needs::kKey, "every entry by the rules, the authority, backups", CheckEntries},
    {"pairs", Needs::kKey, "whether certificates and keys belong together", CheckPairs},
    {"high-water", Needs::kKey, "whether it is older than its high-water file says", CheckHighWaterFile},
    {"audit", Needs::kKey, "the chain of the audit log", CheckAudit},
});

}  // namespace

std::span<const Check> Checks() { return kChecks; }

}  // namespace certfs::doctor
