#include "tools/command_examples.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace certfs {

namespace {

struct Row {
  std::string_view command;
  std::string_view examples;  // A line each.
};

constexpr Row kRows[] = {
    {"certfs ca import",
     "certfs ca import acme-ca.p12 --password-file ca.pass\ncertfs ca import new-ca.pem --replace"},
    {"certfs ca show", "certfs ca show\ncertfs ca show --json | jq .profiles"},
    {"certfs ca list",
     "certfs ca list --state active --expiring 30d\ncertfs ca list --name web.example.com --json"},
    {"certfs ca status", "certfs ca status web.pem\ncertfs ca status machine/web"},
    {"certfs ca revoke", "certfs ca revoke machine/web --reason superseded\ncertfs ca revoke 5f3a09"},
    {"certfs ca crl", "certfs ca crl --out ca.crl\ncertfs ca crl --force"},
    {"certfs ca backup", "certfs ca backup --out ca.p12 --password-file export.pass"},
    {"certfs ca restore", "certfs ca restore ca.p12 --password-file export.pass --crl last.crl"},
    {"certfs ca replace-root",
     "certfs ca replace-root --dry-run\ncertfs ca replace-root --compromised --rekey\n"
     "certfs ca replace-root --resume"},
    {"certfs ca retire", "certfs ca retire\ncertfs ca retire --now --yes"},
    {"certfs ca ocsp", "certfs ca ocsp --listen 127.0.0.1 --port 2560"},
    {"certfs init", "certfs init /srv/keystore\ncertfs init /srv/keystore --passphrase"},
    {"certfs key add",
     "certfs key add /srv/keystore --new-keyfile /media/usb/spare.key\n"
     "certfs key add /srv/keystore --recovery recovery-certificate.pem"},
    {"certfs key list", "certfs key list /srv/keystore --json"},
    {"certfs key remove", "certfs key remove /srv/keystore 2"},
    {"certfs key rotate", "certfs key rotate /srv/keystore"},
    {"certfs key revoke",
     "certfs key revoke /srv/keystore 2 --keep-keyfile /media/usb/spare.key\n"
     "certfs key revoke /srv/keystore 2 --drop-others"},
    {"certfs password set",
     "certfs password set /srv/keystore\n"
     "certfs password set /srv/keystore --password-file export.pass --compat"},
    {"certfs password clear", "certfs password clear /srv/keystore"},
    {"certfs restore",
     "certfs restore --check keystore.cms --password-file export.pass\n"
     "certfs restore keystore.cms /srv/restored\n"
     "certfs restore keystore.cms /srv/keystore --into-existing --dry-run"},
    {"certfs verify",
     "certfs verify --store MACHINE_SSL_CERT --host web.example.com web.pem\n"
     "certfs verify --roots root.pem --crl ca.crl --at 2027-01-01T00:00:00Z web.pem"},
    {"certfs why", "certfs why | tail -n 1\ncertfs why --json"},
};

std::string PathOf(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : PathOf(*app.get_parent()) + " " + app.get_name();
}

void AddExample(CLI::App& command) {
  const std::string path = PathOf(command);
  for (const Row& row : kRows) {
    if (row.command != path) continue;
    std::string text = command.get_footer();
    text += text.empty() ? "Examples:" : "\n\nExamples:";
    for (std::string_view rest = row.examples; !rest.empty();) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      text += "\n  " + std::string(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    command.footer(text);
  }
}

}  // namespace

void AddExamples(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    if (command->get_name().empty()) continue;
    if (command->get_footer().find("Example") == std::string::npos) AddExample(*command);
    AddExamples(*command);
  }
}

}  // namespace certfs
