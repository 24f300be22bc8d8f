#!/usr/bin/python3
"""Goal: a mount outlives its daemon. Whoever has files open, waits for an answer, reloads or rotates goes on when the daemon is killed,
handed over to a newer program, or started anew by systemd; what was being written and not committed fails; nothing acknowledged is lost.
Method: kill -9, SIGUSR2 and a stand-in for systemd's file descriptor store, in the middle of everything. CERTFS_ROUNDS scales how long the
daemon is killed every 200 ms: 1 for 12 s, 10 for two minutes."""

import array
import errno
import fcntl
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import confinement_test
import harness
import load_test
import pki
import servers
from harness import CERTFS, errno_of, put, run

SECONDS = max(4.0, 12 * harness.ROUNDS)
READERS = 16

# In a mount namespace of its own: a /dev with room for a log.
WITH_ROOM_FOR_A_LOG = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755,dev tmpfs "$1"
for each in null zero full random urandom fuse; do
  touch "$1/$each"
  mount --bind "/dev/$each" "$1/$each"
done
mount --rbind "$1" /dev
exec python3 -c "$2" "$3"
"""

SAID_BY_A_SUCCESSOR = r"""
import os, queue, signal, socket, sys, threading
sys.path.insert(0, sys.argv[1])
import harness, pki, servers
from harness import errno_of, put

log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log")
os.chmod("/dev/log", 0o666)
lines = queue.Queue()

def listen():
    while True:
        lines.put(log.recv(65536).decode())

def hear(words):
    while words not in (line := lines.get(timeout=2 * servers.PATIENCE)):
        pass
    return line

def files(pid, keystore):
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            path = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            continue
        if path.startswith(keystore) or path.endswith("/fuse"):
            found[number] = path
    return found

threading.Thread(target=listen, daemon=True).start()
mount = harness.Mount()
entry = mount.entry("machine", "web")
for _ in range(2):
    before = mount.pid()
    os.kill(before, signal.SIGKILL)
    assert servers.until(lambda: mount.pid() != before)
    daemon = mount.pid()
    open_files = files(daemon, mount.keystore)
    for name in (mount.keystore, mount.keystore + "/data.mdb", mount.keystore + "/lock.mdb"):
        assert name in open_files.values(), (name, open_files)
    assert any(path.endswith("/fuse") for path in open_files.values()), open_files
    assert errno_of(put, entry + "/cert.pem", b"no certificate") == "EINVAL"
    line = hear("refused: ")
    assert f"certfs[{daemon}]: " in line, (daemon, line)
    now = files(daemon, mount.keystore)
    assert {number: now.get(number) for number in open_files} == open_files, (open_files, now)
    secret = mount.entry("APPLMGMT_PASSWORD", "kept") + "/secret"
    put(secret, str(daemon).encode())
    assert pki.read(secret) == str(daemon).encode()
    assert mount.pid() == daemon
