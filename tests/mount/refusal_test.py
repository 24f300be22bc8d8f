"""Goal: what must be refused is refused, by every kind of writer, with the contract's errno, a line that names path and rule, and
the live bytes untouched. Method: one table of bad contents, one of writers, every pair of them on a real mount."""

import ctypes
import errno
import fcntl
import mmap
import os
import random
import subprocess
import time

import harness
import pki
from harness import errno_of, put, run

# What a tool prints for each errno; programs of the shell know no other language.
WORDS = {"EINVAL": "Invalid argument", "EFBIG": "File too large", "EKEYREJECTED": "Key was rejected by service",
         "EKEYEXPIRED": "Key has expired", "ENOKEY": "Required key not available", "EPERM": "Operation not permitted"}

WRITERS = {
    "cp": lambda source, target: run("cp", source, target),
    "cat": lambda source, target: run("bash", "-c", 'cat "$1" > "$2"', "bash", source, target),
    "tee": lambda source, target: run("sh", "-c", 'tee "$2" < "$1" > /dev/null', "sh", source, target),
    "dd": lambda source, target: run("dd", "if=" + source, "of=" + target, "status=none"),
    "rsync": lambda source, target: run("rsync", "--inplace", source, target),
    "python": lambda source, target: run(
        "python3", "-c", "import sys\nwith open(sys.argv[2],'wb') as f: f.write(open(sys.argv[1],'rb').read())", source, target),
}


