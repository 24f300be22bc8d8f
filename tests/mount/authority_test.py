"""Goal: a certificate is asked for, taken, revoked and enforced by files alone, whatever program writes them, and ca/control commands the rest.
Method: the usual writers through the kernel, stock openssl as the judge of what they get, curl as a client, processes that are killed."""

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import harness
import pki
from harness import errno_of, put, rounds, run

CONFIG = "Country = DE\nName = {0}\nOrganization = Example\nHostname = {0}, localhost\nIPAddress = 127.0.0.1\n"


class Authority(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = cls.mount.at("ca")
        cls.command("init --key=ec-p256")
        # The tests' own directory, which the users of some tests may enter.
        os.chmod(cls.work, 0o755)

    @classmethod
    def command(cls, text):
        """One write; returns the answer. Fails with the write's error."""
        descriptor = os.open(cls.mount.at("ca", "control"), os.O_RDWR)
        try:
            data = text if isinstance(text, bytes) else text.encode()
            written = os.write(descriptor, data)
            assert written == len(data), (written, len(data))
            answer = b""
            while chunk := os.pread(descriptor, 1 << 20, len(answer)):
                answer += chunk
            return json.loads(answer)
        finally:
            os.close(descriptor)

    def issued(self):
        return self.command("show")["issued"]

    def csr(self, name, *extensions):
        """A request by stock openssl; returns its path and that of its key."""
        key = pki.new_key(os.path.join(self.work, name + ".key"))
        path = os.path.join(self.work, name + ".csr")
        options = [part for each in extensions or (f"subjectAltName=DNS:{name}",) for part in ("-addext", each)]
        pki.openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", *options, "-out", path)
        return path, key

    def expect_good(self, path, key=None):
        """By stock openssl, against the root from the mount."""
        done = run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", self.ca + "/root.pem",
                   "-untrusted", path, path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        if key is not None:
            certified = pki.openssl("x509", "-in", path, "-noout", "-pubkey")
            self.assertEqual(certified, pki.openssl("pkey", "-in", key, "-pubout"))

    WRITERS = {
        "cp": "cp {csr} {requests}/{name}.csr",
        "cp -p": "cp -p {csr} {requests}/{name}.csr",
        "cat": "cat {csr} > {requests}/{name}.csr",
        "tee": "tee {requests}/{name}.csr < {csr} > /dev/null",
        "dd": "dd if={csr} of={requests}/{name}.csr status=none",
        "dd fsync": "dd if={csr} of={requests}/{name}.csr conv=fsync status=none",
        "install": "install -m 640 {csr} {requests}/{name}.csr",
        "mv": "cp {csr} {csr}.copy && mv {csr}.copy {requests}/{name}.csr",
        "rsync": "rsync -t {csr} {requests}/{name}.csr",
        "rsync --inplace": "rsync --inplace {csr} {requests}/{name}.csr",
        "rename": "cp {csr} {requests}/.{name}.csr.Ab12Cd && mv {requests}/.{name}.csr.Ab12Cd {requests}/{name}.csr",
        "python": "python3 -c \"open('{requests}/{name}.csr', 'wb').write(open('{csr}', 'rb').read())\"",
        "openssl": "openssl req -in {csr} -out {requests}/{name}.csr",
    }

    def test_every_program_asks_for_a_certificate(self):
        for number, (program, words) in enumerate(self.WRITERS.items()):
            with self.subTest(program):
                name = f"writer{number}.example.com"
                csr, key = self.csr(name)
                before = self.issued()
                line = words.format(csr=csr, requests=self.ca + "/requests", name=name)
                done = run("bash", "-ec", line)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.expect_good(f"{self.ca}/issued/{name}.pem", key)
                self.assertEqual(self.issued(), before + 1)
                # The same again is the same request.
                self.assertEqual(run("bash", "-ec", line).returncode, 0)
                self.assertEqual(self.issued(), before + 1)

    def test_a_config_gets_a_key_too(self):
        put(self.ca + "/requests/cfg.example.com.cfg", CONFIG.format("cfg.example.com").encode())
        certificate, key = (f"{self.ca}/issued/cfg.example.com.{end}" for end in ("pem", "key"))
        self.expect_good(certificate, key)
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        self.assertEqual(os.stat(key).st_size, len(pki.read(key)))
        target = os.path.join(self.work, "taken")
        os.mkdir(target)
        done = run("bash", "-ec", f"mv {self.ca}/issued/cfg.example.com.* {target}/")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(sorted(os.listdir(target)), ["cfg.example.com.key", "cfg.example.com.pem"])
        self.assertFalse([name for name in os.listdir(self.ca + "/issued") if name.startswith("cfg.")])

    def test_refusals_have_an_errno_and_a_reason(self):
        before = self.issued()
        cases = {
            "template": (b"Name = x\nHostname = server.acme.com\n", "EINVAL", "line 2"),
            "unknown": (b"City = x\n", "EINVAL", "line 1"),
        }
        for name, (text, errno, words) in cases.items():
            self.assertEqual(errno_of(put, f"{self.ca}/requests/{name}.cfg", text), errno)
            self.assertIn(words, self.mount.why().splitlines()[-1])
        # More than fits on a command line.
        names = ",".join(f"DNS:h{i}.example.com" for i in range(10000))
        config = pki.write(os.path.join(self.work, "many.cnf"), f"[req]\ndistinguished_name=dn\nreq_extensions=e\n[dn]\n[e]\nsubjectAltName={names}\n".encode())
        many = os.path.join(self.work, "many.csr")
        pki.openssl("req", "-new", "-key", pki.new_key(os.path.join(self.work, "many.key")), "-subj", "/CN=many", "-config", config, "-out", many)
        self.assertIn(errno_of(put, self.ca + "/requests/many.csr", pki.read(many)), ("EKEYREJECTED", "EFBIG"))
        authority, _ = self.csr("sub.example.com", "subjectAltName=DNS:sub.example.com", "basicConstraints=critical,CA:TRUE")
        done = run("cp", authority, self.ca + "/requests/sub.csr")
        self.assertIn("Key was rejected by service", done.stderr)
        self.assertIn("request-asks-for-ca", self.mount.why().splitlines()[-1])
        self.assertEqual(errno_of(put, self.ca + "/requests/web.pem", b"x"), "EPERM")
        self.assertEqual(errno_of(put, self.ca + "/issued/web.pem", b"x"), "EROFS")
        self.assertEqual(self.issued(), before)
        for name in ("template.cfg", "unknown.cfg", "many.csr", "sub.csr"):
            self.assertFalse(os.path.exists(f"{self.ca}/requests/{name}"), name)

    def as_user(self, uid, *command, groups=()):
        drop = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
        return run("setpriv", "--reuid", uid, "--regid", uid, *drop, *command)

    def test_a_group_may_ask_and_sees_its_own(self):
        requests = self.ca + "/requests"
        csr, _ = self.csr("group.example.com")
        os.chmod(csr, 0o644)
        self.assertIn("Permission denied", self.as_user(12345, "cp", csr, requests + "/group.csr", groups=[54321]).stderr)
        os.chown(requests, 0, 54321)
        os.chmod(requests, 0o770)
        done = self.as_user(12345, "cp", csr, requests + "/group.csr", groups=[54321])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(os.stat(self.ca + "/issued/group.pem").st_uid, 12345)
        self.assertEqual(self.as_user(12345, "ls", requests, groups=[54321]).stdout, "group.csr\n")
        self.assertEqual(self.as_user(12346, "ls", requests, groups=[54321]).stdout, "")
        other = self.as_user(12346, "cp", csr, requests + "/group.csr", groups=[54321])
        self.assertIn("Operation not permitted", other.stderr)
        self.assertIn("Operation not permitted", self.as_user(12346, "rm", "-f", self.ca + "/issued/group.pem").stderr)
        self.assertIn("Operation not permitted", self.as_user(12345, "cp", csr, requests + "/sub.ca.csr", groups=[54321]).stderr)
        self.assertEqual(self.as_user(12345, "rm", "-f", self.ca + "/issued/group.pem").returncode, 0)
        self.assertIn("Permission denied", self.as_user(12345, "cat", self.ca + "/control").stderr)
        # It is kept in the keystore.
        self.mount.unmount()
        self.mount.mount()
        self.assertEqual((os.stat(requests).st_gid, stat.S_IMODE(os.stat(requests).st_mode)), (54321, 0o770))

    def test_a_writer_that_is_killed_asks_for_nothing(self):
        before = self.issued()
        text = CONFIG.format("killed.example.com")
        for i in range(rounds(5)):
            program = f"import os,time\nf=os.open('{self.ca}/requests/killed{i}.cfg',os.O_WRONLY|os.O_CREAT)\nos.write(f,b'''{text}''')\nprint(1,flush=True)\ntime.sleep(60)"
            writer = subprocess.Popen(["python3", "-c", program], stdout=subprocess.PIPE)
            writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
        self.assertEqual(self.issued(), before)

    def test_writers_at_once_each_get_theirs(self):
        before = self.issued()
        failures = []

        def drop(i):
            name = f"parallel{i}.example.com"
            try:
                put(f"{self.ca}/requests/{name}.cfg", CONFIG.format(name).encode())
                self.expect_good(f"{self.ca}/issued/{name}.pem", f"{self.ca}/issued/{name}.key")
            except Exception as failure:  # pylint: disable=broad-except
                failures.append(failure)

        threads = [threading.Thread(target=drop, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.issued(), before + 8)

    def test_profiles_are_files(self):
        path = self.ca + "/profiles/server.toml"
        built_in = pki.read(path)
        self.assertEqual(errno_of(os.unlink, path), "EPERM")
        ours = os.path.join(self.work, "server.toml")
        pki.write(ours, b"# ours\n" + built_in)
        for words in (f"cp {ours} {path}", f"cat {ours} > {path}", f"rsync {ours} {path}", f"sed -i 's/ours/mine/' {path}"):
            done = run("bash", "-ec", words)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        self.assertEqual(pki.read(path), b"# mine\n" + built_in)
        self.assertEqual(errno_of(put, path, b"days = -1\n"), "EINVAL")
        self.assertIn("ca/profiles/server.toml", self.mount.why().splitlines()[-1])
        self.assertEqual(pki.read(path), b"# mine\n" + built_in)
        os.unlink(path)
        self.assertEqual(pki.read(path), built_in)

    def test_the_shell_commands(self):
        control = self.ca + "/control"
        self.assertEqual(os.stat(control).st_size, 0)
        put(self.ca + "/requests/shell.example.com.cfg", CONFIG.format("shell.example.com").encode())
        serial = self.command("list --name=shell.example.com")["issued"][0]["serial"]
        done = run("bash", "-c", f'echo "revoke {serial} superseded" > {control}')
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = run("bash", "-c", f'echo "revoke {serial}" >> {control}')
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("File exists", done.stderr)
        self.assertIn("ca/control", self.mount.why().splitlines()[-1])
        done = run("bash", "-c", f'echo "nonsense" > {control}')
        self.assertIn("Invalid argument", done.stderr)
        self.assertEqual(self.command(f"status {serial}")["state"], "revoked")
        # The largest command arrives whole, wherever it begins in memory; a larger one is none.
        limit = (1 << 20) - 4096
        self.assertEqual(errno_of(self.command, b"show".ljust(limit + 1)), "EFBIG")
        self.assertIn("authority", self.command(b"show".ljust(limit)))
        descriptor = os.open(control, os.O_RDWR)
        try:
            self.assertRaises(OSError, os.write, descriptor, b"nonsense")
            self.assertEqual(json.loads(os.pread(descriptor, 4096, 0))["error"]["rule"], "control")
            self.assertEqual(os.pread(descriptor, 4, 2), b"erro")
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def https_server(self, entry):
        """Stock openssl, serving the pair of `entry`; yields its port."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen(["openssl", "s_server", "-quiet", "-www", "-accept", f"127.0.0.1:{port}", "-cert", entry + "/cert.pem", "-key", entry + "/key.pem"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
            yield port
        finally:
            server.kill()
            server.wait()

    def serving_pair(self, alias, name):
        entry = self.mount.entry("machine", alias)
        self.command(f"write-entries test\n[machine/{alias}]\n" + CONFIG.format(name))
        return entry

    def test_whoever_is_revoked_is_refused(self):
        entry = self.serving_pair("revoked", "localhost")
        self.expect_good(entry + "/cert.pem", entry + "/key.pem")
        with self.https_server(entry) as port:
            fetch = ["curl", "-sS", "--cacert", self.ca + "/root.pem", "--crlfile", self.ca + "/crl.pem", f"https://localhost:{port}/"]
            self.assertEqual(run(*fetch).returncode, 0, run(*fetch).stderr)
            self.command("revoke machine/revoked keyCompromise")
            done = run(*fetch)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("revoked", done.stderr)
        hashed = [name for name in os.listdir(self.mount.at("export", "TRUSTED_ROOTS", "hashed")) if ".r" in name]
        lists = [pki.openssl("crl", "-in", self.mount.at("export", "TRUSTED_ROOTS", "hashed", name), "-outform", "DER") for name in hashed]
        self.assertIn(pki.read(self.ca + "/crl.der"), lists)
        # The same pair is not written again, and with enforcement its key is withheld.
        other = self.mount.entry("vpxd", "revoked")
        put(other + "/key.pem", pki.read(entry + "/key.pem"))
        self.assertEqual(errno_of(put, other + "/cert.pem", pki.read(entry + "/cert.pem")), "EKEYREVOKED")
        store = self.mount.at("stores", "machine")
        self.assertEqual(os.getxattr(store, "user.certfs.enforce_revocation"), b"0")
        with open(entry + "/key.pem", "rb") as reader:
            os.setxattr(store, "user.certfs.enforce_revocation", b"1")
            self.assertIn("user.certfs.enforce_revocation", os.listxattr(store))
            self.assertEqual(errno_of(pki.read, entry + "/key.pem"), "EKEYREVOKED")
            self.assertEqual(errno_of(pki.read, self.mount.at("export", "machine", "revoked", "combined.pem")), "EKEYREVOKED")
            self.assertIn(b"PRIVATE KEY", reader.read())
        self.assertEqual(errno_of(os.setxattr, store, "user.certfs.enforce_revocation", b"yes"), "EINVAL")
        self.assertEqual(errno_of(os.setxattr, entry, "user.certfs.enforce_revocation", b"1"), "ENOTSUP")
        os.removexattr(store, "user.certfs.enforce_revocation")
        self.assertIn(b"PRIVATE KEY", pki.read(entry + "/key.pem"))

    def test_a_renewal_is_seen_and_kept(self):
        entry = self.serving_pair("renewed", "renewed.example.com")
        before, inode = pki.read(entry + "/cert.pem"), os.stat(entry + "/key.pem").st_ino
        watcher = subprocess.Popen(["inotifywait", "-q", "-e", "moved_to", "-t", "20", entry], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) if shutil.which("inotifywait") else None
        time.sleep(1 if watcher else 0)
        self.command("renew machine/renewed --rekey")
        self.assertNotEqual(pki.read(entry + "/cert.pem"), before)
        self.assertNotEqual(os.stat(entry + "/key.pem").st_ino, inode)
        self.expect_good(entry + "/cert.pem", entry + "/key.pem")
        self.assertEqual(pki.read(self.mount.at("stores", "BACKUP_STORE", "bkp_renewed", "cert.pem")), before)
        if watcher:
            self.assertEqual(watcher.wait(), 0)
            watcher.stdout.close()
            watcher.stderr.close()

    def test_a_request_of_the_mount_is_answered_by_the_mount(self):
        entry = self.mount.entry("machine", "flow")
        os.mkdir(entry + "/next")
        put(entry + "/next/request.cfg", CONFIG.format("flow.example.com").encode())
        export = self.mount.at("export", "machine", "flow")
        done = run("bash", "-ec", f"cat {entry}/next/request.csr > {self.ca}/requests/flow.csr && cat {self.ca}/issued/flow.pem > {entry}/next/cert.pem")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.expect_good(entry + "/cert.pem", entry + "/key.pem")
        # A renewal of what is live: now the request shows in export/ too.
        put(entry + "/next/request.cfg", CONFIG.format("flow.example.com").encode())
        self.assertEqual(pki.read(export + "/request.csr"), pki.read(export + "/VSOcertificate.csr"))
        done = run("bash", "-ec", f"cat {export}/VSOcertificate.csr > {self.ca}/requests/flow.csr && cat {self.ca}/issued/flow.pem > {entry}/next/cert.pem")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.expect_good(entry + "/cert.pem", entry + "/key.pem")

    def test_health_and_the_backup(self):
        put(self.ca + "/requests/health.example.com.cfg", CONFIG.format("health.example.com").encode())
        health = json.loads(pki.read(self.mount.at("status", "health.json")))
        self.assertIn("ca-never-backed-up", [each["id"] for each in health["findings"]])
        self.assertEqual(errno_of(pki.read, self.mount.at("backup", "ca.p12")), "ENOKEY")


if __name__ == "__main__":
    harness.main()
