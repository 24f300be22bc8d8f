// certool: keys, requests and certificates, with the commands that administrators know.

#include "tools/certool/certool.h"
#include "tools/program.h"

int main(int argc, char** argv) {
  return certfs::RunProgram("certool", [&] { return certfs::certool::Run(argc, argv); });
}
