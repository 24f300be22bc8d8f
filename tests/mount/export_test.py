#!/usr/bin/python3
"""export/: views of entries, stores and trust anchors, read by the programs that consume them.

Goal: what export/ shows is complete, stable, as large as stat says, and as private as what it shows. Method: a keystore
with pairs, roots, a CRL and a pending request; every file is read by somebody else's program.
"""

import errno
import json
import mmap
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import unittest

import harness
import pki
from harness import errno_of, put, run

PASSWORD = "correct horse battery"
NOBODY = 65534


def as_nobody(path):
    """Whether the user nobody can read `path`."""
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "cat", path]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class ExportTest(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mount.unmount()
        cls.password = os.path.join(cls.work, "export-password")
        pki.write(cls.password, PASSWORD.encode() + b"\n")
        done = run(harness.CERTFS, "password", "set", cls.mount.keystore, "--password-file", cls.password)
        assert done.returncode == 0, done.stderr
        cls.mount.mount()
        cls.machine_pair()
        put(cls.mount.entry("TRUSTED_ROOTS", "test issuing") + "/cert.pem", pki.read(cls.issuing.cert))
        for alias in ("one", "Zwei"):
            entry = cls.mount.entry("vpxd", alias)
            key = pki.new_key(os.path.join(cls.work, alias + ".key"), "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
            put(entry + "/key.pem", pki.read(key))
            put(entry + "/cert.pem", cls.issuing.issue(alias, key) + pki.read(cls.issuing.cert) + pki.read(cls.root.cert))
        cls.revoked_key = pki.new_key(os.path.join(cls.work, "revoked.key"))
        cls.revoked = cls.issuing.issue("localhost", cls.revoked_key)
        cls.issuing.revoke(cls.revoked)
        for name, authority in (("issuing", cls.issuing), ("root", cls.root)):
            put(cls.mount.entry("TRUSTED_ROOTS_CRLS", name) + "/crl.pem", authority.crl())
        put(cls.mount.entry("APPLMGMT_PASSWORD", "admin") + "/secret", b"swordfish")
        put(cls.mount.entry("wcp", "key only") + "/key.pem", pki.read(pki.new_key(os.path.join(cls.work, "lone.key"))))
        pending = cls.mount.entry("machine", "pending")
        put(pending + "/key.pem", pki.read(cls.key))
        put(pending + "/cert.pem", cls.issuing.issue("pending", cls.key))
        os.mkdir(pending + "/next")
        put(pending + "/next/request.cfg", b"Name = renewed.example\nHostname = renewed.example\n")

    def export(self, *parts):
        return self.mount.at("export", *parts)

    def all_files(self):
        for directory, _, names in os.walk(self.export()):
            for name in names:
                yield os.path.join(directory, name)

    def copy(self, *parts):
        """A copy on disk, for programs that want to seek or to keep."""
        target = os.path.join(self.work, "copy-" + parts[-1])
        shutil.copyfile(self.export(*parts), target)
        return target

    # --- What there is

    def test_lists_what_has_something_to_show(self):
        self.assertEqual(sorted(os.listdir(self.export("MACHINE_SSL_CERT", "__MACHINE_CERT"))),
                         ["cert.der", "chain.pem", "combined.pem", "fullchain.pem", "info.json", "info.txt", "keystore.p12",
                          "public.pem"])
        self.assertEqual(sorted(os.listdir(self.export("APPLMGMT_PASSWORD", "admin"))), ["info.json", "info.txt"])
        self.assertEqual(sorted(os.listdir(self.export("wcp", "key only"))), ["info.json", "info.txt", "keystore.p12", "public.pem"])
        self.assertIn("request.csr", os.listdir(self.export("machine", "pending")))
        self.assertEqual(sorted(os.listdir(self.export("vpxd"))), ["Zwei", "index.json", "one", "store.p12"])
        roots = os.listdir(self.export("TRUSTED_ROOTS"))
        for name in ("ca-bundle.pem", "truststore.p12", "hashed", "index.json", "test-root"):
            self.assertIn(name, roots)
        self.assertNotIn("store.p12", roots)
        self.assertIn("vmo-server.vmokeystore", os.listdir(self.export()))
        self.assertNotIn("BACKUP_STORE", os.listdir(self.export()))
        self.assertEqual(errno_of(os.stat, self.export("BACKUP_STORE")), "ENOENT")

    def test_every_file_is_as_large_as_stat_says(self):
        count = 0
        for path in self.all_files():
            size = os.stat(path).st_size
            with open(path, "rb") as file:
                data = file.read()
                self.assertEqual(os.fstat(file.fileno()).st_size, size, path)
                with mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as mapped:
                    self.assertEqual(mapped[:], data, path)
                self.assertEqual(os.pread(file.fileno(), 7, size - 3), data[-3:], path)
            self.assertEqual(len(data), size, path)
            self.assertGreater(size, 0, path)
            count += 1
        self.assertGreater(count, 60)

    def test_copies_by_cp_tar_and_rsync_and_a_second_time_nothing(self):
        with tempfile.TemporaryDirectory(dir=self.work) as there:
            self.assertEqual(run("cp", "-r", self.export(), there + "/cp").returncode, 0)
            done = subprocess.run(["sh", "-c", 'mkdir "$1/tar" && tar -C "$2" -cf - export | tar -C "$1/tar" -xf -', "sh", there,
                                   self.mount.path], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            first = run("rsync", "-a", "--checksum", self.export() + "/", there + "/rsync/")
            self.assertEqual(first.returncode, 0, first.stderr)
            again = run("rsync", "-a", "--checksum", "--itemize-changes", self.export() + "/", there + "/rsync/")
            self.assertEqual((again.returncode, again.stdout), (0, ""))
            for other in ("tar/export", "rsync"):
                self.assertEqual(run("diff", "-r", there + "/cp", there + "/" + other).stdout, "")

            # A new daemon makes the same bytes; what is fixed has the times of its beginning.
            self.mount.unmount()
            self.mount.mount()
            after = run("rsync", "-a", "--omit-dir-times", "--checksum", "--itemize-changes", self.export() + "/", there + "/rsync/")
            self.assertEqual((after.returncode, after.stdout), (0, ""))

    # --- Of an entry

    def test_pem_and_der_views_are_canonical(self):
        entry = ("vpxd", "one")
        read = lambda name: pki.read(self.export(*entry, name))
        chain = pki.read(self.issuing.cert)
        leaf = pki.openssl("x509", "-inform", "DER", "-in", self.export(*entry, "cert.der"))
        self.assertEqual(read("fullchain.pem"), leaf + chain, "the leaf and what issued it, without the root")
        self.assertEqual(read("chain.pem"), chain)
        self.assertEqual(read("public.pem"), pki.openssl("x509", "-in", self.export(*entry, "fullchain.pem"), "-noout", "-pubkey"))
        combined = read("combined.pem")
        self.assertTrue(combined.startswith(b"-----BEGIN PRIVATE KEY-----\n"))
        self.assertTrue(combined.endswith(leaf + chain))
        ssl.create_default_context().load_cert_chain(self.export(*entry, "combined.pem"))

    def test_a_pending_request_shows(self):
        request = self.export("machine", "pending", "request.csr")
        self.assertIn(b"renewed.example", pki.openssl("req", "-in", request, "-noout", "-subject", "-verify"))
        info = pki.read(self.export("machine", "pending", "info.txt")).decode()
        self.assertRegex(info, r"Pending request: +CN=renewed\.example, EC P-256")
        pending = json.loads(pki.read(self.export("machine", "pending", "info.json")))["pending"]
        self.assertEqual(pending["request"]["names"], ["DNS:renewed.example"])

    def test_info_says_what_a_person_wants_to_see_first(self):
        text = pki.read(self.export("MACHINE_SSL_CERT", "__MACHINE_CERT", "info.txt")).decode()
        fingerprint = pki.openssl("x509", "-in", self.mount.at("stores/MACHINE_SSL_CERT/__MACHINE_CERT/cert.pem"), "-noout",
                                  "-fingerprint", "-sha256").decode().split("=")[1].strip()
        head = text.split("\n\n")[0]
        for words in ("DNS:localhost", "CN=localhost", "Issuer:           CN=Test Issuing CA", fingerprint,
                      "with its private key", "Last changed:     2", "by uid 0", "Warnings:"):
            self.assertIn(words, head)
        self.assertIn("X509v3 Subject Alternative Name", text)
        info = json.loads(pki.read(self.export("MACHINE_SSL_CERT", "__MACHINE_CERT", "info.json")))
        self.assertEqual(info["certificates"][0]["sha256"], fingerprint.replace(":", "").lower())
        self.assertTrue(info["has_key"])
        self.assertEqual(info["changed"]["uid"], 0)
        crl = json.loads(pki.read(self.export("TRUSTED_ROOTS_CRLS", "issuing", "info.json")))
        self.assertEqual(crl["crl"]["revoked"], 1)
        lone = pki.read(self.export("APPLMGMT_PASSWORD", "admin", "info.txt")).decode()
        self.assertNotIn("swordfish", lone)

    def test_what_was_revoked_since_says_so(self):
        entry = self.mount.entry("hvc", "late")
        key = pki.new_key(os.path.join(self.work, "late.key"))
        certificate = self.issuing.issue("late", key)
        put(entry + "/cert.pem", certificate)
        self.assertNotIn("revoked", pki.read(self.export("hvc", "late", "info.txt")).decode().lower())
        self.issuing.revoke(certificate)
        put(self.mount.at("stores/TRUSTED_ROOTS_CRLS/issuing/crl.pem"), self.issuing.crl())
        self.assertIn("revoked", pki.read(self.export("hvc", "late", "info.txt")).decode().lower())

    def test_views_follow_what_they_show(self):
        entry = self.mount.entry("hvc", "moving")
        for name in ("first", "second"):
            key = pki.new_key(os.path.join(self.work, name + ".key"))
            os.makedirs(entry + "/next", exist_ok=True)
            put(entry + "/next/key.pem", pki.read(key))
            put(entry + "/next/cert.pem", self.issuing.issue(name, key))
            public = pki.openssl("pkey", "-in", key, "-pubout")
            self.assertEqual(pki.read(self.export("hvc", "moving", "public.pem")), public)
            self.assertIn(f"CN={name}\n".encode(), pki.read(self.export("hvc", "moving", "info.txt")))
        held = open(self.export("hvc", "moving", "fullchain.pem"), "rb")
        before = held.read(10)
        os.rename(self.mount.at("stores/hvc/moving"), self.mount.at("stores/hvc/moved"))
        self.assertEqual(errno_of(os.stat, self.export("hvc", "moving")), "ENOENT")
        self.assertIn(b"hvc/moved", pki.read(self.export("hvc", "moved", "info.txt")))
        self.assertTrue(before + held.read())
        held.close()
        shutil.rmtree(self.mount.at("stores/hvc/moved"), ignore_errors=True)
        self.assertEqual(errno_of(os.stat, self.export("hvc", "moved")), "ENOENT")

    def test_who_reads_a_view_and_then_the_key_gets_one_pair(self):
        entry = self.mount.entry("hvc", "pair")
        keys = []
        for name in ("old", "new"):
            key = pki.new_key(os.path.join(self.work, "pair-" + name + ".key"))
            keys.append((key, self.issuing.issue("pair", key)))
        os.makedirs(entry + "/next", exist_ok=True)

        def rotate(pair):
            script = 'cat "$1" > "$3/next/key.pem" && cat "$2" > "$3/next/cert.pem"'
            certificate = pki.write(os.path.join(self.work, "pair-cert.pem"), pair[1])
            done = run("sh", "-c", script, "sh", pair[0], certificate, entry)
            self.assertEqual(done.returncode, 0, done.stderr)

        def in_time(attempt):
            """What `attempt` finds within two seconds (kPinned, fs/volume/pins.h): who comes later gets what is live."""
            for _ in range(10):
                begun = time.monotonic()
                found = attempt()
                if time.monotonic() - begun < 2:
                    return found
            self.fail("it takes two seconds each time")

        def by_view_first():
            rotate(keys[0])
            with open(self.export("hvc", "pair", "fullchain.pem"), "rb") as first:
                rotate(keys[1])
                return pki.read(entry + "/key.pem"), first.read()

        self.assertEqual(in_time(by_view_first), (pki.read(keys[0][0]), keys[0][1]))
        reader = ('import sys\nkey = open(sys.argv[1] + "/stores/hvc/pair/key.pem", "rb")\nprint(flush=True)\n'
                  'sys.stdin.readline()\nsys.stdout.buffer.write(open(sys.argv[1] + "/export/hvc/pair/fullchain.pem", "rb").read())\n')

        def by_key_first():
            rotate(keys[1])
            process = subprocess.Popen(["/usr/bin/python3", "-c", reader, self.mount.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process.stdout.readline()
            rotate(keys[0])
            return process.communicate(b"\n")[0]

        self.assertEqual(in_time(by_key_first), keys[1][1])
        self.assertEqual(pki.read(self.export("hvc", "pair", "fullchain.pem")), keys[0][1])

    # --- The password

    def test_p12_opens_with_the_export_password(self):
        path = self.export("vpxd", "one", "keystore.p12")
        key = pki.openssl("pkcs12", "-in", path, "-passin", "file:" + self.password, "-nocerts", "-noenc")
        self.assertIn(b"BEGIN PRIVATE KEY", key)
        certificates = pki.openssl("pkcs12", "-in", path, "-passin", "file:" + self.password, "-nokeys")
        self.assertEqual(certificates.count(b"BEGIN CERTIFICATE"), 2)
        wrong = run("openssl", "pkcs12", "-in", path, "-passin", "pass:wrong", "-noenc")
        self.assertNotEqual(wrong.returncode, 0)

    def test_without_a_password_what_bears_keys_is_listed_and_does_not_open(self):
        mount = harness.Mount()
        entry = mount.entry("machine", "x")
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)
        for path in ("machine/x/keystore.p12", "machine/store.p12", "vmo-server.vmokeystore"):
            self.assertGreater(os.stat(mount.at("export", path)).st_size, 0)
            self.assertEqual(errno_of(pki.read, mount.at("export", path)), "ENOKEY", path)
        self.assertIn("export/machine/x/keystore.p12", mount.why())
        self.assertIn("certfs password set", mount.why())
        copied = run("cp", mount.at("export/machine/x/keystore.p12"), self.work)
        self.assertIn("Required key not available", copied.stderr)
        pki.read(mount.at("export/machine/x/combined.pem"))
        # Set while it is mounted, the password holds at once; cleared, too.
        size = os.stat(mount.at("export/machine/x/keystore.p12")).st_size
        self.assertEqual(run(harness.CERTFS, "password", "set", mount.keystore, "--password-file", self.password).returncode, 0)
        modern = pki.read(mount.at("export/machine/x/keystore.p12"))
        self.assertEqual(len(modern), size)
        self.assertEqual(run(harness.CERTFS, "password", "set", mount.keystore, "--compat").returncode, 0)
        old = pki.read(mount.at("export/machine/x/keystore.p12"))
        self.assertEqual(os.stat(mount.at("export/machine/x/keystore.p12")).st_size, len(old))
        self.assertNotEqual(old, modern)
        p12 = pki.write(os.path.join(self.work, "compat.p12"), old)
        shown = run("openssl", "pkcs12", "-info", "-in", p12, "-passin", "pass:" + PASSWORD, "-noenc")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("pbeWithSHA1And3-KeyTripleDES-CBC", shown.stderr)
        self.assertEqual(run(harness.CERTFS, "password", "clear", mount.keystore).returncode, 0)
        self.assertEqual(errno_of(pki.read, mount.at("export/machine/x/keystore.p12")), "ENOKEY")
        mount.close()

    # --- Nothing is written there

    def test_nothing_can_be_changed(self):
        entry = self.export("vpxd", "one")
        for action, arguments in (
                (put, (entry + "/cert.pem", b"x")), (put, (entry + "/info.txt", b"x")), (put, (self.export("new"), b"x")),
                (os.mkdir, (entry + "/next",)), (os.mkdir, (self.export("machine", "new"),)), (os.mkdir, (self.export("S"),)),
                (os.unlink, (entry + "/info.txt",)), (os.rmdir, (entry,)), (os.rename, (entry, entry + "2")),
                (os.rename, (entry + "/info.txt", entry + "/.x")), (os.chmod, (entry + "/info.txt", 0o600)),
                (os.chown, (entry, 1, 1)), (os.utime, (entry + "/info.txt",)), (os.truncate, (entry + "/info.txt", 0)),
                (os.link, (entry + "/info.txt", entry + "/.y"))):
            self.assertEqual(errno_of(action, *arguments), "EROFS", (action, arguments))
            newest = self.mount.why().splitlines()[-1]
            self.assertTrue(any(os.path.relpath(each, self.mount.path) in newest for each in arguments if isinstance(each, str)), newest)

    # --- Who may read

    def test_views_are_as_private_as_what_they_show(self):
        entry = self.mount.entry("hvc", "private")
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.issuing.issue("private", self.key))
        shown = lambda name: self.export("hvc", "private", name)
        self.assertTrue(as_nobody(shown("fullchain.pem")))
        for name in ("combined.pem", "keystore.p12"):
            self.assertFalse(as_nobody(shown(name)), name)
        self.assertEqual(run("setfacl", "-m", "u:nobody:r", entry + "/key.pem").returncode, 0)
        for name in ("combined.pem", "keystore.p12"):
            self.assertTrue(as_nobody(shown(name)), name)
        self.assertIn("user:nobody:r--", run("getfacl", "-c", shown("combined.pem")).stdout)
        self.assertEqual(run("setfacl", "-b", entry + "/key.pem").returncode, 0)
        os.chmod(entry + "/cert.pem", 0o600)
        for name in ("combined.pem", "keystore.p12", "fullchain.pem", "info.txt", "cert.der", "public.pem"):
            self.assertFalse(as_nobody(shown(name)), name)
        index = json.loads(pki.read(self.export("hvc", "index.json")))
        self.assertNotIn("subject", [each for each in index["entries"] if each["alias"] == "private"][0])
        os.chmod(entry + "/cert.pem", 0o644)
        self.assertTrue(as_nobody(shown("fullchain.pem")))
        os.chmod(entry, 0o700)
        self.assertFalse(as_nobody(shown("fullchain.pem")))
        for path in (self.export("hvc", "store.p12"), self.export("vmo-server.vmokeystore")):
            self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
            self.assertFalse(as_nobody(path))

    def test_a_request_in_a_private_next_is_private(self):
        entry = self.mount.entry("hvc", "asked")
        os.mkdir(entry + "/next", 0o700)
        put(entry + "/next/request.cfg", b"Name = asked.example\n")
        put(entry + "/key.pem", pki.read(self.key))
        self.assertFalse(as_nobody(self.export("hvc", "asked", "request.csr")))
        os.chmod(entry + "/next", 0o755)
        self.assertTrue(as_nobody(self.export("hvc", "asked", "request.csr")))

    def test_a_root_that_not_everybody_may_read_is_in_no_bundle(self):
        root = pki.Authority(self.work, "Private Root")
        entry = self.mount.entry("TRUSTED_ROOTS", "private")
        put(entry + "/cert.pem", pki.read(root.cert))
        self.assertIn(pki.read(root.cert), pki.read(self.export("TRUSTED_ROOTS", "ca-bundle.pem")))
        names = set(os.listdir(self.export("TRUSTED_ROOTS", "hashed")))
        os.chmod(entry + "/cert.pem", 0o600)
        self.assertNotIn(pki.read(root.cert), pki.read(self.export("TRUSTED_ROOTS", "ca-bundle.pem")))
        self.assertEqual(len(names - set(os.listdir(self.export("TRUSTED_ROOTS", "hashed")))), 1)
        shutil.rmtree(entry)


if __name__ == "__main__":
    harness.main()
