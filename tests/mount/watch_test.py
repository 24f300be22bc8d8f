"""Watching: inotify watchers of a file and of its directory wake at every commit, as an atomic replacement wakes them.

Goal: whoever reloads when a certificate changes hears of every change, and of the mount's own workings nothing stays behind.
Method: inotify(7) itself, by ctypes, beside writers of every kind.
"""

import ctypes
import os
import select
import signal
import struct
import subprocess
import tempfile
import time

import harness
import permission_test
import pki
from harness import CERTFS, put, run

ATTRIB, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF = 0x4, 0x8, 0x40, 0x80, 0x100, 0x200, 0x400
ALL = 0xfff & ~0x31  # Without what readers cause: ACCESS, OPEN, CLOSE_NOWRITE.
LIBC = ctypes.CDLL(None, use_errno=True)


class Watch:
    """An inotify watch of one path."""

    def __init__(self, path):
        self.descriptor = LIBC.inotify_init1(os.O_CLOEXEC)
        if LIBC.inotify_add_watch(self.descriptor, path.encode(), ALL) < 0:
            raise OSError(ctypes.get_errno(), path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)

    def events(self, patience=0.3):
        """What comes until nothing has come for `patience` seconds, as (mask, name)."""
        found = []
        while select.select([self.descriptor], [], [], patience)[0]:
            data = os.read(self.descriptor, 65536)
            while data:
                _, mask, _, size = struct.unpack_from("iIII", data)
                found.append((mask & 0xfff, data[16:16 + size].rstrip(b"\0").decode()))
                data = data[16 + size:]
        return found

    def await_event(self, mask, name="", patience=5):
        """Waits until (mask, name) comes; returns whether it did."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if any(bits & mask and at == name for bits, at in self.events(0.05)):
                return True
        return False


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def state(pid):
    """The state letter of a process; empty when it is not there."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Waking(harness.MountTest):
    def setUp(self):
        self.live = self.mount.entry("machine", self.id().rpartition(".")[2][5:40])
        put(self.live + "/key.pem", pki.read(self.key))
        put(self.live + "/cert.pem", self.leaf)
        time.sleep(0.05)

    def expect_woken(self, change, names=("cert.pem",)):
        watches = {name: Watch(self.live + "/" + name) for name in names}
        with Watch(self.live) as directory:
            change()
            events = directory.events()
        for name in names:
            self.assertIn((MOVED_TO, name), events)
            with watches[name] as watch:
                masks = [mask for mask, _ in watch.events(0.05)]
                self.assertIn(DELETE_SELF, masks)
                self.assertIn(ATTRIB, masks)
        return events

    def test_a_renewal_in_place(self):
        for round in range(10):
            new = self.chain if round % 2 == 0 else self.leaf
            self.expect_woken(lambda: put(self.live + "/cert.pem", new))
            self.assertEqual(pki.read(self.live + "/cert.pem"), new)

    def test_a_renewal_by_cp(self):
        source = pki.write(os.path.join(self.work, "new.pem"), self.chain)
        self.expect_woken(lambda: self.assertEqual(run("cp", source, self.live + "/cert.pem").returncode, 0))

    def test_a_pair_through_next_and_its_revert(self):
        key = pki.new_key(os.path.join(self.work, "next.key"))
        cert = self.issuing.issue("localhost", key)
        os.mkdir(self.live + "/next")

        def rotate():
            put(self.live + "/next/key.pem", pki.read(key))
            put(self.live + "/next/cert.pem", cert)
        self.expect_woken(rotate, ("cert.pem", "key.pem"))
        self.assertEqual(pki.read(self.live + "/cert.pem"), cert)
        name = "machine/" + os.path.basename(self.live)

        def revert():
            done = run(CERTFS, "revert", name, "--mount", self.mount.path)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.expect_woken(revert, ("cert.pem", "key.pem"))
        self.assertEqual(pki.read(self.live + "/cert.pem"), self.leaf)
        self.assertEqual(pki.read(self.live + "/key.pem"), pki.read(self.key))

    def test_a_request_that_certfs_makes_wakes_who_waits_for_it(self):
        os.mkdir(self.live + "/next")
        with Watch(self.live + "/next") as directory:
            put(self.live + "/next/request.cfg", b"Name = web\n")
            events = directory.events()
        self.assertIn((MOVED_TO, "request.csr"), events)
        self.assertIn((MOVED_TO, "key.pem"), events)
        self.assertTrue(pki.read(self.live + "/next/request.csr").startswith(b"-----BEGIN CERTIFICATE REQUEST"))

    def test_what_changes_nothing_wakes_nobody(self):
        with Watch(self.live) as directory, Watch(self.live + "/cert.pem") as file:
            put(self.live + "/cert.pem", self.leaf)
            self.assertEqual(harness.errno_of(put, self.live + "/cert.pem", b"-----BEGIN nothing"), "EINVAL")
            self.assertNotIn(MOVED_TO, [mask for mask, _ in directory.events()])
            self.assertEqual(file.events(0.05), [])

    def test_the_last_of_many_commits_wakes(self):
        """A watcher that re-arms after each event, as all do that follow a name, has read the last state in the end."""
        seen = None
        writer = os.fork()
        if writer == 0:
            try:
                for round in range(200):
                    put(self.live + "/cert.pem", self.chain if round % 2 else self.leaf)
                os._exit(0)
            finally:
                os._exit(1)
        ended = None
        while True:
            with Watch(self.live + "/cert.pem") as file:
                seen = pki.read(self.live + "/cert.pem")
                if not select.select([file.descriptor], [], [], 1)[0]:
                    if ended is not None:
                        break
                    pid, status = os.waitpid(writer, os.WNOHANG)
                    ended = status if pid else None
        self.assertEqual(ended, 0)
        self.assertEqual(seen, self.chain)

    def test_readers_are_not_disturbed(self):
        """Held files keep their bytes and size while they are replaced; names lead to the new ones."""
        with open(self.live + "/cert.pem", "rb") as held, Watch(self.live) as directory:
            put(self.live + "/cert.pem", self.chain)
            self.assertTrue(directory.await_event(MOVED_TO, "cert.pem"))
            self.assertEqual(os.fstat(held.fileno()).st_size, len(self.leaf))
            self.assertEqual(held.read(), self.leaf)
            for _ in range(100):
                self.assertEqual(os.stat(self.live + "/cert.pem").st_size, len(self.chain))
                self.assertEqual(pki.read(self.live + "/cert.pem"), self.chain)
            self.assertEqual(sorted(os.listdir(self.live)), ["cert.pem", "key.pem"])

    def test_nobody_else_has_the_name(self):
        self.assertEqual(harness.errno_of(os.rename, self.live + "/certfs-commit", self.live + "/cert.pem"), "ENOENT")
        self.assertEqual(harness.errno_of(put, self.live + "/certfs-commit", b"x"), "EPERM")
        self.assertEqual(harness.errno_of(os.setxattr, self.live + "/cert.pem", "system.certfs.commit", b""), "ENOTSUP")


