"""Goal: a new certificate and key go live together, whatever program stages them in next/; a key made inside waits for its CA; a revert is one step.
Method: the commands that administrators give, a CA that is stock openssl, and nginx reloading while the pair is rotated."""

import os
import re
import shutil
import ssl
import stat
import subprocess
import time

import harness
import pki
from harness import CERTFS, errno_of, put, run


class Next(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pairs = cls.pair_directories(2)

    def entry(self, alias, pair=None):
        """An entry with a live pair, or an empty one, and its next/."""
        entry = self.mount.entry("machine", alias)
        if pair is not None:
            put(entry + "/key.pem", pki.read(self.pairs[pair] + "/key.pem"))
            put(entry + "/cert.pem", pki.read(self.pairs[pair] + "/cert.pem"))
        os.mkdir(entry + "/next")
        return entry

    def expect_live(self, entry, pair):
        for name in ("cert.pem", "key.pem"):
            self.assertEqual(pki.read(f"{entry}/{name}"), pki.read(f"{self.pairs[pair]}/{name}"))
        self.assertEqual(os.listdir(entry + "/next"), [])

    # Contract rule 9 and item 2: each of these sets modes and times by path after close.
    COMMANDS = {
        "cp -a": "cp -a key.pem cert.pem {next}/",
        "cp -a .": "cp -a . {next}",
        "cp -r .": "cp -r . {next}",
        "cp -p": "cp -p cert.pem key.pem {next}/",
        "tar x": "tar c cert.pem key.pem | tar x -C {next}",
        "tar x, the key first": "tar c key.pem cert.pem | tar xp -C {next}",
        "install -m": "install -m 600 key.pem {next}/key.pem && install -m 644 cert.pem {next}/cert.pem",
        "install": "install -m 644 cert.pem {next}/ && install -m 600 -o 0 -g 0 key.pem {next}/",
        "rsync -a": "rsync -a ./ {next}/",
        "rsync --delay-updates": "rsync -r --delay-updates ./ {next}/",
        "rsync -a --inplace": "rsync -a --inplace ./ {next}/",
        "cat": "cat key.pem > {next}/key.pem && cat cert.pem > {next}/cert.pem",
    }

    def test_every_program_stages_a_pair(self):
        for number, (name, command) in enumerate(self.COMMANDS.items()):
            for start in (None, 0):
                with self.subTest(name, start=start):
                    entry = self.entry(f"by-{number}-{start}", start)
                    done = run("bash", "-ec", "set -o pipefail; " + command.format(next=entry + "/next"), cwd=self.pairs[1])
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.expect_live(entry, 1)
                    self.assertEqual(stat.S_IMODE(os.stat(entry + "/key.pem").st_mode), 0o600)
                    if name in ("cp -a", "tar x", "rsync -a --inplace"):
                        self.assertEqual(int(os.stat(entry + "/cert.pem").st_mtime), int(os.stat(self.pairs[1] + "/cert.pem").st_mtime))
                    # At once the way back: the names of the moment before are no obstacle.
                    done = run("bash", "-ec", "set -o pipefail; " + command.format(next=entry + "/next"), cwd=self.pairs[0])
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.expect_live(entry, 0)

    def test_what_is_staged_survives_and_waits(self):
        entry = self.entry("waits", 0)
        put(entry + "/next/key.pem", pki.read(self.pairs[1] + "/key.pem"))
        self.assertEqual(errno_of(put, entry + "/next/cert.pem", pki.read(self.pairs[0] + "/cert.pem")), "EKEYREJECTED")
        self.assertIn("/next/cert.pem", self.mount.why())
        self.mount.kill()
        self.mount.mount()
        self.assertEqual(pki.read(entry + "/next/key.pem"), pki.read(self.pairs[1] + "/key.pem"))
        self.assertEqual(pki.read(entry + "/key.pem"), pki.read(self.pairs[0] + "/key.pem"))
        put(entry + "/next/cert.pem", pki.read(self.pairs[1] + "/cert.pem"))
        self.expect_live(entry, 1)
        # It stays until it is removed, and then nothing is left of it.
        put(entry + "/next/key.pem", pki.read(self.pairs[0] + "/key.pem"))
        self.assertEqual(errno_of(os.rmdir, entry + "/next"), "ENOTEMPTY")
        self.assertEqual(run("rm", "-r", entry + "/next").returncode, 0)
        self.assertEqual(sorted(os.listdir(entry)), ["cert.pem", "key.pem"])

    def test_others_see_neither_key(self):
        entry = self.entry("private", 0)
        put(entry + "/next/key.pem", pki.read(self.pairs[1] + "/key.pem"))
        for path in (entry + "/next/key.pem", entry + "/key.pem"):
            done = run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "cat", path)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("Permission denied", done.stderr)
        self.assertEqual(errno_of(os.chmod, entry + "/next/key.pem", 0o604), "EPERM")

    def test_a_key_made_inside_waits_for_its_certificate(self):
        entry = self.entry("inside", 0)
        config = b"Country = DE\nName = localhost\nOrganization = Example\nHostname = localhost\nIPAddress = 127.0.0.1\n"
        put(entry + "/next/request.cfg", config)
        request = os.path.join(self.work, "inside.csr")
        shutil.copy(entry + "/next/request.csr", request)
        text = pki.openssl("req", "-in", request, "-noout", "-verify", "-text").decode()
        self.assertIn("CN = localhost", text)
        self.assertIn("DNS:localhost, IP Address:127.0.0.1", text)
        self.assertEqual(errno_of(put, entry + "/next/request.csr", b"x"), "EROFS")
        self.assertEqual(errno_of(put, entry + "/next/request.cfg", b"Name = x\nBogus = y\n"), "EINVAL")
        self.assertIn("line 2: 'Bogus'", self.mount.why())
        self.mount.unmount()
        self.mount.mount()
        # The CA signs what it was sent.
        signed = os.path.join(self.work, "inside.pem")
        pki.write(os.path.join(self.work, "inside.cnf"), pki.SERVER.encode())
        pki.openssl("ca", "-batch", "-notext", "-config", self.issuing.config, "-keyfile", self.issuing.key, "-cert", self.issuing.cert,
                    "-startdate", pki.stamp(-1), "-enddate", pki.stamp(90), "-extfile", os.path.join(self.work, "inside.cnf"),
                    "-in", request, "-out", signed)
        put(entry + "/next/cert.pem", pki.read(signed))
        self.assertEqual(os.listdir(entry + "/next"), [])
        self.assertEqual(pki.read(entry + "/cert.pem"), pki.read(signed))
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(entry + "/cert.pem", entry + "/key.pem")

    def test_revert_puts_a_pair_back_in_one_step(self):
        entry = self.entry("reverted", 0)
        run("cp", "-a", ".", entry + "/next", cwd=self.pairs[1])
        self.expect_live(entry, 1)
        os.chmod(entry + "/key.pem", 0o640)
        revert = (CERTFS, "revert", "machine/reverted", "--mount", self.mount.path)
        done = run(*revert)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.expect_live(entry, 0)
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/key.pem").st_mode), 0o640)
        # A revert is itself a change; and a copy, as anybody can make it.
        self.assertEqual(run("cp", "-r", self.mount.at("stores/BACKUP_STORE/bkp_reverted/."), entry + "/next").returncode, 0)
        self.expect_live(entry, 1)
        # What is staged is not overrun.
        put(entry + "/next/key.pem", pki.read(self.pairs[1] + "/key.pem"))
        done = run(*revert)
        self.assertEqual(done.returncode, 1)
        self.assertIn("a replacement is staged", done.stderr)
        run("rm", "-r", entry + "/next")
        # After the removal of everything.
        run("rm", "-r", entry)
        self.assertEqual(run(*revert).returncode, 0)
        self.assertEqual(pki.read(entry + "/key.pem"), pki.read(self.pairs[1] + "/key.pem"))
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/key.pem").st_mode), 0o640)
        self.assertEqual(sorted(os.listdir(entry)), ["cert.pem", "key.pem"])

    def test_revert_says_what_it_cannot(self):
        self.entry("never", 0)
        never = run(CERTFS, "revert", "wcp/never", "--mount", self.mount.path)
        self.assertEqual(never.returncode, 1)
        self.assertIn("keeps no state", never.stderr)
        # The state of another store's entry of that alias is not mistaken for it.
        entry = self.mount.entry("machine", "twin")
        put(entry + "/cert.pem", self.leaf)
        put(entry + "/cert.pem", self.chain)
        twin = run(CERTFS, "revert", "wcp/twin", "--mount", self.mount.path)
        self.assertIn("keeps no state", twin.stderr)
        again = run(CERTFS, "revert", "machine/twin", "--mount", self.mount.path)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)
        user = run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", CERTFS, "revert", "machine/twin", "--mount", self.mount.path)
        self.assertEqual(user.returncode, 1)
        self.assertIn("Permission denied", user.stderr)


