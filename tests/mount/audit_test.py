"""Goal: whoever reads a key is in the audit log, with his uid, process and executable; the log survives a killed daemon and a full
disk, shows itself to root alone, stays within its size, and certfs doctor finds what was done to it. Method: copies of cat, each
under a name of its own and run as several users, open one key ten thousand times; everything is checked with hashlib and json."""

import collections
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time

import harness
import pki
from harness import errno_of, put, rounds, run

KEY = "stores/MACHINE_SSL_CERT/__MACHINE_CERT/key.pem"
UIDS = (0, 1001, 1002, 1003)
AT_ONCE = 500  # How often one process opens the key.


def lines(mount):
    """The lines of status/audit.jsonl, whose size is checked, and whose chain."""
    path = mount.at("status", "audit.jsonl")
    with open(path, "rb") as log:
        size = os.fstat(log.fileno()).st_size
        text = log.read()
    assert len(text) == size, (len(text), size)
    raw = text.splitlines()
    for before, line in zip(raw, raw[1:]):
        assert json.loads(line)["prev"] == hashlib.sha256(before).hexdigest(), line
    return [json.loads(line) for line in raw]


def doctor(keystore):
    """What the doctor finds about the audit log of a keystore."""
    found = run(harness.CERTFS, "doctor", keystore, "--json")
    report = json.loads(found.stdout)["keystores"][0]
    assert "audit" not in json.dumps(report.get("not_checked", [])), report
    return [each for each in report["findings"] if each["id"].startswith("audit")]


