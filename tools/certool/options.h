// The command line of certool: one command, and what it is told.
//
// Thread-safety: main thread only.

#pragma once

#include <CLI/CLI.hpp>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "tools/control_client.h"
#include "tools/output_file.h"
#include "tools/request_text.h"

namespace certfs::certool {

struct Options {
  std::string server = "localhost";
  std::string srp_upn;
  std::string srp_password;
  std::string mount;
  std::string config = "certool.cfg";
  bool config_given = false;
  std::array<std::string, kRequestKeys.size()> fields;  // In the order of kRequestKeys.
  std::string key_type;
  std::string fqdn;
  std::string privkey;
  std::string pubkey;
  std::string cert;
  std::string csrfile;
  std::string crl;
  std::string currcrl;
  std::string outprivkey;
  std::string outcert;
  std::string filter;
  std::string option;
  int predate = 4320;  // Minutes.
  bool predate_given = false;
  int wait = 3;  // Minutes.
  int port = 0;
  int error_number = 0;
  bool force = false;
  bool json = false;
  // What the command has to say, in the place of words; null where words are wanted.
  Json* object = nullptr;
  std::string help_topic;
  bool version = false;

  // Whether keys that are there may be overwritten.
  Existing existing() const { return force ? Existing::kReplace : Existing::kRefuse; }
  // Reads certool.cfg, and puts what the command line says of its keys in their place. kInvalidArgument where
  // there is no such file; but one that nobody named may be missing, where the command line says something.
  Result<RequestText> ReadConfig() const;
  // The mount to ask. kInvalidArgument for another host's: certfs is asked through its mount.
  Result<Mount> ChooseAuthority() const;
};

// A command of certool: what it does, and the options that it cannot do without.
struct Command {
  const char* name;
  const char* group;  // A page of --help: "init" or "functions".
  const char* what;
  std::vector<const char*> needs;
  Result<void> (*run)(const Options& options);
};

// Their table.
const std::vector<Command>& Commands();

// The parser of the whole command line, which leaves in `options` what it says.
std::unique_ptr<CLI::App> MakeParser(Options& options);

}  // namespace certfs::certool
