#include "tools/documentation/pages.h"

#include <string_view>

#include "tools/certool/errors.h"
#include "tools/exit_code.h"
#include "tools/mount_options.h"
#include "tools/settings.h"

namespace certfs::documentation {

namespace {

constexpr int kExitCodesMax = 64;

// A new code does not compile until it is described; of a number that is none nothing is said.
std::string_view Meaning(ExitCode code) {
  switch (code) {
    case ExitCode::kOk:
      return "Done; certfs verify: accepted.";
    case ExitCode::kFailed:
      return "Refused or failed; the reason is on stderr.";
    case ExitCode::kUsage:
      return "Wrong usage, or a file named on the command line cannot be read.";
    case ExitCode::kWrongKey:
      return "The key file, passphrase or password does not open what it should.";
    case ExitCode::kDamagedKeystore:
      return "The keystore is damaged.";
    case ExitCode::kNewerFormat:
      return "The keystore is of a newer format.";
    case ExitCode::kUntrustedSigner:
      return "The signer of a package is not trusted.";
    case ExitCode::kWarnings:
      return "certfs doctor: nothing is broken, and something is to be seen to.";
    case ExitCode::kCritical:
      return "certfs doctor: something is broken.";
  }
  return "";
}

std::string Term(std::string_view term, std::string_view meaning) {
  return std::string(term) + "\t" + std::string(meaning) + "\n\n";
}

Section ExitStatus() {
  std::string text;
  for (int code = 0; code < kExitCodesMax; ++code) {
    const std::string_view meaning = Meaning(static_cast<ExitCode>(code));
    if (!meaning.empty()) text += Term(std::to_string(code), meaning);
  }
  return {"EXIT STATUS", text};
}

Section Environment() {
  return {
      "ENVIRONMENT",
      Term("CERTFS_MOUNT", "The mount to use where several keystores are mounted and no option names one.") +
          Term("NO_COLOR",
               "If it is set and not empty, nothing is coloured; so it is where stderr is no terminal.")};
}

Section Files() {
  return {"FILES", Term("/etc/certfs/certfs.toml", "The settings; see certfs.toml(5).") +
                       Term("KEYSTORE.key", "The key of a keystore that was made without naming one.")};
}

PageFrame FrameOf(const Release& release, int number, std::vector<Section> sections,
                  std::vector<std::string> also) {
  PageFrame frame;
  frame.number = number;
  frame.date = release.date;
  frame.source = "certfs " + release.version;
  frame.sections = std::move(sections);
  frame.also = std::move(also);
  return frame;
}

constexpr auto kIntroduction =
    "A keystore is one encrypted directory. Mounted, it shows certificates, keys and CRLs as files: "
    "services read them from paths, people and jobs use cp(1), cat(1) and rsync(1), and every write is "
    "judged "
    "before it becomes visible. A certificate that does not match its key, a broken chain, or an expired or "
    "revoked certificate is the error of the cp(1) that tried to put it there, and every reader keeps the "
    "old "
    "bytes. certfs why says what was wrong.\n\n"
    "STORE/ALIAS is an entry, with cert.pem, key.pem or crl.pem in it. What begins with export/, backup/, "
    "ca/ "
    "and status/ in the mount is made by certfs itself.\n";

// certool ends with the number of the error, less all multiples of 256.
Section CertoolErrors() {
  std::string text =
      "0 if it was done; else the number of the error modulo 256, which also stands behind \"Error Code "
      ":\".\n\n";
  for (const certool::CodeRow& row : certool::Codes())
    text += Term(std::to_string(row.number) + " (" + std::to_string(row.number % 256) + ")", row.text);
  return {"EXIT STATUS", text};
}

}  // namespace

std::vector<Page> CertfsPages(const CommandOutline& certfs, const Release& release) {
  std::vector<Page> pages;
  CommandOutline program = certfs;
  program.footer = kIntroduction + ("\n" + certfs.footer);
  pages.push_back(WritePage(
      program,
      FrameOf(release, 1, {ExitStatus(), Environment(), Files()},
              {"certfs.toml(5)", "mount.certfs(8)", "vecs-cli(1)", "certool(1)", "certificate-manager(1)"}),
      false));
  for (const CommandOutline& command : certfs.commands)
    pages.push_back(
        WritePage(command, FrameOf(release, 1, {ExitStatus(), Environment()}, {"certfs(1)"}), true));
  return pages;
}

Page ProgramPage(const CommandOutline& program, const Release& release) {
  std::vector<Section> sections{Environment()};
  if (program.name == "certool") sections.insert(sections.begin(), CertoolErrors());
  if (program.name == "certificate-manager") {
    sections.insert(sections.begin(), ExitStatus());
    sections.push_back(
        {"FILES",
         Term("/etc/certfs/services.toml",
              "The services to reload, if it is there and no --services names another one. A [[service]] has "
              "a name, entries (stores, STORE/ALIAS or \"*\") and a command; without a command it is that of "
              "reload, with the name behind it. timeout_seconds says how long a command may take. Only root "
              "and whoever runs the program may be able to write it.")});
  }
  return WritePage(program, FrameOf(release, 1, sections, {"certfs(1)"}), true);
}

Page FstabPage(const CommandOutline& program, const Release& release) {
  std::string options;
  for (const MountOptionRow& row : MountOptionRows()) {
    std::string term(row.name);
    if (row.name.back() == '-') {
      term += "*";
    } else if (!row.value.empty()) {
      term += "=" + std::string(row.value);
    }
    options += Term(term, row.what);
  }
  const Section status{"EXIT STATUS", Term("0", "Mounted.") +
                                          Term("1", "Wrong usage; an option that nobody knows.") +
                                          Term("32", "The mount failed; the reason is on stderr.")};
  return WritePage(program,
                   FrameOf(release, 8, {{"MOUNT OPTIONS", options}, status},
                           {"certfs-mount(1)", "certfs.toml(5)", "mount(8)", "fstab(5)"}),
                   true);
}

Page SettingsPage(const Release& release) {
  std::vector<Section> sections{{"DESCRIPTION",
                                 "TOML. A key that nobody knows, and a value of the wrong kind, is refused "
                                 "with the file and the line. The "
                                 "file may be written by root and its reader alone, because what stands in "
                                 "it is run. Paths are absolute. "
                                 "What the command line says wins, save that what read_only and subtree "
                                 "restrict stays so: mount(8) always says rw.\n\n"
                                 "certfs@.service brings its key along, as the credential \"certfs.key\", "
                                 "from /var/lib/certfs/NAME.key: for it keyfile, passphrase_file, credential "
                                 "and recovery_key do not hold. The unit says which drop-in has it take "
                                 "another key, or what stands here.\n"}};
  std::string table;
  for (const SettingRow& row : SettingRows()) {
    if (row.table != table) {
      table = row.table;
      sections.push_back({"[" + table + "]", ""});
    }
    sections.back().text += Term(std::string(row.key) + " = " + std::string(row.type), row.what);
  }
  sections.push_back({"EXAMPLES",
                      "certfs mount web, mount -t certfs web /certs and certfs@web.service use the first "
                      "table, certfs watch nginx "
                      "and certfs-watch@nginx.service the last.\n\n"
                      "  [mount.web]\n"
                      "  keystore = \"/var/lib/certfs/web\"\n"
                      "  mountpoint = \"/certs\"\n"
                      "  \n"
                      "  [watch.nginx]\n"
                      "  entries = [\"MACHINE_SSL_CERT/__MACHINE_CERT\"]\n"
                      "  command = [\"systemctl\", \"reload\", \"nginx\"]\n"});
  sections.push_back({"FILES", Term("/etc/certfs/certfs.toml",
                                    "Where it is looked for if no --settings names another one.")});
  return WritePage("certfs.toml", "settings of certfs",
                   FrameOf(release, 5, sections,
                           {"certfs-mount(1)", "certfs-renew(1)", "certfs-watch(1)", "mount.certfs(8)"}));
}

}  // namespace certfs::documentation