mount.close()
print("done")
"""


class SuccessorTest(harness.MountTest):
    ENDS = True

    def setUp(self):
        self.entry = self.mount.entry("machine", "web")
        if not os.path.exists(self.entry + "/key.pem"):
            put(self.entry + "/key.pem", pki.read(self.key))
        put(self.entry + "/cert.pem", self.chain)

    def successor(self, before):
        """Waits until another daemon than `before` answers."""
        self.assertTrue(servers.until(lambda: self.mount.pid() != before))

    def kill(self):
        before = self.mount.pid()
        os.kill(before, signal.SIGKILL)
        self.successor(before)


class Handles(SuccessorTest):
    """What was open."""

    def test_what_reads_goes_on(self):
        self.trust_root()
        paths = [self.entry + "/cert.pem", self.entry + "/key.pem", self.mount.at("export/machine/web/fullchain.pem"),
                 self.mount.at("export/machine/web/combined.pem"), self.mount.at("export/TRUSTED_ROOTS/ca-bundle.pem")]
        wanted = [pki.read(path) for path in paths]
        mounter = self.mount.mounter()
        handles = [os.open(path, os.O_RDONLY) for path in paths]
        sizes = [os.fstat(handle).st_size for handle in handles]
        first = [os.pread(handle, 10, 0) for handle in handles]
        try:
            for _ in range(3):
                self.kill()
                for handle, whole, size, begin in zip(handles, wanted, sizes, first):
                    self.assertEqual(os.pread(handle, 1 << 20, 0), whole)
                    self.assertEqual(os.fstat(handle).st_size, size)
                    self.assertEqual(whole[:10], begin)
        finally:
            for handle in handles:
                os.close(handle)
        self.assertEqual(self.mount.mounter(), mounter)
        self.assertEqual([pki.read(path) for path in paths], wanted)

    def forget(self, *handles):
        for handle in handles:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)

    def test_the_revision_before_goes_on(self):
        """As a reader is that opened just before a renewal; the one before that may end."""
        old = os.open(self.entry + "/cert.pem", os.O_RDONLY)
        older_bytes = pki.read(self.entry + "/cert.pem")
        put(self.entry + "/cert.pem", self.leaf)
        now = os.open(self.entry + "/cert.pem", os.O_RDONLY)
        try:
            self.kill()
            # Past what the kernel has in its page cache of either.
            self.forget(old, now)
            self.assertEqual(os.pread(old, 1 << 20, 0), older_bytes)
            self.assertEqual(os.fstat(old).st_size, len(older_bytes))
            self.assertEqual(os.pread(now, 1 << 20, 0), self.leaf)
            put(self.entry + "/cert.pem", self.chain)
            self.kill()
            self.forget(old, now)
            self.assertIn(errno_of(os.pread, old, 1 << 20, 0), ("ESTALE", "EIO", None))
            self.assertEqual(os.pread(now, 1 << 20, 0), self.leaf)
        finally:
            os.close(old)
            os.close(now)

    def test_what_was_being_written_fails_and_the_file_stays(self):
        put(self.entry + "/cert.pem", self.leaf)
        for begun in (b"", self.chain[:100]):
            with self.subTest(len(begun)):
                writer = os.open(self.entry + "/cert.pem", os.O_WRONLY | os.O_TRUNC)
                os.write(writer, begun)
                self.kill()
                self.assertEqual(errno_of(os.write, writer, self.chain), "EIO")
                self.assertEqual(errno_of(os.fsync, writer), "EIO")
                self.assertEqual(errno_of(os.close, writer), "EIO")
                self.assertEqual(pki.read(self.entry + "/cert.pem"), self.leaf)
        new = os.open(self.entry + "/.scratch", os.O_WRONLY | os.O_CREAT)
        self.kill()
        self.assertEqual(errno_of(os.write, new, b"x"), "EIO")
        self.assertEqual(errno_of(os.close, new), "EIO")
        put(self.entry + "/cert.pem", self.chain)
        self.assertEqual(pki.read(self.entry + "/cert.pem"), self.chain)

    def test_directories_and_places_go_on(self):
        stores = os.open(self.mount.at("stores/machine"), os.O_RDONLY)
        try:
            here = os.getcwd()
            os.chdir(self.entry)
            self.kill()
            self.assertIn("web", os.listdir(stores))
            self.assertEqual(pki.read("cert.pem"), self.chain)
            self.assertEqual(pki.read(self.mount.at("status/version"))[:7], b"certfs ")
        finally:
            os.chdir(here)
            os.close(stores)

    def test_what_it_logs_goes_to_the_log(self):
        """And not to whatever has the number by now that the log had in the mounter."""
        done = run("unshare", "-m", "bash", "-c", WITH_ROOM_FOR_A_LOG, "bash", tempfile.mkdtemp(dir=self.work), SAID_BY_A_SUCCESSOR,
                   os.path.dirname(os.path.abspath(__file__)))
        self.assertEqual((done.returncode, done.stdout), (0, "done\n"), done.stderr)

    def test_the_audit_log_says_it(self):
        self.kill()
        lines = pki.read(self.mount.at("status/audit.jsonl")).decode()
        self.assertIn("taken over from the daemon before", lines)


class InFlight(SuccessorTest):
    """Who waits for an answer."""

    def while_stopped(self, *command):
        """Begins `command` while the daemon is stopped, and kills that. Returns how the command ended."""
        before = self.mount.pid()
        harness.stop(before)
        begun = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            time.sleep(1.3)  # Past what the kernel answers by itself, so that it waits; that it does is not needed for the rest to hold.
            self.assertIsNone(begun.poll(), "it did not wait")
        finally:
            os.kill(before, signal.SIGKILL)
        said, failed = begun.communicate(timeout=60)
        self.successor(before)
        return begun.returncode, said, failed

    def test_readers(self):
        self.assertEqual(self.while_stopped("cat", self.entry + "/cert.pem")[:2], (0, self.chain))
        self.assertEqual(self.while_stopped("cat", self.entry + "/key.pem")[:2], (0, pki.read(self.key)))
        self.assertEqual(self.while_stopped("ls", self.mount.at("stores/machine"))[:2], (0, b"web\n"))

    def test_writers_that_had_not_begun(self):
        source = pki.write(os.path.join(self.work, "source"), self.leaf)
        code, _, failed = self.while_stopped("cp", source, self.entry + "/cert.pem")
        self.assertEqual((code, failed), (0, b""))
        self.assertEqual(pki.read(self.entry + "/cert.pem"), self.leaf)

    def test_directories(self):
        path = self.mount.at("stores/machine/made")
        self.assertEqual(self.while_stopped("mkdir", path)[0], 0)
        self.assertTrue(os.path.isdir(path))
        self.assertEqual(self.while_stopped("mv", "-T", path, path + "-2")[0], 0)
        self.assertEqual(self.while_stopped("rmdir", path + "-2")[0], 0)
        self.assertFalse(os.path.exists(path + "-2"))

    def test_watchers_are_woken_by_what_a_successor_commits(self):
        watcher = subprocess.Popen([CERTFS, "watch", "--mount", self.mount.path, "machine/web", "--", "echo", "changed"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        try:
            self.assertEqual(watcher.stdout.readline(), "machine/web: watching\n")
            self.kill()
            put(self.entry + "/cert.pem", self.leaf)
            said = [watcher.stdout.readline() for _ in range(2)]
            self.assertIn("changed\n", said)
        finally:
            watcher.terminate()
            watcher.communicate()


class Storm(SuccessorTest):
    """Everything at once, and the daemon is killed every 200 ms."""

    def nginx(self, port):
        place = tempfile.mkdtemp(prefix="certfs-nginx-")
        self.addCleanup(shutil.rmtree, place, True)
        config = pki.write(os.path.join(place, "nginx.conf"), f"""