OF_NOBODY = """
import os, sys
sys.path.insert(0, %r)
import watch_test
entry = sys.argv[1]
os.mkdir(entry)
assert os.stat(entry).st_uid == 0
watch_test.put(entry + "/secret", b"old")
with watch_test.Watch(entry) as directory, watch_test.Watch(entry + "/secret") as file:
    watch_test.put(entry + "/secret", b"new")
    assert directory.await_event(watch_test.ATTRIB, "secret")
    assert file.await_event(watch_test.ATTRIB)
assert open(entry + "/secret").read() == "new"
os.chown(entry, 65534, 65534)
with watch_test.Watch(entry) as directory, watch_test.Watch(entry + "/secret") as file:
    watch_test.put(entry + "/secret", b"newer")
    assert directory.await_event(watch_test.MOVED_TO, "secret")
    assert file.await_event(watch_test.DELETE_SELF)
print("woken")
""" % os.path.dirname(os.path.abspath(__file__))


class NotRoot(harness.MountTest):
    def test_a_daemon_that_is_not_root_wakes_as_far_as_it_may(self):
        """Watchers of another user's directory learn of changed attributes; of its own directories, as from root."""
        os.chmod(self.work, 0o755)
        done = run("unshare", "-m", "bash", "-c", permission_test.OF_NOBODY, "bash", tempfile.mkdtemp(dir=self.work), OF_NOBODY)
        self.assertEqual(done.stdout.split(), ["woken"], done.stderr)


