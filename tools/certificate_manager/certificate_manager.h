// certificate-manager: replaces the certificates of a machine, by a menu on a terminal and by flags.
//
// Thread-safety: main thread only.

#pragma once

#include <CLI/CLI.hpp>

#include <memory>

#include "tools/certificate_manager/inputs.h"

namespace certfs {

// Its command line: the parser leaves in `options` what it says.
std::unique_ptr<CLI::App> MakeCertificateManagerParser(ManagerOptions& options);

// Runs the program; returns its exit code (tools/README.md).
int RunCertificateManager(int argc, char** argv);

}  // namespace certfs
