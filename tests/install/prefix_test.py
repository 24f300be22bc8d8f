"""Goal: `cmake --install` puts everything where it belongs, below any prefix, and systemd takes the units. Method: an
installation into a directory of its own; systemd-analyze over the units, which name the programs that are there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = os.environ["CERTFS_BUILD"]


def output(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **options)


class PrefixTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = Path(tempfile.mkdtemp(prefix="certfs-prefix-"))
        done = output("cmake", "--install", BUILD, "--prefix", cls.prefix)
        if done.returncode:
            raise RuntimeError(done.stderr)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.prefix)

    def test_everything_is_there(self):
        for name in ("bin/certfs", "bin/certool", "bin/vecs-cli", "bin/certificate-manager", "etc/certfs/certfs.toml",
                     "lib/systemd/system/certfs@.service", "lib/systemd/system/certfs-watch@.service",
                     "lib/systemd/system/certfs-renew.service", "lib/systemd/system/certfs-renew.timer", "lib/sysusers.d/certfs.conf",
                     "share/man/man1/certfs.1.gz", "share/man/man1/certfs-ca.1.gz", "share/man/man1/vecs-cli.1.gz",
                     "share/man/man5/certfs.toml.5.gz", "share/man/man8/mount.certfs.8.gz",
                     "share/bash-completion/completions/certfs", "share/zsh/vendor-completions/_certfs",
                     "share/fish/vendor_completions.d/certfs.fish", "share/doc/certfs/README.md", "share/doc/certfs/copyright",
                     "share/doc/certfs/changelog.Debian.gz", "share/doc/certfs/examples/certfs.toml"):
            self.assertTrue((self.prefix / name).is_file(), name)
        self.assertEqual(os.readlink(self.prefix / "sbin/mount.certfs"), "../bin/certfs")
        self.assertEqual((self.prefix / "var/lib/certfs").stat().st_mode & 0o7777, 0o700)
        self.assertFalse((self.prefix / "bin/certfs-documentation").exists())

    def test_programs_run(self):
        for name in ("bin/certfs", "bin/certool", "bin/vecs-cli", "bin/certificate-manager", "sbin/mount.certfs"):
            shown = output(self.prefix / name, "--version")
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            self.assertTrue(shown.stdout.startswith(Path(name).name + " "), shown.stdout)

    def test_systemd_takes_the_units(self):
        for unit in sorted((self.prefix / "lib/systemd/system").iterdir()):
            verified = output("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit)
            self.assertEqual((verified.returncode, verified.stderr), (0, ""), unit.name)
        text = (self.prefix / "lib/systemd/system/certfs@.service").read_text()
        self.assertIn(f"ExecStart={self.prefix}/bin/certfs mount --foreground", text)
        for narrowing in ("ProtectSystem=", "PrivateTmp=", "PrivateNetwork=", "PrivateDevices=", "PrivateMounts=", "PrivateUsers=", "ProtectHome=",
                          "ProtectKernel", "ProtectControlGroups=", "ProtectProc=", "ProcSubset=", "ReadWritePaths=", "ReadOnlyPaths=", "InaccessiblePaths=",
                          "BindPaths=", "BindReadOnlyPaths=", "TemporaryFileSystem=", "RootDirectory=", "RootImage=", "DynamicUser=", "MountFlags="):
            self.assertNotIn("\n" + narrowing, text, "would keep the mount from being seen")
        self.assert_hardened(self.prefix / "lib/systemd/system/certfs@.service")
        text = (self.prefix / "lib/systemd/system/certfs-watch@.service").read_text()
        for narrowing in ("NoNewPrivileges=", "LockPersonality=", "Restrict", "Protect", "Private"):
            self.assertNotIn("\n" + narrowing, text, "would hold for the command, too")

    # Systemd keeps a mount for as long as it tries: callers wait, for about a minute at most.
    def test_what_cannot_be_started_is_given_up(self):
        text = (self.prefix / "lib/systemd/system/certfs@.service").read_text()
        unit, _, service = text.partition("\n[Service]\n")
        interval, burst = (int(re.search(rf"^{name}=(\d+)$", unit, re.M).group(1)) for name in ("StartLimitIntervalSec", "StartLimitBurst"))
        pause = int(re.search(r"^RestartSec=(\d+)$", service, re.M).group(1))
        self.assertLessEqual(interval, 60)
        # With a second of its own for each failure.
        self.assertLessEqual(burst * (pause + 1), interval)

    # What systemd itself says of the unit: that it is hardened wherever this hides no mount, which a misspelled line would not be.
    def assert_hardened(self, unit):
        shown = output("systemd-analyze", "security", "--offline=true", "--no-pager", "--json=short", unit)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        held = {each["name"].rstrip("=") for each in json.loads(shown.stdout) if each["set"] is True}
        wanted = {"NoNewPrivileges", "MemoryDenyWriteExecute", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality", "KeyringMode", "UMask", "IPAddressDeny",
                  "SystemCallArchitectures", *(f"SystemCallFilter=~@{group}" for group in ("clock", "cpu-emulation", "debug", "module", "obsolete", "raw-io", "reboot", "swap")),
                  *(f"RestrictAddressFamilies=~{family}" for family in ("AF_(INET|INET6)", "AF_PACKET", "AF_NETLINK")),
                  *(f"RestrictNamespaces=~{kind}" for kind in ("user", "mnt", "net", "pid")),
                  *(f"CapabilityBoundingSet=~CAP_{name}" for name in ("SYS_MODULE", "SYS_RAWIO", "NET_ADMIN", "BPF", "MKNOD"))}
        self.assertEqual(wanted - held, set())

    # Settings that somebody wrote stay.
    def test_settings_are_kept(self):
        file = self.prefix / "etc/certfs/certfs.toml"
        file.write_text("# mine\n")
        self.assertEqual(output("cmake", "--install", BUILD, "--prefix", self.prefix).returncode, 0)
        self.assertEqual(file.read_text(), "# mine\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