class Ending(harness.MountTest):
    def storm(self, entry):
        """Commits as fast as it goes, in a process of its own."""
        writer = os.fork()
        if writer == 0:
            try:
                round = 0
                while True:
                    put(entry + "/cert.pem", (self.leaf, self.chain)[round % 2])
                    round += 1
            except OSError:
                os._exit(0)
            finally:
                os._exit(1)
        return writer

    def end(self, writer):
        try:
            os.kill(writer, signal.SIGKILL)
        finally:
            os.waitpid(writer, 0)

    def entry_with_pair(self, alias):
        entry = self.mount.entry("machine", alias)
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)
        return entry

    def gone(self, pid, patience=5):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and state(pid) not in ("", "Z"):
            time.sleep(0.01)
        return state(pid) in ("", "Z")

    def waker(self):
        found = [pid for pid in children(self.mount.mounter()) if pki.read(f"/proc/{pid}/comm") == b"certfs-waker\n"]
        self.assertEqual(len(found), 1)
        return found[0]

    def test_unmounting_right_after_commits(self):
        """The waker is at work then; it makes the mount busy for no longer than a path is looked up, and does not outlive it."""
        entry = self.entry_with_pair("umount")
        met = 0
        for round in range(20):
            waker = self.waker()
            for i in range(5):
                put(entry + "/cert.pem", (self.chain, self.leaf)[(round + i) % 2])
            done = run("umount", self.mount.path)
            if "target is busy" in done.stderr:
                met += 1
                done = run("umount", self.mount.path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(self.gone(waker))
            while run(CERTFS, "mount", self.mount.keystore, self.mount.path).returncode:
                time.sleep(0.02)  # The daemon before it still has the keystore open.
        self.assertLessEqual(met, 2)

    def test_a_killed_mounter_leaves_no_process(self):
        for _ in range(5):
            entry = self.entry_with_pair("killed")
            mounter, daemon, waker = self.mount.mounter(), self.mount.pid(), self.waker()
            writer = self.storm(entry)
            try:
                time.sleep(0.1)
                os.kill(mounter, signal.SIGKILL)
                self.assertTrue(self.gone(mounter))
                self.assertTrue(self.gone(daemon))
                self.assertTrue(self.gone(waker))
            finally:
                self.end(writer)
            run("umount", "-l", self.mount.path)
            self.mount.mount()

    def test_a_killed_waker_is_survived(self):
        entry = self.entry_with_pair("waker")
        os.kill(self.waker(), signal.SIGKILL)
        for round in range(5):
            put(entry + "/cert.pem", (self.chain, self.leaf)[round % 2])
            self.assertEqual(pki.read(entry + "/cert.pem"), (self.chain, self.leaf)[round % 2])
        self.mount.unmount()
        self.mount.mount()
        with Watch(entry) as directory:
            put(entry + "/cert.pem", self.leaf)
            put(entry + "/cert.pem", self.chain)
            self.assertTrue(directory.await_event(MOVED_TO, "cert.pem"))

    def test_the_waker_holds_nothing(self):
        waker = self.waker()
        files = {os.readlink(f"/proc/{waker}/fd/{fd}").partition(":")[0] for fd in os.listdir(f"/proc/{waker}/fd")}
        self.assertEqual(files, {"/dev/null", "socket"})
        self.assertEqual(os.readlink(f"/proc/{waker}/cwd"), "/")

    def test_another_filesystem_in_the_way_is_left_alone(self):
        entry = self.entry_with_pair("covered")
        directory = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
        run("mount", "-t", "tmpfs", "tmpfs", self.mount.path)
        try:
            with Watch(self.mount.path) as cover:
                new = os.open("cert.pem", os.O_WRONLY | os.O_TRUNC, dir_fd=directory)
                os.write(new, self.chain)
                os.close(new)
                self.assertEqual(cover.events(), [])
        finally:
            os.close(directory)
            harness.umount(self.mount.path)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)


