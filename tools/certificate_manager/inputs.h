// What somebody gives certificate-manager to work with: the command line, or the answers to its questions,
// read and looked over before anything is asked of the authority.
//
// Thread-safety: main thread only, because a password may be asked for. Ownership: Inputs own their keys.
// Errors: kInvalidArgument for wrong usage and for files that cannot be read; those of RequestConfig, with
// the file's name; those of ReadKeyAndChain.

#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/certificate.h"
#include "tools/certificate_manager/operation.h"

namespace certfs {

struct ManagerOptions {
  std::string operation;                             // A number or a name; empty: the menu is shown.
  std::vector<std::string> configs;                  // Each FILE, or STORE=FILE, or root=FILE.
  std::map<std::string, std::string> typed_configs;  // Texts, by folded name: what the dialogue asked for.
  std::vector<std::string> certificates;             // Each FILE, or STORE=FILE, or root=FILE.
  std::vector<std::string> keys;
  std::vector<std::string> roots;  // FILE: what the custom certificates chain to.
  std::vector<std::string> users;  // Only these solution users.
  std::string password_file;
  std::string key_type;  // Of a new root.
  std::string requests;  // A directory: make keys and signing requests there, and stop.
  std::string services;
  std::string reload_command;
  std::string mount;
  bool rekey = false;
  bool dry_run = false;
  bool yes = false;
  bool keep = false;
  bool json = false;
  bool resume = false;
};

struct Inputs {
  Operation operation = Operation::kMachineSsl;
  // Request files by folded name: of a store, "root", or empty for all stores.
  std::map<std::string, std::string> configs;
  // Key and chain, PEM, by folded name of a store, or "root".
  std::map<std::string, SecretBytes> pairs;
  std::vector<Certificate> roots;  // To be trusted, if they are not.
  std::set<std::string> users;     // Folded; empty for all.
  std::string key_type;
  bool rekey = false;

  // The request file for the entry of `store`, whose common name is `name` where it is meant for several.
  // Empty if there is none.
  std::string ConfigFor(std::string_view store, std::string_view name) const;
  // Whether the operation is about the solution user of `store`.
  bool Wants(std::string_view store) const;
};

// Reads the files that `options` names for `operation`, and refuses what does not go with it.
Result<Inputs> ReadInputs(const ManagerOptions& options, Operation operation);

}  // namespace certfs