daemon off; pid {place}/nginx.pid; error_log {place}/error.log notice;
events {{}}
http {{
  access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {self.entry}/cert.pem; ssl_certificate_key {self.entry}/key.pem; }}
}}
""".encode())
        server = subprocess.Popen(["nginx", "-c", config, "-p", place], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self.assertTrue(servers.until(lambda: os.path.exists(place + "/nginx.pid")))
        return config, place

    def reload(self, config, place):
        """One reload: the process that signals loads the pair, and then the master does. Returns when it began and ended, and what failed."""
        log, begun = place + "/error.log", time.monotonic()
        before = os.path.getsize(log)
        done = run("nginx", "-c", config, "-p", place, "-s", "reload")
        if done.returncode:
            failed = [line for line in done.stderr.splitlines() if "[emerg]" in line]
            return begun, time.monotonic(), failed or [f"exit status {done.returncode}: {done.stderr}"]
        while True:
            ended = time.monotonic()
            _, _, answer = pki.read(log)[before:].decode().partition("reconfiguring")
            failed = [line for line in answer.splitlines() if "[emerg]" in line]
            if failed or "start worker processes" in answer:
                return begun, ended, failed
            if ended - begun > 2 * servers.PATIENCE:
                return begun, ended, ["the master does not answer"]
            time.sleep(0.002)

    def test_a_kill_every_200_ms(self):
        keys = [pki.new_key(os.path.join(self.work, f"storm{i}.key")) for i in range(3)]
        pairs = [(self.issuing.issue("localhost", key), pki.read(key)) for key in keys]
        whole = dict(pairs)
        os.mkdir(self.entry + "/next")
        put(self.entry + "/next/key.pem", pairs[0][1])
        put(self.entry + "/next/cert.pem", pairs[0][0])
        config, place = self.nginx(servers.free_port())
        secret = self.mount.entry("APPLMGMT_PASSWORD", "count") + "/secret"
        put(secret, b"0")
        # Where a daemon needs long to begin, sanitized say, it is killed as much later: else nothing else would happen.
        begun = time.monotonic()
        os.kill(self.mount.pid(), signal.SIGKILL)
        pki.read(secret)
        period = max(0.2, 3 * (time.monotonic() - begun))
        end = time.monotonic() + max(SECONDS, 10 * period)
        for i, (cert, key) in enumerate(pairs):
            pki.write(os.path.join(self.work, f"storm{i}.pem"), cert)
        # From when until when each copy was made, within which it was committed: a line each.
        copies = os.path.join(self.work, "storm.copies")

        def rotate():
            """By cp, as a CA's client would; what failed is not counted. Says besides which pairs may be live: the last that was acknowledged, and
            those that were tried after it."""
            done, last, live = 0, 0, [0]
            with open(copies, "w") as notes:
                while time.monotonic() < end:
                    last = (last + random.choice((1, 2))) % len(pairs)
                    copied = []
                    for kind, name in (("key", "key.pem"), ("pem", "cert.pem")):
                        begun = time.monotonic()
                        copied.append(run("cp", f"{self.work}/storm{last}.{kind}", f"{self.entry}/next/{name}").returncode)
                        print(begun, time.monotonic(), file=notes)
                    acknowledged = copied == [0, 0]
                    done += acknowledged
                    live = [last] if acknowledged else live + [last]
                    time.sleep(0.05)
            return " ".join(map(str, [done, *live]))

        def count():
            """What was acknowledged, or seen, stays until another is there. One that failed with EIO may be there, too."""
            acknowledged = seen = number = 0
            while time.monotonic() < end:
                number += 1
                try:
                    put(secret, str(number).encode())
                    acknowledged = seen = number
                except OSError as error:
                    assert error.errno == errno.EIO, error
                there = int(pki.read(secret))
                assert there in (seen, number), f"{there} is there: {seen} was before, {acknowledged} acknowledged, {number} tried"
                seen = there
            return f"{acknowledged}"

        def read(seed):
            chance, reads, mixed = random.Random(seed), 0, 0
            while time.monotonic() < end:
                names = ["cert.pem", "key.pem"] if chance.random() < 0.5 else ["key.pem", "cert.pem"]
                before, begun = os.getxattr(self.mount.path, "user.certfs.pid"), time.monotonic()
                read = {name: pki.read(f"{self.entry}/{name}") for name in names}
                took = time.monotonic() - begun
                after = os.getxattr(self.mount.path, "user.certfs.pid")
                assert read["cert.pem"] in whole, f"{len(read['cert.pem'])} bytes that are no certificate of ours"
                assert read["key.pem"] in whole.values(), "bytes that are no key of ours"
                if read["key.pem"] != whole[read["cert.pem"]]:
                    # A pair is promised to whoever opens its second half within two seconds.
                    assert before != after or took > 2, f"a key of another certificate after {took:.3f} s, and no kill between"
                    mixed += 1
                reads += 1
            return f"{reads} {mixed}"

        crowd = load_test.Crowd()
        crowd.add(rotate)
        crowd.add(count)
        for number in range(READERS):
            crowd.add(read, number)
        kills, reloads = [], []
        ended = threading.Event()

        def reload():
            while not ended.wait(0.15):
                reloads.append(self.reload(config, place))

        reloading = threading.Thread(target=reload)
        reloading.start()
        try:
            while time.monotonic() < end:
                time.sleep(period)
                daemon, begun = self.mount.pid(), time.monotonic()
                os.kill(daemon, signal.SIGKILL)
                # Until then it may have answered; what does not end is not waited for.
                while harness.is_running(daemon) and time.monotonic() - begun < period:
                    time.sleep(0.001)
                kills.append((begun, time.monotonic()))
        finally:
            ended.set()
            reloading.join()
            reports = crowd.reports()
        self.assertEqual([report for report in reports if not re.fullmatch(r"[\d ]+", report)], [])
        rotations, *live = map(int, reports[0].split())
        acknowledged = int(reports[1])
        reads = sum(int(report.split()[0]) for report in reports[2:])
        mixed = sum(int(report.split()[1]) for report in reports[2:])
        self.assertGreaterEqual(int(pki.read(secret)), acknowledged)
        # What was acknowledged last, or what was tried after it.
        at_last = [pki.read(f"{self.entry}/{name}") for name in ("cert.pem", "key.pem")]
        self.assertIn(at_last, [list(pairs[each]) for each in live], "the live pair at the end is an earlier one")
        with open(copies) as notes:
            commits = [tuple(map(float, line.split())) for line in notes]

        def within(reload, spans):
            return any(begun <= reload[1] and reload[0] <= ended for begun, ended in spans)

        # One whose two opens a kill and a commit separated.
        failed = [each for each in reloads if each[2]]
        excused = [each for each in failed if all("key values mismatch" in line for line in each[2]) and within(each, kills) and within(each, commits)]
        print(f"{len(kills)} kills, one each {period * 1000:.0f} ms, {reads} reads of pairs, {mixed} of them mixed across a kill, {rotations} rotations of {len(commits) // 2}, {acknowledged} acknowledged writes, "
              f"{len(reloads)} reloads, {sum(within(each, kills) for each in reloads)} of them with a kill within, {len(excused)} mixed across one", flush=True)
        self.assertEqual([each for each in failed if each not in excused], [])
        # And nothing failed that was no reload.
        known = [line for each in failed for line in each[2]]
        self.assertEqual([line for line in pki.read(place + "/error.log").decode().splitlines() if "[emerg]" in line and line not in known], [])
        self.assertTrue(kills and rotations and reads and len(reloads) > len(failed) and acknowledged)


class Upgrade(SuccessorTest):
    """SIGUSR2: another program goes on."""

    def test_by_another_program(self):
        with tempfile.TemporaryDirectory(prefix="certfs-upgrade-") as place:
            program = os.path.join(place, "certfs")
            shutil.copy(CERTFS, program)
            point, keystore = os.path.join(place, "mnt"), os.path.join(place, "keystore")
            os.mkdir(point)
            self.assertEqual(run(program, "init", keystore).returncode, 0)
            self.assertEqual(run(program, "mount", "keystore", "mnt", "-o", "audit-mib=3", cwd=place).returncode, 0)
            try:
                os.mkdir(point + "/stores/machine/web")
                put(point + "/stores/machine/web/key.pem", pki.read(self.key))
                with open(point + "/stores/machine/web/key.pem", "rb") as reader:
                    mounter, daemon = harness.mounter_of(point), os.getxattr(point, "user.certfs.pid")
                    for way in ("the same program", "another one", "none"):
                        with self.subTest(way):
                            if way == "another one":
                                shutil.copy(CERTFS, program + ".new")
                                os.rename(program + ".new", program)
                            elif way == "none":
                                os.remove(program)
                            os.kill(mounter, signal.SIGUSR2)
                            self.assertTrue(servers.until(lambda: os.getxattr(point, "user.certfs.pid") != daemon))
                            daemon = os.getxattr(point, "user.certfs.pid")
                            self.assertEqual(harness.mounter_of(point), mounter)
                            self.assertEqual(os.pread(reader.fileno(), 1 << 20, 0), pki.read(self.key))
                            if way == "another one":
                                self.assertEqual(os.stat(f"/proc/{mounter}/exe").st_ino, os.stat(program).st_ino)
                # What was asked for is kept.
                self.assertIn(b"audit-mib=3", pki.read(f"/proc/{mounter}/cmdline"))
            finally:
                self.assertEqual(run(CERTFS, "umount", point).returncode, 0)

    def test_readers_and_writers_meanwhile(self):
        end = time.monotonic() + SECONDS / 2
        # From when until when each write was made, within which it was committed: a line each.
        commits = os.path.join(self.work, "upgrade.commits")

        def read():
            """How many were read, and from when until when those took that found nothing left of what they had opened."""
            reads, lost = 0, []
            while time.monotonic() < end:
                begun = time.monotonic()
                try:
                    assert pki.read(self.entry + "/cert.pem") in (self.chain, self.leaf)
                    assert pki.read(self.entry + "/key.pem") == pki.read(self.key)
                    reads += 1
                except OSError as error:
                    if error.errno != errno.ESTALE:
                        raise
                    lost.append((begun, time.monotonic()))
            return json.dumps([reads, lost])

        def write():
            writes = 0
            with open(commits, "w") as notes:
                while time.monotonic() < end:
                    begun = time.monotonic()
                    # A writer that an upgrade finds between its open and its close has an error, and tries again.
                    try:
                        put(self.entry + "/cert.pem", (self.chain, self.leaf)[writes % 2])
                        writes += 1
                    except OSError as error:
                        assert error.errno == errno.EIO, error
                    print(begun, time.monotonic(), file=notes, flush=True)
                    time.sleep(0.1)
            return json.dumps(writes)

        crowd = load_test.Crowd()
        for _ in range(4):
            crowd.add(read)
        crowd.add(write)
        upgrades = []
        try:
            while time.monotonic() < end:
                before, begun = self.mount.pid(), time.monotonic()
                os.kill(self.mount.mounter(), signal.SIGUSR2)
                self.successor(before)
                upgrades.append((begun, time.monotonic()))
                time.sleep(0.3)
        finally:
            reports = crowd.reports()
        self.assertEqual([report for report in reports if report.startswith("failed")], [])
        *readers, writes = map(json.loads, reports)
        with open(commits) as notes:
            written = [tuple(map(float, line.split())) for line in notes]
        lost = [span for reads, spans in readers for span in spans]
        print(f"{len(upgrades)} programs, {sum(reads for reads, _ in readers)} reads, {len(lost)} of them of what was replaced twice, {writes} writes", flush=True)

        def within(span, others):
            return sum(begun <= span[1] and span[0] <= ended for begun, ended in others)

        # Two revisions that come while a file is open, and an upgrade: of that nothing is left.
        self.assertEqual([span for span in lost if within(span, written) < 2 or not within(span, upgrades)], [])
        self.assertTrue(writes and all(reads for reads, _ in readers))

    def test_a_passphrase_that_was_given_once(self):
        with tempfile.TemporaryDirectory(prefix="certfs-passphrase-") as place:
            words = pki.write(os.path.join(place, "words"), b"correct horse battery staple")
            keystore, point = os.path.join(place, "keystore"), os.path.join(place, "mnt")
            os.mkdir(point)
            self.assertEqual(run(CERTFS, "init", keystore, "--passphrase-file", words).returncode, 0)
            with open(words, "rb") as given:
                done = run(CERTFS, "mount", keystore, point, "--passphrase-file", f"/dev/fd/{given.fileno()}", pass_fds=(given.fileno(),))
            self.assertEqual(done.returncode, 0, done.stderr)
            try:
                os.remove(words)
                mounter = harness.mounter_of(point)
                for number, process in ((signal.SIGKILL, int(os.getxattr(point, "user.certfs.pid"))), (signal.SIGUSR2, mounter), (signal.SIGUSR2, mounter)):
                    before = os.getxattr(point, "user.certfs.pid")
                    os.kill(process, number)
                    self.assertTrue(servers.until(lambda: os.getxattr(point, "user.certfs.pid") != before))
                # Nobody has it in his memory but the daemon.
                with open(f"/proc/{mounter}/maps") as maps, open(f"/proc/{mounter}/mem", "rb", 0) as memory:
                    for line in maps:
                        begin, last = (int(part, 16) for part in line.split()[0].split("-"))
                        # Larger is what a sanitizer has reserved.
                        if "r" not in line.split()[1] or "[v" in line or last - begin > 1 << 30:
                            continue
                        memory.seek(begin)
                        self.assertNotIn(b"correct horse battery staple", memory.read(last - begin), line)
            finally:
                self.assertEqual(run(CERTFS, "umount", point).returncode, 0)


class Manager:
    """As much of systemd as a service with a file descriptor store meets."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(60)
        self.store = {}

    def close(self):
        self.socket.close()
        for descriptor in self.store.values():
            os.close(descriptor)

    def start(self, *words):
        """Runs certfs with what is in the store, as descriptors from 3 on."""
        kept = [(name, fcntl.fcntl(descriptor, fcntl.F_DUPFD, 50)) for name, descriptor in self.store.items()]
        places = "".join(f" {3 + i}<&{descriptor}" for i, (_, descriptor) in enumerate(kept))
        script = f"export LISTEN_PID=$$; exec \"$@\"{places}"
        environment = dict(os.environ, NOTIFY_SOCKET=self.path, LISTEN_FDS=str(len(kept)), LISTEN_FDNAMES=":".join(name for name, _ in kept))
        try:
            return subprocess.Popen(["bash", "-c", script, "bash", CERTFS, *map(str, words)], env=environment, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, pass_fds=[descriptor for _, descriptor in kept])
        finally:
            for _, descriptor in kept:
                os.close(descriptor)

    def hear(self, word):
        """Takes what comes until `word` does."""
        while True:
            message, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(16))
            lines = message.decode().splitlines()
            name = next((line[7:] for line in lines if line.startswith("FDNAME=")), None)
            for level, kind, data in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    descriptors = array.array("i", data)
                    if name in self.store:
                        os.close(self.store[name])
                    self.store[name] = descriptors[0]
            if "FDSTOREREMOVE=1" in lines and name in self.store:
                os.close(self.store.pop(name))
            if word in lines:
                return


