"""Goal: a daemon that is out of file descriptors, or whose disk takes nothing more, serves what it can, refuses the rest, makes nothing live
that may be half a file, and goes on when it can again. Method: its limit is set to 0 under it and raised again, with writers that finish and
writers that are killed; its disk is filled, or made read-only under it."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

import harness
import pki
from harness import errno_of, put, run

# Opens one file of certfs, writes, and waits to be killed.
HALF_A_FILE = """
import os, signal, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC | os.O_CREAT)
os.write(file, open(sys.argv[2], "rb").read())
print("written", flush=True)
signal.pause()
"""


class Descriptors(harness.MountTest):
    def setUp(self):
        self.pid = self.mount.pid()
        # The mounter as well, which the daemon asks about its callers.
        self.limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in (self.pid, self.mount.mounter())}
        self.addCleanup(self.raise_limit)

    def lower_limit(self, limit=0):
        """The limit is of the descriptors' numbers: with 0 every open fails, however many are free."""
        for pid, (_, hard) in self.limits.items():
            # poll(2) takes no more of them than there may be: the mounter waits for three at once.
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit if pid == self.pid else 3, hard))

    def raise_limit(self):
        for pid, limits in self.limits.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)

    def half_written(self, target):
        """A process that has written to `target` a half that would be accepted by itself, and did not close it."""
        half = pki.write(os.path.join(self.work, "half"), b"# half a chain\n" + self.leaf)
        writer = subprocess.Popen([sys.executable, "-c", HALF_A_FILE, target, half], stdout=subprocess.PIPE)
        self.addCleanup(writer.stdout.close)
        self.assertEqual(writer.stdout.readline(), b"written\n")
        return writer

    def kill(self, writer):
        writer.kill()
        self.assertEqual(writer.wait(), -signal.SIGKILL)

    def test_a_writer_that_is_killed_commits_nothing(self):
        for alias, live in (("killed", self.chain), ("killed-new", None)):
            with self.subTest(alias):
                target = self.mount.entry("machine", alias) + "/cert.pem"
                if live:
                    put(target, live)
                writer = self.half_written(target)
                self.lower_limit()
                self.kill(writer)
                self.raise_limit()
                if live:
                    self.assertEqual(pki.read(target), live)
                else:
                    self.assertFalse(os.path.exists(target))
                put(target, self.leaf)
                self.assertEqual(pki.read(target), self.leaf)

    def test_a_writer_that_lives_commits(self):
        """No request takes one that it cannot do without: with as many as there are, and with none."""
        entry = self.mount.entry("machine", "lives")
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)
        for limit in (len(os.listdir(f"/proc/{self.pid}/fd")), 0):
            with self.subTest(limit):
                self.lower_limit(limit)
                for content in (self.chain, self.leaf):
                    put(entry + "/cert.pem", content)
                    self.assertEqual((pki.read(entry + "/cert.pem"), pki.read(entry + "/key.pem")), (content, pki.read(self.key)))
                    # Refused by the close, and by the write itself.
                    for bad in (self.leaf + b"trailing", b"garbage"):
                        self.assertEqual(errno_of(put, entry + "/cert.pem", bad), "EINVAL")
                    self.assertEqual(pki.read(entry + "/cert.pem"), content)
        self.raise_limit()
        self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)
        put(entry + "/cert.pem", self.chain)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)
        self.assertEqual(self.mount.pid(), self.pid)

    def test_a_writer_that_exits_without_closing_is_refused_and_logged(self):
        """Whether it was killed cannot be seen. With a descriptor it commits (crash_test)."""
        target = self.mount.entry("machine", "exits") + "/cert.pem"
        put(target, self.leaf)
        new = pki.write(os.path.join(self.work, "new"), self.chain)
        script = HALF_A_FILE.replace("signal.pause()", "sys.stdin.read(); os._exit(0)")
        for lowered, live in ((True, self.leaf), (False, self.chain)):
            writer = subprocess.Popen([sys.executable, "-c", script, target, new], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.assertEqual(writer.stdout.readline(), b"written\n")
            if lowered:
                self.lower_limit()
            writer.communicate()
            self.raise_limit()
            self.assertEqual((writer.returncode, pki.read(target)), (0, live))
            self.assertIn("no file descriptor is left", self.mount.errors().splitlines()[-1])

    def test_what_readers_hold_costs_the_daemon_none(self):
        target = self.mount.entry("machine", "held") + "/key.pem"
        put(target, pki.read(self.key))
        before = len(os.listdir(f"/proc/{self.pid}/fd"))
        handles = []
        try:
            for _ in range(500):
                handles.append(os.open(target, os.O_RDONLY))
            self.assertLessEqual(len(os.listdir(f"/proc/{self.pid}/fd")), before + 10)  # As many as it has threads.
        finally:
            for handle in handles:
                os.close(handle)


class Disk(harness.MountTest):
    """A keystore on a small disk of its own."""

    def setUp(self):
        directory = tempfile.mkdtemp(prefix="certfs-disk-")
        self.image, self.disk, self.point = (os.path.join(directory, name) for name in ("image", "disk", "mnt"))
        os.mkdir(self.disk)
        os.mkdir(self.point)
        with open(self.image, "wb") as file:
            file.truncate(32 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", self.image], check=True)
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        self.attach()
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], stderr=subprocess.DEVNULL)
        self.assertEqual(run(harness.CERTFS, "init", self.disk + "/k").returncode, 0)
        self.addCleanup(run, harness.CERTFS, "umount", self.point)
        self.serve()
        self.entry = self.point + "/stores/machine/web"
        os.mkdir(self.entry)
        put(self.entry + "/key.pem", pki.read(self.key))
        put(self.entry + "/cert.pem", self.leaf)
        os.mkdir(self.point + "/stores/APPLMGMT_PASSWORD/one")

    def attach(self):
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", self.image, self.disk], check=True)

    def serve(self):
        done = run(harness.CERTFS, "mount", self.disk + "/k", self.point)
        self.assertEqual(done.returncode, 0, done.stderr)

    def changes(self):
        """Every kind of change."""
        stores = self.point + "/stores/"
        return {
            "a replacement": lambda: put(self.entry + "/cert.pem", self.chain),
            "a new file": lambda: put(stores + "APPLMGMT_PASSWORD/one/secret", os.urandom(500_000)),
            "an entry": lambda: os.mkdir(stores + "machine/new"),
            "a store": lambda: os.mkdir(stores + "new"),
            "an entry's name": lambda: os.rename(self.entry, stores + "machine/www"),
            "a mode": lambda: os.chmod(self.entry + "/cert.pem", 0o600),
            "times": lambda: os.utime(self.entry + "/cert.pem", (5, 5)),
            "what is staged": lambda: os.mkdir(self.entry + "/next"),
            "what goes": lambda: os.unlink(self.entry + "/cert.pem"),
            "what gets its name": lambda: self.put_by_rename(self.entry + "/cert.pem", self.chain),
        }

    def put_by_rename(self, path, content):
        put(path + ".tmp", content)
        try:
            os.rename(path + ".tmp", path)
        except OSError:
            os.unlink(path + ".tmp")
            raise

    def tree(self):
        """What is there, keys aside: whoever reads one on a disk that takes no line of the audit log is refused."""
        found = {}
        for directory, names, files in os.walk(self.point + "/stores"):
            for name in names + files:
                path = os.path.join(directory, name)
                if os.path.islink(path):
                    continue  # As old as the mount.
                status = os.lstat(path)
                content = pki.read(path) if name == "cert.pem" else None
                found[path] = (status.st_mode, status.st_size, status.st_mtime_ns, content)
        return found

    def test_on_a_read_only_disk(self):
        """As ext4 is by itself once its journal could not be written."""
        before = self.tree()
        pid = int(os.getxattr(self.point, "user.certfs.pid"))
        # Open files keep a disk from being remounted read-only; an error of the disk asks nobody.
        subprocess.run(["mount", "-o", "remount,abort", self.disk], check=True)
        for round_ in range(3):
            for name, change in self.changes().items():
                with self.subTest(name, round=round_):
                    # EIO once a sync of the audit log has failed, by which lines may be lost.
                    self.assertIn(errno_of(change), ("EROFS", "EIO"))
            self.assertEqual(self.tree(), before)
        words = r"audit\.log: (Read-only file system|Input/output error)"
        self.assertRegex(pki.read(self.point + "/status/errors.log").decode(), words)
        self.assertIn(errno_of(pki.read, self.entry + "/key.pem"), ("EROFS", "EIO"))
        self.assertEqual(int(os.getxattr(self.point, "user.certfs.pid")), pid)
        self.assertEqual(run(harness.CERTFS, "umount", self.point).returncode, 0)
        harness.umount(self.disk)
        self.attach()
        self.serve()
        self.assertEqual(self.tree(), before)
        self.assertEqual(pki.read(self.entry + "/key.pem"), pki.read(self.key))
        self.go_on()

    def test_on_a_full_disk(self):
        with open(self.disk + "/rest", "wb", buffering=0) as rest:
            while errno_of(rest.write, bytes(4096)) is None:
                pass
        refused = 0
        for name, change in self.changes().items():
            with self.subTest(name):
                before = self.tree()
                outcome = errno_of(change)
                # What needs no more than pages that are free already is done.
                self.assertIn(outcome, ("ENOSPC", None))
                refused += outcome == "ENOSPC"
                if outcome == "ENOSPC":
                    self.assertEqual(self.tree(), before)
                if os.path.isdir(self.point + "/stores/machine/www"):
                    os.rename(self.point + "/stores/machine/www", self.entry)
        self.assertGreater(refused, 0)
        os.unlink(self.disk + "/rest")
        self.go_on()

    def go_on(self):
        put(self.entry + "/cert.pem", self.chain)
        self.assertEqual(pki.read(self.entry + "/cert.pem"), self.chain)
        put(self.point + "/stores/APPLMGMT_PASSWORD/one/secret", b"after")
        self.assertEqual(pki.read(self.point + "/stores/APPLMGMT_PASSWORD/one/secret"), b"after")


if __name__ == "__main__":
    harness.main()
