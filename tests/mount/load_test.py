"""Goal: under load and at its limits the mount serves nothing torn or mismatched, refuses what it cannot do, and goes on afterwards.
Method: 64 readers and 8 writers in a store of many entries; stress-ng's filesystem stressors; a daemon that may lock less
memory than it wants. CERTFS_ROUNDS scales: 1 takes some 10 s a test and 2,000 entries, 6 a minute; CERTFS_LOAD_ENTRIES says how many
entries otherwise."""

import errno
import os
import random
import statistics
import tempfile
import time

import harness
import pki
import watch_test
from harness import errno_of, put, run

SECONDS = float(os.environ.get("CERTFS_LOAD_SECONDS", max(3.0, 10 * harness.ROUNDS)))
ENTRIES = int(os.environ.get("CERTFS_LOAD_ENTRIES", harness.rounds(2000)))
READERS, WRITERS = 64, 8
# What a daemon may grow by under any load of these: its caches and buffers are bounded.
GROWTH_KIB = 64 * 1024
# What it has open beside what its callers wait for: the device, the keystore's files, what wakes it, the log. Once it has settled it opens no
# more, but for a moment: to look at who calls, or to put what was written on disk.
DESCRIPTORS, MOMENTARY = 40, 8
# What the later half of an hour or more may take more than the first: 4 KiB that are lost each second make 6 MiB between them. In less time what
# it keeps has not all come: in a store of 2,000 entries that takes some five minutes.
CREEP_KIB = 4 * 1024


def anonymous_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Samples:
    """What a process has, from time to time: the first is what it has once it has settled."""

    def __init__(self, measure, pid):
        self.measure, self.pid, self.values = measure, pid, []

    def take(self):
        self.values.append(self.measure(self.pid))

    def grown(self):
        return max(self.values) - self.values[0]

    def crept(self):
        """By how much the later half lies above the first, whatever peaks either has."""
        middle = len(self.values) // 2
        return statistics.median(self.values[middle:]) - statistics.median(self.values[:middle])

    def __str__(self):
        return f"{self.values[0]} at first, at most {max(self.values)}, {self.crept():+.0f} from half to half"


class Crowd:
    """Processes of our own, each running a function until the time is over; what one returns is its report."""

    def __init__(self):
        self.members = []

    def add(self, work, *arguments):
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(read_end)
                report = work(*arguments)
            except BaseException as error:  # Whatever it is, the test is told.
                report = f"failed: {error!r}"
            os.write(write_end, str(report).encode()[:4000])
            os._exit(0)
        os.close(write_end)
        self.members.append((pid, read_end))

    def reports(self):
        reports = []
        for pid, read_end in self.members:
            with os.fdopen(read_end, "rb") as pipe:
                reports.append(pipe.read().decode())
            os.waitpid(pid, 0)
        return reports


class LargeMount(harness.Mount):
    """Of a store `machine` of ENTRIES pairs, on a tmpfs, where making each of them durable costs nothing: what is measured is the mount."""

    def __init__(self, certificate, key):
        self.pair = (certificate, key)
        directory = tempfile.mkdtemp(prefix="certfs-many-")
        made = run("mount", "-t", "tmpfs", "-o", "mode=755,size=4g", "tmpfs", directory)
        if made.returncode:
            raise RuntimeError("tmpfs: " + made.stderr)
        super().__init__(directory)

    def make_keystore(self):
        key_file = pki.write(self.keystore + ".key", os.urandom(32))
        os.chmod(key_file, 0o600)
        fill = os.path.join(os.path.dirname(harness.CERTFS), "bench_fill")
        begun = time.monotonic()
        made = run(fill, self.keystore, key_file, ENTRIES, *self.pair, timeout=3600)
        if made.returncode:
            raise RuntimeError("bench_fill: " + made.stderr)
        print(f"{ENTRIES} entries made in {time.monotonic() - begun:.1f} s")

    def close(self):
        super().close()
        if os.path.ismount(self.directory):
            run("umount", "-l", self.directory)
            os.rmdir(self.directory)