class Refusals(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        other_root = pki.Authority(cls.work, "Untrusted Root")
        server = pki.SERVER
        key = lambda name, *algorithm: pki.new_key(os.path.join(cls.work, name), *algorithm)
        issue = lambda name="localhost", extensions=server, with_key=None, **options: \
            cls.issuing.issue(name, with_key or cls.key, extensions, **options)
        weak = key("weak.key", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
        encrypted = pki.openssl("pkcs8", "-topk8", "-in", cls.key, "-passout", "pass:x")
        # ECDSA knows no MD5: that leaf is signed by a self-made RSA issuer.
        rsa_key = key("rsa.key", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        md5 = os.path.join(cls.work, "md5.pem")
        pki.openssl("req", "-x509", "-new", "-key", rsa_key, "-subj", "/CN=md5", "-md5", "-days", "30", "-out", md5)
        chain = pki.read(cls.issuing.cert)
        # name: (store, file, content, errno, rule)
        machine, general = "MACHINE_SSL_CERT", "machine"
        cls.bad = {
            "garbage": (machine, "cert.pem", b"garbage\n", "EINVAL", "unreadable"),
            "empty body": (machine, "cert.pem", b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "EINVAL", "empty-body"),
            "trailing garbage": (machine, "cert.pem", cls.chain + b"garbage\n", "EINVAL", "trailing-data"),
            "another key's certificate": (machine, "cert.pem", issue(with_key=key("other.key")) + chain, "EKEYREJECTED", "key-mismatch"),
            "another certificate's key": (machine, "key.pem", pki.read(key("other2.key")), "EKEYREJECTED", "key-mismatch"),
            "expired": (machine, "cert.pem", issue(start=-30, end=-3) + chain, "EKEYEXPIRED", "expired"),
            "not yet valid": (machine, "cert.pem", issue(start=10, end=30) + chain, "EKEYEXPIRED", "not-yet-valid"),
            "RSA-1024": (general, "key.pem", pki.read(weak), "EKEYREJECTED", "weak-key"),
            "MD5": (general, "cert.pem", pki.read(md5), "EKEYREJECTED", "weak-digest"),
            "SHA-1": (machine, "cert.pem", issue(digest="sha1") + chain, "EKEYREJECTED", "sha1-signature"),
            "unknown critical extension": (machine, "cert.pem", issue(extensions=server + "1.2.3.4=critical,DER:0500\n") + chain,
                                           "EKEYREJECTED", "unknown-critical-extension"),
            "a non-CA root": ("TRUSTED_ROOTS", "cert.pem", cls.leaf, "EKEYREJECTED", "not-a-ca"),
            "a certificate as a CRL": ("TRUSTED_ROOTS_CRLS", "crl.pem", cls.leaf, "EINVAL", "wrong-kind"),
            "no SAN": (machine, "cert.pem", issue(extensions=server.replace("subjectAltName=DNS:localhost,IP:127.0.0.1\n", "")) + chain,
                       "EKEYREJECTED", "leaf-without-san"),
            "client only": (machine, "cert.pem", issue(extensions=server.replace("serverAuth", "clientAuth")) + chain,
                            "EKEYREJECTED", "wrong-extended-key-usage"),
            "untrusted issuer": (machine, "cert.pem", other_root.issue("localhost", cls.key), "EKEYREJECTED", "untrusted-issuer"),
            "encrypted key": (machine, "key.pem", encrypted, "ENOKEY", "encrypted-key"),
            "2 MiB": (machine, "cert.pem", b"#" * (2 << 20), "EFBIG", "too-large"),
        }
        cls.machine_pair()
        crl = cls.mount.entry("TRUSTED_ROOTS_CRLS", "test-root")
        put(crl + "/crl.pem", cls.root.crl())
        general_entry = cls.mount.entry("machine", "web")
        put(general_entry + "/key.pem", pki.read(cls.key))
        put(general_entry + "/cert.pem", cls.leaf)

    ENTRIES = {"MACHINE_SSL_CERT": "__MACHINE_CERT", "machine": "web", "TRUSTED_ROOTS": "test-root", "TRUSTED_ROOTS_CRLS": "test-root"}

    def test_every_bad_content_by_every_writer(self):
        for name, (store, file, content, errno_name, rule) in self.bad.items():
            source = pki.write(os.path.join(self.work, "bad-source"), content)
            path = f"stores/{store}/{self.ENTRIES[store]}/{file}"
            target = self.mount.at(path)
            live, status = pki.read(target), os.stat(target)
            self.assertEqual(errno_of(put, target, content), errno_name, name)
            for writer, write in WRITERS.items():
                with self.subTest(content=name, writer=writer):
                    done = write(source, target)
                    self.assertNotEqual(done.returncode, 0, done.stderr)
                    self.assertIn(WORDS[errno_name], done.stderr)
                    for log in (self.mount.errors(), self.mount.why()):
                        newest = log.splitlines()[-1]
                        self.assertIn(path, newest)
                        self.assertIn(rule, newest)
                    self.assertEqual(pki.read(target), live)
                    after = os.stat(target)
                    self.assertEqual((after.st_mtime_ns, after.st_ino, after.st_size), (status.st_mtime_ns, status.st_ino, status.st_size))

    def test_what_is_written_beside_has_its_reason_too(self):
        target = self.mount.at("stores/machine/web/cert.pem")
        big = pki.write(os.path.join(self.work, "big"), b"x" * (2 << 20))
        done = run("rsync", big, target)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("File too large", done.stderr)
        newest = self.mount.why().splitlines()[-1]
        self.assertIn("stores/machine/web/.cert.pem.", newest)
        self.assertIn("too-large", newest)
        self.assertEqual(pki.read(target), self.leaf)

    def test_what_cannot_be_opened_or_made_has_its_reason(self):
        put(self.mount.entry("machine", "kept") + "/cert.pem", self.leaf)
        put(self.mount.entry("machine", "kept") + "/cert.pem", self.chain)
        entry = self.mount.at("stores/machine/web")
        for action, path, errno_name in (
                (lambda path: put(path, b"x"), "status/why", "EROFS"),
                (lambda path: put(path, b"x"), "stores/BACKUP_STORE/bkp_kept/cert.pem", "EROFS"),
                (lambda path: put(path, b"x"), "export/machine/web/fullchain.pem", "EROFS"),
                (lambda path: os.symlink("x", path), "stores/machine/web/link", "EPERM"),
                (os.mkfifo, "stores/machine/web/fifo", "EPERM")):
            self.assertEqual(errno_of(action, self.mount.at(path)), errno_name, path)
            self.assertIn(path, self.mount.why().splitlines()[-1])
        self.assertFalse({"link", "fifo"} & set(os.listdir(entry)))

    def test_a_shells_own_echo_fails_in_write(self):
        target = self.mount.at("stores/machine/web/cert.pem")
        done = run("bash", "-c", 'echo garbage > "$1"', "bash", target)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("Invalid argument", done.stderr)
        self.assertEqual(pki.read(target), self.leaf)

    def test_a_shell_that_opens_for_its_child_and_ignores_close_changes_nothing(self):
        # dash opens the file itself, and its close is not looked at: the refusal is in why, and the live bytes stay.
        target = self.mount.at("stores/machine/web/cert.pem")
        run("dash", "-c", 'cat "$1" > "$2"', "dash", pki.write(os.path.join(self.work, "d"), self.chain + b"garbage\n"), target)
        self.assertIn("trailing-data", self.mount.why().splitlines()[-1])
        self.assertEqual(pki.read(target), self.leaf)

    def test_truncating_and_writing_nothing_changes_nothing(self):
        target = self.mount.at("stores/machine/web/cert.pem")
        before = os.stat(target)
        self.assertEqual(run("bash", "-c", ': > "$1"', "bash", target).returncode, 0)
        self.assertEqual(pki.read(target), self.leaf)
        self.assertEqual(os.stat(target).st_mtime_ns, before.st_mtime_ns)

    def test_a_refused_handle_repeats_its_error_until_it_is_emptied(self):
        target = self.mount.at("stores/machine/web/cert.pem")
        file = os.open(target, os.O_WRONLY | os.O_TRUNC)
        self.assertEqual(errno_of(os.write, file, b"garbage"), "EINVAL")
        self.assertEqual(errno_of(os.write, file, b"-----BEGIN"), "EINVAL")
        self.assertEqual(errno_of(os.fsync, file), "EINVAL")
        os.ftruncate(file, 0)
        os.pwrite(file, self.leaf, 0)
        os.fsync(file)
        os.close(file)
        self.assertEqual(pki.read(target), self.leaf)

    def test_ways_around_the_redirect_are_refused_with_words(self):
        target = self.mount.at("stores/machine/web/cert.pem")
        reader = os.open(target, os.O_RDONLY)
        self.assertEqual(errno_of(os.open, f"/proc/self/fd/{reader}", os.O_WRONLY), "EPERM")
        self.assertIn("/proc/self/fd", self.mount.why().splitlines()[-1])
        os.close(reader)
        # A file handle leads to the inode, past its name.
        libc = ctypes.CDLL(None, use_errno=True)
        handle = ctypes.create_string_buffer(136)
        handle[:4] = (128).to_bytes(4, "little")
        mount_id = ctypes.c_int()
        self.assertEqual(libc.name_to_handle_at(-100, target.encode(), handle, ctypes.byref(mount_id), 0), 0)
        root = os.open(self.mount.path, os.O_RDONLY)
        file = libc.open_by_handle_at(root, handle, os.O_RDONLY)
        self.assertGreaterEqual(file, 0)
        self.assertEqual(os.read(file, 1 << 20), self.leaf)
        os.close(file)
        self.assertEqual((libc.open_by_handle_at(root, handle, os.O_WRONLY), ctypes.get_errno()), (-1, errno.EPERM))
        os.close(root)
        self.assertEqual(errno_of(os.truncate, target, 10), "EPERM")
        self.assertEqual(pki.read(target), self.leaf)

    def test_a_bind_mounted_file_keeps_its_revision_and_is_not_written(self):
        entry = self.mount.entry("machine", "bound")
        put(entry + "/cert.pem", self.leaf)
        bound = pki.write(os.path.join(self.work, "bound"), b"")
        subprocess.run(["mount", "--bind", entry + "/cert.pem", bound], check=True)
        try:
            self.assertEqual(errno_of(os.open, bound, os.O_WRONLY), "EPERM")
            for i in range(300):  # More than are kept for opens that began before.
                put(entry + "/cert.pem", b"# %d\n" % i + self.chain)
            self.assertEqual(pki.read(bound), self.leaf)
            self.assertEqual(os.stat(bound).st_size, len(self.leaf))
            self.assertEqual(run("cp", bound, os.path.join(self.work, "copy")).returncode, 0)
        finally:
            harness.umount(bound)
        self.assertEqual(pki.read(entry + "/cert.pem"), b"# 299\n" + self.chain)

    def test_a_bind_mounted_directory_is_written_and_read_like_the_tree(self):
        entry = self.mount.entry("machine", "inbound")
        bound = os.path.join(self.work, "inbound")
        os.mkdir(bound)
        subprocess.run(["mount", "--bind", entry, bound], check=True)
        try:
            self.assertEqual(run("cp", pki.write(os.path.join(self.work, "s"), self.leaf), bound + "/cert.pem").returncode, 0)
            self.assertEqual(run("cp", pki.write(os.path.join(self.work, "s"), self.chain), bound + "/cert.pem").returncode, 0)
            self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)
            self.assertEqual(pki.read(bound + "/cert.pem"), self.chain)
        finally:
            harness.umount(bound)

    def test_a_key_cannot_be_mapped_shared(self):
        target = self.mount.at("stores/machine/web/key.pem")
        with open(target, "rb") as file:
            self.assertEqual(errno_of(lambda: mmap.mmap(file.fileno(), 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)), "ENODEV")
            with mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as view:
                self.assertEqual(view[:], pki.read(self.key))

    def test_locks_exclude_no_writer(self):
        target = self.mount.at("stores/machine/web/cert.pem")
        first, second = os.open(target, os.O_WRONLY), os.open(target, os.O_WRONLY)
        for file in (first, second):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(first)
        os.close(second)
        self.assertEqual(pki.read(target), self.leaf)
        # Those of fcntl(2) are a process's: where one has its lock, another one writes all the same.
        holder = subprocess.Popen(["python3", "-c", "import fcntl, os, sys\nfile = os.open(sys.argv[1], os.O_RDWR)\nfcntl.lockf(file, fcntl.LOCK_EX)\n"
                                   "print('held', flush=True)\nsys.stdin.read()", target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(holder.stdout.readline(), "held\n")
            put(target, self.chain)
            self.assertEqual(pki.read(target), self.chain)
        finally:
            holder.communicate("")
        self.assertEqual(holder.returncode, 0)
        self.assertEqual(pki.read(target), self.chain)  # Who writes nothing changes nothing.
        put(target, self.leaf)

    def test_a_killed_opener_leaves_no_note_that_misleads_a_reader(self):
        """Writers killed between the refused open and its second try: whoever reads next reads the live bytes."""
        target = self.mount.at("stores/machine/web/cert.pem")
        script = "import os,sys\nwhile True: os.close(os.open(sys.argv[1],os.O_WRONLY))\n"
        for _ in range(harness.rounds(40)):
            writer = subprocess.Popen(["python3", "-c", script, target])
            time.sleep(0.06 + random.random() * 0.02)
            writer.kill()
            writer.wait()
            self.assertEqual(pki.read(target), self.leaf)
            self.assertEqual(os.stat(target).st_size, len(self.leaf))

    def test_append_and_in_place_edits_start_from_the_live_bytes(self):
        entry = self.mount.entry("machine", "append")
        put(entry + "/cert.pem", self.leaf)
        with open(entry + "/cert.pem", "ab") as file:
            file.write(pki.read(self.issuing.cert))
        self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)
        file = os.open(entry + "/cert.pem", os.O_RDWR)
        self.assertEqual(os.read(file, 1 << 20), self.chain)
        os.ftruncate(file, len(self.leaf))
        os.close(file)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)

    def test_an_opener_that_closed_first_leaves_the_commit_to_the_last_close(self):
        entry = self.mount.entry("machine", "child")
        with open(entry + "/cert.pem", "wb") as file:
            child = subprocess.Popen(["sh", "-c", "sleep 0.2; cat " + pki.write(os.path.join(self.work, "c"), self.leaf)], stdout=file)
        self.assertEqual(child.wait(), 0)
        deadline = 100
        # Until then it is an empty placeholder, to whoever created it.
        while not (os.path.exists(entry + "/cert.pem") and os.path.getsize(entry + "/cert.pem")) and deadline:
            deadline -= 1
            subprocess.run(["sleep", "0.05"])
        self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)

    def test_crl_rules(self):
        entry = self.mount.at("stores/TRUSTED_ROOTS_CRLS/test-root")
        newer, newest = self.root.crl(), self.root.crl()
        put(entry + "/crl.pem", newest)
        self.assertEqual(errno_of(put, entry + "/crl.pem", newer), "EKEYREJECTED")
        second = self.mount.entry("TRUSTED_ROOTS_CRLS", "second")
        self.assertEqual(errno_of(put, second + "/crl.pem", self.root.crl()), "EEXIST")
        self.assertIn("crl-second-alias", self.mount.why().splitlines()[-1])
        # And by way of a name beside it, as rsync does. Tools that remove what they replace first may not.
        put(second + "/.crl.pem.Xy12Zw", self.root.crl())
        self.assertEqual(errno_of(put, self.mount.at("stores/machine/web/cert.pem"), b"garbage"), "EINVAL")
        self.assertEqual(errno_of(os.rename, second + "/.crl.pem.Xy12Zw", second + "/crl.pem"), "EEXIST")
        self.assertIn("crl-second-alias", self.mount.why().splitlines()[-1])
        os.unlink(second + "/.crl.pem.Xy12Zw")
        os.rmdir(second)
        self.assertNotEqual(run("install", pki.write(os.path.join(self.work, "crl"), self.root.crl()), entry + "/crl.pem").returncode, 0)
        self.assertEqual(pki.read(entry + "/crl.pem"), newest)
        stranger = pki.Authority(self.work, "Stranger")
        self.assertEqual(errno_of(put, entry + "/crl.pem", stranger.crl()), "EKEYREJECTED")
        self.assertEqual(pki.read(entry + "/crl.pem"), newest)

    def test_revoked_certificates_are_refused(self):
        authority = pki.Authority(self.work, "Revoking Root")
        put(self.mount.entry("TRUSTED_ROOTS", "revoking") + "/cert.pem", pki.read(authority.cert))
        leaf = authority.issue("localhost", self.key)
        authority.revoke(leaf)
        put(self.mount.entry("TRUSTED_ROOTS_CRLS", "revoking") + "/crl.pem", authority.crl())
        entry = self.mount.entry("machine", "revoked")
        self.assertEqual(errno_of(put, entry + "/cert.pem", leaf), "EKEYREVOKED")
        self.assertEqual(errno_of(put, self.mount.at("stores/MACHINE_SSL_CERT/__MACHINE_CERT/cert.pem"), leaf), "EKEYREVOKED")

    def test_why_is_the_readers_own(self):
        errno_of(put, self.mount.at("stores/machine/web/cert.pem"), b"garbage")
        done = run("python3", "-c", "import os,sys\nos.setuid(65534)\nsys.stdout.write(open(sys.argv[1]).read())", self.mount.at("status/why"))
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertIn("unreadable", run(harness.CERTFS, "why", "--mount", self.mount.path).stdout)


if __name__ == "__main__":
    harness.main()
