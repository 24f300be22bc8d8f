"""Goal: what opens a keystore changes while it is mounted, and nobody who works on the mount notices; a recovery key opens it, by
certfs and by stock openssl. Method: certfs key beside writers and readers, killed at many moments; keystore.hdr taken apart as
store/README.md has it."""

import glob
import hashlib
import hmac
import json
import os
import pty
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time

import harness
import pki
from harness import CERTFS, Mount, rounds, run

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "recovery")


def hkdf_sha512(secret, salt, info, size):
    """RFC 5869, for outputs of at most one block."""
    extracted = hmac.new(salt or bytes(64), secret, hashlib.sha512).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha512).digest()[:size]


def slots_of(header):
    """Takes keystore.hdr apart; returns the store id and the slots by number."""
    assert header[:8] == b"CERTFS\r\n" and struct.unpack(">H", header[8:10]) == (2,)
    count = struct.unpack(">H", header[10:12])[0]
    slots = {}
    at = 40
    for _ in range(count):
        number, size = struct.unpack(">HH", header[at:at + 4])
        slots[number] = header[at + 4:at + 4 + size]
        at += 4 + size
        at += 2 + struct.unpack(">H", header[at:at + 2])[0]
    assert at + 64 == len(header)
    return header[16:32], slots


def seals_in(data, epoch):
    """How often a seal of that epoch begins in the file (store/README.md, "Sealed records")."""
    return sum(data.count(bytes([1, 1, kind, 0]) + struct.pack(">I", epoch)) for kind in (2, 3, 4, 5))