class Load(harness.MountTest):
    @classmethod
    def new_mount(cls):
        return LargeMount(pki.write(os.path.join(cls.work, "many.pem"), cls.leaf), cls.key)

    def test_a_large_store(self):
        pid = self.mount.pid()
        # AddressSanitizer's own memory, some 60 MiB before anything is served, is not the daemon's.
        sanitized = b"__asan_init" in pki.read(harness.CERTFS)
        of_others = anonymous_kib(pid) if sanitized else 0
        store = self.mount.at("stores/machine")
        begun = time.monotonic()
        names = os.listdir(store)
        listed = time.monotonic() - begun
        self.assertEqual(sorted(names), [f"e{i:06d}" for i in range(ENTRIES)])
        chance, key = random.Random(5), pki.read(self.key)
        for name in chance.sample(names, min(len(names), 1000)):
            self.assertEqual(pki.read(f"{store}/{name}/cert.pem"), self.leaf)
            self.assertEqual(pki.read(f"{store}/{name}/key.pem"), key)
        path = f"{store}/{chance.choice(names)}/cert.pem"
        for certificate in (self.chain, self.leaf):
            put(path, certificate)
            self.assertEqual(pki.read(path), certificate)
        memory = anonymous_kib(pid) - of_others
        self.assertLess(memory, 64 * 1024)
        print(f"listed in {listed * 1000:.0f} ms, {memory} KiB of anonymous memory")

    def test_readers_and_writers(self):
        keys = [pki.new_key(os.path.join(self.work, f"load{i}.key")) for i in range(3)]
        issuer = pki.read(self.issuing.cert)
        pairs = [(self.issuing.issue("localhost", key) + issuer * (i % 2), pki.read(key)) for i, key in enumerate(keys)]
        whole = {cert: key for cert, key in pairs + [(self.leaf, pki.read(self.key))]}
        entries = [self.mount.entry("machine", f"load{i}") for i in range(WRITERS)]
        for entry in entries:
            os.mkdir(entry + "/next")
            put(entry + "/next/key.pem", pairs[0][1])
            put(entry + "/next/cert.pem", pairs[0][0])
        pid, mounter = self.mount.pid(), self.mount.mounter()
        begun = time.monotonic()
        end = begun + SECONDS

        def write(entry, seed):
            chance, rotations, last = random.Random(seed), 0, 0
            while time.monotonic() < end:
                last = (last + chance.choice((1, 2))) % len(pairs)
                put(entry + "/next/key.pem", pairs[last][1])
                put(entry + "/next/cert.pem", pairs[last][0])
                rotations += 1
            return rotations

        def read(seed):
            chance, reads = random.Random(seed), 0
            # All of them are met at once, as by a backup job: of each entry that the kernel knows the daemon keeps a few words.
            for number in range(seed, ENTRIES, READERS):
                for name in ("cert.pem", "key.pem"):
                    os.stat(self.mount.at("stores/machine", f"e{number:06d}", name))
            while time.monotonic() < end:
                # Every other one is any of the many that nobody writes.
                entry = chance.choice(entries) if reads % 2 else self.mount.at("stores/machine", f"e{chance.randrange(ENTRIES):06d}")
                begun = time.monotonic()
                cert = pki.read(entry + "/cert.pem")
                key = pki.read(entry + "/key.pem")
                took = time.monotonic() - begun
                assert cert in whole, f"{len(cert)} bytes that are no certificate of ours"
                # A pair is promised to whoever opens its second half within two seconds.
                assert key == whole[cert] or (key in whole.values() and took > 2), f"a key of another certificate after {took:.3f} s"
                reads += 1
            return reads

        crowd = Crowd()
        for number, entry in enumerate(entries):
            crowd.add(write, entry, number)
        for number in range(READERS):
            crowd.add(read, number)
        # After a minute, or a third of it, the daemon has what it takes: from then on nothing grows.
        time.sleep(max(0, min(60, SECONDS / 3) - (time.monotonic() - begun)))
        memory, opened = ([Samples(measure, process) for process in (pid, mounter)] for measure in (anonymous_kib, descriptors))
        while time.monotonic() < end or len(memory[0].values) < 2:
            for each in memory + opened:
                each.take()
            time.sleep(min(60, SECONDS / 60, max(0.0, end - time.monotonic())))
        reports = crowd.reports()
        self.assertEqual([report for report in reports if not report.isdigit()], [])
        rotations, reads = sum(map(int, reports[:WRITERS])), sum(map(int, reports[WRITERS:]))
        print(f"{rotations} rotations, {reads} reads of pairs in {SECONDS:.0f} s; {len(memory[0].values)} samples", flush=True)
        for number, name in enumerate(("daemon", "mounter")):
            print(f"{name}: KiB {memory[number]}; descriptors {opened[number]}", flush=True)
        # What it keeps, and AddressSanitizer of what it freed, has not all come in a shorter time.
        self.assertLess(memory[0].grown(), GROWTH_KIB / 4 if SECONDS >= 10 else GROWTH_KIB)
        # The mounter only waits.
        self.assertLess(memory[1].grown(), CREEP_KIB)
        if SECONDS >= 3600:
            self.assertLess(memory[0].crept(), CREEP_KIB)
        self.assertLessEqual(max(opened[0].values), DESCRIPTORS)
        for each in opened:
            self.assertLessEqual(each.grown(), MOMENTARY)
            self.assertLess(each.crept(), 2)
        self.assertEqual(self.mount.mounter(), mounter)
        self.assertEqual(self.mount.pid(), pid)
        self.assertTrue(all(int(report) > 0 for report in reports))

    def test_stress_ng(self):
        entry = self.mount.entry("machine", "stressed")
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.chain)
        before = {name: pki.read(f"{entry}/{name}") for name in ("cert.pem", "key.pem")}
        pid = self.mount.pid()
        grown_from = anonymous_kib(pid)
        # Not getdent: it walks all of /tmp, the mounts of other tests too, and not the --temp-path.
        stressors = ("access", "chdir", "chmod", "chown", "dentry", "dir", "fallocate", "file-ioctl", "flock", "fstat", "hdd", "link",
                     "open", "rename", "symlink", "utime", "xattr")
        words = [word for name in stressors for word in ("--" + name, "1")]
        runs = 0
        for where in (entry, self.mount.at("stores/machine"), self.mount.path):
            # Unknown names are refused, at which a stressor gives up: they begin again and again. What counts is that they
            # end, and what is left.
            end = time.monotonic() + SECONDS / 3
            while time.monotonic() < end:
                done = run("stress-ng", "--verify", "--temp-path", where, "--timeout", "1s", *words)
                self.assertIn("run completed", done.stdout + done.stderr)
                runs += 1
            self.assertEqual(self.mount.pid(), pid)
            self.assertLess(anonymous_kib(pid) - grown_from, GROWTH_KIB)
            self.assertEqual({name: pki.read(f"{entry}/{name}") for name in before}, before)
        self.assertEqual(sorted(os.listdir(self.mount.path)), ["backup", "ca", "export", "status", "stores"])
        put(entry + "/cert.pem", self.leaf)
        put(entry + "/cert.pem", self.chain)
        print(f"{runs} runs of {len(stressors)} stressors, {anonymous_kib(pid) - grown_from} KiB grown")


