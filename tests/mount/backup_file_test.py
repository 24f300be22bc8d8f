#!/usr/bin/python3
"""backup/keystore.cms as a backup job sees it: copied from the mount, opened without certfs, restored elsewhere.

Goal: each copy is one consistent state that restores, whatever happens to the keystore meanwhile. Method: cp from the mounted path,
stock openssl and tar, and a second keystore, compared with the first; pairs are rotated while copies are made.
"""

import hashlib
import json
import os
import shutil
import tempfile
import threading
import unittest

import harness
import pki
from harness import CERTFS, put, rounds, run
from restore_test import describe

PASSWORD = "correct horse battery"


class BackupFile(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.password = pki.write(os.path.join(cls.work, "password"), PASSWORD.encode())
        cls.machine_pair()
        for alias in ("one", "two", "three"):
            entry = cls.mount.entry("machine", alias)
            put(entry + "/key.pem", pki.read(cls.key))
            put(entry + "/cert.pem", cls.chain)
        cls.pairs = cls.pair_directories(3)

    def setUp(self):
        done = run(CERTFS, "password", "set", self.mount.keystore, "--password-file", self.password)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.place = tempfile.mkdtemp(prefix="certfs-backup-")
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.file = os.path.join(self.place, "keystore.cms")

    def copy(self):
        done = run("cp", self.mount.at("backup/keystore.cms"), self.file)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.file

    def restored(self, *how):
        """A mount of what the copy restores to."""
        place = tempfile.mkdtemp(dir=self.place)
        keystore = os.path.join(place, "keystore")
        done = run(CERTFS, "restore", self.file, keystore, *how)
        self.assertEqual(done.returncode, 0, done.stderr)
        path = os.path.join(place, "mnt")
        os.mkdir(path)
        self.assertEqual(run(CERTFS, "mount", keystore, path).returncode, 0)
        self.addCleanup(run, CERTFS, "umount", path)
        return path

    def test_it_is_as_large_as_stat_says_and_the_same_twice(self):
        size = os.stat(self.mount.at("backup/keystore.cms")).st_size
        first = pki.read(self.copy())
        self.assertEqual(len(first), size)
        self.assertEqual(pki.read(self.mount.at("backup/keystore.cms")), first)
        for name in os.listdir(self.mount.at("backup")):
            self.assertEqual(len(pki.read(self.mount.at("backup", name))), os.stat(self.mount.at("backup", name)).st_size)
        self.assertEqual(sorted(os.listdir(self.mount.at("backup"))), ["keystore.cms", "manifest.json"])
        with open(self.mount.at("backup/keystore.cms"), "rb") as held:
            start = held.read(100)
            put(self.mount.entry("hvc", "meanwhile") + "/cert.pem", self.issuing.issue("meanwhile", self.key))
            self.assertEqual(start + held.read(), first, "who has it open reads on")
        self.assertNotEqual(pki.read(self.mount.at("backup/keystore.cms")), first)

    def test_stock_openssl_and_tar_open_it(self):
        manifest = json.loads(pki.read(self.mount.at("backup/manifest.json")))
        tar = os.path.join(self.place, "keystore.tar")
        pki.openssl("cms", "-decrypt", "-binary", "-inform", "DER", "-in", self.copy(), "-pwri_password", PASSWORD, "-out", tar)
        self.assertEqual(hashlib.sha256(pki.read(tar)).hexdigest(), manifest["tar_sha256"])
        self.assertEqual(os.path.getsize(tar), manifest["tar_size"])
        self.assertEqual(os.path.getsize(self.file), manifest["size"])
        there = os.path.join(self.place, "there")
        os.mkdir(there)
        done = run("tar", "--acls", "-C", there, "-xpf", tar)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        mounted, unpacked = describe(self.mount.at("stores")), describe(there + "/stores")
        self.assertEqual(sorted(unpacked), sorted(mounted))
        for name, facts in mounted.items():
            self.assertEqual(unpacked[name], facts, name)

    def test_a_new_keystore_shows_the_same(self):
        self.copy()
        path = self.restored("--password-file", self.password)
        self.assertEqual(describe(path + "/stores"), describe(self.mount.at("stores")))

    def test_a_recovery_certificate_alone_opens_it(self):
        for name, algorithm in (("rsa", ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")), ("ec", ())):
            key = pki.new_key(os.path.join(self.place, name + ".key"), *algorithm)
            certificate = os.path.join(self.place, name + ".pem")
            pki.openssl("req", "-x509", "-key", key, "-subj", "/CN=Recovery", "-out", certificate, "-days", "30")
            done = run(CERTFS, "key", "add", self.mount.keystore, "--recovery", certificate)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(run(CERTFS, "password", "clear", self.mount.keystore).returncode, 0)
            self.copy()
            tar = pki.openssl("cms", "-decrypt", "-binary", "-inform", "DER", "-in", self.file, "-inkey", key, "-recip", certificate)
            recorded = json.loads(pki.read(self.mount.at("backup/manifest.json")))
            self.assertEqual(hashlib.sha256(tar).hexdigest(), recorded["tar_sha256"])
            self.assertFalse(recorded["export_password"])
            path = self.restored("--recovery-key", key)
            self.assertEqual(describe(path + "/stores"), describe(self.mount.at("stores")))

    def test_copies_during_rotation_are_one_state_each(self):
        entry = self.mount.entry("machine", "rotating")
        os.makedirs(entry + "/next", exist_ok=True)
        stop = threading.Event()
        failures = []

        def rotate():
            count = 0
            while not stop.is_set():
                pair = self.pairs[count % len(self.pairs)]
                for name in ("key.pem", "cert.pem"):
                    done = run("cp", os.path.join(pair, name), entry + "/next/" + name)
                    if done.returncode:
                        failures.append(done.stderr)
                count += 1

        writer = threading.Thread(target=rotate)
        writer.start()
        try:
            while not os.path.exists(entry + "/cert.pem"):
                pass
            copies = []
            for count in range(rounds(8)):
                self.file = os.path.join(self.place, f"copy{count}.cms")
                copies.append(self.copy())
        finally:
            stop.set()
            writer.join()
        self.assertEqual(failures, [])
        known = {pki.read(pair + "/cert.pem"): pki.read(pair + "/key.pem") for pair in self.pairs}
        for copy in copies:
            self.assertEqual(run(CERTFS, "restore", "--check", copy, "--password-file", self.password).returncode, 0)
        for self.file in copies[-2:]:
            rotated = self.restored("--password-file", self.password) + "/stores/machine/rotating"
            self.assertEqual(pki.read(rotated + "/key.pem"), known[pki.read(rotated + "/cert.pem")])


if __name__ == "__main__":
    harness.main()
