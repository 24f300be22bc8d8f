"""Goal: a backup opens with stock openssl and tar, and is restored to a keystore whose mount shows the same.
Method: two mounts, and the tree that tar unpacks, are compared file by file: bytes, modes, owners, ACLs, times."""

import json
import os
import shutil
import signal
import tempfile

import harness
import pki
from harness import CERTFS, put, run

PASSWORD = "correct horse battery"
# Makes backups of a keystore: tests/mount/backup_writer.cc.
WRITER = os.environ.get("BACKUP_WRITER", "")


def describe(tree, skip=()):
    """Everything that a restored tree must show again, by path."""
    found = {}
    for directory, names, files in os.walk(tree):
        for name in names + files:
            path = os.path.join(directory, name)
            if os.path.islink(path) or os.path.relpath(path, tree) in skip:
                continue
            status = os.lstat(path)
            acl = run("getfacl", "-n", "--absolute-names", "--omit-header", path).stdout
            content = None if os.path.isdir(path) else pki.read(path)
            found[os.path.relpath(path, tree)] = (oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, acl, content)
    return found


class Restore(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.password = pki.write(os.path.join(cls.work, "password"), PASSWORD.encode() + b"\n")
        cls.recovery_key = pki.new_key(os.path.join(cls.work, "recovery.key"), "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        cls.recovery = os.path.join(cls.work, "recovery.pem")
        pki.openssl("req", "-x509", "-key", cls.recovery_key, "-subj", "/CN=Recovery", "-out", cls.recovery, "-days", "30")
        done = run(CERTFS, "password", "set", cls.mount.keystore, "--password-file", cls.password)
        if done.returncode:
            raise RuntimeError(done.stderr)
        cls.fill()

    @classmethod
    def fill(cls):
        cls.machine_pair()
        put(cls.mount.entry("TRUSTED_ROOTS_CRLS", "test-root") + "/crl.pem", cls.root.crl())
        put(cls.mount.entry("APPLMGMT_PASSWORD", "admin") + "/secret", b"secret\0\xff")
        for alias in ("web", "m\u00fcller \u20ac"):
            entry = cls.mount.entry("machine", alias)
            put(entry + "/key.pem", pki.read(cls.key))
            put(entry + "/cert.pem", cls.leaf)
            put(entry + "/cert.pem", cls.chain)
        web = cls.mount.at("stores/machine/web")
        os.mkdir(web + "/next")
        put(web + "/next/key.pem", pki.read(cls.key))
        os.chown(web + "/cert.pem", 12345, 54321)
        os.utime(web + "/cert.pem", ns=(1600000000123456789, 1500000000987654321))
        os.chmod(web, 0o750)
        for command in (("setfacl", "-m", "u:33:r", web + "/key.pem"), ("setfacl", "-d", "-m", "u:33:rX", cls.mount.at("stores/wcp"))):
            done = run(*command)
            if done.returncode:
                raise RuntimeError(done.stderr)
        os.mkdir(cls.mount.at("stores/wcp/inherits"))

    def setUp(self):
        self.place = tempfile.mkdtemp(prefix="certfs-restore-")
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.file = os.path.join(self.place, "keystore.cms")

    def back_up(self, *certificates):
        done = run(WRITER, self.mount.keystore, self.mount.keystore + ".key", self.file, *certificates)
        self.assertEqual(done.returncode, 0, done.stderr)

    def restore(self, *arguments, code=0):
        done = run(CERTFS, "restore", self.file, *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def mounted(self, keystore):
        """Mounts a keystore for as long as the test runs."""
        path = os.path.join(self.place, "mnt")
        os.makedirs(path, exist_ok=True)
        done = run(CERTFS, "mount", keystore, path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(run, CERTFS, "umount", path)
        return path

    def expect_restored(self, keystore):
        self.assertEqual(describe(os.path.join(self.mounted(keystore), "stores")), describe(self.mount.at("stores")))

    def test_stock_openssl_and_tar_show_the_same(self):
        self.back_up(self.recovery)
        for how in (("-pwri_password", PASSWORD), ("-inkey", self.recovery_key), ("-inkey", self.recovery_key, "-recip", self.recovery)):
            with self.subTest(how=how[0]):
                tar = os.path.join(self.place, "backup.tar")
                pki.openssl("cms", "-decrypt", "-binary", "-inform", "DER", "-in", self.file, "-out", tar, *how)
                unpacked = tempfile.mkdtemp(dir=self.place)
                done = run("tar", "--acls", "--numeric-owner", "-C", unpacked, "-xpf", tar)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(describe(unpacked + "/stores"), describe(self.mount.at("stores")))
                self.assertEqual(pki.read(unpacked + "/export-password"), PASSWORD.encode())
                with open(unpacked + "/manifest.json") as manifest:
                    self.assertEqual(json.load(manifest)["format"], 2)

    def test_a_new_keystore_shows_the_same(self):
        self.back_up()
        keystore = os.path.join(self.place, "new")
        self.assertIn("made the keystore", self.restore(keystore, "--password-file", self.password).stdout)
        self.expect_restored(keystore)
        # Its settings came along: the same password opens a backup of it.
        os.unlink(self.file)
        done = run(WRITER, keystore, keystore + ".key", self.file)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.restore("--check", "--password-file", self.password)

    def test_by_the_recovery_key_alone(self):
        self.back_up(self.recovery)
        keystore = os.path.join(self.place, "new")
        self.restore(keystore, "--recovery-key", self.recovery_key)
        self.expect_restored(keystore)

    def test_checking_says_what_is_in_it(self):
        self.back_up(self.recovery)
        said = self.restore("--check", "--password-file", self.password)
        self.assertIn("whole, a backup of", said.stdout)
        self.assertIn("CN=Recovery", said.stdout)
        shown = json.loads(self.restore("--check", "--json", "--recovery-key", self.recovery_key).stdout)
        self.assertEqual(shown["format"], 2)
        self.assertEqual(shown["recovery_certificates"][0]["subject"], "CN=Recovery")
        self.assertTrue(shown["export_password"])
        self.assertEqual(sum(store["entries"] for store in shown["contents"]), shown["entries"])

    def test_what_is_wrong_is_said_and_leaves_nothing(self):
        self.back_up()
        keystore = os.path.join(self.place, "new")
        wrong = pki.write(os.path.join(self.place, "wrong"), b"not it\n")
        done = self.restore(keystore, "--password-file", wrong, code=3)
        self.assertIn("not its password", done.stderr)
        good = pki.read(self.file)
        for name, bytes_, code, words in (("cut", good[:-100], 4, "not whole"), ("tampered", good[:5000] + bytes([good[5000] ^ 1]) + good[5001:], 4, "integrity"),
                                          ("longer", good + b"x", 4, "bytes follow"), ("other", b"-----BEGIN CMS-----\n", 1, "no CMS")):
            with self.subTest(name=name):
                pki.write(self.file, bytes_)
                done = self.restore(keystore, "--password-file", self.password, code=code)
                self.assertIn(self.file, done.stderr)
                self.assertIn(words, done.stderr)
                self.assertEqual(sorted(os.listdir(self.place)), ["keystore.cms", "wrong"])

    def restore_within(self, kilobytes, before=""):
        """Restores with files of that size at most."""
        keystore = os.path.join(self.place, "new")
        command = before + f'ulimit -f {kilobytes}; exec "$@"'
        return keystore, run("bash", "-c", command, "bash", CERTFS, "restore", self.file, keystore, "--password-file", self.password)

    def test_a_disk_that_fails_leaves_nothing(self):
        self.back_up()
        # Enough for an empty keystore, and not for this one.
        _, done = self.restore_within(36, 'trap "" XFSZ; ')
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(os.listdir(self.place), ["keystore.cms"])

    def test_a_crash_leaves_no_keystore(self):
        self.back_up()
        # The signal is that of lock.mdb, which LMDB makes large at once.
        keystore, done = self.restore_within(28)
        self.assertEqual(done.returncode, -signal.SIGXFSZ, done.stderr)
        self.assertNotIn("keystore.hdr", os.listdir(keystore))
        path = os.path.join(self.place, "mnt")
        os.mkdir(path)
        self.assertNotEqual(run(CERTFS, "mount", keystore, path).returncode, 0)
        # And is not in the way for good.
        shutil.rmtree(keystore)
        os.unlink(keystore + ".key")
        self.restore(keystore, "--password-file", self.password)

    def test_usage(self):
        self.back_up()
        for arguments in ((), ("--check", "somewhere"), ("somewhere", "--dry-run"), ("somewhere", "--json"), ("--check", "--into-existing")):
            self.restore(*arguments, "--password-file", self.password, code=2)

    def test_merging_while_it_is_mounted(self):
        entry = self.mount.entry("hvc", "merged")
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)
        self.back_up()
        put(entry + "/cert.pem", self.chain)
        gone = self.mount.entry("hvc", "younger")
        lost = self.mount.at("stores/APPLMGMT_PASSWORD/admin")
        os.unlink(lost + "/secret")
        os.rmdir(lost)
        before = describe(self.mount.at("stores"))

        arguments = (self.mount.keystore, "--into-existing", "--password-file", self.password)
        planned = self.restore(*arguments, "--dry-run").stdout
        self.assertIn("replace  hvc/merged\n", planned)
        self.assertIn("add      APPLMGMT_PASSWORD/admin\n", planned)
        self.assertIn("nothing was changed", planned)
        self.assertEqual(describe(self.mount.at("stores")), before)

        done = json.loads(self.restore(*arguments, "--yes", "--json").stdout)
        self.assertTrue(done["done"])
        self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)
        self.assertEqual(pki.read(lost + "/secret"), b"secret\0\xff")
        self.assertEqual(pki.read(self.mount.at("stores/BACKUP_STORE/bkp_merged/cert.pem")), self.chain)
        self.assertTrue(os.path.isdir(gone))
        again = self.restore(*arguments, "--yes").stdout
        self.assertIn("0 to add, 0 to replace", again)


if __name__ == "__main__":
    harness.main()
