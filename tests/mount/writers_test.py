"""Goal: every usual way to write a file works on a live certificate, and none of them gets a bad one in: the contract's rules 1, 4, 12, 14.
Method: one table of what administrators type, each row run with a good and with a bad certificate, on a pair and on a fresh entry."""

import os
import shutil
import stat
import subprocess
import sys
import time

import harness
import pki
from harness import errno_of, put, run

VIM = shutil.which("vim") or shutil.which("vim.tiny") or "vim"

PERL = """'local $/; open I, "<", shift; open O, ">", shift or die; print O <I>; close O or die $!'"""
PYTHON = """'import sys; f = open(sys.argv[2], "wb"); f.write(open(sys.argv[1], "rb").read()); f.close()'"""
REPLACE = """'import os, sys; t = sys.argv[2] + ".tmp"; f = open(t, "wb"); f.write(open(sys.argv[1], "rb").read()); f.close()
os.replace(t, sys.argv[2])'"""
# The system calls of Go's os.WriteFile, made by Python: one open, one write, one close, each looked at.
GO = """'import os, sys; d = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
os.write(d, open(sys.argv[1], "rb").read()); os.close(d)'"""
# Those of Java's Files.createTempFile and Files.move(..., ATOMIC_MOVE), likewise.
JAVA = """'import os, sys; t = os.path.dirname(sys.argv[2]) + "/tmp8123456789.pem"
d = os.open(t, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600); os.write(d, open(sys.argv[1], "rb").read()); os.close(d)
os.rename(t, sys.argv[2])'"""

# How a row tells of a refusal.
TELLS, CANNOT = True, False

# name: (command, whether it tells, mode after it; None: the live one stays). The command's words: {new} the content, {live} the file,
# {dir} its directory, {work} a directory elsewhere that holds the content as cert.pem.
WRITERS = {
    "cp": ("cp {new} {live}", TELLS, None),
    "cp -p": ("cp -p {new} {live}", TELLS, None),
    "cp -a": ("cp -a {new} {live}", TELLS, None),
    "scp": ("scp -q {new} {live}", TELLS, None),
    "cp --remove-destination": ("cp --remove-destination {new} {live}", TELLS, None),
    "install -m": ("install -m 640 {new} {live}", TELLS, 0o640),
    "mv from elsewhere": ("cp {new} {work}/moving && mv -f {work}/moving {live}", TELLS, None),
    "cat": ("cat {new} > {live}", TELLS, None),
    "tee": ("tee {live} < {new} > /dev/null", TELLS, None),
    "dd": ("dd if={new} of={live} status=none", TELLS, None),
    "dd conv=fsync": ("dd if={new} of={live} status=none conv=fsync", TELLS, None),
    "sort -o": ("sort -s -k 1000,1000 -o {live} {new}", TELLS, None),
    "curl -o": ("curl -s -o {live} file://{new}", TELLS, None),
    "perl": (f"perl -e {PERL} {{new}} {{live}}", TELLS, None),
    "python": (f"python3 -c {PYTHON} {{new}} {{live}}", TELLS, None),
    "Go's calls": (f"python3 -c {GO} {{new}} {{live}}", TELLS, None),
    "Java's calls": (f"python3 -c {JAVA} {{new}} {{live}}", TELLS, None),
    "echo": ('echo "$(cat {new})" > {live}', CANNOT, None),
    "printf": ("printf '%s\\n' \"$(cat {new})\" > {live}", CANNOT, None),
    "a subshell": ("( cat {new}; true ) > {live}", CANNOT, None),
    "openssl -out": ("openssl x509 -in {new} -out {live}", CANNOT, None),
    "sed -i": ("sed -i -e '$r {new}' -e d {live}", TELLS, None),
    "perl -i": ("""perl -i -ne 'BEGIN { open F, "<", shift; local $/; $all = <F> } print $all if $. == 1' {new} {live}""", TELLS, None),
    "rsync": ("rsync -I {new} {live}", TELLS, None),
    "rsync -a": ("rsync -aI {new} {live}", TELLS, None),
    "rsync --inplace": ("rsync -I --inplace {new} {live}", TELLS, None),
    "rsync --delay-updates": ("rsync -I --delay-updates {new} {live}", TELLS, None),
    "vim": (f"{VIM} -N -u NONE -i NONE -es -c '%d' -c 'r {{new}}' -c 'wq' {{live}}", TELLS, None),
    "vim, writebackup": (f"{VIM} -N -u NONE -i NONE -es -c 'set writebackup backupskip=' -c '%d' -c 'r {{new}}' -c 'wq' {{live}}", TELLS, None),
    "vim with a backup": (f"{VIM} -N -u NONE -i NONE -es -c 'set backup backupcopy=no backupskip=' -c '%d' -c 'r {{new}}' -c 'wq' {{live}}", TELLS, None),
    "python os.replace": (f"python3 -c {REPLACE} {{new}} {{live}}", TELLS, None),
    "mktemp, mv": ("t=$(mktemp {live}.XXXXXX); cat {new} > $t; mv -f $t {live}", TELLS, None),
    "lock file, mv": ("set -C; cat {new} > {live}.lock; mv -f {live}.lock {live}", TELLS, None),
    "install -b": ("install -b -m 640 {new} {live}", TELLS, 0o640),
    "cp -b": ("cp -b {new} {live}", TELLS, None),
    "sed -i.bak": ("sed -i.bak -e '$r {new}' -e d {live}", TELLS, None),
    "tar x": ("tar -C {work} -c cert.pem | tar -C {dir} -x", TELLS, None),
}
# These edit what is there.
EDITORS = ("sed -i", "perl -i", "sed -i.bak")
# These leave the content that they replaced beside it, as their user's scratch.
BACKUPS = {"install -b": "~", "cp -b": "~", "sed -i.bak": ".bak", "vim with a backup": "~"}


