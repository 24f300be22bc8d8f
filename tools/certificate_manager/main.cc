// certificate-manager: the certificates of a machine, replaced as administrators know it.

#include "tools/certificate_manager/certificate_manager.h"
#include "tools/program.h"

int main(int argc, char** argv) {
  return certfs::RunProgram("certificate-manager", [&] { return certfs::RunCertificateManager(argc, argv); });
}
