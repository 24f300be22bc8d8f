"""Goal: the tree that users see, and what survives umount, is what fs/README.md says (each test quotes its row).
Method: ordinary file operations on a real mount."""

import glob
import json
import os
import stat

import harness
import pki
from harness import errno_of, put, run

PROTECTED = ("MACHINE_SSL_CERT", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS", "BACKUP_STORE")


class Tree(harness.MountTest):
    def test_default_stores_and_status(self):
        self.assertEqual(sorted(os.listdir(self.mount.path)), ["backup", "ca", "export", "status", "stores"])
        self.assertEqual(sorted(os.listdir(self.mount.at("status"))),
                         ["audit.jsonl", "errors.log", "expiry.txt", "health.json", "metrics.prom", "report.html", "version", "why"])
        stores = set(os.listdir(self.mount.at("stores")))
        self.assertEqual(stores, set(PROTECTED) | {
            "TRUSTED_ROOT_CRLS", "machine", "vsphere-webclient", "vpxd", "vpxd-extension", "hvc", "data-encipherment",
            "APPLMGMT_PASSWORD", "SMS", "wcp", "KMS_ENCRYPTION"})
        self.assertEqual(os.readlink(self.mount.at("stores/TRUSTED_ROOT_CRLS")), "TRUSTED_ROOTS_CRLS")
        self.assertEqual(stat.S_IMODE(os.stat(self.mount.at("stores/BACKUP_STORE")).st_mode), 0o700)
        version = os.stat(self.mount.at("status/version"))
        self.assertEqual(version.st_size, len(pki.read(self.mount.at("status/version"))))

    def test_what_was_copied_in_is_there_byte_for_byte_after_remount(self):
        entry = self.machine_pair()
        self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)
        self.assertEqual(pki.read(entry + "/key.pem"), pki.read(self.key))
        before = os.stat(entry + "/cert.pem")
        os.chown(entry + "/key.pem", 65534, 65534)
        os.chmod(entry + "/key.pem", 0o640)
        self.mount.unmount()
        self.mount.mount()
        self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)
        after = os.stat(entry + "/cert.pem")
        self.assertEqual((before.st_mtime_ns, before.st_ino, before.st_size), (after.st_mtime_ns, after.st_ino, after.st_size))
        key = os.stat(entry + "/key.pem")
        self.assertEqual((key.st_uid, key.st_gid, stat.S_IMODE(key.st_mode)), (65534, 65534, 0o640))
        put(entry + "/key.pem", pki.read(self.key))
        os.chown(entry + "/key.pem", 0, 0)
        os.chmod(entry + "/key.pem", 0o600)

    def test_every_debian_root_goes_in_by_cp(self):
        roots = sorted(glob.glob("/usr/share/ca-certificates/mozilla/*.crt"))
        self.assertGreater(len(roots), 100)
        for root in roots:
            entry = self.mount.entry("TRUSTED_ROOTS", os.path.basename(root)[:-4])
            copied = run("cp", root, entry + "/cert.pem")
            self.assertEqual(copied.returncode, 0, root + ": " + copied.stderr + self.mount.why())
            self.assertEqual(pki.read(entry + "/cert.pem"), pki.read(root))
        self.assertGreaterEqual(len(os.listdir(self.mount.at("stores/TRUSTED_ROOTS"))), len(roots))
        warned = set()
        judged = roots[::max(1, round(1 / harness.ROUNDS))]
        for root in judged:
            verdict = run(harness.CERTFS, "verify", "--store", "TRUSTED_ROOTS", "--json", "--mount", self.mount.path, root)
            self.assertEqual(verdict.returncode, 0, verdict.stdout + verdict.stderr)
            report = json.loads(verdict.stdout)
            self.assertTrue(report["accepted"])
            warned |= {finding["rule"] for finding in report["findings"]}
        if len(judged) < len(roots):
            return  # Too few to have all that there is to be warned of.
        print("warnings over Debian's roots:", sorted(warned))
        self.assertIn("anchor-sha1-self-signature", warned)
        self.assertGreaterEqual(len(warned), 4)

    def test_protected_stores_and_the_link_stay(self):
        self.trust_root()
        self.machine_pair()
        crls = self.mount.entry("TRUSTED_ROOTS_CRLS", "test-root")
        put(crls + "/crl.pem", self.root.crl())
        for name in PROTECTED:
            path = self.mount.at("stores", name)
            self.assertEqual(errno_of(os.rmdir, path), "EPERM", name)
            self.assertEqual(errno_of(os.rename, path, path + "2"), "EPERM", name)
            self.assertNotEqual(run("mv", path, self.mount.at("stores", "elsewhere")).returncode, 0)
        link = self.mount.at("stores/TRUSTED_ROOT_CRLS")
        self.assertEqual(errno_of(os.unlink, link), "EPERM")
        self.assertEqual(errno_of(os.rename, link, link + "2"), "EPERM")
        self.assertEqual(errno_of(os.unlink, crls + "/crl.pem"), "EPERM")
        self.assertEqual(errno_of(os.rmdir, crls), "EPERM")
        for name in PROTECTED + ("TRUSTED_ROOT_CRLS",):
            self.assertNotEqual(run("rm", "-rf", self.mount.at("stores", name)).returncode, 0, name)
            self.assertTrue(os.path.lexists(self.mount.at("stores", name)), name)
        self.assertEqual(pki.read(crls + "/crl.pem")[:24], b"-----BEGIN X509 CRL-----")

    def test_names_and_aliases(self):
        os.mkdir(self.mount.at("stores/machine/Web"))
        self.assertEqual(errno_of(os.mkdir, self.mount.at("stores/machine/WEB")), "EEXIST")
        self.assertFalse(os.path.exists(self.mount.at("stores/machine/web")))
        self.assertEqual(errno_of(os.mkdir, self.mount.at("stores/machine/a@b")), "EINVAL")
        self.assertEqual(errno_of(os.mkdir, self.mount.at("stores/machine/.hidden")), "EINVAL")
        self.assertEqual(errno_of(os.mkdir, self.mount.at("stores/machine/" + "x" * 121)), "ENAMETOOLONG")
        os.rename(self.mount.at("stores/machine/Web"), self.mount.at("stores/machine/WEB"))
        self.assertIn("WEB", os.listdir(self.mount.at("stores/machine")))
        os.mkdir(self.mount.at("stores/machine/other"))
        self.assertEqual(errno_of(os.rename, self.mount.at("stores/machine/WEB"), self.mount.at("stores/machine/other")), "EEXIST")
        self.assertEqual(errno_of(os.rename, self.mount.at("stores/machine/WEB"), self.mount.at("stores/vpxd/WEB")), "EXDEV")
        os.rmdir(self.mount.at("stores/machine/WEB"))
        os.rmdir(self.mount.at("stores/machine/other"))

    def test_stores_come_and_go(self):
        os.mkdir(self.mount.at("stores/mine"))
        os.mkdir(self.mount.at("stores/mine/a"))
        self.assertEqual(errno_of(os.rmdir, self.mount.at("stores/mine")), "ENOTEMPTY")
        os.rename(self.mount.at("stores/mine"), self.mount.at("stores/ours"))
        os.rmdir(self.mount.at("stores/ours/a"))
        os.rmdir(self.mount.at("stores/ours"))
        self.assertEqual(errno_of(os.mkdir, self.mount.at("stores/Trusted_Root_CRLs")), "EEXIST")

    def test_what_has_no_row_is_eperm(self):
        entry = self.mount.entry("machine", "rows")
        self.assertEqual(errno_of(os.mkdir, self.mount.at("other")), "EPERM")
        self.assertEqual(errno_of(put, entry + "/notes.txt", b"-----BEGIN"), "EPERM")
        self.assertEqual(errno_of(put, self.mount.at("stores/machine/cert.pem"), b"x"), "EPERM")
        self.assertEqual(errno_of(put, self.mount.at("stores/cert.pem"), b"x"), "EPERM")
        self.assertEqual(errno_of(os.symlink, "x", entry + "/cert.pem"), "EPERM")
        self.assertEqual(errno_of(os.mkdir, entry + "/sub"), "EPERM")
        self.assertEqual(errno_of(put, self.mount.at("status/version"), b"x"), "EROFS")
        self.assertEqual(errno_of(os.unlink, self.mount.at("status/why")), "EROFS")
        self.assertEqual(errno_of(os.mkdir, self.mount.at("stores/BACKUP_STORE/x")), "EROFS")
        self.assertEqual(errno_of(put, self.mount.entry("TRUSTED_ROOTS", "keyless") + "/key.pem", b"-----BEGIN"), "EPERM")
        self.assertEqual(errno_of(os.setxattr, entry, "user.mine", b"x"), "ENOTSUP")
        put(entry + "/key.pem", pki.read(self.key))
        self.assertEqual(errno_of(os.link, entry + "/key.pem", entry + "/cert.pem"), "EPERM")
        self.assertEqual(errno_of(os.rename, entry + "/key.pem", entry + "/cert.pem"), "EPERM")
        self.assertEqual(errno_of(os.truncate, entry + "/key.pem", 0), "EPERM")
        self.assertEqual(errno_of(os.chmod, entry + "/key.pem", 0o644), "EPERM")
        self.assertEqual(errno_of(put, entry + "/crl.pem", b"-----BEGIN"), "EPERM")

    def test_modes_of_new_files(self):
        entry = self.mount.entry("machine", "modes")
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/key.pem").st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/cert.pem").st_mode), 0o644)
        os.chmod(entry + "/cert.pem", 0o444)
        os.chmod(entry + "/key.pem", 0o440)
        renewed = self.issuing.issue("localhost", self.key)
        put(entry + "/cert.pem", renewed)
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/cert.pem").st_mode), 0o444)
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/key.pem").st_mode), 0o440)
        self.assertEqual(os.stat(entry + "/cert.pem").st_mtime_ns, os.stat(entry + "/key.pem").st_mtime_ns)

    def test_unchanged_bytes_move_nothing(self):
        entry = self.machine_pair()
        before = os.stat(entry + "/cert.pem")
        put(entry + "/cert.pem", self.chain)
        after = os.stat(entry + "/cert.pem")
        self.assertEqual((before.st_mtime_ns, before.st_ino), (after.st_mtime_ns, after.st_ino))

    def test_a_time_beyond_what_can_be_held_is_the_nearest_that_can(self):
        entry = self.mount.entry("machine", "distant")
        put(entry + "/cert.pem", self.chain)
        for asked, held in ((2**33, 2**33), (16_725_225_600, 9_223_372_035), (2**62, 9_223_372_035),
                            (-16_725_225_600, -9_223_372_035)):
            run("touch", "-d", f"@{asked}", entry + "/cert.pem")
            self.assertEqual(int(os.stat(entry + "/cert.pem").st_mtime), held)

    def test_cp_a_and_utimens_hold(self):
        entry = self.mount.entry("machine", "times")
        source = os.path.join(self.work, "times.pem")
        pki.write(source, self.leaf)
        os.utime(source, (1_600_000_000, 1_600_000_000))
        self.assertEqual(run("cp", "-p", source, entry + "/cert.pem").returncode, 0)
        self.assertEqual(os.stat(entry + "/cert.pem").st_mtime, 1_600_000_000)
        os.utime(entry + "/cert.pem", (1_500_000_000, 1_500_000_000))
        self.assertEqual(os.stat(entry + "/cert.pem").st_mtime, 1_500_000_000)

    def test_der_is_shown_as_pem(self):
        entry = self.mount.entry("machine", "der")
        path = pki.write(os.path.join(self.work, "leaf.pem"), self.leaf)
        put(entry + "/cert.pem", pki.openssl("x509", "-in", path, "-outform", "DER"))
        self.assertEqual(pki.read(entry + "/cert.pem"), pki.openssl("x509", "-in", path))

    def test_secret_is_opaque(self):
        entry = self.mount.entry("APPLMGMT_PASSWORD", "admin")
        put(entry + "/secret", b"\x00anything at all")
        self.assertEqual(pki.read(entry + "/secret"), b"\x00anything at all")
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/secret").st_mode), 0o600)

    def test_ten_thousand_names_list(self):
        entries = harness.rounds(1000)
        os.mkdir(self.mount.at("stores/many"))
        for i in range(entries):
            os.mkdir(self.mount.at("stores/many", f"e{i}"))
        self.assertEqual(sorted(os.listdir(self.mount.at("stores/many"))), sorted(f"e{i}" for i in range(entries)))

    def test_a_stranger_is_kept_out(self):
        entry = self.machine_pair()
        script = ("import os,sys\nos.setgid(65534); os.setuid(65534)\n"
                  "open(sys.argv[1]+'/cert.pem').read()\n"
                  "try:\n open(sys.argv[1]+'/key.pem'); sys.exit(3)\nexcept PermissionError: pass\n"
                  "try:\n open(sys.argv[1]+'/cert.pem','w'); sys.exit(4)\nexcept PermissionError: pass\n"
                  "try:\n os.mkdir(sys.argv[1]+'/../x'); sys.exit(5)\nexcept PermissionError: pass\n"
                  "try:\n open(sys.argv[2]); sys.exit(6)\nexcept PermissionError: pass\n")
        done = run("python3", "-c", script, entry, self.mount.at("status/errors.log"))
        self.assertEqual(done.returncode, 0, done.stderr)


class Subtree(harness.MountTest):
    OPTIONS = ("-o", "subtree=stores")

    def test_stores_are_the_root(self):
        self.assertIn("MACHINE_SSL_CERT", os.listdir(self.mount.path))
        entry = self.mount.at("machine", "web")
        os.mkdir(entry)
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)
        self.assertFalse(os.path.exists(self.mount.at("status")))
        self.assertEqual(os.stat(self.mount.path).st_ino, os.stat(self.mount.at("machine", "..")).st_ino)


if __name__ == "__main__":
    harness.main()