class Writers(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # One certificate, so that `openssl x509` gives back what it reads. Both end in one newline, as echo does.
        cls.good = cls.issuing.issue("localhost", cls.key)
        cls.bad = cls.issuing.issue("localhost", pki.new_key(os.path.join(cls.work, "other.key")))
        cls.mode, cls.owner = 0o664, (5, 6)

    def prepare(self, alias, pair):
        entry = self.mount.entry("machine", alias)
        put(entry + "/key.pem", pki.read(self.key))
        if pair:
            put(entry + "/cert.pem", self.leaf)
            os.chown(entry + "/cert.pem", *self.owner)
            os.chmod(entry + "/cert.pem", self.mode)
        return entry

    def write(self, command, entry, content):
        elsewhere = os.path.join(self.work, "elsewhere")
        shutil.rmtree(elsewhere, ignore_errors=True)
        os.mkdir(elsewhere)
        new = pki.write(os.path.join(elsewhere, "cert.pem"), content)
        os.chmod(new, 0o644)
        for word, value in (("new", new), ("live", entry + "/cert.pem"), ("dir", entry), ("work", elsewhere)):
            command = command.replace("{" + word + "}", value)
        return run("bash", "-ec", "set -o pipefail; " + command, cwd="/", stdin=subprocess.DEVNULL)

    def clear(self, entry):
        """The entry goes, whatever a writer left in it."""
        shutil.rmtree(entry)

    def sweep(self, entry):
        """What a writer that failed left beside the pair: rsync its .~tmp~, vim its backup."""
        for left in set(os.listdir(entry)) - {"cert.pem", "key.pem"}:
            path = f"{entry}/{left}"
            (shutil.rmtree if os.path.isdir(path) else os.unlink)(path)

    def refused(self, done, tells, entry):
        self.assertEqual(done.returncode != 0, tells, done.stderr)
        newest = self.mount.why().splitlines()[-1]
        self.assertIn(entry[len(self.mount.path) + 1:] + "/cert.pem", newest)
        self.assertIn("key-mismatch", newest)

    def test_each_replaces_a_certificate_of_a_pair_or_changes_nothing(self):
        for number, (name, (command, tells, mode)) in enumerate(WRITERS.items()):
            with self.subTest(name):
                entry = self.prepare(f"pair-{number}", True)
                live = entry + "/cert.pem"
                done = self.write(command, entry, self.bad)
                self.refused(done, tells, entry)
                self.assertEqual(pki.read(live), self.leaf)
                found = os.stat(live)
                self.assertEqual((stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)), (self.mode, self.owner))
                # Nothing was displaced for a replacement that did not take place.
                self.assertFalse(os.path.exists(self.mount.at("stores", "BACKUP_STORE", f"bkp_pair-{number}", "cert.pem")), name)
                self.sweep(entry)

                done = self.write(command, entry, self.good)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(pki.read(live), self.good)
                found = os.stat(live)
                self.assertEqual(oct(stat.S_IMODE(found.st_mode)), oct(mode or self.mode))
                if name not in ("cp -p", "cp -a", "rsync -a", "tar x"):
                    self.assertEqual((found.st_uid, found.st_gid), self.owner)
                backup = BACKUPS.get(name)
                left = {"cert.pem", "key.pem"} | ({"cert.pem" + backup} if backup else set())
                self.assertEqual(set(os.listdir(entry)), left)
                if backup:
                    self.assertEqual(pki.read(live + backup), self.leaf)
                self.assertEqual(pki.read(self.mount.at("stores", "BACKUP_STORE", f"bkp_pair-{number}", "cert.pem")), self.leaf)
                self.clear(entry)

    def test_each_makes_a_certificate_beside_a_key_or_nothing(self):
        for number, (name, (command, tells, _)) in enumerate(WRITERS.items()):
            if name in EDITORS:
                continue
            with self.subTest(name):
                entry = self.prepare(f"fresh-{number}", False)
                done = self.write(command, entry, self.bad)
                self.refused(done, tells, entry)
                self.assertEqual(errno_of(os.stat, entry + "/cert.pem"), "ENOENT")
                self.sweep(entry)
                done = self.write(command, entry, self.good)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(pki.read(entry + "/cert.pem"), self.good)
                self.assertEqual(os.stat(entry + "/cert.pem").st_mode & 0o022, 0)
                self.clear(entry)

    # What changes no content, or may not: (command, exit code is 0).
    OTHERS = {
        "touch": ("touch {live}", True), "chmod": ("chmod 600 {live}", True), "chown": ("chown 7:8 {live}", True),
        "truncate -s 0": ("truncate -s 0 {live}", True), "> empties nothing": (": > {live}", True),
        "ln of a live file to another": ("ln {live} {dir}/crl.pem", False), "ln from elsewhere": ("ln {new} {live}", False),
        "ln -sf": ("ln -sf {new} {live}", False), "an unknown name": ("cp {new} {dir}/notes.txt", False),
        "mv to an unknown name": ("mv {live} {dir}/notes.txt", False), "mkdir": ("mkdir {dir}/data", False),
    }

    def test_what_is_no_writing_leaves_the_bytes(self):
        for number, (name, (command, works)) in enumerate(self.OTHERS.items()):
            with self.subTest(name):
                entry = self.prepare(f"other-{number}", True)
                done = self.write(command, entry, self.good)
                self.assertEqual(done.returncode == 0, works, done.stderr)
                self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)
                found = os.stat(entry + "/cert.pem")
                self.assertEqual(stat.S_IMODE(found.st_mode), 0o600 if name == "chmod" else self.mode)
                self.assertEqual(found.st_uid, 7 if name == "chown" else self.owner[0])
                self.assertEqual(set(os.listdir(entry)), {"cert.pem", "key.pem"})
                self.clear(entry)

    def test_a_writer_that_is_killed_half_way_commits_nothing(self):
        """The first half of a chain is a valid certificate. Written in place, and after the live file was removed for it."""
        half = "import os, sys, time\n{first}d = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)\n" \
               "os.write(d, open(sys.argv[2], 'rb').read()); print('half', flush=True); time.sleep(60)"
        new = pki.write(os.path.join(self.work, "half"), self.good)
        for first in ("", "os.unlink(sys.argv[1])\n"):
            with self.subTest(first):
                entry = self.prepare("killed", True)
                live = entry + "/cert.pem"
                writer = subprocess.Popen([sys.executable, "-c", half.format(first=first), live, new], stdout=subprocess.PIPE)
                self.assertEqual(writer.stdout.readline(), b"half\n")
                writer.kill()
                writer.wait()
                writer.stdout.close()
                # The last close comes a moment after the process has gone.
                end = time.monotonic() + 10
                while errno_of(os.stat, live) and time.monotonic() < end:
                    time.sleep(0.01)
                self.assertEqual(pki.read(live), self.leaf)
                found = os.stat(live)
                self.assertEqual((stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)), (self.mode, self.owner))
                self.assertIn("writer-died", self.mount.errors())
                self.clear(entry)

    def test_an_rm_alone_stays_removed(self):
        entry = self.prepare("removed", True)
        os.unlink(entry + "/cert.pem")
        self.assertNotEqual(run("cp", pki.write(os.path.join(self.work, "bad"), self.bad), entry + "/cert.pem").returncode, 0)
        self.assertEqual(os.listdir(entry), ["key.pem"])
        self.clear(entry)

    def test_of_two_writers_at_once_one_wins_whole(self):
        entry = self.prepare("two", True)
        contents = [b"# %d\n" % i * 2000 + self.good for i in range(2)]
        for _ in range(harness.rounds(20)):
            writers = []
            for i, content in enumerate(contents):
                new = pki.write(os.path.join(self.work, f"two{i}"), content)
                command = ("cat", "cp")[i] + f" {new} " + ("> ", "")[i] + entry + "/cert.pem"
                writers.append(subprocess.Popen(["bash", "-c", command]))
            for writer in writers:
                self.assertEqual(writer.wait(), 0)
            self.assertIn(pki.read(entry + "/cert.pem"), contents)
        self.clear(entry)

    def test_scratch_is_its_makers_alone_and_survives_no_remount(self):
        entry = self.prepare("scratch", True)
        os.chmod(entry, 0o777)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        made = run("mktemp", entry + "/tmp.XXXXXX", **nobody)
        self.assertEqual(made.returncode, 0, made.stderr)
        path = made.stdout.strip()
        self.assertEqual(run("bash", "-c", 'echo secret > "$1"; chmod 666 "$1"', "bash", path, **nobody).returncode, 0)
        self.assertEqual(run("cat", path, **nobody).stdout, "secret\n")
        self.assertEqual(errno_of(os.stat, path), "ENOENT")
        self.assertEqual(set(os.listdir(entry)), {"cert.pem", "key.pem"})
        self.assertIn(os.path.basename(path), run("ls", entry, **nobody).stdout)
        self.assertEqual(run("stat", "-c", "%a", path, **nobody).stdout, "660\n")
        # Root has a file of that name of its own.
        put(path, b"mine")
        self.assertEqual(run("cat", path, **nobody).stdout, "secret\n")
        self.assertEqual(pki.read(path), b"mine")
        os.chmod(entry, 0o755)
        self.mount.unmount()
        self.mount.mount()
        self.assertEqual(set(os.listdir(entry)), {"cert.pem", "key.pem"})
        self.clear(entry)

    def test_a_live_name_that_was_touched_is_a_placeholder(self):
        entry = self.mount.entry("machine", "touched")
        done = run("bash", "-ec", f"touch {entry}/key.pem; chmod 640 {entry}/key.pem; stat -c '%s %a' {entry}/key.pem; cat {self.key} > {entry}/key.pem")
        self.assertEqual((done.returncode, done.stdout), (0, "0 640\n"), done.stderr)
        self.assertEqual(pki.read(entry + "/key.pem"), pki.read(self.key))
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/key.pem").st_mode), 0o640)
        self.assertEqual(run("touch", entry + "/cert.pem").returncode, 0)
        self.assertEqual(set(os.listdir(entry)), {"cert.pem", "key.pem"})
        self.assertNotIn("cert.pem", run("ls", entry, user=65534, group=65534, extra_groups=[]).stdout)
        os.unlink(entry + "/cert.pem")
        self.clear(entry)


if __name__ == "__main__":
    harness.main()