class KeyTest(harness.MountTest):
    def change(self, part, *arguments):
        done = run(CERTFS, "key", part, self.mount.keystore, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def listed(self, *unlock):
        return json.loads(self.change("list", "--json", *unlock))

    def data(self):
        return pki.read(os.path.join(self.mount.keystore, "data.mdb"))

    def private(self, name):
        """A copy of a recovery key that nobody else can read."""
        path = os.path.join(self.work, name)
        shutil.copy(os.path.join(VECTORS, name), path)
        os.chmod(path, 0o600)
        return path

    def contents(self):
        """Every file of the mount's stores, with mode, owner and time."""
        found = {}
        for root, _, files in os.walk(self.mount.at("stores")):
            for name in files:
                path = os.path.join(root, name)
                status = os.stat(path)
                found[path] = (pki.read(path), status.st_mode, status.st_uid, status.st_mtime_ns)
        return found

    def test_slots_come_and_go_while_mounted(self):
        entry = self.machine_pair()
        before = self.contents()
        added = os.path.join(self.work, "second.key")
        number = int(self.change("add", "--new-keyfile", added).split()[-1])
        self.change("add", "--recovery", os.path.join(VECTORS, "p256.pem"))
        slots = {slot["slot"]: slot for slot in self.listed("--keyfile", added)["slots"]}
        self.assertTrue(slots[number]["unlocked"])
        self.assertEqual(slots[number + 1]["subject"], "CN=Recovery p256,O=Acme")
        self.assertNotIn(b"Acme", pki.read(os.path.join(self.mount.keystore, "keystore.hdr")))
        harness.put(entry + "/cert.pem", self.chain)
        self.change("remove", number)
        self.change("remove", number + 1)
        self.assertNotEqual(run(CERTFS, "key", "list", self.mount.keystore, "--keyfile", added).returncode, 0)
        after = self.contents()
        self.assertEqual(before.keys(), after.keys())
        self.mount.unmount()
        self.mount.mount()

    def test_no_slot_is_lost_when_many_are_added_at_once(self):
        paths = [os.path.join(self.work, f"many{i}.key") for i in range(6)]
        running = [subprocess.Popen([CERTFS, "key", "add", self.mount.keystore, "--new-keyfile", path],
                                    stdout=subprocess.PIPE, text=True) for path in paths]
        numbers = [int(each.communicate(timeout=120)[0].split()[-1]) for each in running]
        self.assertEqual(len(set(numbers)), len(paths))
        for path, number in zip(paths, numbers):
            opened = [slot["slot"] for slot in self.listed("--keyfile", path)["slots"] if slot["unlocked"]]
            self.assertEqual(opened, [number])
        for number in numbers:
            self.change("remove", number)

    def test_a_rotation_beside_readers_and_writers(self):
        self.trust_root()
        entries = [self.mount.entry("machine", f"r{i}") for i in range(20)]
        for entry in entries:
            pki.write(entry + "/key.pem", pki.read(self.key))
        directories = self.pair_directories(2)
        pairs = [tuple(pki.read(f"{each}/{name}") for name in ("key.pem", "cert.pem")) for each in directories]
        live = self.mount.entry("machine", "live")
        os.makedirs(live + "/next", exist_ok=True)
        stop = threading.Event()
        faults = []
        written = [0]

        def write():
            try:
                while not stop.is_set():
                    for name, data in zip(("key.pem", "cert.pem"), pairs[written[0] % 2]):
                        harness.put(f"{live}/next/{name}", data)
                    written[0] += 1
            except OSError as error:
                faults.append(error)

        def read():
            expected = pki.read(entries[0] + "/key.pem")
            try:
                while not stop.is_set():
                    for entry in entries:
                        if pki.read(entry + "/key.pem") != expected:
                            faults.append("other bytes")
            except OSError as error:
                faults.append(error)

        threads = [threading.Thread(target=each) for each in (write, read)]
        for thread in threads:
            thread.start()
        epoch = self.listed()["epoch"]
        # That there are changes beside it is what this is about.
        while not written[0] and not faults:
            time.sleep(0.01)
        for _ in range(rounds(5)):
            self.change("rotate")
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])
        self.assertGreater(written[0], 0)
        state = self.listed()
        self.assertEqual(state["epoch"], epoch + rounds(5))
        # While it is mounted the file stays; the next mount is alone first.
        self.assertTrue(state["rewrite_pending"])
        before = self.contents()
        self.assertGreater(seals_in(self.data(), epoch), 0)
        self.mount.unmount()
        self.mount.mount()
        self.assertEqual(self.contents(), before)
        self.assertFalse(self.listed()["rewrite_pending"])
        for old in range(1, state["epoch"]):
            self.assertEqual(seals_in(self.data(), old), 0, old)

    def test_a_rotation_that_is_killed_goes_on(self):
        for i in range(200):
            entry = self.mount.entry("vpxd", f"k{i}")
            pki.write(entry + "/key.pem", pki.read(self.key))
        before = self.contents()
        rng = random.Random(4)
        killed = 0
        for _ in range(rounds(50)):
            rotation = subprocess.Popen([CERTFS, "key", "rotate", self.mount.keystore], stdout=subprocess.DEVNULL)
            try:
                rotation.wait(timeout=rng.uniform(0.0, 0.08))
            except subprocess.TimeoutExpired:
                rotation.send_signal(signal.SIGKILL)
                killed += 1
            rotation.wait()
        self.assertGreater(killed, 0)
        self.change("rotate")
        self.change("rotate")
        state = self.listed()
        self.assertFalse(state["rotating"])
        self.assertEqual(self.contents(), before)
        self.mount.unmount()
        for name in glob.glob(self.mount.keystore + "/*"):
            self.assertNotIn("new", os.path.basename(name))
        self.mount.mount()
        self.assertEqual(self.contents(), before)
        for old in range(1, state["epoch"]):
            self.assertEqual(seals_in(self.data(), old), 0, old)

    def test_a_recovery_key_mounts_it(self):
        entry = self.machine_pair()
        before = pki.read(entry + "/key.pem")
        self.change("add", "--recovery", os.path.join(VECTORS, "rsa.pem"))
        self.change("add", "--recovery", os.path.join(VECTORS, "p256.pem"))
        self.mount.unmount()
        hidden = self.mount.keystore + ".key.away"
        os.rename(self.mount.keystore + ".key", hidden)
        try:
            # A recovery key without a passphrase.
            mounted = run(CERTFS, "mount", self.mount.keystore, self.mount.path, "--recovery-key", self.private("rsa.key"))
            self.assertEqual(mounted.returncode, 0, mounted.stderr)
            self.assertEqual(pki.read(entry + "/key.pem"), before)
            self.mount.unmount()
            # One with a passphrase, which is asked for on the terminal.
            self.assertEqual(self.mount_by_terminal(self.private("p256-encrypted.key"), "open sesame"), 0)
            self.assertEqual(pki.read(entry + "/key.pem"), before)
            self.mount.unmount()
            self.assertEqual(self.mount_by_terminal(self.private("p256-encrypted.key"), "open says me"), 3)
            other = run(CERTFS, "mount", self.mount.keystore, self.mount.path, "--recovery-key", self.private("p384.key"))
            self.assertEqual(other.returncode, 3, other.stderr)
        finally:
            os.rename(hidden, self.mount.keystore + ".key")
            self.mount.mount()
        for slot in self.listed()["slots"]:
            if slot["type"] == "recovery":
                self.change("remove", slot["slot"])

    def mount_by_terminal(self, key, passphrase):
        """Mounts with a recovery key whose passphrase is typed; returns the exit code."""
        child, terminal = pty.fork()
        if child == 0:
            os.execv(CERTFS, [CERTFS, "mount", self.mount.keystore, self.mount.path, "--recovery-key", key])
        said = b""
        while b"Passphrase of" not in said:
            said += os.read(terminal, 1024)
        os.write(terminal, passphrase.encode() + b"\n")
        try:
            while os.read(terminal, 1024):
                pass
        except OSError:
            pass  # The terminal's other end was closed.
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        return os.waitstatus_to_exitcode(status)

    def test_stock_openssl_recovers_what_a_slot_encapsulates(self):
        numbers = {}
        for name in ("rsa", "p256", "p521"):
            words = self.change("add", "--recovery", os.path.join(VECTORS, name + ".pem"))
            numbers[name] = int(words.split("slot ")[1].split(":")[0])
        store_id, slots = slots_of(pki.read(os.path.join(self.mount.keystore, "keystore.hdr")))
        for name, number in numbers.items():
            slot = slots[number]
            encapsulated = os.path.join(self.work, name + ".encapsulated")
            out = os.path.join(self.work, name + ".out")
            pki.write(encapsulated, slot[160:])
            key = os.path.join(VECTORS, name + ".key")
            if name == "rsa":
                done = run("openssl", "pkeyutl", "-decrypt", "-inkey", key, "-in", encapsulated, "-out", out,
                           "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256",
                           "-pkeyopt", "rsa_mgf1_md:sha256",
                           "-pkeyopt", "rsa_oaep_label:6365727466732f76312f7265636f7665727900")
                self.assertEqual(done.returncode, 0, done.stderr)
                secret = pki.read(out)
            else:
                done = run("openssl", "pkeyutl", "-derive", "-inkey", key, "-peerkey", encapsulated, "-peerform", "DER",
                           "-out", out)
                self.assertEqual(done.returncode, 0, done.stderr)
                info = b"certfs/v1/recovery\0" + slot[128:160] + slot[160:]
                secret = hkdf_sha512(pki.read(out), b"", info, 32)
            self.assertEqual(len(secret), 32)
            keys = hkdf_sha512(secret, slot[16:48], b"certfs/v1/slot\0" + store_id + slot[:48], 64)
            self.assertEqual(keys[32:], slot[48:80], name)  # The commitment: S is the one.
            self.change("remove", number)

    def test_a_slot_is_revoked_only_while_nothing_is_mounted(self):
        second = os.path.join(self.work, "revoked.key")
        number = int(self.change("add", "--new-keyfile", second).split()[-1])
        before = self.contents()
        header = pki.read(os.path.join(self.mount.keystore, "keystore.hdr"))
        busy = run(CERTFS, "key", "revoke", self.mount.keystore, number)
        self.assertEqual(busy.returncode, 1)
        self.assertIn("not mounted", busy.stderr)
        self.mount.unmount()
        self.change("revoke", number)
        self.mount.mount()
        self.assertEqual(self.contents(), before)
        # The old header beside the new data opens nothing.
        copy = tempfile.mkdtemp(prefix="certfs-old-")
        self.addCleanup(shutil.rmtree, copy)
        shutil.copy(os.path.join(self.mount.keystore, "data.mdb"), copy)
        pki.write(os.path.join(copy, "keystore.hdr"), header)
        self.assertEqual(run(CERTFS, "key", "list", copy, "--keyfile", second).returncode, 4)

    def test_a_revocation_that_is_killed_leaves_the_slot_or_takes_it(self):
        for i in range(50):
            entry = self.mount.entry("SMS", f"v{i}")
            pki.write(entry + "/key.pem", pki.read(self.key))
        before = self.contents()
        self.mount.unmount()
        rng = random.Random(5)
        outcomes = set()
        for i in range(rounds(30)):
            path = os.path.join(self.work, f"doomed{i}.key")
            number = int(self.change("add", "--new-keyfile", path).split()[-1])
            revocation = subprocess.Popen([CERTFS, "key", "revoke", self.mount.keystore, str(number)],
                                          stdout=subprocess.DEVNULL)
            try:
                revocation.wait(timeout=rng.uniform(0.0, 0.05) if i % 5 else None)
            except subprocess.TimeoutExpired:
                revocation.send_signal(signal.SIGKILL)
            revocation.wait()
            opens = run(CERTFS, "key", "list", self.mount.keystore, "--keyfile", path).returncode
            self.assertIn(opens, (0, 3))
            self.assertEqual(number in [slot["slot"] for slot in self.listed()["slots"]], opens == 0)
            outcomes.add(opens)
            if opens == 0:
                self.change("remove", number)
            if i % 5 == 0:
                self.mount.mount()
                self.assertEqual(self.contents(), before)
                self.mount.unmount()
        self.assertIn(3, outcomes)
        self.change("rotate")
        self.mount.mount()
        self.assertEqual(self.contents(), before)
        self.assertFalse(self.listed()["rotating"])

    def test_the_export_password_is_typed_twice(self):
        child, terminal = pty.fork()
        if child == 0:
            os.execv(CERTFS, [CERTFS, "password", "set", self.mount.keystore])
        said = b""
        for words in (b"New export password", b"The same again"):
            while words not in said:
                said += os.read(terminal, 1024)
            os.write(terminal, b"a typed password\n")
        try:
            while more := os.read(terminal, 1024):
                said += more
        except OSError:
            pass
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        os.close(terminal)
        self.assertNotIn(b"typed", said)
        self.assertIn(b"is set", said)


if __name__ == "__main__":
    harness.main()
