#include "fs/control/commands.h"
#include "fs/control/payload.h"
#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

namespace {

void ReadTexts(BytesView bytes) {
  static_cast<void>(control::ParseMaterial(bytes));
  static_cast<void>(control::ParseKeyAndChain(bytes));
  static_cast<void>(control::ParseOrder(bytes));
  static_cast<void>(control::ParseEntryOrders(bytes));
}

// Whether making what is asked for takes longer than all the rest.
bool TakesLong(BytesView command) { return AsText(command).find("rsa") != std::string_view::npos; }

// Plays `script`, commands with NUL between them, to an authority in memory.
void Play(std::string_view script) {
  const Actor root{0, 0};
  const auto keystore = Have(Keystore::InMemory(root, [] { return Time(test::kVectorTime); }));
  CertificateAuthority authority(*keystore);
  control::Context context{
      *keystore, authority, root,
      [](const std::vector<Number>&, const std::function<Result<void>()>& change) { return change(); }};
  for (int commands = 0; commands < 6 && !script.empty(); ++commands) {
    const std::size_t end = script.find('\0');
    const BytesView command = AsBytes(script.substr(0, end));
    script.remove_prefix(end == std::string_view::npos ? script.size() : end + 1);
    if (TakesLong(command)) continue;
    auto answer = control::Run(context, command);
    if (answer.has_value()) NoteRead();
    const ViewBytes text = answer.has_value() ? std::move(answer).value() : control::AnswerOf(answer.error());
    const std::string_view shown = AsText(text.plain.empty() ? text.secret.Reveal() : BytesView(text.plain));
    PROPERTY(IsUtf8(shown) && shown.starts_with('{') && shown.ends_with("}\n"));
    PROPERTY(shown.find('\n') == shown.size() - 1);
  }
}

}  // namespace

// What is written to ca/control: its line, its payload, and what the authority does with it.
int FuzzControl(const std::uint8_t* data, std::size_t size) {
  const BytesView input(data, size);
  ReadTexts(input);
  const auto line = control::CommandLine::Parse(input);
  if (line.has_value()) {
    PROPERTY(!line.value().words.empty());
    ReadTexts(line.value().payload);
    static_cast<void>(line.value().Number("days", 1, 4000, 'd'));
  }
  Play(AsText(input));
  return 0;
}

}  // namespace certfs::fuzz
