// vecs-cli entry getcert, getkey.

#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <utility>

#include "crypto/base/utf8.h"
#include "crypto/key_text.h"
#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "tools/json_text.h"
#include "tools/output_file.h"
#include "tools/system.h"
#include "tools/vecs/entry_content.h"
#include "tools/vecs/entry_view.h"
#include "tools/vecs/errors.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

namespace {

// Prints what may be a key past the buffers of std::cout, which nobody wipes.
Result<void> PrintSecret(BytesView bytes) {
  std::cout << std::flush;
  return WriteAll(STDOUT_FILENO, bytes, "standard output");
}

void Append(SecretBytes& text, std::string_view more) { text.insert(text.end(), more.begin(), more.end()); }

// `bytes` between the quotes of a JSON string (RFC 8259, 7); they are UTF-8.
void AppendJsonString(SecretBytes& text, BytesView bytes) {
  Append(text, "\"");
  for (const std::uint8_t byte : bytes) {
    if (byte == '\n') {
      Append(text, "\\n");
    } else if (byte == '"' || byte == '\\') {
      Append(text, "\\");
      text.push_back(byte);
    } else if (byte < 0x20) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", byte);
      Append(text, escape.data());
    } else {
      text.push_back(byte);
    }
  }
  Append(text, "\"");
}

// Writes to --output, if it is given.
Result<void> WriteOutput(const Options& options, BytesView bytes) {
  if (options.output.empty()) return {};
  auto written = WriteOutputFile(options.output, bytes, kPrivateMode, Existing::kReplace);
  return written.has_value() ? written : Result<void>(AboutFile(written.error()));
}

struct Key {
  fs::path path;
  std::string_view type;
  SecretBytes bytes;
  std::optional<PrivateKey> key;  // None of a secret.
};

Result<Key> ReadKeyOf(const Options& options) {
  const StorePlace store = TRY(FindStore(options));
  const fs::path entry = TRY(GetEntry(store, options));
  Key key{{}, TypeOf(entry), {}, {}};
  const Member member = Has(entry, Member::kSecret) ? Member::kSecret : Member::kKey;
  key.path = entry / FileName(member);
  auto bytes = ReadSecretFile(key.path);
  if (!bytes.has_value()) {
    if (bytes.error().code() != ErrorCode::kNotFound) return Unreadable(bytes.error(), store.mount, key.path);
    return Error(ErrorCode::kInvalidArgument, "No key was found for entry [" + options.alias + "] of type [" +
                                                  std::string(key.type) + "]");
  }
  key.bytes = std::move(bytes).value();
  if (member == Member::kKey) key.key = TRY(ReadKeyFile(key.bytes.Reveal())).key;
  return key;
}

// The object is put together by hand: a JSON library would copy the key to where nobody wipes it.
Result<void> PrintKeyAsJson(const Options& options, const Key& key) {
  Json head{{"alias", options.alias}, {"type", key.type}, {"path", key.path.string()}};
  if (key.key) head["kind"] = key.key->Describe();
  if (!options.output.empty()) head["output"] = options.output;
  std::string open = JsonText(head);
  open.resize(open.rfind("\n}"));
  SecretBytes text;
  Append(text, open);
  if (options.output.empty()) {
    const bool readable = IsUtf8(AsText(key.bytes.Reveal()));
    Append(text, readable ? ",\n  \"key\": " : ",\n  \"key_pem\": ");
    if (readable) {
      AppendJsonString(text, key.bytes.Reveal());
    } else {
      // No text: in base64, under a label that says so.
      AppendJsonString(text, WritePem("SECRET", key.bytes.Reveal()).Reveal());
    }
  }
  Append(text, "\n}\n");
  return PrintSecret(text.Reveal());
}

}  // namespace

Result<void> GetCertificate(const Options& options) {
  const StorePlace store = TRY(FindStore(options));
  const EntryView view = TRY(ViewOf(store.mount, TRY(GetEntry(store, options))));
  if (view.pem.empty()) {
    return Error(ErrorCode::kInvalidArgument, "No certificates were found for entry [" + options.alias +
                                                  "] of type [" + std::string(view.type) + "].");
  }
  TRY(WriteOutput(options, view.pem));
  if (options.json) {
    Json json{{"store", ShownName(store.name.text())}};
    json.update(ToJson(view));
    if (!options.output.empty()) json["output"] = options.output;
    PrintJson(json);
  } else if (options.text) {
    std::cout << TextOf(view);
  } else if (options.output.empty()) {
    std::cout << AsText(view.pem) << "\n";
  }
  return {};
}

Result<void> GetKey(const Options& options) {
  if (!options.password.empty()) {
    std::cerr
        << "vecs-cli: --password is ignored: no key here has a password of its own; and everybody on this "
           "machine can read a command line\n";
  }
  const Key key = TRY(ReadKeyOf(options));
  TRY(WriteOutput(options, key.bytes.Reveal()));
  if (options.json) return PrintKeyAsJson(options, key);
  if (options.text && key.key) return PrintSecret(TRY(FullText(*key.key)).Reveal());
  if (!options.output.empty()) return {};
  SecretBytes line = key.bytes.Clone();
  line.push_back('\n');
  return PrintSecret(line.Reveal());
}

}  // namespace certfs::vecs
