// certificate-manager: replaces the certificates of a machine, by a menu on a terminal and by flags.
//
// Thread-safety: main thread only.

#pragma once

namespace certfs {

// Runs the program; returns its exit code (tools/README.md).
int RunCertificateManager(int argc, char** argv);

}  // namespace certfs
