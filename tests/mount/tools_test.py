"""Goal: the command line does what tools/README.md says, on real mounts: every way to unlock, foreground, ro, dead and busy mounts, an
ordinary user, and verdicts that agree with what a write gets. Method: the program itself, also at a terminal of its own."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import harness
import pki
from harness import CERTFS, errno_of, kill_processes, put, run
from terminal import converse


class Unlocking(harness.unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="certfs-tools-")
        self.keystore, self.point = os.path.join(self.work, "k"), os.path.join(self.work, "m")
        os.mkdir(self.point)

    def tearDown(self):
        if os.path.ismount(self.point):
            run(CERTFS, "umount", self.point)
        subprocess.run(["umount", "-l", self.point], capture_output=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def file(self, name, data, mode=0o600):
        path = pki.write(os.path.join(self.work, name), data)
        os.chmod(path, mode)
        return path

    def mounts(self, *options):
        done = run(CERTFS, "mount", self.keystore, self.point, *options)
        if done.returncode == 0:
            self.assertTrue(os.path.isdir(self.point + "/stores/machine"))
            self.assertEqual(run(CERTFS, "umount", self.point).returncode, 0)
            self.assertFalse(os.path.ismount(self.point))
        return done

    def test_without_an_option_a_key_file_is_made_and_used(self):
        made = run(CERTFS, "init", self.keystore)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertIn(self.keystore + ".key", made.stdout)
        self.assertEqual(os.stat(self.keystore + ".key").st_mode & 0o777, 0o600)
        self.assertEqual(self.mounts().returncode, 0)
        os.rename(self.keystore + ".key", self.keystore + ".moved")
        refused = self.mounts()
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--keyfile", refused.stderr)
        self.assertEqual(self.mounts("--keyfile", self.keystore + ".moved").returncode, 0)

    def test_a_passphrase_file_loses_one_newline_and_a_terminal_asks_for_the_same(self):
        words = self.file("words", b"open sesame\n")
        self.assertEqual(run(CERTFS, "init", self.keystore, "--passphrase-file", words).returncode, 0)
        self.assertFalse(os.path.exists(self.keystore + ".key"))
        self.assertEqual(self.mounts("--passphrase-file", self.file("bare", b"open sesame")).returncode, 0)
        wrong = self.mounts("--passphrase-file", self.file("wrong", b"open sesame\n\n"))
        self.assertEqual((wrong.returncode, "wrong key" in wrong.stderr), (3, True), wrong.stderr)
        code, shown = converse([("Passphrase for ", "open sesame")], CERTFS, "mount", self.keystore, self.point, "--passphrase")
        self.assertEqual(code, 0, shown)
        self.assertNotIn("sesame", shown)
        self.assertEqual(run(CERTFS, "umount", self.point).returncode, 0)
        code, shown = converse([("Passphrase for ", "open barley")], CERTFS, "mount", self.keystore, self.point, "--passphrase")
        self.assertEqual((code, "wrong key" in shown), (3, True), shown)
        code, shown = converse([("Passphrase for ", "open sesame")], CERTFS, "mount", self.keystore, self.point, "--passphrase", "--foreground", "-o", "frob")
        self.assertEqual(code, 2, shown)

    def test_whoever_is_asked_may_interrupt(self):
        words = self.file("words", b"open sesame\n")
        self.assertEqual(run(CERTFS, "init", self.keystore, "--passphrase-file", words).returncode, 0)
        code, shown = converse([("Passphrase for ", "\x03")], CERTFS, "mount", self.keystore, self.point, "--passphrase", "--foreground")
        self.assertEqual(code, 1, shown)
        self.assertIn("told to end", shown)
        self.assertFalse(os.path.ismount(self.point))

    def test_a_new_passphrase_is_asked_for_twice(self):
        code, shown = converse([("New passphrase for ", "one"), ("The same again: ", "two")], CERTFS, "init", self.keystore, "--passphrase")
        self.assertEqual((code, "differ" in shown), (2, True), shown)
        self.assertFalse(os.path.exists(self.keystore))
        code, shown = converse([("New passphrase for ", "one"), ("The same again: ", "one")], CERTFS, "init", self.keystore, "--passphrase")
        self.assertEqual(code, 0, shown)
        self.assertEqual(self.mounts("--passphrase-file", self.file("one", b"one\n")).returncode, 0)

    def test_foreground_stays_logs_and_ends_by_a_signal(self):
        self.assertEqual(run(CERTFS, "init", self.keystore).returncode, 0)
        for ending in (signal.SIGTERM, signal.SIGINT):
            daemon = subprocess.Popen([CERTFS, "mount", "--foreground", self.keystore, self.point], stderr=subprocess.PIPE, text=True)
            self.assertIn("serving " + self.keystore, daemon.stderr.readline())
            self.assertTrue(os.path.isdir(self.point + "/stores"))
            self.assertEqual(errno_of(put, self.point + "/stores/x", b"x"), "EPERM")
            self.assertIn("stores/x: not-permitted: files live in entries", daemon.stderr.readline())
            daemon.send_signal(ending)
            self.assertEqual(daemon.wait(30), 0, daemon.stderr.read())
            daemon.stderr.close()
            self.assertFalse(os.path.ismount(self.point))

    def test_a_signal_ends_a_mount_in_which_somebody_stands(self):
        self.assertEqual(run(CERTFS, "init", self.keystore).returncode, 0)
        daemon = subprocess.Popen([CERTFS, "mount", "--foreground", self.keystore, self.point], stderr=subprocess.PIPE, text=True)
        daemon.stderr.readline()
        sitter = subprocess.Popen(["sleep", "60"], cwd=self.point + "/stores/machine")
        try:
            daemon.terminate()
            self.assertEqual(daemon.wait(30), 0)
            daemon.stderr.close()
            self.assertFalse(os.path.ismount(self.point))
        finally:
            sitter.kill()
            sitter.wait()

    def test_read_only(self):
        self.assertEqual(run(CERTFS, "init", self.keystore).returncode, 0)
        self.assertEqual(run(CERTFS, "mount", self.keystore, self.point, "-o", "ro").returncode, 0)
        self.assertEqual(errno_of(os.mkdir, self.point + "/stores/machine/x"), "EROFS")
        self.assertEqual(errno_of(os.chmod, self.point + "/stores/machine", 0o700), "EROFS")
        self.assertIn("certfs", pki.read(self.point + "/status/version").decode())

    def test_a_mount_that_cannot_be_says_why(self):
        self.assertEqual(run(CERTFS, "init", self.keystore).returncode, 0)
        for arguments, code, words in ((("mount", self.keystore + "x", self.point), 1, "No such file"),
                                       (("mount", self.keystore, self.point + "x"), 1, "No such file"),
                                       (("mount", self.keystore, self.keystore + ".key"), 1, "Not a directory"),
                                       (("mount", self.point, self.point, "--keyfile", self.keystore + ".key"), 1, "keystore.hdr"),
                                       (("mount", self.keystore, self.point, "-o", "frob"), 2, "known are"),
                                       (("umount", self.point), 1, "not a certfs mount")):
            done = run(CERTFS, *arguments)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_one_mount_a_place_and_a_dead_one_is_cleared_away(self):
        self.assertEqual(run(CERTFS, "init", self.keystore).returncode, 0)
        for clear in ("the next mount", "umount", "nobody"):
            self.assertEqual(run(CERTFS, "mount", self.keystore, self.point).returncode, 0)
            again = run(CERTFS, "mount", self.keystore, self.point)
            self.assertEqual((again.returncode, "already a certfs mount" in again.stderr), (1, True), again.stderr)
            kill_processes(self.point)
            self.assertEqual(errno_of(os.listdir, self.point), "ENOTCONN")
            if clear == "umount":
                done = run(CERTFS, "umount", self.point)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertFalse(os.path.ismount(self.point))

    def test_a_busy_mount_stays(self):
        self.assertEqual(run(CERTFS, "init", self.keystore).returncode, 0)
        self.assertEqual(run(CERTFS, "mount", self.keystore, self.point).returncode, 0)
        with open(self.point + "/status/version"):
            busy = run(CERTFS, "umount", self.point)
            self.assertEqual((busy.returncode, "in use" in busy.stderr), (1, True), busy.stderr)
            self.assertTrue(os.path.isdir(self.point + "/stores"))
        self.assertEqual(run(CERTFS, "umount", self.point).returncode, 0)

    def test_an_ordinary_user_mounts_with_fusermount3(self):
        """In a mount namespace of its own, with a /dev/fuse that users may open, as distributions have it."""
        os.chmod(self.work, 0o755)
        home = os.path.join(self.work, "home")
        os.mkdir(home)
        os.chown(home, 65534, 65534)
        script = f"""