class Service(harness.MountTest):
    """A service of systemd whose processes are all killed."""

    ENDS = True

    def test_started_anew_it_goes_on(self):
        with tempfile.TemporaryDirectory(prefix="certfs-service-") as place:
            keystore, point = os.path.join(place, "keystore"), os.path.join(place, "mnt")
            os.mkdir(point)
            self.assertEqual(run(CERTFS, "init", keystore).returncode, 0)
            manager = Manager(place)
            self.addCleanup(manager.close)
            service = manager.start("mount", "--foreground", keystore, point)
            try:
                manager.hear("READY=1")
                self.assertEqual(sorted(manager.store), ["certfs-device", "certfs-page"])
                os.mkdir(point + "/stores/machine/web")
                put(point + "/stores/machine/web/key.pem", pki.read(self.key))
                reader = os.open(point + "/stores/machine/web/key.pem", os.O_RDONLY)
                for _ in range(2):
                    daemon = int(os.getxattr(point, "user.certfs.pid"))
                    service.kill()
                    service.communicate()
                    self.assertTrue(servers.until(lambda: not harness.is_running(daemon)))
                    service = manager.start("mount", "--foreground", keystore, point)
                    manager.hear("READY=1")
                    self.assertEqual(os.pread(reader, 1 << 20, 0), pki.read(self.key))
                    self.assertEqual(os.listdir(point + "/stores/machine"), ["web"])
                os.close(reader)
                self.assertEqual(run(CERTFS, "umount", point).returncode, 0)
                self.assertEqual(service.wait(timeout=60), 0, service.stderr.read())
                manager.hear("FDSTOREREMOVE=1")
                # What it left of a mount that is no more is of no use to the next.
                manager.hear("FDSTOREREMOVE=1")
                self.assertEqual(manager.store, {})
            finally:
                service.kill()
                service.communicate()
                run("umount", "-l", point)


