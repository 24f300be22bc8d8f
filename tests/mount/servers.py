"""Servers that are started with the files of tools/examples, out of a mount whose authority renews their pair.

Goal: what a user copies works as it stands. Method: the file is used as it is, with only the mount, ports and places for state replaced,
each of which must be there; the pair is renewed by `certfs renew`, and `certfs watch` runs what the example says.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import harness
import pki
from harness import CERTFS, run

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/examples")
ENTRY = "MACHINE_SSL_CERT/__MACHINE_CERT"
PATIENCE = 60


def until(condition):
    """Waits until `condition` holds; returns whether it does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def example(name, replacements):
    """The text of an example with each of `replacements` made, of what stands in it."""
    text = pki.read(os.path.join(EXAMPLES, name)).decode()
    for old, new in replacements.items():
        assert old in text, f"{name} does not say {old}"
        text = text.replace(old, str(new))
    return text


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, *words):
        pass


class ServerTest(harness.MountTest):
    """A mount with an authority, MACHINE_SSL_CERT from it, and an application that speaks HTTP behind the servers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # What servers of other users have to reach.
        os.chmod(cls.work, 0o755)
        cls.certfs("ca", "init", "--name", "Example CA")
        config = pki.write(os.path.join(cls.work, "machine.cfg"), b"Name = localhost\nHostname = localhost\nIPAddress = 127.0.0.1\n")
        key, certificate = os.path.join(cls.work, "machine.key"), os.path.join(cls.work, "machine.pem")
        cls.certfs("ca", "issue", config, "--key-out", key, "--out", certificate)
        cls.certfs("import", pki.write(os.path.join(cls.work, "pair.pem"), pki.read(key) + pki.read(certificate)), ENTRY)
        cls.live = cls.mount.at("stores", ENTRY)
        cls.bundle = cls.mount.at("export/TRUSTED_ROOTS/ca-bundle.pem")
        cls.application = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
        threading.Thread(target=cls.application.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.application.server_close)
        cls.addClassCleanup(cls.application.shutdown)

    @classmethod
    def certfs(cls, *arguments):
        done = run(CERTFS, *arguments, "--mount", cls.mount.path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def setUp(self):
        self.port = free_port()
        self.place = tempfile.mkdtemp(prefix="certfs-server-")
        os.chmod(self.place, 0o755)
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)

    def backend(self):
        return f"127.0.0.1:{self.application.server_port}"

    def write(self, name, text):
        return pki.write(os.path.join(self.place, name), text.encode())

    def start(self, *command, **options):
        """A process that is ended by its own id after the test; what it says is in the file `self.log`."""
        self.log = os.path.join(self.place, f"log-{time.monotonic_ns()}")
        with open(self.log, "wb") as log:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()

    def grant(self, user):
        done = run("setfacl", "-m", f"u:{user}:r", self.live + "/key.pem")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(run, "setfacl", "-b", self.live + "/key.pem")

    def live_serial(self):
        return int(run("openssl", "x509", "-noout", "-serial", "-in", self.live + "/cert.pem").stdout.split("=")[1], 16)

    def served_serial(self, *more):
        """What a stock client verified by ca-bundle.pem of the mount; None while nobody answers as he should."""
        done = run("openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-CAfile", self.bundle, "-verify_return_error",
                   "-verify_hostname", "localhost", *more, input="QUIT\n" if more else "\n")
        if "Verify return code: 0 (ok)" not in done.stdout:
            return None
        pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", done.stdout, re.DOTALL).group()
        shown = run("openssl", "x509", "-noout", "-serial", input=pem)
        return int(shown.stdout.split("=")[1], 16)

    def curl(self):
        return run("curl", "-sS", "--cacert", self.bundle, f"https://localhost:{self.port}/")

    def renew_and_reload(self, reload, served):
        """The pair is renewed, with another key; `reload`, run by certfs watch, has the new one served. `served` says which one is."""
        before = self.live_serial()
        self.assertTrue(until(lambda: served() == before), pki.read(self.log).decode(errors="replace"))
        watcher = subprocess.Popen([CERTFS, "watch", "--mount", self.mount.path, ENTRY, "--", *map(str, reload)], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, cwd=self.place)
        try:
            self.assertEqual(watcher.stdout.readline(), ENTRY + ": watching\n")
            self.certfs("renew", ENTRY, "--rekey", "--yes")
            after = self.live_serial()
            self.assertNotEqual(after, before)
            # Until it is reloaded it has the old pair, and none in between is seen.
            self.assertTrue(until(lambda: served() == after), pki.read(self.log).decode(errors="replace"))
            # The server may be done before the command is, which would be ended with the watcher.
            self.assertTrue(until(lambda: not pki.read(f"/proc/{watcher.pid}/task/{watcher.pid}/children")), "the command does not end")
        finally:
            watcher.send_signal(signal.SIGTERM)
            said = watcher.communicate(timeout=PATIENCE)[0]
        self.assertEqual((said.count(ENTRY + ": changed\n"), "ended with" in said), (1, False), "one run, which did not fail: " + said)
