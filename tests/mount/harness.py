"""A certfs mount in a temporary directory, which is always unmounted, and the words of its errors.

Run by ctest with CERTFS set to the program under test. Every process that a test starts is ended by its own id.
"""

import atexit
import datetime
import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import pki

CERTFS = os.environ.get("CERTFS", "")
# The sanitizer build is several times slower; loops shrink, what they check does not.
ROUNDS = float(os.environ.get("CERTFS_ROUNDS", "1"))


def rounds(count):
    return max(3, int(count * ROUNDS))


def run(*command, **options):
    """Runs `command` with its words in English; returns the finished process with text output."""
    environment = dict(os.environ, LC_ALL="C")
    options.setdefault("timeout", 300)
    return subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, **options)


def is_running(pid):
    """Says whether any of the process runs: what has ended, and init has not noticed yet, holds nothing any more."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            ended = stat.read().rsplit(")", 1)[1].split()[0] in "ZX"
        return not ended or len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def stop(pid):
    """Stops the process, and returns once none of its threads runs any more: they go on for a moment after SIGSTOP."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        states = []
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{thread}/stat") as stat:
                    states.append(stat.read().rsplit(")", 1)[1].split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue  # It has just ended.
        if states and all(state in "TtZX" for state in states):
            return
        time.sleep(0.0005)
    raise RuntimeError(f"process {pid} does not stop: its threads are in states {states}")


def mounter_of(path):
    """The process that keeps the mount at `path`, and would start another daemon."""
    return int(os.getxattr(path, "user.certfs.mounter"))


def kill_processes(path):
    """Kills the mounter of `path`, with which its daemon ends: nobody is left to serve the mount."""
    processes = (mounter_of(path), int(os.getxattr(path, "user.certfs.pid")))
    os.kill(processes[0], signal.SIGKILL)
    while any(is_running(each) for each in processes):
        time.sleep(0.005)


def umount(path):
    """Unmounts by umount(8), which does not wait, as certfs umount does, for whoever only looks at all mounts of the machine."""
    deadline = time.monotonic() + 30
    while True:
        done = run("umount", path)
        if done.returncode == 0:
            return
        if "target is busy" not in done.stderr or time.monotonic() >= deadline:
            raise RuntimeError(done.stderr)
        time.sleep(0.05)


class Mount:
    """A keystore and its mount. Close() ends both; so does the end of the process."""

    def __init__(self, directory=None, options=()):
        self.directory = directory or tempfile.mkdtemp(prefix="certfs-test-")
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        self.keystore = os.path.join(self.directory, "keystore")
        self.path = os.path.join(self.directory, "mnt")
        self.options = list(options)
        os.makedirs(self.path, exist_ok=True)
        atexit.register(self.close)
        self.make_keystore()
        self.mount()

    def make_keystore(self):
        made = run(CERTFS, "init", self.keystore)
        if made.returncode:
            raise RuntimeError("init: " + made.stderr)

    def mount(self):
        mounted = run(CERTFS, "mount", self.keystore, self.path, *self.options)
        if mounted.returncode:
            raise RuntimeError("mount: " + mounted.stderr)
        self.began = (self.mounter(), self.pid())

    def has_ended(self):
        """Whether a daemon has ended since it was mounted, by whatever defect: its successor goes on as if nothing had been."""
        try:
            mounter, daemon = self.mounter(), self.pid()
        except OSError:
            return False  # It is not mounted.
        return mounter == self.began[0] and daemon != self.began[1]

    def unmount(self):
        deadline = time.monotonic() + 30
        while (done := run(CERTFS, "umount", self.path)).returncode:
            # By whoever only looks at all mounts of the machine, and gets no processor.
            if "in use" not in done.stderr or time.monotonic() >= deadline:
                raise RuntimeError("umount: " + done.stderr)

    def pid(self):
        """The daemon's; after its end its successor has another."""
        return int(os.getxattr(self.path, "user.certfs.pid"))

    def mounter(self):
        return mounter_of(self.path)

    def kill(self):
        """Ends everything as a crash of the machine would, and clears the dead mount away."""
        kill_processes(self.path)
        run("umount", "-l", self.path)

    def close(self):
        if not os.path.isdir(self.directory):
            return
        if os.path.ismount(self.path) or run("mountpoint", "-q", self.path).returncode == 0:
            if run(CERTFS, "umount", self.path).returncode:
                run("umount", "-l", self.path)
        run("umount", "-l", self.path)
        shutil.rmtree(self.directory, ignore_errors=True)

    def at(self, *parts):
        return os.path.join(self.path, *parts)

    def entry(self, store, alias):
        path = self.at("stores", store, alias)
        os.makedirs(path, exist_ok=True)
        return path

    def why(self):
        return pki.read(self.at("status", "why")).decode()

    def errors(self):
        return pki.read(self.at("status", "errors.log")).decode()


def put(path, data):
    """Writes in one open, so that the error of write or close is this call's."""
    flags, begun = os.O_WRONLY | os.O_CREAT | os.O_TRUNC, time.monotonic()
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        # Who got no processor for kNoteLife (fs/fuse/redirect.h), between the two walks of one open, begins anew.
        if error.errno != errno.ESTALE or time.monotonic() - begun < 2:
            raise
        descriptor = os.open(path, flags, 0o644)
    try:
        os.write(descriptor, data)
    except OSError:
        try:
            os.close(descriptor)
        except OSError:
            pass
        raise
    os.close(descriptor)


def errno_of(action, *arguments):
    """The errno with which `action` fails, by name; None when it succeeds."""
    try:
        action(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return None


class MountTest(unittest.TestCase):
    """One mount and one small PKI for all tests of a class."""

    OPTIONS = ()
    ENDS = False  # Whether the tests end the daemon.

    @classmethod
    def setUpClass(cls):
        if not os.path.exists("/dev/fuse"):
            raise unittest.SkipTest("there is no /dev/fuse on this machine")
        cls.work = tempfile.mkdtemp(prefix="certfs-pki-")
        cls.root = pki.Authority(cls.work, "Test Root")
        cls.issuing = pki.Authority(cls.work, "Test Issuing CA", cls.root)
        cls.key = pki.new_key(os.path.join(cls.work, "server.key"))
        cls.leaf = cls.issuing.issue("localhost", cls.key)
        cls.chain = cls.leaf + pki.read(cls.issuing.cert)
        cls.mount = cls.new_mount()

    @classmethod
    def new_mount(cls):
        return Mount(options=cls.OPTIONS)

    @classmethod
    def tearDownClass(cls):
        cls.mount.close()
        shutil.rmtree(cls.work, ignore_errors=True)

    def tearDown(self):
        self.assertFalse(self.mount.has_ended() and not self.ENDS, "the daemon has ended, and another one goes on")

    @classmethod
    def trust_root(cls):
        put(os.path.join(cls.mount.entry("TRUSTED_ROOTS", "test-root"), "cert.pem"), pki.read(cls.root.cert))

    @classmethod
    def machine_pair(cls):
        """The live pair of MACHINE_SSL_CERT, made once."""
        cls.trust_root()
        entry = cls.mount.entry("MACHINE_SSL_CERT", "__MACHINE_CERT")
        if not os.path.exists(entry + "/key.pem"):
            put(entry + "/key.pem", pki.read(cls.key))
        put(entry + "/cert.pem", cls.chain)
        return entry

    @classmethod
    def pair_directories(cls, count):
        """Pairs to rotate between, each in a directory of its own as a CA's client leaves them."""
        directories = []
        for i in range(count):
            directory = os.path.join(cls.work, f"pair{i}")
            os.mkdir(directory)
            key = pki.new_key(os.path.join(directory, "key.pem"))
            os.chmod(key, 0o600)
            pki.write(os.path.join(directory, "cert.pem"), cls.issuing.issue("localhost", key) + pki.read(cls.issuing.cert))
            # Times that a copy can keep; rsync skips what has the size and the second of what is there.
            for name in ("key.pem", "cert.pem"):
                os.utime(os.path.join(directory, name), (1700000000 + i, 1700000000 + i))
            directories.append(directory)
        return directories


def main():
    if not CERTFS:
        sys.exit("set CERTFS to the certfs program under test")
    unittest.main(verbosity=2)
