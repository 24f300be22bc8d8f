"""Goal: a keystore is mounted by its name in the settings, by mount.certfs as mount(8) runs it, and as a service that
says when it is up; renew and watch do what the settings say. Method: a settings file of each test's own, the program under
both of its names, and a socket in the place of systemd's."""

import os
import select
import signal
import socket
import subprocess
import unittest

import harness
from harness import CERTFS, run


class SettingsTest(unittest.TestCase):
    def setUp(self):
        self.mount = harness.Mount()
        self.addCleanup(self.mount.close)
        self.mount.unmount()
        self.file = os.path.join(self.mount.directory, "certfs.toml")
        self.helper = os.path.join(self.mount.directory, "mount.certfs")
        os.symlink(CERTFS, self.helper)

    def settings(self, text):
        with open(self.file, "w") as out:
            out.write(text)
        os.chmod(self.file, 0o644)

    def web(self, more=""):
        self.settings(f'[mount.web]\nkeystore = "{self.mount.keystore}"\nmountpoint = "{self.mount.path}"\n{more}')

    def certfs(self, *words):
        return run(CERTFS, *words, "--settings", self.file)

    def succeeds(self, done):
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def options(self):
        with open("/proc/self/mountinfo") as mounts:
            return next(line for line in mounts if f" {self.mount.path} " in line)

    def test_a_name_is_a_mount(self):
        self.web()
        self.succeeds(self.certfs("mount", "web"))
        self.assertTrue(os.path.isdir(self.mount.at("stores", "machine")))
        self.succeeds(self.certfs("umount", "web"))
        self.assertFalse(os.path.ismount(self.mount.path))

    def test_each_key_holds(self):
        os.rename(self.mount.keystore + ".key", os.path.join(self.mount.directory, "other.key"))
        self.web(f'keyfile = "{self.mount.directory}/other.key"\nsubtree = "stores"\nread_only = true\nlog_level = "error"\n')
        self.succeeds(self.certfs("mount", "web"))
        self.assertTrue(os.path.isdir(self.mount.at("machine")))
        self.assertIn(" ro,", self.options())
        with self.assertRaises(OSError):
            os.mkdir(self.mount.at("machine", "x"))

    def test_the_command_line_wins(self):
        self.web('keyfile = "/nowhere"\n')
        refused = self.certfs("mount", "web")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("/nowhere", refused.stderr)
        self.succeeds(self.certfs("mount", "web", "--keyfile", self.mount.keystore + ".key"))

    # Save that what they restrict stays so: mount(8) always says rw.
    def test_rw_does_not_undo_read_only(self):
        self.web('subtree = "stores"\nread_only = true\n')
        self.succeeds(self.certfs("mount", "web", "-o", "rw"))
        self.assertIn(" ro,", self.options())
        self.assertTrue(os.path.isdir(self.mount.at("machine")))

    def test_what_is_wrong_is_said_with_its_line(self):
        self.web("keyfle = 1\n")
        for words in (("mount", "web"), ("umount", "web"), ("watch", "web"), ("renew", "--all", "--yes")):
            refused = self.certfs(*words)
            self.assertEqual(refused.returncode, 2, words)
            self.assertIn(f"{self.file}: line 4: 'keyfle' is not a key that is known; did you mean 'keyfile'?", refused.stderr)
        self.web()
        refused = self.certfs("mount", "wbe")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("has no [mount.wbe]; did you mean 'web'?", refused.stderr)
        refused = self.certfs("watch", "wbe")
        self.assertIn("has no [watch.wbe]", refused.stderr)
        self.assertIn("the MOUNTPOINT is missing", self.certfs("mount", "/ks").stderr)
        self.assertFalse(os.path.ismount(self.mount.path))

    def helps(self, *words):
        return run(self.helper, *words)

    def test_mount_certfs_mounts(self):
        key = os.path.join(self.mount.directory, "other.key")
        os.rename(self.mount.keystore + ".key", key)
        self.succeeds(self.helps(self.mount.keystore, self.mount.path, "-o", f"rw,sync,exec,nofail,_netdev,x-systemd.automount,keyfile={key},subtree=stores"))
        self.assertTrue(os.path.isdir(self.mount.at("machine")))
        again = self.helps(self.mount.keystore, self.mount.path, "-o", f"rw,keyfile={key}")
        self.assertEqual(again.returncode, 32)
        self.assertIn("already a certfs mount", again.stderr)
        pid = self.mount.mounter()
        harness.umount(self.mount.path)
        self.wait_for(pid)

    def wait_for(self, pid):
        try:
            daemon = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        self.assertTrue(select.select([daemon], [], [], 30)[0], "the daemon did not end")
        os.close(daemon)

    def test_mount_certfs_takes_names(self):
        self.web('log_level = "debug"\n')
        self.succeeds(self.helps("web", self.mount.path, "-o", f"rw,settings={self.file}"))
        self.assertTrue(os.path.isdir(self.mount.at("stores")))

    def test_mount_certfs_refuses_by_name(self):
        for options, words in (("frobnicate", "-o frobnicate: there is no such option"), ("keyfle=/k", "did you mean 'keyfile'?"),
                               ("subtree=export", "subtree"), ("remount,ro", "-o remount: what is mounted keeps its options")):
            refused = self.helps(self.mount.keystore, self.mount.path, "-o", options)
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn(words, refused.stderr)
            self.assertIn("mount.certfs: ", refused.stderr)
        self.succeeds(self.helps(self.mount.keystore, self.mount.path, "-f", "-o", "rw"))
        self.assertFalse(os.path.ismount(self.mount.path), "-f mounts nothing")
        self.succeeds(self.helps(self.mount.keystore, self.mount.path, "-s", "-o", "rw,frobnicate"))
        self.assertTrue(os.path.ismount(self.mount.path), "-s overlooks what it does not know")

    def test_a_service_says_when_it_is_up(self):
        self.web('credential = "certfs.key"\n')
        credentials = os.path.join(self.mount.directory, "credentials")
        os.mkdir(credentials)
        os.rename(self.mount.keystore + ".key", os.path.join(credentials, "certfs.key"))
        address = os.path.join(self.mount.directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(60)
            environment = dict(os.environ, NOTIFY_SOCKET=address, CREDENTIALS_DIRECTORY=credentials)
            daemon = subprocess.Popen([CERTFS, "mount", "--foreground", "--settings", self.file, "web"], env=environment,
                                      stderr=subprocess.PIPE, text=True)
            try:
                # Before it, what it leaves with systemd for its successor (successor_test).
                self.assertTrue(any(manager.recv(4096) == b"READY=1" for _ in range(3)))
                self.assertTrue(os.path.isdir(self.mount.at("stores", "machine")), "up is mounted")
                self.succeeds(self.certfs("umount", "web"))
                self.assertEqual(daemon.wait(timeout=60), 0)
            finally:
                if daemon.poll() is None:
                    daemon.send_signal(signal.SIGTERM)
                    daemon.wait(timeout=60)
                daemon.stderr.close()

    def test_watch_and_renew_do_what_the_settings_say(self):
        self.mount.mount()
        entry = self.mount.entry("machine", "web")
        out = os.path.join(self.mount.directory, "seen")
        self.settings(f'[watch.web]\nentries = ["machine/web"]\nmount = "{self.mount.path}"\n'
                      f"command = \"echo $CERTFS_ENTRY >{out}\"\n[renew]\nmount = \"{self.mount.path}\"\nwithin = \"7d\"\n")
        watch = subprocess.Popen([CERTFS, "watch", "--once", "--settings", self.file, "web"], stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(watch.stdout.readline(), "machine/web: watching\n")
            harness.put(os.path.join(entry, "key.pem"), self.key())
            self.assertEqual(watch.wait(timeout=60), 0)
            with open(out) as seen:
                self.assertEqual(seen.read(), "machine/web\n")
        finally:
            if watch.poll() is None:
                watch.send_signal(signal.SIGTERM)
                watch.wait(timeout=60)
            watch.stdout.close()
        self.succeeds(run(CERTFS, "ca", "init", "--name", "settings", "--mount", self.mount.path))
        self.assertEqual(self.succeeds(self.certfs("renew", "--all", "--dry-run")), "nothing has to be renewed\n")

    def key(self):
        made = subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], capture_output=True,
                              check=True, timeout=60)
        return made.stdout


if __name__ == "__main__":
    harness.main()
