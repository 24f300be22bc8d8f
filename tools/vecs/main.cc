// vecs-cli: stores and entries, with the commands that administrators know.

#include "tools/program.h"
#include "tools/vecs/vecs_cli.h"

int main(int argc, char** argv) {
  return certfs::RunProgram("vecs-cli", [&] { return certfs::vecs::Run(argc, argv); });
}
