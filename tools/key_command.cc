// certfs key: what opens a keystore. Slots are added, removed and listed here, rotation is in
// key_rotation.cc.

#include "tools/key_command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "crypto/base/time.h"
#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "tools/json_text.h"
#include "tools/system.h"

namespace certfs {

namespace {

using Json = nlohmann::ordered_json;

struct AddOptions : KeyCommandOptions {
  std::string new_key_file;
  std::string new_passphrase_file;
  bool new_passphrase = false;
  std::string recovery;
};

struct RemoveOptions : KeyCommandOptions {
  SlotNumber slot = 0;
};

struct ListOptions : KeyCommandOptions {
  bool json = false;
};

std::chrono::sys_seconds Now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

void Warn(const std::string& words) { std::cerr << "certfs: warning: " << words << "\n"; }

// --- add

// One that is there is used; otherwise it is made, and `made` says so.
Result<UnlockSecret> NewKeyFile(const std::string& path, bool& made) {
  struct stat status {};
  made = lstat(path.c_str(), &status) != 0;
  return made ? MakeKeyFile(std::filesystem::absolute(path)) : ReadKeyFileSecret(path);
}

// Says whether the keystore may have a slot of `added`: it has one, or there is no telling.
bool MayOpen(const std::filesystem::path& keystore, const UnlockSecret& added) {
  const auto opened =
      WithinMemory([&]() -> Result<RootKeys> { return TRY(Header::Load(keystore)).Unlock(added); });
  if (opened.has_value()) return true;
  const ErrorCode code = opened.error().code();
  return code == ErrorCode::kIo || code == ErrorCode::kNoMemory;
}

// Adds a slot for the key file that was just made. If that fails, the file goes, unless its slot is there all
// the same.
Result<SlotNumber> AddNewKeyFile(const std::filesystem::path& keystore, const UnlockSecret& secret,
                                 const UnlockSecret& added, const std::string& path) {
  auto slot = WithinMemory([&] { return AddSlot(keystore, secret, added, Now()); });
  if (slot.has_value()) return slot;
  if (MayOpen(keystore, added))
    return std::move(slot).error().Within(path + " is kept, because it may open the keystore already");
  unlink(path.c_str());
  return slot;
}

Result<SlotNumber> AddSecret(const AddOptions& options, const UnlockSecret& secret) {
  const std::filesystem::path keystore = TidyPath(options.keystore);
  if (!options.new_passphrase_file.empty())
    return AddSlot(keystore, secret, TRY(ReadPassphraseFile(options.new_passphrase_file)), Now());
  if (options.new_passphrase) return AddSlot(keystore, secret, TRY(AskSecret(keystore, true)), Now());
  bool made = false;
  const UnlockSecret added = TRY(NewKeyFile(options.new_key_file, made));
  if (!made) return AddSlot(keystore, secret, added, Now());
  return AddNewKeyFile(keystore, secret, added, options.new_key_file);
}

Result<Certificate> ReadRecoveryCertificate(const std::string& path) {
  auto file = ReadCertificateFile(TRY(ReadWholeFile(path, kFileBytesMax)));
  if (!file.has_value()) return Error(ErrorCode::kInvalidArgument, path + ": " + file.error().message());
  if (file.value().certificates.size() != 1) {
    return Error(ErrorCode::kInvalidArgument,
                 path + ": holds several certificates; name a file with the recovery certificate alone");
  }
  const Certificate& certificate = file.value().certificates.front();
  auto fit = CheckRecipient(certificate);
  if (!fit.has_value()) return std::move(fit).error().Within(path);
  if (certificate.not_after() < Now())
    Warn(path + ": expired at " + FormatTimestamp(certificate.not_after()) +
         "; its key opens the keystore all the same");
  if (certificate.not_before() > Now())
    Warn(path + ": is valid only from " + FormatTimestamp(certificate.not_before()));
  return certificate;
}

Result<ExitCode> Add(const AddOptions& options) {
  ProtectProcess();
  const UnlockSecret secret = TRY(ReadUnlockSecret(options.keystore, options.unlock));
  if (options.recovery.empty()) {
    const SlotNumber slot = TRY(AddSecret(options, secret));
    std::cout << "added slot " << slot << "\n";
    return ExitCode::kOk;
  }
  const Certificate recipient = TRY(ReadRecoveryCertificate(options.recovery));
  const SlotNumber slot = TRY(AddRecoverySlot(TidyPath(options.keystore), secret, recipient, Now()));
  std::cout << "added slot " << slot << ": whoever has the private key of " << recipient.subject()
            << " (SHA-256 " << ToHex(recipient.fingerprint()) << ") opens the keystore, and its backups\n";
  return ExitCode::kOk;
}

// --- remove

Result<ExitCode> Remove(const RemoveOptions& options) {
  ProtectProcess();
  const UnlockSecret secret = TRY(ReadUnlockSecret(options.keystore, options.unlock));
  const auto left = TRY(RemoveSlot(TidyPath(options.keystore), secret, options.slot));
  std::cout << "removed slot " << options.slot
            << "; who has a copy of the header from before still opens it: see certfs key revoke\n";
  bool recovery_alone = true;
  for (const SlotDescription& slot : left)
    recovery_alone = recovery_alone && slot.facts.type == SlotType::kRecovery;
  if (recovery_alone) Warn("only recovery slots are left; add a key file or a passphrase to mount it with");
  return ExitCode::kOk;
}

// --- list

Json ToJson(const SlotDescription& slot, SlotNumber opened) {
  Json json{{"slot", slot.number},
            {"type", Words(slot.facts.type)},
            {"created", FormatTimestamp(slot.facts.created)},
            {"unlocked", slot.number == opened}};
  if (slot.facts.type == SlotType::kRecovery) {
    json["key_sha256"] = ToHex(slot.facts.recipient);
    json["subject"] = slot.certificate ? Json(slot.certificate->subject()) : Json();
    json["not_after"] = slot.certificate ? Json(FormatTimestamp(slot.certificate->not_after())) : Json();
    json["sha256"] = slot.certificate ? Json(ToHex(slot.certificate->fingerprint())) : Json();
  }
  return json;
}

void PrintSlot(const SlotDescription& slot, SlotNumber opened) {
  std::cout << std::left << std::setw(6) << slot.number << std::setw(12) << Words(slot.facts.type)
            << FormatTimestamp(slot.facts.created);
  if (slot.certificate) {
    std::cout << "  " << slot.certificate->subject() << ", until "
              << FormatTimestamp(slot.certificate->not_after())
              << (slot.certificate->not_after() < Now() ? " (expired)" : "");
  }
  if (slot.facts.type == SlotType::kRecovery) std::cout << "  key SHA-256 " << ToHex(slot.facts.recipient);
  if (slot.number == opened) std::cout << "  (unlocked by this one)";
  std::cout << "\n";
}

// Without a key there is no telling whether the header is true, nor whose the certificates are.
Result<KeyState> ReadState(const ListOptions& options, bool& unlocked) {
  UnlockOptions unlock = options.unlock;
  const std::filesystem::path keystore = TidyPath(options.keystore);
  unlocked = ChooseDefaultKey(keystore, unlock).has_value();
  if (unlocked) return ReadKeyState(keystore, TRY(ReadUnlockSecret(keystore, unlock)));
  auto header = Header::Load(keystore);
  if (!header.has_value()) return std::move(header).error().Within(keystore.string());
  KeyState state;
  state.slots = header.value().Slots();
  return state;
}

Result<ExitCode> List(const ListOptions& options) {
  ProtectProcess();
  bool unlocked = false;
  const KeyState state = TRY(ReadState(options, unlocked));
  if (options.json) {
    Json json{{"unlocked", unlocked}, {"slots", Json::array()}};
    for (const SlotDescription& slot : state.slots) json["slots"].push_back(ToJson(slot, state.opened));
    json["epoch"] = unlocked ? Json(state.epoch) : Json();
    json["rotating"] = unlocked ? Json(state.rotating) : Json();
    json["rewrite_pending"] = unlocked ? Json(state.rewrite_pending) : Json();
    PrintJson(json);
    return ExitCode::kOk;
  }
  std::cout << "SLOT  TYPE        CREATED\n";
  for (const SlotDescription& slot : state.slots) PrintSlot(slot, state.opened);
  if (!unlocked)
    std::cout << "not checked, and without the names of certificates: give a key to unlock it with\n";
  if (state.rotating) std::cout << "a rotation is unfinished: run certfs key rotate to end it\n";
  if (state.rewrite_pending)
    std::cout
        << "old ciphertext lies in the free space of data.mdb, until somebody opens the keystore alone\n";
  return ExitCode::kOk;
}

}  // namespace

CLI::App* AddKeyPart(CLI::App& command, const char* name, const char* what, KeyCommandOptions& options) {
  return AddKeystorePart(command, name, what, options.keystore, options.unlock);
}

std::string_view Words(SlotType type) {
  switch (type) {
    case SlotType::kPassphrase:
      return "passphrase";
    case SlotType::kKeyFile:
      return "key file";
    case SlotType::kRecovery:
      return "recovery";
  }
  return {};
}

std::string JoinSlots(const std::vector<SlotNumber>& numbers) {
  std::string words;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i != 0) words += i + 1 == numbers.size() ? " and " : ", ";
    words += std::to_string(numbers[i]);
  }
  return words;
}

void AddKeyCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("key", "Change what opens a keystore");
  command->require_subcommand(1);

  auto add = std::make_shared<AddOptions>();
  CLI::App* part = AddKeyPart(*command, "add", "Add a slot: another way to open it", *add);
  CLI::Option_group* what = part->add_option_group("The new slot");
  what->add_option("--new-keyfile", add->new_key_file, "A key file; made, unless it is there");
  what->add_option("--new-passphrase-file", add->new_passphrase_file, "The passphrase in this file");
  what->add_flag("--new-passphrase", add->new_passphrase, "Ask for a new passphrase on the terminal");
  what->add_option("--recovery", add->recovery,
                   "A certificate whose private key is kept elsewhere (PEM or DER)");
  what->require_option(1);
  part->callback([add, &action] { action = [add] { return Add(*add); }; });

  auto remove = std::make_shared<RemoveOptions>();
  part = AddKeyPart(*command, "remove", "Remove a slot", *remove);
  part->add_option("SLOT", remove->slot, "Its number, as list shows it")->required();
  part->callback([remove, &action] { action = [remove] { return Remove(*remove); }; });

  auto list = std::make_shared<ListOptions>();
  part = AddKeyPart(*command, "list", "List the slots", *list);
  part->add_flag("--json", list->json, "As one JSON object");
  part->callback([list, &action] { action = [list] { return List(*list); }; });

  AddKeyRotateCommand(*command, action);
  AddKeyRevokeCommand(*command, action);
}

}  // namespace certfs