class Audit(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.chmod(cls.work, 0o755)
        cls.entry = cls.machine_pair()
        users = ",".join(f"u:{uid}:r" for uid in UIDS if uid)
        granted = run("setfacl", "-m", users, cls.mount.at(KEY))
        assert not granted.returncode, granted.stderr

    def reader(self, uid):
        path = os.path.join(self.work, f"reader-{uid}")
        if not os.path.exists(path):
            shutil.copy(shutil.which("cat"), path)
            os.chmod(path, 0o755)
        return path

    def start(self, uid, count):
        """Has a process of `uid` open the key `count` times."""
        return subprocess.Popen([self.reader(uid)] + [self.mount.at(KEY)] * count, user=uid, group=uid, extra_groups=[],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_every_read_is_there_and_attributed(self):
        expected = collections.Counter()
        key = pki.read(self.key)
        processes = rounds(10_000) // AT_ONCE // len(UIDS) or 1
        for _ in range(processes):
            # All users at once.
            running = [(uid, self.start(uid, AT_ONCE)) for uid in UIDS]
            for uid, process in running:
                out, error = process.communicate(timeout=300)
                self.assertEqual((process.returncode, error), (0, b""))
                self.assertEqual(out, key * AT_ONCE)
                expected[uid, uid, process.pid, self.reader(uid)] += AT_ONCE
        found = collections.Counter(
            (line["uid"], line["gid"], line["pid"], line["exe"]) for line in lines(self.mount)
            if line["op"] == "read" and line["path"] == KEY and line["outcome"] == "ok" and str(line["exe"]).startswith(self.work))
        self.assertEqual({who: found[who] for who in expected}, dict(expected))
        for line in lines(self.mount):
            if line["op"] == "read" and line["path"] == KEY:
                self.assertEqual((line["store"], line["alias"]), ("MACHINE_SSL_CERT", "__MACHINE_CERT"))

    def test_a_thread_counts_for_its_process(self):
        program = ("import sys, threading\n"
                   "thread = threading.Thread(target=lambda: open(sys.argv[1]).read())\n"
                   "thread.start(); thread.join()")
        process = subprocess.Popen(["python3", "-c", program, self.mount.at(KEY)])
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertEqual([line["pid"] for line in lines(self.mount) if line["op"] == "read"][-1], process.pid)

    def test_changes_and_refusals_are_there(self):
        before = lines(self.mount)[-1]["n"]
        put(self.entry + "/cert.pem", self.issuing.issue("localhost", self.key) + pki.read(self.issuing.cert))
        self.assertEqual(errno_of(put, self.entry + "/cert.pem", b"garbage"), "EINVAL")
        self.assertEqual(errno_of(os.rmdir, self.mount.at("stores", "MACHINE_SSL_CERT")), "EPERM")
        new = [line for line in lines(self.mount) if line["n"] > before and line["op"] != "read-log"]
        path = KEY.replace("key.pem", "cert.pem")
        self.assertEqual([(line["op"], line["path"], line["outcome"]) for line in new],
                         [("write", path, "ok"), ("write", path, "EINVAL"), ("rmdir", "stores/MACHINE_SSL_CERT", "EPERM")])
        self.assertEqual({line["pid"] for line in new}, {os.getpid()})
        self.assertEqual(new[1]["rule"], "unreadable")

    def test_other_users_do_not_read_it(self):
        log = self.mount.at("status", "audit.jsonl")
        self.assertEqual(os.stat(log).st_mode & 0o777, 0o600)
        refused = subprocess.run(["cat", log], user=1001, group=1001, extra_groups=[], capture_output=True, text=True)
        self.assertIn("Permission denied", refused.stderr)
        self.assertEqual(errno_of(put, log, b"x"), "EROFS")
        # tar takes as much as stat says, and complains of anything else.
        packed = run("tar", "-cf", os.path.join(self.work, "log.tar"), "-C", self.mount.at("status"), "audit.jsonl")
        self.assertEqual((packed.returncode, packed.stderr), (0, ""))
        self.assertEqual([line["path"] for line in lines(self.mount) if line["op"] == "read-log"][-1], "status/audit.jsonl")

    def test_a_killed_daemon_leaves_what_it_answered(self):
        for _ in range(rounds(5)):
            before = lines(self.mount)[-1]["n"]
            process = self.start(1001, 3 * AT_ONCE)
            # It reads, and is answered, for a while.
            got = len(process.stdout.read(len(pki.read(self.key)) * AT_ONCE)) // len(pki.read(self.key))
            self.mount.kill()
            rest, _ = process.communicate(timeout=60)
            got += len(rest) // len(pki.read(self.key))
            self.mount.mount()
            reads = [line for line in lines(self.mount) if line["n"] > before and line["op"] == "read" and line["pid"] == process.pid]
            self.assertGreaterEqual(len(reads), got)
        self.assertEqual(doctor(self.mount.keystore), [])


class Tampering(harness.MountTest):
    def test_what_was_done_to_it_is_found(self):
        entry = self.machine_pair()
        for _ in range(20):
            pki.read(entry + "/key.pem")
        self.assertEqual(doctor(self.mount.keystore), [])  # While it is mounted.
        self.mount.unmount()
        log = os.path.join(self.mount.keystore, "audit.log")
        whole = pki.read(log)
        frames, at = [], 40
        while at < len(whole):
            end = at + 4 + int.from_bytes(whole[at:at + 4], "big")
            frames.append(whole[at:end])
            at = end
        count = len(frames)
        head = whole[:40]
        changed = bytearray(whole)
        changed[len(head) + sum(map(len, frames[:9])) + 130] ^= 4
        for name, content, line in (("changed", bytes(changed), 10), ("removed", head + b"".join(frames[:9] + frames[10:]), 10),
                                    ("swapped", head + b"".join(frames[:9] + [frames[10], frames[9]] + frames[11:]), 10),
                                    ("cut off", head + b"".join(frames[:-1]), count)):
            with self.subTest(name):
                pki.write(log, content)
                found = doctor(self.mount.keystore)
                self.assertTrue(found)
                self.assertRegex(json.dumps(found[0]), rf"\bline {line}\b")
        pki.write(log, whole)
        self.assertEqual(doctor(self.mount.keystore), [])
        # The whole of it gone: it begins again behind what is known, and that does not hide it.
        os.remove(log)
        self.mount.mount()
        pki.read(entry + "/key.pem")
        self.assertTrue(doctor(self.mount.keystore))
        self.assertEqual([line["op"] for line in lines(self.mount)][:2], ["mend", "mount"])


class Unreadable(harness.MountTest):
    def test_the_rest_of_status_is_there_without_it(self):
        log = os.path.join(self.mount.keystore, "audit.log")
        names = set(os.listdir(self.mount.at("status")))
        self.assertIn("audit.jsonl", names)
        os.rename(log, log + "-elsewhere")
        os.symlink("audit.log-elsewhere", log)
        self.assertEqual(set(os.listdir(self.mount.at("status"))), names)
        listed = run("ls", "-l", self.mount.at("status"))
        self.assertNotEqual(listed.returncode, 0)
        self.assertIn("health.json", listed.stdout)
        pki.read(self.mount.at("status", "errors.log"))
        os.rename(log + "-elsewhere", log)
        run("ls", "-l", self.mount.at("status"), check=True)


class Bounds(harness.MountTest):
    OPTIONS = ("-o", "audit-mib=1,audit-files=2")

    def test_it_stays_within_its_size(self):
        entry = self.machine_pair()
        for _ in range(4):
            run("cat", *[entry + "/key.pem"] * 2000)
        # What is too much goes a moment after it was written.
        deadline = time.monotonic() + 60
        while len(self.files()) > 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(len(self.files()), 2)
        for path in self.files():
            self.assertLessEqual(os.path.getsize(path), 1 << 20)
        found = lines(self.mount)
        self.assertGreater(found[0]["n"], 1)
        self.assertIn("drop", {line["op"] for line in found})
        self.assertEqual(doctor(self.mount.keystore), [])

    def files(self):
        return [os.path.join(self.mount.keystore, name) for name in os.listdir(self.mount.keystore) if name.startswith("audit.log")]

    def test_sizes_that_are_none(self):
        for option in ("audit-mib=0", "audit-mib=x", "audit-files=1", "audit-files=201", "audit-mib="):
            refused = run(harness.CERTFS, "mount", self.mount.keystore, self.work, "-o", option)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(option.split("=")[0], refused.stderr)


class FullDisk(harness.MountTest):
    """A disk of its own, which fills up."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine_pair()
        cls.mount.unmount()
        cls.disk = os.path.join(cls.mount.directory, "disk")
        os.mkdir(cls.disk)
        if run("mount", "-t", "tmpfs", "-o", "size=16m", "certfs-test", cls.disk).returncode:
            raise cls.skipTest(cls, "no tmpfs can be mounted here")
        shutil.copytree(cls.mount.keystore, cls.disk + "/keystore")
        shutil.copy(cls.mount.keystore + ".key", cls.disk + "/keystore.key")
        cls.mount.keystore = cls.disk + "/keystore"
        cls.mount.mount()

    @classmethod
    def tearDownClass(cls):
        run(harness.CERTFS, "umount", cls.mount.path)
        run("umount", "-l", cls.disk)
        super().tearDownClass()

    def test_no_key_goes_out_that_cannot_be_noted(self):
        key, cert = self.mount.at(KEY), self.mount.at(KEY.replace("key.pem", "cert.pem"))
        pki.read(key)
        filler = os.path.join(self.disk, "filler")
        run("dd", "if=/dev/zero", "of=" + filler, "bs=4k")
        # Some room is set aside, in which whatever fills it can be removed.
        given = 0
        while errno_of(pki.read, key) is None:
            given += 1
            self.assertLess(given, 5000)
        self.assertEqual(errno_of(pki.read, key), "ENOSPC")
        self.assertIn("audit-log", self.mount.why())
        # What is left of a block may hold shorter lines.
        refused, made = None, 0
        while refused is None:
            refused = errno_of(os.mkdir, self.mount.at("stores", f"new{made}"))
            made += 1
            self.assertLess(made, 20)
        self.assertEqual(refused, "ENOSPC")
        self.assertFalse(os.path.exists(self.mount.at("stores", f"new{made - 1}")))
        pki.read(cert)
        os.remove(filler)
        pki.read(key)
        os.mkdir(self.mount.at("stores", "new"))
        self.assertEqual(doctor(self.mount.keystore), [])


if __name__ == "__main__":
    harness.main()
