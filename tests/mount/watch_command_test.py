"""Goal: certfs watch finds what it is to watch, tells a change from what only looks like one, gets along with few rights, and minds its command.
Method: commands that write a line per run, entries that go and come back, users without rights, signals, and the mount's end. Beside watch_test.py."""

import os
import shutil
import signal
import subprocess
import time

import harness
import pki
from harness import CERTFS, put, run

PATIENCE = 20


def until(condition, seconds=PATIENCE):
    """Waits until `condition` holds; returns whether it does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


class Watcher:
    """`certfs watch`, whose command appends a line to a file."""

    COMMAND = 'echo "$CERTFS_ENTRY|$CERTFS_PATH|$CERTFS_MOUNT" | tr "\\n" " " >> "$0"; echo >> "$0"'

    def __init__(self, work, *arguments, command=None, program=(CERTFS,), **options):
        self.runs_file = os.path.join(work, f"runs-{time.monotonic_ns()}")
        command = command or ["sh", "-c", self.COMMAND, self.runs_file]
        self.process = subprocess.Popen([*program, "watch", *arguments, "--", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.said = ""

    def words(self):
        try:
            while chunk := os.read(self.process.stdout.fileno(), 65536):
                self.said += chunk.decode()
        except BlockingIOError:
            pass
        return self.said

    def says(self, text, times=1):
        return until(lambda: self.words().count(text) >= times)

    def runs(self):
        if not os.path.exists(self.runs_file):
            return []
        return pki.read(self.runs_file).decode().splitlines()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class WatchCommand(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pairs = cls.pair_directories(3)

    def entry(self, alias, pair=0):
        entry = self.mount.entry("machine", alias)
        for name in ("key.pem", "cert.pem"):
            shutil.copy(f"{self.pairs[pair]}/{name}", entry)
        return entry

    def renewal(self, pair=0):
        """Another certificate for the key of a pair."""
        return self.issuing.issue("localhost", self.pairs[pair] + "/key.pem") + pki.read(self.issuing.cert)

    def watch(self, *arguments, watching=1, **options):
        # Other mounts may be there on this machine.
        watcher = Watcher(self.work, "--mount", self.mount.path, *arguments, **options)
        self.addCleanup(watcher.end)
        self.assertTrue(watcher.says(": watching", watching), watcher.words())
        return watcher

    def expect_runs(self, watcher, count):
        """There are as many, and no more follow: every look that an event may cause lies within the wait."""
        self.assertTrue(until(lambda: len(watcher.runs()) >= count), watcher.words())
        time.sleep(1.5)
        self.assertEqual(len(watcher.runs()), count, watcher.words())

    def burst(self, watcher, entry, certificates):
        """All are written before the watcher looks, however slow the machine is."""
        harness.stop(watcher.process.pid)
        try:
            for each in certificates:
                put(entry + "/cert.pem", each)
        finally:
            watcher.process.send_signal(signal.SIGCONT)

    def test_removal_is_no_change_and_return_is_one_if_it_brings_news(self):
        entry = self.entry("returns")
        watcher = self.watch(entry + "/cert.pem")
        shutil.rmtree(entry)
        self.assertTrue(watcher.says("waiting until it is there again"), watcher.words())
        self.entry("returns", 0)
        self.expect_runs(watcher, 0)
        shutil.rmtree(entry)
        self.assertTrue(watcher.says("waiting until it is there again", 2), watcher.words())
        self.entry("returns", 1)
        self.assertTrue(until(lambda: watcher.runs()))
        # Its directory is another one by now, and watched like the first.
        before = len(watcher.runs())
        time.sleep(1.5)
        put(entry + "/cert.pem", self.renewal(1))
        self.expect_runs(watcher, before + 1)
        self.assertEqual(watcher.runs()[-1], f"machine/returns|{entry}|{self.mount.path} ")

    def test_a_burst_is_one_run(self):
        entry = self.entry("burst")
        renewals = [self.renewal() for _ in range(5)]
        watcher = self.watch("./" + os.path.relpath(entry, "/"), cwd="/")
        self.burst(watcher, entry, renewals)
        self.expect_runs(watcher, 1)
        # There and back again before anybody looked: nothing changed.
        self.burst(watcher, entry, (renewals[0], renewals[-1]))
        self.expect_runs(watcher, 1)

    def test_initial_runs_for_what_is_there(self):
        entry = self.entry("initial")
        other = self.entry("initial-other")
        watcher = self.watch("--initial", "machine/initial", "machine/initial-other", watching=2)
        self.expect_runs(watcher, 1)
        self.assertTrue(watcher.runs()[0].startswith("machine/initial machine/initial-other|"), watcher.runs())
        put(entry + "/cert.pem", self.renewal())
        self.expect_runs(watcher, 2)
        self.assertTrue(watcher.runs()[1].startswith("machine/initial|"), watcher.runs())
        # Nothing is there yet: nothing to run for.
        for name in ("cert.pem", "key.pem"):
            os.unlink(f"{other}/{name}")
        empty = self.watch("--initial", "machine/initial-other")
        self.expect_runs(empty, 0)
        once = Watcher(self.work, "--mount", self.mount.path, "--initial", "--once", "machine/initial", command=["sh", "-c", "exit 9"])
        self.addCleanup(once.end)
        self.assertEqual(once.process.wait(PATIENCE), 9)

    def test_a_secret_counts_by_its_revision(self):
        entry = self.mount.entry("APPLMGMT_PASSWORD", "db")
        put(entry + "/secret", b"one")
        watcher = self.watch("APPLMGMT_PASSWORD/db")
        put(entry + "/secret", b"one")
        self.expect_runs(watcher, 0)
        put(entry + "/secret", b"two")
        self.expect_runs(watcher, 1)

    def test_no_right_to_read_keys_is_needed(self):
        entry = self.entry("unprivileged")
        # The program lies where only root may go, maybe.
        program = shutil.copy(CERTFS, os.path.join(self.mount.directory, "certfs"))
        os.chmod(program, 0o755)
        for mode in (0o755, 0o711):  # Also where the directory may not be listed.
            with self.subTest(mode=oct(mode)):
                os.chmod(entry, mode)
                runs = os.path.join(self.mount.directory, f"runs-{mode}")
                pki.write(runs, b"")
                os.chmod(runs, 0o666)
                process = subprocess.Popen(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program, "watch", "--once", entry, "--",
                                            "sh", "-c", 'id -u >> "$0"', runs], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/")
                self.addCleanup(process.stdout.close)
                self.addCleanup(process.kill)
                self.assertEqual(process.stdout.readline().decode(), "machine/unprivileged: watching\n")
                put(entry + "/cert.pem", self.renewal())
                self.assertEqual(process.wait(PATIENCE), 0)
                self.assertEqual(pki.read(runs), b"65534\n")

    def test_a_change_during_a_run_is_another_run(self):
        entry = self.entry("busy")
        runs = os.path.join(self.work, "busy-runs")
        watcher = self.watch("machine/busy", command=["sh", "-c", 'echo begun >> "$0"; while [ ! -e "$0.go" ]; do sleep 0.05; done', runs])
        put(entry + "/cert.pem", self.renewal())
        self.assertTrue(until(lambda: os.path.exists(runs)))
        put(entry + "/cert.pem", self.renewal())
        time.sleep(0.5)
        self.assertEqual(pki.read(runs), b"begun\n")
        pki.write(runs + ".go", b"")
        self.assertTrue(until(lambda: pki.read(runs) == b"begun\n" * 2))

    def test_a_command_that_cannot_be_started_is_started_when_there_is_room(self):
        """Its user may have no further process for a while. No privileges: the limit does not hold for root."""
        entry = self.entry("crowded")
        program = shutil.copy(CERTFS, os.path.join(self.mount.directory, "certfs"))
        os.chmod(program, 0o755)
        # A user who has no other process.
        user = ("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups", "--bounding-set", "-all", "--inh-caps", "-all")
        watcher = self.watch("--once", "machine/crowded", command=["sh", "-c", "exit 7"], program=(*user, program), cwd="/")

        def allow(processes):
            done = run(*user, "prlimit", "--pid", watcher.process.pid, f"--nproc={processes}:", cwd="/")
            self.assertEqual(done.returncode, 0, done.stderr)

        allow(1)
        put(entry + "/cert.pem", self.renewal())
        self.assertTrue(watcher.says("fork: Resource temporarily unavailable"), watcher.words())
        time.sleep(2.5)  # It tries again, and again.
        self.assertIsNone(watcher.process.poll())
        allow(10)
        self.assertEqual(watcher.process.wait(PATIENCE), 7)
        # All is said once.
        self.assertEqual((watcher.words().count(": changed"), watcher.words().count("fork")), (1, 1), watcher.words())

    def test_signals(self):
        entry = self.entry("signals")
        # A command gets it, may end in its own time, and is waited for.
        seen = os.path.join(self.work, "signals-seen")
        script = 'trap "echo usr1 >> $0" USR1; trap "echo term >> $0; exit 0" TERM; echo ready >> $0; while :; do sleep 0.05; done'
        watcher = self.watch("machine/signals", command=["sh", "-c", script, seen])
        put(entry + "/cert.pem", self.renewal())
        for number, words in ((signal.SIGUSR1, b"ready\nusr1\n"), (signal.SIGTERM, b"ready\nusr1\nterm\n")):
            self.assertTrue(until(lambda: os.path.exists(seen) and pki.read(seen)))
            watcher.process.send_signal(number)
            self.assertTrue(until(lambda: pki.read(seen) == words), pki.read(seen))
        self.assertEqual(watcher.process.wait(PATIENCE), 0)
        # With nobody to pass it to it does nothing.
        watcher = self.watch("machine/signals")
        watcher.process.send_signal(signal.SIGUSR1)
        put(entry + "/cert.pem", self.renewal())
        self.expect_runs(watcher, 1)

    def test_the_mount_goes_and_returns(self):
        entry = self.entry("survives")
        watcher = self.watch("machine/survives")
        # A watcher keeps no mount from being unmounted.
        self.mount.unmount()
        self.assertTrue(watcher.says("is not mounted; waiting"), watcher.words())
        self.mount.mount()
        self.assertTrue(watcher.says("is mounted again"), watcher.words())
        self.expect_runs(watcher, 0)
        put(entry + "/cert.pem", self.renewal())
        self.expect_runs(watcher, 1)
        # Its processes are killed; what changed before it is back is seen when it is.
        harness.kill_processes(self.mount.path)
        self.assertTrue(watcher.says("is not mounted; waiting", 2), watcher.words())
        self.assertNotIn("not connected", watcher.words())
        self.mount.mount()
        self.assertTrue(watcher.says("is mounted again", 2), watcher.words())
        put(entry + "/cert.pem", self.renewal())
        self.expect_runs(watcher, 2)

    def test_errors_name_the_entry_and_the_reason(self):
        self.entry("named")
        os.mkdir(self.mount.at("stores", "machine", "empty"))
        for arguments, code, words in (
                (["machine/missing", "--", "true"], 1, "machine/missing: No such file or directory"),
                (["nostore/x", "--", "true"], 1, "nostore/x: No such file or directory"),
                ([self.mount.at("stores", "machine", "missing"), "--", "true"], 1, "machine/missing: No such file or directory"),
                ([self.mount.at("stores", "machine"), "--", "true"], 2, "is neither an entry of a store nor a file of one"),
                ([self.mount.at("status", "why"), "--", "true"], 2, "is neither an entry of a store nor a file of one"),
                (["/etc/passwd", "--", "true"], 2, "/etc/passwd: does not lie in a certfs mount"),
                (["machine/named"], 2, "no command to run"),
                (["machine/named", "--"], 2, "no command to run"),
                (["machine/named", "--", "no-such-command-anywhere"], 2, "no-such-command-anywhere: no such command in PATH"),
                (["machine/named", "--", "/no/such/command"], 2, "/no/such/command: No such file or directory"),
        ):
            with self.subTest(arguments):
                done = run(CERTFS, "watch", "--mount", self.mount.path, *arguments)
                self.assertEqual((done.returncode, done.stdout), (code, ""))
                self.assertIn(words, done.stderr)
        # Whoever may see nothing of it is told so, and not left waiting.
        private = self.entry("private")
        os.chmod(private, 0o700)
        program = shutil.copy(CERTFS, os.path.join(self.mount.directory, "certfs"))
        done = run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program, "watch", "--mount", self.mount.path, "machine/private", "--", "true", cwd="/")
        self.assertEqual(done.returncode, 1)
        self.assertIn("machine/private: Permission denied", done.stderr)


class WatchOfStoresAlone(harness.MountTest):
    OPTIONS = ("-o", "subtree=stores")

    def test_paths_and_names(self):
        entry = self.mount.at("machine", "web")
        os.mkdir(entry)
        put(entry + "/cert.pem", self.chain)
        for name in ("machine/web", entry, entry + "/cert.pem"):
            watcher = Watcher(self.work, "--once", "--mount", self.mount.path, name)
            self.addCleanup(watcher.end)
            self.assertTrue(watcher.says("machine/web: watching"), watcher.words())
            put(entry + "/cert.pem", self.issuing.issue("localhost", self.key) + pki.read(self.issuing.cert))
            self.assertEqual(watcher.process.wait(PATIENCE), 0)
            self.assertEqual(watcher.runs(), [f"machine/web|{entry}|{self.mount.path} "])


if __name__ == "__main__":
    harness.main()
