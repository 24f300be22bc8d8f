// How an operator unlocks a keystore: a key file, a passphrase from a file or typed at a prompt, the private
// key of a recovery certificate, or a credential of systemd.
//
// Thread-safety: main thread only. Ownership: secrets are SecretBytes from their first byte on.

#pragma once

#include <CLI/CLI.hpp>

#include <filesystem>
#include <string>

#include "crypto/key_slot.h"

namespace certfs {

// What the command line says about it; at most one is given.
struct UnlockOptions {
  std::string key_file;
  std::string passphrase_file;
  bool passphrase = false;
  std::string recovery_key;
  std::string credential;

  bool given() const {
    return !key_file.empty() || !passphrase_file.empty() || passphrase || !recovery_key.empty() ||
           !credential.empty();
  }
  // Whether somebody may have to be asked, for which it takes a terminal.
  bool may_ask() const { return passphrase || !recovery_key.empty(); }
};

// Adds --keyfile, --passphrase-file and --passphrase, which exclude each other: what a keystore is made with.
void AddNewSecretOptions(CLI::App& command, UnlockOptions& options);

// Adds these, --recovery-key and --credential: what a keystore that is there is opened with.
void AddUnlockOptions(CLI::App& command, UnlockOptions& options);

// What a command says of AddUnlockOptions in its footer, if it unlocks a keystore that is there.
inline constexpr auto kUnlockFooter = "Without an unlock option KEYSTORE.key is used, if there is one.";

// Adds to `command` the part `name`, which takes KEYSTORE and the unlock options.
CLI::App* AddKeystorePart(CLI::App& command, const char* name, const char* what, std::string& keystore,
                          UnlockOptions& unlock);

// Where nothing is given, chooses the keystore's own key file. kInvalidArgument, with what could be said
// instead, if there is none.
Result<void> ChooseDefaultKey(const std::filesystem::path& keystore, UnlockOptions& options);

// Reads the secret that the options name, KEYSTORE.key if they name none, or asks for it.
Result<UnlockSecret> ReadUnlockSecret(const std::filesystem::path& keystore, UnlockOptions options);

// Returns where `init` puts a key file that nobody named: KEYSTORE.key, beside the keystore.
std::filesystem::path DefaultKeyFile(const std::filesystem::path& keystore);

// Reads a key file. Returns kInvalidArgument if it is not a regular file of exactly kKeyFileBytes; warns on
// stderr when others than its owner can read it.
Result<UnlockSecret> ReadKeyFileSecret(const std::filesystem::path& path);

// Reads a passphrase file, of at most 4096 bytes, without one trailing newline. kInvalidArgument if nothing
// is left.
Result<UnlockSecret> ReadPassphraseFile(const std::filesystem::path& path);

// Reads the private key of a recovery certificate, and asks for its passphrase if it has one.
// kInvalidArgument if it is no private key, kAccessDenied for a wrong passphrase.
Result<UnlockSecret> ReadRecoveryKey(const std::filesystem::path& path);

// Reads the credential `name` that systemd handed to this service: a key file if it has kKeyFileBytes, else a
// passphrase without one trailing newline. kInvalidArgument where there are no credentials.
Result<UnlockSecret> ReadCredential(const std::string& name);

// Asks once, or twice when a new passphrase is chosen. kInvalidArgument if it is empty or the two differ.
Result<UnlockSecret> AskSecret(const std::filesystem::path& keystore, bool twice);

// Asks for a new one twice, by `prompt` ("New passphrase for /srv/keystore").
Result<UnlockSecret> AskTwice(const std::string& prompt);

// Makes a key file of random bytes, 0600, durable. Returns kAlreadyExists if there is one, with what to do.
Result<UnlockSecret> MakeKeyFile(const std::filesystem::path& path);

}  // namespace certfs