class Foreground(harness.MountTest):
    """Whoever read what `certfs mount --foreground` says has gone: it says it to nobody, and goes on."""

    ENDS = True

    def test_nobody_reads_what_it_says(self):
        with tempfile.TemporaryDirectory(prefix="certfs-foreground-") as place:
            keystore, point = os.path.join(place, "keystore"), os.path.join(place, "mnt")
            os.mkdir(point)
            self.assertEqual(run(CERTFS, "init", keystore).returncode, 0)
            # To an ordinary program SIGPIPE is the end, and so it is to what Popen starts.
            mounter = subprocess.Popen([CERTFS, "mount", "--foreground", keystore, point], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                def daemon():
                    try:
                        return int(os.getxattr(point, "user.certfs.pid"))
                    except OSError:
                        return None  # Nobody answers yet, or any more.

                self.assertTrue(servers.until(lambda: daemon() or mounter.poll() is not None))
                mounter.stderr.close()
                entry = point + "/stores/machine/web"
                os.mkdir(entry)
                put(entry + "/cert.pem", self.leaf)
                for _ in range(2):
                    before = daemon()
                    self.assertEqual(errno_of(put, entry + "/cert.pem", b"no certificate"), "EINVAL")
                    self.assertEqual(daemon(), before, "the daemon ended of what it said")
                    os.kill(before, signal.SIGKILL)
                    self.assertTrue(servers.until(lambda: mounter.poll() is not None or daemon() not in (None, before)))
                    self.assertIsNone(mounter.poll(), "the mounter ended of what it said")
                    self.assertEqual(pki.read(entry + "/cert.pem"), self.leaf)
                self.assertEqual(run(CERTFS, "umount", point).returncode, 0)
                self.assertEqual(mounter.wait(timeout=60), 0)
            finally:
                mounter.kill()
                mounter.wait()
                run("umount", "-l", point)


class OfAnotherUser(harness.MountTest):
    ENDS = True

    @classmethod
    def new_mount(cls):
        return confinement_test.OfAnother()

    def test_what_it_lacks_for_a_moment_costs_nobody_the_mount(self):
        """Its user has as many processes as he may: whoever takes over has no thread to answer with. One of those that follow has."""
        entry = self.mount.entry("APPLMGMT_PASSWORD", "kept")
        put(entry + "/secret", b"kept")
        mounter, seen = self.mount.mounter(), {self.mount.pid()}

        def another():
            with open(f"/proc/{mounter}/task/{mounter}/children") as children:
                for child in map(int, children.read().split()):
                    try:
                        with open(f"/proc/{child}/status") as status:
                            user = next(int(line.split()[1]) for line in status if line.startswith("Uid:"))
                    except (FileNotFoundError, ProcessLookupError):
                        continue
                    if user == confinement_test.STRANGER:
                        seen.add(child)
            return len(seen) >= 3

        limits = resource.prlimit(mounter, resource.RLIMIT_NPROC)
        # The daemon, its examiner and an examination, and later one thread. ThreadSanitizer has a thread of its own in each.
        most = 6 if b"__tsan_init" in pki.read(CERTFS) else 3
        resource.prlimit(mounter, resource.RLIMIT_NPROC, (most, limits[1]))
        try:
            os.kill(self.mount.began[1], signal.SIGKILL)
            deadline = time.monotonic() + servers.PATIENCE
            while not another():  # Each is there for some 20 ms.
                self.assertLess(time.monotonic(), deadline, "none that took over has failed")
                time.sleep(0.001)
        finally:
            resource.prlimit(mounter, resource.RLIMIT_NPROC, limits)
        self.assertEqual(pki.read(entry + "/secret"), b"kept")
        self.assertEqual(self.mount.mounter(), mounter)

    def test_a_keystore_that_became_another_users_is_not_served(self):
        mounter = self.mount.mounter()
        os.chown(self.mount.keystore, 0, 0)
        os.kill(self.mount.pid(), signal.SIGKILL)
        self.assertTrue(servers.until(lambda: not harness.is_running(mounter)))
        self.assertFalse(os.path.ismount(self.mount.path))
        os.chown(self.mount.keystore, confinement_test.STRANGER, confinement_test.STRANGER)
        self.mount.mount()


class GivingUp(harness.MountTest):
    ENDS = True

    def test_without_its_key_nobody_waits(self):
        """The key file has gone: no daemon can take over, and every caller hears of it."""
        entry = self.mount.entry("APPLMGMT_PASSWORD", "kept")
        put(entry + "/secret", b"kept")
        key = self.mount.keystore + ".key"
        mounter = self.mount.mounter()
        os.rename(key, key + ".away")
        os.kill(self.mount.pid(), signal.SIGKILL)
        reader = subprocess.run(["cat", entry + "/secret"], capture_output=True, timeout=60)
        self.assertNotEqual(reader.returncode, 0)
        self.assertTrue(servers.until(lambda: not harness.is_running(mounter)))
        os.rename(key + ".away", key)
        run("umount", "-l", self.mount.path)
        self.mount.mount()
        self.assertEqual(pki.read(entry + "/secret"), b"kept")

    def test_a_daemon_that_is_stopped_does_not_keep_umount_waiting(self):
        mounter, daemon = self.mount.mounter(), self.mount.pid()
        harness.stop(daemon)
        try:
            done = run("umount", self.mount.path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(servers.until(lambda: not harness.is_running(mounter)))
            self.assertFalse(harness.is_running(daemon))
        finally:
            if harness.is_running(daemon):
                os.kill(daemon, signal.SIGCONT)
        self.mount.mount()


if __name__ == "__main__":
    harness.main()