NGINX = """
daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/nginx.log notice;
events {{}}
http {{
  access_log off; client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {entry}/cert.pem; ssl_certificate_key {entry}/key.pem; return 200; }}
}}
"""


class Reloads(harness.MountTest):
    """Item 1: nginx -s reload in a loop of rotations."""

    def test_no_reload_fails_and_none_serves_an_old_pair(self):
        count = harness.rounds(200)
        self.trust_root()
        entry = self.mount.entry("MACHINE_SSL_CERT", "__MACHINE_CERT")
        os.mkdir(entry + "/next")
        keys = [pki.new_key(os.path.join(self.work, f"key{i}")) for i in range(2)]
        issuer = pki.read(self.issuing.cert)
        pairs = []
        for i in range(min(count, 20)):
            pairs.append((self.issuing.issue("localhost", keys[i % 2]) + issuer, pki.read(keys[i % 2])))
        self.rotate(entry, *pairs[0])
        port = free_port()
        config = pki.write(os.path.join(self.work, "nginx.conf"), NGINX.format(work=self.work, port=port, entry=entry).encode())
        server = subprocess.Popen(["nginx", "-c", config, "-p", self.work], stderr=subprocess.DEVNULL)
        try:
            der = [ssl.PEM_cert_to_DER_cert(cert.decode().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
                   for cert, _ in pairs]
            self.await_served(port, {der[0]})
            failed = 0
            for i in range(1, count):
                cert, key = pairs[i % len(pairs)]
                # The reload runs into the rotation: it may meet the pair before it or the new one.
                reload = subprocess.Popen(["nginx", "-c", config, "-p", self.work, "-s", "reload"], stdout=subprocess.DEVNULL,
                                          stderr=subprocess.PIPE)
                self.rotate(entry, cert, key)
                words = reload.communicate(timeout=60)[1]
                failed += reload.returncode != 0 or b"[emerg]" in words
                # What it serves is at most one rotation old.
                self.await_served(port, {der[(i - 1) % len(pairs)], der[i % len(pairs)]})
            self.assertEqual(failed, 0)
            log = pki.read(os.path.join(self.work, "nginx.log")).decode()
            self.assertEqual(re.findall(r".*\[(?:emerg|alert|crit|error)\].*", log), [])
            print(f"{count} rotations, {failed} failed reloads")
        finally:
            server.terminate()
            server.wait()

    @staticmethod
    def rotate(entry, cert, key):
        put(entry + "/next/key.pem", key)
        put(entry + "/next/cert.pem", cert)

    def await_served(self, port, wanted):
        """Waits until the server, which reloads at its leisure, serves one of `wanted`."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port))) in wanted:
                    return
            except (ConnectionError, ssl.SSLError):
                pass
            time.sleep(0.01)
        self.fail("an old certificate is served for ever")


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    harness.main()
