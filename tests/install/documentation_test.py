"""Goal: manual pages and completions say what the programs do, and their own tools find nothing wrong with them.
Method: the files that the build made; mandoc and man over every page; each shell over its completion, and driven as a
person drives it, with a directory in the place of a mount."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DOCUMENTS = Path(os.environ["CERTFS_DOCUMENTS"])
PROGRAMS = {Path(path).name: path for path in os.environ["CERTFS_PROGRAMS"].split(":")}
COMPLETIONS = DOCUMENTS / "completions"

BASH = """
compopt() { :; }
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
"_${COMP_WORDS[0]//-/_}"
printf '%s\\n' "${COMPREPLY[@]}"
"""

# The widgets that a completion calls, as far as they tell what it proposes.
ZSH = """
local each
compadd() {
  local behind=
  [[ $1 == -S ]] && { behind=$2; shift 2 }
  if [[ $1 == -a ]]; then set -- "${(P@)2}"; fi
  for each in "$@"; do [[ $each == $PREFIX* ]] && print -r -- "$each$behind"; done
  return 0
}
_describe() { for each in "${(P@)@[-1]}"; do [[ ${each%%:*} == $PREFIX* ]] && print -r -- ${each%%:*}; done; return 0 }
_files() { print -r -- "<files>" }
compset() { PREFIX=${PREFIX#*[/=]} }
_normal() { print -r -- "<command>" }
file=$1; shift
words=("$@") CURRENT=$# PREFIX=${@[-1]}
source $file
"""

FISH = """
source $argv[1]
complete -C (string join ' ' -- $argv[2..-1])
"""


def output(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


class DocumentationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = Path(tempfile.mkdtemp(prefix="certfs-documentation-"))
        for entry in ("machine/web", "machine/data base", "MACHINE_SSL_CERT/__MACHINE_CERT", "TRUSTED_ROOTS/acme"):
            (cls.scratch / "mnt/stores" / entry).mkdir(parents=True)
        (cls.scratch / "cwd").mkdir()
        (cls.scratch / "cwd/file.pem").write_text("x")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    def pages(self):
        pages = sorted(path for path in (DOCUMENTS / "man").iterdir() if path.suffix != ".gz")
        self.assertGreater(len(pages), 15)
        return pages

    def test_pages_are_right(self):
        for page in self.pages():
            lint = output("mandoc", "-Tlint", "-Wwarning", str(page))
            self.assertEqual((lint.returncode, lint.stdout), (0, ""), page.name)
            shown = output("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(page), env={**os.environ, "MANWIDTH": "100"})
            self.assertEqual((shown.returncode, shown.stderr), (0, ""), page.name)
            for section in ("NAME", "DESCRIPTION"):
                self.assertIn("\n" + section, re.sub(r".\x08", "", shown.stdout), page.name)
            self.assertTrue(Path(f"{page}.gz").exists())

    # A command has a page; each option that its help has stands in it.
    def test_pages_have_all(self):
        names = {page.name for page in self.pages()}
        self.assertLessEqual({"certfs.1", "certool.1", "vecs-cli.1", "certificate-manager.1", "mount.certfs.8", "certfs.toml.5"}, names)
        commands = re.findall(r"^  ([a-z-]+) ", self.help("certfs").partition("Subcommands:\n")[2].partition("\n\n")[0], re.M)
        self.assertIn("mount", commands)
        for command in commands:
            text = self.text(f"certfs-{command}.1")
            for option in set(re.findall(r"(?<![\w-])--[a-z-]+", self.help("certfs", command))):
                self.assertIn(option, text, command)
            self.assertIn("certfs-" + command, self.text("certfs.1"))
        for program in ("certool", "vecs-cli", "certificate-manager"):
            for option in set(re.findall(r"^ +(--[a-z-]+)", self.help(program), re.M)):
                self.assertIn(option, self.text(program + ".1"), program)

    # An example is worth it everywhere.
    def test_pages_have_examples(self):
        for page in self.pages():
            self.assertIn(".SH EXAMPLES", page.read_text(), page.name)

    def help(self, program, *command):
        shown = output(PROGRAMS[program], *command, "--help")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        return shown.stdout

    def text(self, page):
        shown = output("mandoc", "-Tascii", str(DOCUMENTS / "man" / page))
        return re.sub(r".\x08", "", shown.stdout)

    def test_completions_parse(self):
        for program in PROGRAMS:
            for shell, name in (("bash", program), ("zsh", "_" + program), ("fish", program + ".fish")):
                checked = output(shell, "-n", str(COMPLETIONS / shell / name))
                self.assertEqual((checked.returncode, checked.stderr), (0, ""), (shell, program))

    def complete(self, shell, *line):
        environment = {**os.environ, "CERTFS_MOUNT": str(self.scratch / "mnt")}
        name = {"bash": line[0], "zsh": "_" + line[0], "fish": line[0] + ".fish"}[shell]
        script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
        command = {"bash": ["bash", "--norc", "-c", script, "x"], "zsh": ["zsh", "-f", "-c", script, "x"],
                   "fish": ["fish", "--no-config", "-c", script]}[shell]
        shown = output(*command, str(COMPLETIONS / shell / name), *line, env=environment, cwd=self.scratch / "cwd")
        self.assertEqual(shown.stderr, "", (shell, line))
        return sorted(word.split("\t")[0] for word in shown.stdout.splitlines() if word)

    def test_completions_propose(self):
        cases = [
            (("certfs", "ca", "re"), ["replace-root", "restore", "retire", "revoke"]),
            (("certfs", "umo"), ["umount"]),
            (("certfs", "ca", "init", "--pat"), ["--path-length"]),
            (("certfs", "verify", "--purpose", "s"), ["server"]),
            (("certfs", "renew", "--within", "30d", "machine/w"), ["machine/web"]),
            (("certfs", "renew", "mach"), ["machine/"]),
            (("certfs", "verify", "--store", "TR"), ["TRUSTED_ROOTS"]),
            (("certfs", "renew", "--mount", str(self.scratch / "mnt"), "TRUSTED_ROOTS/"), ["TRUSTED_ROOTS/acme"]),
            (("vecs-cli", "entry", "getcert", "--store", "MACHINE_SSL_CERT", "--alias", ""), ["__MACHINE_CERT"]),
            (("vecs-cli", "entry", "getc"), ["getcert"]),
            (("certool", "--genk"), ["--genkey"]),
            (("certificate-manager", "--root-key", "ec-p2"), ["ec-p256"]),
        ]
        for line, expected in cases:
            self.assertEqual(self.complete("bash", *line), expected, line)
            # Behind compset, zsh is told what follows the store.
            rest = [word.rpartition("/")[2] if "/" in line[-1] else word for word in expected]
            self.assertEqual(self.complete("zsh", *line), rest, line)
            # fish proposes what begins so in either case, too.
            self.assertLessEqual(set(expected), set(self.complete("fish", *line)), line)

    def test_completions_propose_files(self):
        self.assertEqual(self.complete("bash", "certfs", "verify", "fi"), ["file.pem"])
        self.assertEqual(self.complete("fish", "certfs", "verify", "fi"), ["file.pem"])
        self.assertEqual(self.complete("zsh", "certfs", "verify", "fi"), ["<files>"])
        self.assertEqual(self.complete("bash", "certfs", "verify", "--crl", "=", "fi"), ["file.pem"])

    # Names with spaces, which are one word.
    def test_completions_quote(self):
        self.assertEqual(self.complete("bash", "certfs", "revert", "machine/d"), ["machine/data\\ base"])
        self.assertEqual(self.complete("zsh", "certfs", "revert", "machine/d"), ["data base"])

    # What stands behind -- is another command's.
    def test_completions_end_at_two_hyphens(self):
        self.assertIn("true", self.complete("bash", "certfs", "watch", "machine/web", "--", "tru"))
        self.assertEqual(self.complete("zsh", "certfs", "watch", "machine/web", "--", "tru"), ["<command>"])

    # A dead mount, or none, is no error.
    def test_completions_without_a_mount(self):
        for shell in ("bash", "zsh", "fish"):
            self.assertEqual(self.complete(shell, "certfs", "renew", "--mount", "/nowhere", "mach"), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
