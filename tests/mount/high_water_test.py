"""Goal: an older copy of a whole keystore is not mounted once a file outside of it has seen a newer state; the words say what happened and what
to do. Method: copies put back, by whoever has all files; files that are damaged, empty, another's; a daemon that is killed; two mounts of
one keystore; the settings, fstab's options and doctor."""

import json
import os
import shutil
import time

import harness
import pki
from harness import put, run


class HighWater(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = os.path.join(cls.mount.directory, "elsewhere", "high-water")
        os.mkdir(os.path.dirname(cls.file))

    def setUp(self):
        self.unmounted()
        if os.path.exists(self.file):
            os.unlink(self.file)

    def unmounted(self):
        if os.path.ismount(self.mount.path):
            self.mount.unmount()

    def mounted(self, *options):
        return run(harness.CERTFS, "mount", self.mount.keystore, self.mount.path, *(options or ("--high-water", self.file)))

    def copy(self, name="copy"):
        target = os.path.join(self.mount.directory, name)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.mount.keystore, target)
        return target

    def put_back(self, source):
        shutil.rmtree(self.mount.keystore)
        shutil.copytree(source, self.mount.keystore)

    def change(self, text):
        """What is there already would be no change."""
        put(self.mount.entry("APPLMGMT_PASSWORD", "changed") + "/secret", b"%s %d" % (text, time.monotonic_ns()))

    def mount_and_change(self, text):
        done = self.mounted()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.change(text)
        self.mount.unmount()

    def assert_refused(self, done, *words):
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertFalse(os.path.ismount(self.mount.path))
        for each in words:
            self.assertIn(each, done.stderr)

    def test_an_older_copy_is_refused_and_says_what_to_do(self):
        self.mount_and_change(b"one")
        old = self.copy()
        self.mount_and_change(b"two")
        new = self.copy("new")
        self.put_back(old)
        before = pki.read(self.file)
        self.assert_refused(self.mounted(), self.mount.keystore, "older than it was", "it is at commit ", "saw it at commit ", "remove " + self.file)
        self.assertEqual(pki.read(self.file), before)
        # Without the option nobody can tell: that is what it is for.
        self.assertEqual(self.mounted("-o", "ro").returncode, 0)
        self.mount.unmount()
        # The newest state is let in again, and so is the older one for whoever says so.
        self.put_back(new)
        self.mount_and_change(b"three")
        self.put_back(old)
        os.unlink(self.file)
        self.mount_and_change(b"four")

    def test_doctor_says_it(self):
        self.mount_and_change(b"one")
        old = self.copy()
        self.mount_and_change(b"two")
        doctor = lambda: json.loads(run(harness.CERTFS, "doctor", "--json", "--high-water", self.file, self.mount.keystore).stdout)["keystores"][0]
        ids = lambda told: {each["id"] for each in told["findings"]}
        self.assertFalse(ids(doctor()) & {"older-than-high-water", "high-water-missing", "high-water-file"})
        self.put_back(old)
        told = doctor()
        self.assertIn("older-than-high-water", ids(told))
        self.assertEqual(next(each["severity"] for each in told["findings"] if each["id"] == "older-than-high-water"), "critical")
        with open(self.file, "r+b") as file:
            file.truncate(30)
        self.assertIn("high-water-file", ids(doctor()))
        os.unlink(self.file)
        self.assertIn("high-water-missing", ids(doctor()))
        self.assertFalse(os.path.exists(self.file))

    def test_a_file_that_is_none_of_this_keystore(self):
        self.mount_and_change(b"one")
        good = pki.read(self.file)
        other = harness.Mount()
        self.addCleanup(other.close)
        other.unmount()
        anothers = os.path.join(self.mount.directory, "anothers")
        self.assertEqual(run(harness.CERTFS, "mount", other.keystore, other.path, "--high-water", anothers).returncode, 0)
        other.unmount()
        forged = bytearray(good)
        for place in (0, 4096):  # Lower, as whoever has no key would write it.
            forged[place + 32:place + 40] = bytes(8)
        for words, data in (("is empty", b""), ("is empty", bytes(8192)), ("damaged or forged", b"commit 3\n"), ("damaged or forged", bytes(forged)),
                            ("damaged or forged", good[:50]), ("another keystore", pki.read(anothers))):
            with self.subTest(words):
                with open(self.file, "wb") as file:
                    file.write(data)
                self.assert_refused(self.mounted(), self.file, words, "remove")
        inside = self.mounted("--high-water", os.path.join(self.mount.keystore, "high-water"))
        self.assertEqual(inside.returncode, 2)
        self.assertIn("lies in the keystore", inside.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.mount.keystore, "high-water")))

    def test_a_daemon_that_is_killed_has_written_it(self):
        self.assertEqual(self.mounted().returncode, 0)
        self.change(b"one")
        old = self.copy()
        before = pki.read(self.file)
        self.change(b"two")
        deadline = time.monotonic() + 30
        while pki.read(self.file) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        # What the first change left to be written may be all that was seen; that of the second comes within a second of it.
        last = None
        while last != (last := pki.read(self.file)) and time.monotonic() < deadline:
            time.sleep(1.5)
        self.mount.kill()
        new = self.copy("new")
        self.put_back(old)
        self.assert_refused(self.mounted(), "older than it was")
        self.put_back(new)
        self.mount_and_change(b"three")

    def test_two_mounts_and_what_others_commit(self):
        """One of them has the file; it hears of what the other commits, and so does a tool that has it not."""
        other = os.path.join(self.mount.directory, "other")
        os.makedirs(other, exist_ok=True)
        self.assertEqual(self.mounted().returncode, 0)
        self.assertEqual(run(harness.CERTFS, "mount", self.mount.keystore, other).returncode, 0)
        self.change(b"one")
        path = os.path.join(other, "stores/APPLMGMT_PASSWORD/changed/secret")
        put(path, b"theirs")
        self.assertEqual(run(harness.CERTFS, "umount", other).returncode, 0)
        old = self.copy()
        self.mount.unmount()
        self.mount_and_change(b"two")
        self.put_back(old)
        self.assert_refused(self.mounted(), "older than it was")

    def test_the_settings_and_fstab_name_it(self):
        settings = os.path.join(self.mount.directory, "certfs.toml")
        with open(settings, "w") as file:
            file.write(f'[mount.web]\nkeystore = "{self.mount.keystore}"\nmountpoint = "{self.mount.path}"\nhigh_water = "{self.file}"\n')
        old = self.copy()
        self.assertEqual(run(harness.CERTFS, "mount", "web", "--settings", settings).returncode, 0)
        self.change(b"one")
        self.mount.unmount()
        self.put_back(old)
        self.assert_refused(run(harness.CERTFS, "mount", "web", "--settings", settings), "older than it was")
        helper = os.path.join(self.mount.directory, "mount.certfs")
        os.symlink(harness.CERTFS, helper)
        done = run(helper, self.mount.keystore, self.mount.path, "-o", f"rw,high-water={self.file}")
        self.assertEqual(done.returncode, 32, done.stderr)
        self.assertIn("older than it was", done.stderr)
        with open(settings, "w") as file:
            file.write(f'[mount.web]\nkeystore = "{self.mount.keystore}"\nmountpoint = "{self.mount.path}"\nhigh_water = "relative"\n')
        self.assertEqual(run(harness.CERTFS, "mount", "web", "--settings", settings).returncode, 2)


if __name__ == "__main__":
    harness.main()
