"""Goal: a daemon that is out of file descriptors serves what it can, refuses the rest, makes nothing live that may be half a file, and goes
on when it has some again. Method: its limit is set to 0 under it and raised again; writers that finish and writers that are killed."""

import os
import resource
import signal
import subprocess
import sys

import harness
import pki
from harness import errno_of, put

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
        self.limits = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        self.addCleanup(self.raise_limit)

    def lower_limit(self, limit=0):
        """The limit is of the descriptors' numbers: with 0 every open fails, however many are free."""
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (limit, self.limits[1]))

    def raise_limit(self):
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.limits)

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


if __name__ == "__main__":
    harness.main()