class Foreign(harness.MountTest):
    """Another process, here another mount of the same keystore, commits."""

    def setUp(self):
        self.alias = self.id().rpartition(".")[2][5:40]
        self.live = self.mount.entry("machine", self.alias)
        put(self.live + "/key.pem", pki.read(self.key))
        put(self.live + "/cert.pem", self.leaf)
        self.path = os.path.join(self.mount.directory, "other")
        os.makedirs(self.path, exist_ok=True)
        mounted = run(CERTFS, "mount", self.mount.keystore, self.path)
        self.assertEqual(mounted.returncode, 0, mounted.stderr)
        self.addCleanup(lambda: run(CERTFS, "umount", self.path))
        self.other = os.path.join(self.path, "stores", "machine", self.alias)

    def test_a_commit_wakes_and_shows(self):
        for round in range(6):
            new = (self.chain, self.leaf)[round % 2]
            self.assertEqual(pki.read(self.live + "/cert.pem"), (self.leaf, self.chain)[round % 2])
            with Watch(self.live) as directory, Watch(self.live + "/cert.pem") as file:
                put(self.other + "/cert.pem", new)
                start = time.monotonic()
                self.assertTrue(directory.await_event(MOVED_TO, "cert.pem", 1))
                self.assertTrue(file.await_event(DELETE_SELF, "", 1))
                self.assertEqual(pki.read(self.live + "/cert.pem"), new)
                self.assertEqual(os.stat(self.live + "/cert.pem").st_size, len(new))
                self.assertLess(time.monotonic() - start, 1)

    def test_a_commit_of_ones_own_wakes_once(self):
        with Watch(self.live) as directory:
            put(self.live + "/cert.pem", self.chain)
            events = directory.events(0.5)
        self.assertEqual(events.count((MOVED_TO, "cert.pem")), 1)

    def test_a_pair_in_one_commit_wakes_both(self):
        key = pki.new_key(os.path.join(self.work, "foreign.key"))
        cert = self.issuing.issue("localhost", key)
        pki.read(self.live + "/cert.pem")
        os.mkdir(self.other + "/next")
        with Watch(self.live) as directory:
            put(self.other + "/next/key.pem", pki.read(key))
            put(self.other + "/next/cert.pem", cert)
            events = directory.events(1)
        self.assertIn((MOVED_TO, "cert.pem"), events)
        self.assertIn((MOVED_TO, "key.pem"), events)
        self.assertEqual((pki.read(self.live + "/cert.pem"), pki.read(self.live + "/key.pem")), (cert, pki.read(key)))

    def test_a_new_file_wakes_its_directory(self):
        entry = self.mount.entry("vpxd", "new")
        with Watch(entry) as directory:
            put(os.path.join(self.path, "stores", "vpxd", "new", "cert.pem"), self.leaf)
            self.assertTrue(directory.await_event(MOVED_TO, "cert.pem", 1))
        self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)

    def test_entries_and_stores_that_come_and_go_show(self):
        store = os.path.dirname(self.live)
        self.assertNotIn("added", os.listdir(store))
        with Watch(store) as watch, Watch(self.mount.at("stores")) as stores:
            os.mkdir(os.path.join(self.path, "stores", "machine", "added"))
            self.assertTrue(watch.await_event(ATTRIB, "", 1))
            self.assertIn("added", os.listdir(store))
            os.rmdir(os.path.join(self.path, "stores", "machine", "added"))
            self.assertTrue(watch.await_event(ATTRIB, "", 1))
            self.assertNotIn("added", os.listdir(store))
            os.mkdir(os.path.join(self.path, "stores", "brought"))
            self.assertTrue(stores.await_event(ATTRIB, "", 1))
            self.assertIn("brought", os.listdir(self.mount.at("stores")))

    def test_a_file_that_goes_wakes_its_directory(self):
        self.assertEqual(sorted(os.listdir(self.live)), ["cert.pem", "key.pem"])
        with Watch(self.live) as directory:
            os.unlink(self.other + "/cert.pem")
            self.assertTrue(directory.await_event(ATTRIB, "", 1))
            # At once, long before names expire.
            self.assertEqual(os.listdir(self.live), ["key.pem"])
            self.assertFalse(os.path.exists(self.live + "/cert.pem"))
            put(self.other + "/cert.pem", self.leaf)
            self.assertTrue(directory.await_event(MOVED_TO, "cert.pem", 1))
        self.assertEqual(pki.read(self.live + "/cert.pem"), self.leaf)

    def test_a_store_that_is_renamed_shows(self):
        with Watch(self.mount.at("stores")) as stores:
            os.mkdir(os.path.join(self.path, "stores", "before"))
            self.assertTrue(stores.await_event(ATTRIB, "", 1))
            self.assertIn("before", os.listdir(self.mount.at("stores")))
            os.stat(self.mount.at("stores", "before"))
            os.rename(os.path.join(self.path, "stores", "before"), os.path.join(self.path, "stores", "after"))
            self.assertTrue(stores.await_event(ATTRIB, "", 1))
            self.assertFalse(os.path.exists(self.mount.at("stores", "before")))
            self.assertIn("after", os.listdir(self.mount.at("stores")))

    def test_certfs_watch_runs_once(self):
        runs = pki.write(os.path.join(self.work, self.alias), b"")
        watcher = subprocess.Popen([CERTFS, "watch", self.live, "--", "sh", "-c", 'echo run >> "$0"', runs], stdout=subprocess.PIPE)
        self.addCleanup(watcher.stdout.close)
        self.addCleanup(watcher.wait)
        self.addCleanup(watcher.kill)
        self.assertEqual(watcher.stdout.readline().decode(), f"machine/{self.alias}: watching\n")
        put(self.other + "/cert.pem", self.chain)
        time.sleep(2)
        self.assertEqual(pki.read(runs), b"run\n")
        # Removed and made anew: another entry, which is met all the same.
        self.assertEqual(run("rm", "-r", self.other).returncode, 0)
        os.mkdir(self.other)
        put(self.other + "/cert.pem", self.leaf)
        deadline = time.monotonic() + 5
        while pki.read(runs) != b"run\n" * 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(pki.read(runs), b"run\n" * 2)

    def test_the_last_of_a_storm_wakes(self):
        for round in range(100):
            put(self.other + "/cert.pem", (self.chain, self.leaf)[round % 2])
        put(self.other + "/cert.pem", self.chain)
        deadline = time.monotonic() + 1
        while pki.read(self.live + "/cert.pem") != self.chain and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(pki.read(self.live + "/cert.pem"), self.chain)
        with Watch(self.live + "/cert.pem") as file:
            put(self.other + "/cert.pem", self.leaf)
            self.assertTrue(file.await_event(DELETE_SELF, "", 1))


