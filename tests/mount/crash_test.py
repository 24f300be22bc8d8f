"""Goal: every write whose close returned 0 survives, nothing half-done does, and nothing readable is at rest.
Method: kill -9 of the daemon and of writers in loops; copies of a loop-mounted disk's image taken without unmounting."""

import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import harness
import pki
from harness import put, run


class Crash(harness.MountTest):
    def test_acknowledged_writes_survive_kill_9(self):
        contents = [self.leaf, self.chain]
        acknowledged = {}
        for i in range(harness.rounds(100)):
            for j in range(3):
                alias = f"e{random.randrange(20)}"
                content = b"# round %d.%d\n" % (i, j) + random.choice(contents)
                put(self.mount.entry("machine", alias) + "/cert.pem", content)
                acknowledged[alias] = content
            # One more is under way when the daemon dies: it may be there whole, or not at all.
            pending = b"# pending %d\n" % i + self.chain
            writer = os.fork()
            if writer == 0:
                try:
                    put(self.mount.at("stores/machine/e0/cert.pem"), pending)
                finally:
                    os._exit(0)
            time.sleep(random.random() * 0.003)
            self.mount.kill()
            os.waitpid(writer, 0)
            self.mount.mount()
            for alias, content in acknowledged.items():
                found = pki.read(self.mount.at("stores/machine", alias, "cert.pem"))
                if alias == "e0" and found == pending:
                    acknowledged[alias] = pending
                    continue
                self.assertEqual(found, content, f"round {i}, {alias}")

    def test_a_writer_killed_half_way_commits_nothing(self):
        entry = self.mount.entry("machine", "half")
        for live in (None, self.leaf):
            if live:
                put(entry + "/cert.pem", live)
            script = ("import os,sys,signal\nf=os.open(sys.argv[1],os.O_WRONLY|os.O_CREAT|os.O_TRUNC)\n"
                      "os.write(f,open(sys.argv[2],'rb').read())\nos.kill(os.getpid(),signal.SIGKILL)\n")
            for i in range(harness.rounds(20)):
                half = pki.write(os.path.join(self.work, "half"), b"# half %d\n" % i + pki.read(self.issuing.cert))
                done = run("python3", "-c", script, entry + "/cert.pem", half)
                self.assertEqual(done.returncode, -signal.SIGKILL)
                if live:
                    self.assertEqual(pki.read(entry + "/cert.pem"), live)
                else:
                    self.assertFalse(os.path.exists(entry + "/cert.pem"))
        # One that exits without closing commits.
        script = "import os,sys\nf=os.open(sys.argv[1],os.O_WRONLY|os.O_TRUNC)\nos.write(f,open(sys.argv[2],'rb').read())\nos._exit(0)\n"
        self.assertEqual(run("python3", "-c", script, entry + "/cert.pem", pki.write(os.path.join(self.work, "w"), self.chain)).returncode, 0)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)

    def test_an_execve_closes_what_was_written(self):
        """An execve that closes a file waits for the daemon, which must not ask /proc what waits for the execve."""
        path = self.mount.entry("APPLMGMT_PASSWORD", "exec") + "/secret"
        by_opener = "os.write(f, b'by opener')\nos.execvp('true', ['true'])"
        by_child = "os.write(f, b'by parent')\nsubprocess.run(['true'])\nos.write(f, b', whole')\nos.close(f)"
        for script, expected in ((by_opener, b"by opener"), (by_child, b"by parent, whole")):
            put(path, b"old")
            opening = "import os, subprocess, sys\nf = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)\n"
            writer = subprocess.Popen(["python3", "-c", opening + script, path])
            try:
                writer.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.mount.kill()  # Nothing else ends the two.
                writer.wait()
                self.mount.mount()
                self.fail("execve and daemon wait for each other")
            self.assertEqual(writer.returncode, 0)
            self.assertEqual(pki.read(path), expected)

    def test_a_reader_killed_half_way_does_not_make_the_file_grow(self):
        """LMDB uses no page again that a reader may still see; what a dead one held must be let go."""
        def reads_now(process):
            lock = pki.read(self.mount.keystore + "/lock.mdb")
            for at in range(128, len(lock) - 63, 64):  # LMDB's slots of readers, behind two cache lines.
                transaction, pid = struct.unpack_from("<QI", lock, at)
                if pid == process and transaction != 2**64 - 1:
                    return True
            return False

        path = self.mount.entry("APPLMGMT_PASSWORD", "growing") + "/secret"
        put(path, b"0")
        point = tempfile.mkdtemp(prefix="certfs-second-")
        self.assertEqual(run(harness.CERTFS, "mount", self.mount.keystore, point).returncode, 0)
        second, mounter = int(os.getxattr(point, "user.certfs.pid")), harness.mounter_of(point)
        load = subprocess.Popen(["sh", "-c", "while cat \"$1\"; do :; done", "sh", point + "/stores/APPLMGMT_PASSWORD/growing/secret"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.time() + 60
            while time.time() < deadline:
                harness.stop(second)
                if reads_now(second):
                    break
                os.kill(second, signal.SIGCONT)
                time.sleep(random.random() * 0.003)
            self.assertTrue(reads_now(second))
        finally:
            os.kill(mounter, signal.SIGKILL)
            load.wait()
            run("umount", "-l", point)
            os.rmdir(point)
        for _ in range(100):
            put(path, os.urandom(100_000))
        self.assertLess(os.stat(self.mount.keystore + "/data.mdb").st_size, 4 << 20)

    def test_nothing_readable_is_at_rest(self):
        entry = self.mount.entry("machine", "unmistakable-alias")
        os.makedirs(self.mount.at("stores/unmistakable-store"), exist_ok=True)
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)
        self.mount.unmount()
        needles = [b"-----BEGIN", b"CERTIFICATE", b"PRIVATE KEY", b"unmistakable-alias", b"unmistakable-store", b"machine",
                   b"MACHINE_SSL_CERT", b"TRUSTED_ROOTS", b"localhost", b"Test Issuing CA",
                   pki.openssl("x509", "-in", pki.write(os.path.join(self.work, "x"), self.leaf), "-outform", "DER")[:64]]
        for name in os.listdir(self.mount.keystore):
            data = pki.read(os.path.join(self.mount.keystore, name))
            for needle in needles:
                self.assertNotIn(needle, data, name)
        self.assertEqual(sorted(os.listdir(self.mount.keystore)), ["audit.log", "data.mdb", "keystore.hdr", "lock.mdb"])
        for name in os.listdir(self.mount.keystore):
            self.assertEqual(os.stat(os.path.join(self.mount.keystore, name)).st_mode & 0o077, 0, name)
        self.mount.mount()

    def test_acknowledged_writes_survive_power_loss(self):
        """The backing file of a loop mount holds exactly what a disk would after the plug is pulled."""
        work = tempfile.mkdtemp(prefix="certfs-power-")
        image, disk = os.path.join(work, "image"), os.path.join(work, "disk")
        os.mkdir(disk)
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, disk], check=True)
        mount = None
        try:
            mount = harness.Mount(directory=os.path.join(disk, "d"))
            for i in range(harness.rounds(10)):
                content = b"# power %d\n" % i + self.chain
                put(mount.entry("machine", f"p{i}") + "/cert.pem", content)
                copy = os.path.join(work, "copy")
                shutil.copyfile(image, copy)
                seen = os.path.join(work, "seen")
                os.makedirs(seen, exist_ok=True)
                subprocess.run(["mount", "-o", "loop", copy, seen], check=True)
                point = os.path.join(work, "mnt")
                os.makedirs(point, exist_ok=True)
                try:
                    done = run(harness.CERTFS, "mount", seen + "/d/keystore", point)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    for j in range(i + 1):
                        found = pki.read(f"{point}/stores/machine/p{j}/cert.pem")
                        self.assertEqual(found, b"# power %d\n" % j + self.chain)
                finally:
                    run(harness.CERTFS, "umount", point)
                    harness.umount(seen)
        finally:
            if mount:
                mount.close()
            subprocess.run(["umount", "-l", disk], check=False)
            shutil.rmtree(work, ignore_errors=True)

    def test_a_full_disk_is_an_error_and_nothing_else(self):
        work = tempfile.mkdtemp(prefix="certfs-full-")
        image, disk, point = (os.path.join(work, name) for name in ("image", "disk", "mnt"))
        os.mkdir(disk)
        os.mkdir(point)
        with open(image, "wb") as file:
            file.truncate(12 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, disk], check=True)
        keystore, path, rest = disk + "/k", point + "/stores/APPLMGMT_PASSWORD/full/secret", disk + "/rest"

        def fill():
            with open(rest, "wb", buffering=0) as file:
                while harness.errno_of(file.write, bytes(4096)) is None:
                    pass

        try:
            self.assertEqual(run(harness.CERTFS, "init", keystore).returncode, 0)
            self.assertEqual(run(harness.CERTFS, "mount", keystore, point).returncode, 0)
            os.mkdir(os.path.dirname(path))
            put(path, b"old")
            fill()
            for _ in range(20):
                self.assertEqual(harness.errno_of(put, path, os.urandom(500_000)), "ENOSPC")
                self.assertEqual(pki.read(path), b"old")
            os.unlink(rest)
            put(path, b"new")
            self.assertEqual(run(harness.CERTFS, "umount", point).returncode, 0)
            # The lock file is made when there is none; without room that is an error in words.
            os.unlink(keystore + "/lock.mdb")
            fill()
            done = run(harness.CERTFS, "mount", keystore, point)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("No space left", done.stderr)
            os.unlink(rest)
            self.assertEqual(run(harness.CERTFS, "mount", keystore, point).returncode, 0)
            self.assertEqual(pki.read(path), b"new")
        finally:
            run(harness.CERTFS, "umount", point)
            subprocess.run(["umount", "-l", disk], check=False)
            shutil.rmtree(work, ignore_errors=True)

    def test_wrong_key_damaged_header_and_newer_format_say_so(self):
        work = tempfile.mkdtemp(prefix="certfs-header-")
        keystore, point = os.path.join(work, "k"), os.path.join(work, "m")
        os.mkdir(point)
        self.assertEqual(run(harness.CERTFS, "init", keystore).returncode, 0)
        wrong = pki.write(os.path.join(work, "wrong"), os.urandom(32))
        os.chmod(wrong, 0o600)
        header = pki.read(keystore + "/keystore.hdr")
        cases = [(header, ["--keyfile", wrong], "wrong key"),
                 (header[:60] + bytes([header[60] ^ 1]) + header[61:], [], "damaged"),
                 (header[:8] + b"\x00\x03" + header[10:], [], "newer"),
                 (header[:50], [], "damaged")]
        try:
            for data, options, words in cases:
                pki.write(keystore + "/keystore.hdr", data)
                done = run(harness.CERTFS, "mount", keystore, point, *options)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(words, done.stderr)
            self.assertFalse(os.path.ismount(point))
            again = run(harness.CERTFS, "init", keystore)
            self.assertNotEqual(again.returncode, 0)
            self.assertIn("already", again.stderr)
        finally:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    harness.main()
