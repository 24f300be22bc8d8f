#!/usr/bin/python3
"""The backup jobs of tools/examples, run for real with restic and BorgBackup.

Goal: what they leave restores the whole keystore on another machine, and they fail where there is nothing to back up. Method: each job
twice, with a change in between; the newest state taken out with the tool's own command, checked, restored and mounted.
"""

import json
import os
import shutil
import tempfile

import harness
import pki
import servers
from harness import CERTFS, put, run
from restore_test import describe

PASSWORD = "correct horse battery"


class BackupJobs(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine_pair()
        cls.password = pki.write(os.path.join(cls.work, "password"), PASSWORD.encode())

    def setUp(self):
        self.place = tempfile.mkdtemp(prefix="certfs-jobs-")
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.entry = self.mount.entry("machine", "job")
        run(CERTFS, "password", "clear", self.mount.keystore)

    def set_password(self):
        done = run(CERTFS, "password", "set", self.mount.keystore, "--password-file", self.password)
        self.assertEqual(done.returncode, 0, done.stderr)

    def tool(self, *command, environment, **options):
        """The command, with what the job has in its environment, and a home where it may keep things."""
        words = {"HOME": os.path.join(self.place, "home"), "CERTFS_MOUNT": self.mount.path, **environment}
        return run("env", *(f"{key}={value}" for key, value in words.items()), *command, **options)

    def job(self, name, environment):
        return self.tool(os.path.join(servers.EXAMPLES, name), environment=environment)

    def change(self):
        put(self.entry + "/cert.pem", self.issuing.issue("changed", self.key))

    def restores(self, directory):
        """The backup in `directory` is whole, and gives every entry back."""
        file = os.path.join(directory, "keystore.cms")
        checked = run(CERTFS, "restore", "--check", file, "--password-file", self.password, "--json")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertEqual(json.loads(pki.read(os.path.join(directory, "manifest.json")))["commit"], json.loads(checked.stdout)["commit"])
        keystore, path = os.path.join(self.place, "restored"), os.path.join(self.place, "mnt")
        done = run(CERTFS, "restore", file, keystore, "--password-file", self.password)
        self.assertEqual(done.returncode, 0, done.stderr)
        os.mkdir(path)
        self.assertEqual(run(CERTFS, "mount", keystore, path).returncode, 0)
        self.addCleanup(run, CERTFS, "umount", path)
        self.assertEqual(describe(path + "/stores"), describe(self.mount.at("stores")))

    def fails_then_works(self, name, environment):
        failed = self.job(name, environment)
        self.assertNotEqual(failed.returncode, 0, "there is no export password")
        self.assertIn("Required key not available", failed.stderr)
        self.set_password()
        for _ in range(2):
            self.change()
            done = self.job(name, environment)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_restic(self):
        secret = pki.write(os.path.join(self.place, "restic-password"), b"of the repository\n")
        environment = {"RESTIC_REPOSITORY": os.path.join(self.place, "repository"), "RESTIC_PASSWORD_FILE": secret}
        self.fails_then_works("restic/certfs-backup-restic", environment)
        out = os.path.join(self.place, "out")
        done = self.tool("restic", "restore", "latest", "--tag", "certfs", "--target", out, environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.restores(out + self.mount.at("backup"))
        self.assertIn("where to back up", self.job("restic/certfs-backup-restic", {}).stderr)

    def test_borg(self):
        secret = pki.write(os.path.join(self.place, "borg-password"), b"of the repository\n")
        environment = {"BORG_REPO": os.path.join(self.place, "repository"), "BORG_PASSCOMMAND": f"cat {secret}"}
        self.fails_then_works("borg/certfs-backup-borg", environment)
        out = os.path.join(self.place, "out")
        os.mkdir(out)
        archive = self.tool("borg", "list", "--last", "1", "--short", environment=environment).stdout.strip()
        done = self.tool("borg", "extract", "::" + archive, environment=environment, cwd=out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.restores(out + self.mount.at("backup"))
        self.assertIn("where to back up", self.job("borg/certfs-backup-borg", {}).stderr)


if __name__ == "__main__":
    harness.main()