class LockedMemory(harness.MountTest):
    def await_success(self, action, *arguments):
        """What `action` returns once there is memory: the daemon frees that of a close or an answer a moment after it."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return action(*arguments)
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOMEM)
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.005)

    def test_locked_memory_runs_out(self):
        """A daemon that may lock less than it wants: it says so in its log, serves, and keeps to its ceiling all the same."""
        self.mount.unmount()
        limited = run("prlimit", f"--memlock={1 << 20}:{1 << 20}", "setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock", harness.CERTFS, "mount", self.mount.keystore, self.mount.path)
        self.assertEqual(limited.returncode, 0, limited.stderr)
        with open(f"/proc/{self.mount.pid()}/limits") as limits:
            self.assertIn(str(1 << 20), next(line for line in limits if line.startswith("Max locked memory")))
        large = os.urandom(1 << 20)
        paths = []
        for i in range(40):
            path = self.mount.entry("APPLMGMT_PASSWORD", f"large{i}") + "/secret"
            put(path, large)
            paths.append(path)
        readers, refused = [], None
        try:
            for path in paths:
                try:
                    readers.append(os.open(path, os.O_RDONLY))
                except OSError as error:
                    refused = error.errno
                    break
            self.assertIsNotNone(refused, "40 MiB of secrets are open at once")
            self.assertEqual(errno_of(os.open, paths[-1], os.O_RDONLY), "ENOMEM")
            # An answer takes locked memory, too: with that of two files less, every other one reads.
            for each in (readers.pop(), readers.pop()):
                os.close(each)
            for each in readers:
                self.assertEqual(self.await_success(os.pread, each, len(large), 0), large)
        finally:
            for each in readers:
                os.close(each)
        for path in paths:
            self.assertEqual(self.await_success(pki.read, path), large)
        self.await_success(put, paths[0], b"small again")

    def test_a_commit_of_another_process_while_there_is_none(self):
        """What the daemon cannot look at now it looks at later, and tells those who watch; it does not end."""
        watched = self.mount.entry("APPLMGMT_PASSWORD", "watched")
        put(watched + "/secret", b"before")
        paths = {}
        for size in [1 << 20] * 40 + [1 << power for power in range(19, 5, -1) for _ in range(4)]:
            path = self.mount.entry("APPLMGMT_PASSWORD", f"size{size}-{len(paths)}") + "/secret"
            put(path, os.urandom(size))
            paths[path] = size
        other = os.path.join(self.mount.directory, "other")
        os.makedirs(other, exist_ok=True)
        mounted = run(harness.CERTFS, "mount", self.mount.keystore, other)
        self.assertEqual(mounted.returncode, 0, mounted.stderr)
        self.addCleanup(run, harness.CERTFS, "umount", other)
        daemon, readers, refused = self.mount.pid(), [], 0
        with watch_test.Watch(watched) as directory:
            try:
                for path in paths:
                    try:
                        readers.append(os.open(path, os.O_RDONLY))
                    except OSError as error:
                        self.assertEqual(error.errno, errno.ENOMEM)
                        refused += 1
                self.assertGreater(refused, 8)
                put(os.path.join(other, "stores", "APPLMGMT_PASSWORD", "watched", "secret"), b"after")
                time.sleep(1)
            finally:
                for each in readers:
                    os.close(each)
            self.assertTrue(harness.is_running(daemon))
            self.assertTrue(directory.await_event(watch_test.MOVED_TO, "secret", 15))
        self.assertEqual(self.await_success(pki.read, watched + "/secret"), b"after")
        self.assertEqual(self.mount.pid(), daemon)


if __name__ == "__main__":
    harness.main()