class Command(harness.MountTest):
    """certfs watch."""

    def setUp(self):
        self.alias = self.id().rpartition(".")[2][5:40]
        self.live = self.mount.entry("machine", self.alias)
        put(self.live + "/key.pem", pki.read(self.key))
        put(self.live + "/cert.pem", self.leaf)
        self.log = os.path.join(self.work, self.alias + ".runs")
        pki.write(self.log, b"")

    def start(self, *options, command=("sh", "-c", 'echo "$CERTFS_ENTRY" >> "$0"'), entries=None):
        entries = entries or ["machine/" + self.alias]
        words = [CERTFS, "watch", *entries, "--mount", self.mount.path, *options, "--", *command, self.log]
        watcher = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ, LC_ALL="C"))
        self.addCleanup(self.stop, watcher)
        self.await_rest(watcher)
        return watcher

    def await_rest(self, watcher):
        """Waits until it waits in poll(2) with its watches set: what changes from then on counts."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if pki.read(f"/proc/{watcher.pid}/syscall").split()[0] == b"7":
                return
            time.sleep(0.01)
        self.fail("certfs watch does not come to rest")

    def stop(self, watcher):
        if watcher.poll() is None:
            watcher.kill()
        watcher.wait()
        watcher.stderr.close()

    def runs(self, wanted, patience=10):
        """Waits for `wanted` runs, and then whether one more comes."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and len(pki.read(self.log).splitlines()) < wanted:
            time.sleep(0.01)
        time.sleep(0.5)
        return pki.read(self.log).decode().splitlines()

    def test_a_rotation_is_one_run(self):
        self.start()
        key = pki.new_key(os.path.join(self.work, "once.key"))
        pairs = [(pki.read(key), self.issuing.issue("localhost", key)), (pki.read(self.key), self.leaf)]
        os.mkdir(self.live + "/next")
        for round in range(6):
            put(self.live + "/next/key.pem", pairs[round % 2][0])
            put(self.live + "/next/cert.pem", pairs[round % 2][1])
            self.assertEqual(self.runs(round + 1), ["machine/" + self.alias] * (round + 1))
        self.assertEqual(run(CERTFS, "revert", "machine/" + self.alias, "--mount", self.mount.path).returncode, 0)
        self.assertEqual(len(self.runs(7)), 7)

    def test_a_renewal_is_one_run_however_it_is_written(self):
        self.start()
        new = pki.write(os.path.join(self.work, "renewal.pem"), self.chain)
        old = pki.write(os.path.join(self.work, "before.pem"), self.leaf)
        runs = 0
        for command in ("cat {new} > {live}", "cp --remove-destination {old} {live}", "install -m 644 {new} {live}", "cp -p {old} {live}"):
            done = run("bash", "-ec", command.format(new=new, old=old, live=self.live + "/cert.pem"))
            self.assertEqual(done.returncode, 0, done.stderr)
            runs += 1
            self.assertEqual(len(self.runs(runs)), runs, command)

    def test_what_changes_no_content_runs_nothing(self):
        self.start()
        put(self.live + "/cert.pem", self.leaf)
        os.chmod(self.live + "/cert.pem", 0o640)
        os.utime(self.live + "/key.pem")
        os.chown(self.live, 1, 1)
        self.assertEqual(harness.errno_of(put, self.live + "/cert.pem", b"-----BEGIN nothing"), "EINVAL")
        self.assertEqual(self.runs(1, 1), [])

    def test_an_entry_that_goes_and_comes(self):
        watcher = self.start()
        self.assertEqual(run("rm", "-r", self.live).returncode, 0)
        self.assertIn("waiting until it is there again", watcher.stderr.readline())
        self.assertEqual(self.runs(1, 0.5), [])
        # What returns as it was is no change; what returns without its key may be one.
        self.mount.entry("machine", self.alias)
        put(self.live + "/cert.pem", self.leaf)
        self.assertEqual(self.runs(1, 0.5), [])
        put(self.live + "/cert.pem", self.chain)
        self.assertEqual(len(self.runs(1)), 1)

    def test_a_mount_that_goes_and_comes(self):
        watcher = self.start()
        for round, end in enumerate((self.mount.unmount, self.mount.kill)):
            end()
            self.assertIn("is not mounted; waiting", watcher.stderr.readline())
            self.mount.mount()
            self.assertIn("is mounted again", watcher.stderr.readline())
            self.assertEqual(len(self.runs(round)), round)
            put(self.live + "/cert.pem", (self.chain, self.leaf)[round])
            self.assertEqual(len(self.runs(round + 1)), round + 1)

    def test_several_entries(self):
        other = self.mount.entry("vpxd", "other")
        put(other + "/cert.pem", self.leaf)
        self.start(entries=["machine/" + self.alias, "vpxd/other"])
        put(other + "/cert.pem", self.chain)
        self.assertEqual(self.runs(1), ["vpxd/other"])
        put(self.live + "/cert.pem", self.chain)
        self.assertEqual(self.runs(2), ["vpxd/other", "machine/" + self.alias])

    def test_a_user_who_may_read_no_key(self):
        watcher = self.start(command=("sh", "-c", "exit 3"), entries=["machine/" + self.alias])
        put(self.live + "/cert.pem", self.chain)
        self.assertEqual(watcher.stderr.readline(), f"certfs: machine/{self.alias}: sh ended with 3\n")
        user = run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", CERTFS, "watch", "BACKUP_STORE/bkp_x",
                   "--mount", self.mount.path, "--", "true")
        self.assertEqual(user.returncode, 1)
        self.assertIn("BACKUP_STORE/bkp_x", user.stderr)
        self.assertIn("Permission denied", user.stderr)
        words = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", CERTFS, "watch", "machine/" + self.alias,
                 "--mount", self.mount.path, "--once", "--", "true"]
        unprivileged = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, unprivileged)
        deadline = time.monotonic() + 10
        while pki.read(f"/proc/{unprivileged.pid}/comm") != b"certfs\n" and time.monotonic() < deadline:
            time.sleep(0.01)
        self.await_rest(unprivileged)
        put(self.live + "/cert.pem", self.leaf)
        self.assertEqual(unprivileged.wait(10), 0, unprivileged.stderr.read())

    def test_ends(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            watcher = self.start()
            watcher.send_signal(number)
            self.assertEqual(watcher.wait(10), 0)
        for round, (script, code) in enumerate((("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137))):
            watcher = self.start("--once", command=("sh", "-c", script))
            put(self.live + "/cert.pem", (self.chain, self.leaf)[round % 2])
            self.assertEqual(watcher.wait(10), code)
        missing = run(CERTFS, "watch", "machine/none", "--mount", self.mount.path, "--", "true")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("machine/none", missing.stderr)
        self.assertIn("No such file or directory", missing.stderr)


if __name__ == "__main__":
    harness.main()