set -e
mkdir {self.work}/dev; mount -t tmpfs dev {self.work}/dev
mknod -m 666 {self.work}/dev/fuse c 10 229; mount --bind {self.work}/dev/fuse /dev/fuse
echo "$1" > {self.work}/fuse.conf; mount --bind {self.work}/fuse.conf /etc/fuse.conf
exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -ec '
  cd {home}; mkdir -p mnt; [ -d k ] || "$0" init k
  "$0" mount k mnt
  ls mnt/stores/machine; mkdir mnt/stores/machine/mine; cp "$1" mnt/stores/machine/mine/cert.pem; cat mnt/stores/machine/mine/cert.pem
  "$0" umount mnt; rm -rf k k.key' {CERTFS} "$2"
"""
        program = os.path.join(self.work, "certfs")
        shutil.copy(CERTFS, program)
        os.chmod(program, 0o755)
        leaf = self.file("leaf.pem", b"# mine\n" + pki.read(self.some_certificate()), 0o644)
        script = script.replace(CERTFS, program)
        allowed = run("unshare", "-m", "bash", "-c", script, "bash", "user_allow_other", leaf)
        self.assertEqual(allowed.returncode, 0, allowed.stderr)
        self.assertIn("# mine", allowed.stdout)
        refused = run("unshare", "-m", "bash", "-c", script.replace("mkdir " + self.work, "mkdir -p " + self.work), "bash", "# nothing", leaf)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("user_allow_other", refused.stderr)

    def some_certificate(self):
        key = pki.new_key(os.path.join(self.work, "some.key"))
        path = os.path.join(self.work, "some.pem")
        pki.openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=some", "-days", "30", "-out", path)
        return path


class Verdicts(harness.MountTest):
    """certfs verify, against this mount's trust and without it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.trust_root()
        cls.stranger = pki.Authority(cls.work, "Stranger")
        cls.revoking = pki.Authority(cls.work, "Revoking Root")

    def verify(self, content, *options):
        path = pki.write(os.path.join(self.work, "judged"), content)
        done = run(CERTFS, "verify", "--json", *options, path)
        report = json.loads(done.stdout) if done.returncode < 2 else None
        if report:
            self.assertEqual(report["accepted"], done.returncode == 0)
        return done.returncode, {finding["rule"]: finding for finding in report["findings"]} if report else {}, done

    def test_the_trust_is_that_of_the_mount_or_the_files_named(self):
        server = ("--store", "MACHINE_SSL_CERT", "--mount", self.mount.path)
        self.assertEqual(self.verify(self.chain, *server)[0], 0)
        code, found, _ = self.verify(self.stranger.issue("localhost", self.key), *server)
        self.assertEqual((code, found["untrusted-issuer"]["severity"]), (1, "refuse"))
        named = ("--store", "MACHINE_SSL_CERT", "--roots", self.stranger.cert)
        self.assertEqual(self.verify(self.stranger.issue("localhost", self.key), *named)[0], 0)
        self.assertEqual(self.verify(self.chain, *named)[0], 1)
        self.assertEqual(self.verify(self.chain, *named, "--roots", self.root.cert)[0], 0)

    def test_untrusted_crl_at_purpose_and_host(self):
        server = ("--store", "MACHINE_SSL_CERT", "--roots", self.root.cert)
        self.assertEqual(self.verify(self.leaf, *server)[0], 1)
        self.assertEqual(self.verify(self.leaf, *server, "--untrusted", self.issuing.cert)[0], 0)
        late = (harness.datetime.datetime.now(harness.datetime.timezone.utc) + harness.datetime.timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%SZ")
        code, found, _ = self.verify(self.chain, *server, "--at", late)
        self.assertEqual((code, found["expired"]["code"]), (1, "expired"))
        _, found, _ = self.verify(self.chain, *server, "--host", "localhost")
        self.assertNotIn("host-not-covered", found)
        _, found, _ = self.verify(self.chain, *server, "--host", "elsewhere.example")
        self.assertIn("host-not-covered", found)
        general = ("--roots", self.root.cert)
        self.assertEqual(self.verify(self.chain, *general, "--purpose", "server")[0], 0)
        _, found, _ = self.verify(self.chain, *general, "--purpose", "client")
        self.assertIn("wrong-extended-key-usage", found)
        leaf = self.revoking.issue("localhost", self.key)
        self.revoking.revoke(leaf)
        crl = pki.write(os.path.join(self.work, "crl"), self.revoking.crl())
        code, found, _ = self.verify(leaf, "--roots", self.revoking.cert, "--crl", crl)
        self.assertEqual((code, found["revoked"]["code"]), (1, "revoked"))
        self.assertEqual(self.verify(leaf, "--roots", self.revoking.cert)[0], 0)

    def test_wrong_usage_is_2(self):
        for options in (("--at", "tomorrow"), ("--purpose", "fun"), ("--store", "a/b"), ("--roots", "/nonexistent"), ("--mount", self.work)):
            code, _, done = self.verify(self.leaf, *options)
            self.assertEqual((code, done.stdout), (2, ""), options)
            self.assertTrue(done.stderr)
        self.assertEqual(run(CERTFS, "verify", "/nonexistent").returncode, 2)

    def test_a_verdict_is_what_a_write_gets(self):
        """Each content in each kind of store: accepted by verify if, and only if, the write succeeds; else with the same errno."""
        codes = {"malformed": "EINVAL", "rejected": "EKEYREJECTED", "expired": "EKEYEXPIRED", "revoked": "EKEYREVOKED", "too-large": "EFBIG",
                 "password-required": "ENOKEY"}
        issue = self.issuing.issue
        contents = [self.leaf, self.chain, pki.read(self.root.cert), b"garbage\n", self.chain + b"x", issue("localhost", self.key, start=-9, end=-3),
                    issue("localhost", self.key, digest="sha1"), self.stranger.issue("localhost", self.key), pki.read(self.key), b"#" * (2 << 20)]
        for store in ("MACHINE_SSL_CERT", "TRUSTED_ROOTS", "machine"):
            for number, content in enumerate(contents):
                with self.subTest(store=store, content=number):
                    entry = self.mount.entry(store, f"v{number}")
                    code, found, done = self.verify(content, "--store", store, "--mount", self.mount.path)
                    outcome = errno_of(put, entry + "/cert.pem", content)
                    refusing = [finding for finding in found.values() if finding["severity"] == "refuse"]
                    self.assertEqual(code == 0, outcome is None, done.stdout)
                    if refusing:
                        self.assertEqual(codes[refusing[0]["code"]], outcome)
                    if outcome is None:
                        os.unlink(entry + "/cert.pem")
                    os.rmdir(entry)

    def test_several_mounts_are_told_apart(self):
        second = harness.Mount()
        try:
            why = run(CERTFS, "why")
            self.assertEqual(why.returncode, 2)
            self.assertIn(second.path, why.stderr)
            self.assertEqual(run(CERTFS, "why", "--mount", second.path).returncode, 0)
            # Whoever works in one of them means that one.
            for directory in ("", "stores"):
                there = run(CERTFS, "ca", "show", "--json", cwd=os.path.join(second.path, directory))
                self.assertNotIn("several", there.stderr)
                self.assertEqual(run(CERTFS, "why", cwd=os.path.join(second.path, directory)).returncode, 0)
        finally:
            second.close()


if __name__ == "__main__":
    harness.main()
