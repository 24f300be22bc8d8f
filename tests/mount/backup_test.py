"""Goal: what was replaced or removed can be copied back from BACKUP_STORE, and nobody writes there.
Method: the commands that an administrator gives, the worst one included."""

import os
import stat

import harness
import pki
from harness import errno_of, put, run


class Backup(harness.MountTest):
    def kept(self, *parts):
        return self.mount.at("stores/BACKUP_STORE", *parts)

    def test_everything_is_there_after_the_worst_command(self):
        self.machine_pair()
        put(self.mount.entry("TRUSTED_ROOTS_CRLS", "test-root") + "/crl.pem", self.root.crl())
        pairs = {}
        for store, alias in (("machine", "web"), ("vpxd", "web"), ("hvc", "other")):
            entry = self.mount.entry(store, alias)
            put(entry + "/key.pem", pki.read(self.key))
            put(entry + "/cert.pem", b"# " + store.encode() + b"\n" + self.chain)
            pairs[store, alias] = pki.read(entry + "/cert.pem")
        put(self.mount.entry("APPLMGMT_PASSWORD", "admin") + "/secret", b"secret")
        root = pki.read(self.root.cert)

        done = run("bash", "-c", 'rm -rf "$1"/stores/*', "bash", self.mount.path)
        self.assertNotEqual(done.returncode, 0)
        left = os.listdir(self.mount.at("stores"))
        self.assertEqual(sorted(left), ["BACKUP_STORE", "MACHINE_SSL_CERT", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS", "TRUSTED_ROOT_CRLS"])
        self.assertEqual(os.listdir(self.mount.at("stores/TRUSTED_ROOTS")), [])
        self.assertIn("test-root", os.listdir(self.mount.at("stores/TRUSTED_ROOTS_CRLS")))

        # One store at a time, in the order in which what depends on it comes.
        def back(name, store, alias):
            os.makedirs(self.mount.at("stores", store), exist_ok=True)
            copied = run("cp", "-r", self.kept(name), self.mount.at("stores", store, alias))
            self.assertEqual(copied.returncode, 0, copied.stderr)
        back("bkp_test-root", "TRUSTED_ROOTS", "test-root")
        self.assertEqual(pki.read(self.mount.at("stores/TRUSTED_ROOTS/test-root/cert.pem")), root)
        back("bkp___MACHINE_CERT", "MACHINE_SSL_CERT", "__MACHINE_CERT")
        self.assertEqual(pki.read(self.mount.at("stores/MACHINE_SSL_CERT/__MACHINE_CERT/cert.pem")), self.chain)
        self.assertEqual(pki.read(self.mount.at("stores/MACHINE_SSL_CERT/__MACHINE_CERT/key.pem")), pki.read(self.key))
        webs = sorted(name for name in os.listdir(self.kept()) if name.startswith("bkp_web"))
        self.assertEqual(len(webs), 2)
        found = {pki.read(self.kept(name, "cert.pem")) for name in webs}
        self.assertEqual(found, {pairs["machine", "web"], pairs["vpxd", "web"]})
        for name, store in ((webs[0], "machine"), (webs[1], "vpxd"), ("bkp_other", "hvc")):
            back(name, store, "copied")
            self.assertEqual(stat.S_IMODE(os.stat(self.mount.at("stores", store, "copied/key.pem")).st_mode), 0o600)
        back("bkp_admin", "APPLMGMT_PASSWORD", "admin")
        self.assertEqual(pki.read(self.mount.at("stores/APPLMGMT_PASSWORD/admin/secret")), b"secret")

    def test_a_renewal_is_reverted_by_a_copy(self):
        entry = self.mount.entry("wcp", "reverted")
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)
        put(entry + "/cert.pem", self.chain)
        self.assertEqual(run("cp", self.kept("bkp_reverted/cert.pem"), entry + "/cert.pem").returncode, 0)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)
        # A revert is itself a change.
        self.assertEqual(pki.read(self.kept("bkp_reverted/cert.pem")), self.chain)
        self.mount.unmount()
        self.mount.mount()
        self.assertEqual(pki.read(self.kept("bkp_reverted/cert.pem")), self.chain)

    def test_a_list_of_revoked_certificates_only_goes_forward(self):
        authority = pki.Authority(self.work, "Listed Root")
        put(self.mount.entry("TRUSTED_ROOTS", "listed") + "/cert.pem", pki.read(authority.cert))
        older, newer = authority.crl(), authority.crl()
        live = self.mount.entry("TRUSTED_ROOTS_CRLS", "listed") + "/crl.pem"
        put(live, older)
        put(live, newer)
        self.assertEqual(pki.read(self.kept("bkp_listed/crl.pem")), older)
        copied = run("cp", self.kept("bkp_listed/crl.pem"), live)
        self.assertNotEqual(copied.returncode, 0)
        self.assertIn("crl-older", self.mount.why())
        reverted = run(harness.CERTFS, "revert", "TRUSTED_ROOTS_CRLS/listed", "--mount", self.mount.path)
        self.assertNotEqual(reverted.returncode, 0)
        self.assertEqual(pki.read(live), newer)
        self.assertEqual(pki.read(self.kept("bkp_listed/crl.pem")), older)

    def changed(self, store, alias, before, after):
        """An entry of that store, made where it is not there, whose state before its last change is `before`."""
        entry = self.mount.entry(store, alias)
        put(entry + "/cert.pem", before)
        put(entry + "/cert.pem", after)
        return entry

    def test_a_store_that_is_made_anew_is_reverted_by_the_same_copy(self):
        os.mkdir(self.mount.at("stores/anew"))
        self.changed("anew", "remade", self.chain, self.leaf)
        for _ in range(2):
            removed = run("rm", "-r", self.mount.at("stores/anew"))
            self.assertEqual(removed.returncode, 0, removed.stderr)
            os.mkdir(self.mount.at("stores/anew"))
            entry = self.changed("anew", "remade", self.leaf, self.chain)
            self.assertEqual([name for name in os.listdir(self.kept()) if name.startswith("bkp_remade")], ["bkp_remade"])
            self.assertEqual(pki.read(self.kept("bkp_remade/cert.pem")), self.leaf)
            done = run(harness.CERTFS, "revert", "anew/remade", "--mount", self.mount.path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)

    def test_a_renamed_store_keeps_its_states(self):
        self.changed("wcp", "renamed", self.leaf, self.chain)
        os.mkdir(self.mount.at("stores/former"))
        own = b"# of its own\n" + self.chain
        entry = self.changed("former", "renamed", own, self.chain)
        os.rename(self.mount.at("stores/former"), self.mount.at("stores/latter"))
        # Another one under its former name has nothing of it, and displaces nothing.
        os.mkdir(self.mount.at("stores/former"))
        refused = run(harness.CERTFS, "revert", "former/renamed", "--mount", self.mount.path)
        self.assertIn("keeps no state", refused.stderr)
        other = b"# of the other one\n" + self.chain
        self.changed("former", "renamed", other, self.chain)
        entry = self.mount.at("stores/latter/renamed")
        for store, before in (("latter", own), ("former", other), ("wcp", self.leaf)):
            done = run(harness.CERTFS, "revert", store + "/renamed", "--mount", self.mount.path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(pki.read(self.mount.at("stores", store, "renamed/cert.pem")), before)
        # From then on it is under the name that the store has now.
        self.assertEqual(pki.read(self.kept("bkp_renamed@latter/cert.pem")), self.chain)
        done = run(harness.CERTFS, "revert", "latter/renamed", "--mount", self.mount.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)

    def test_nobody_writes_there_and_root_removes_a_state_whole(self):
        entry = self.mount.entry("wcp", "kept")
        put(entry + "/cert.pem", self.leaf)
        put(entry + "/cert.pem", self.chain)
        kept = self.kept("bkp_kept")
        self.assertEqual(errno_of(put, kept + "/cert.pem", self.leaf), "EROFS")
        self.assertEqual(errno_of(put, kept + "/key.pem", pki.read(self.key)), "EROFS")
        self.assertEqual(errno_of(os.unlink, kept + "/cert.pem"), "EPERM")
        self.assertEqual(errno_of(os.chmod, kept + "/cert.pem", 0o600), "EPERM")
        self.assertEqual(errno_of(os.rename, kept, kept + "2"), "EPERM")
        self.assertEqual(errno_of(os.mkdir, self.kept("bkp_mine")), "EROFS")
        self.assertEqual(pki.read(kept + "/cert.pem"), self.leaf)
        self.assertEqual(stat.S_IMODE(os.stat(self.kept()).st_mode), 0o700)
        os.rmdir(kept)
        self.assertFalse(os.path.exists(kept))

    def test_a_refused_write_and_a_chmod_move_nothing(self):
        entry = self.mount.entry("wcp", "unmoved")
        put(entry + "/cert.pem", self.leaf)
        put(entry + "/cert.pem", self.chain)
        before = os.stat(self.kept("bkp_unmoved/cert.pem"))
        self.assertEqual(errno_of(put, entry + "/cert.pem", b"garbage"), "EINVAL")
        put(entry + "/cert.pem", self.chain)
        os.chmod(entry + "/cert.pem", 0o600)
        after = os.stat(self.kept("bkp_unmoved/cert.pem"))
        self.assertEqual((before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns))


if __name__ == "__main__":
    harness.main()
