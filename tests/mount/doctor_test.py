#!/usr/bin/python3
"""certfs doctor beside a daemon at work, on a mount that its daemon left behind, and on what somebody spoilt; certfs why.

Goal: each thing that may be wrong is found, named, and told with what to do, and nothing of a keystore that is well. Method: things are
made wrong one at a time, as users and disks do; the output is read as a program would.
"""

import json
import os
import shutil
import signal
import struct
import time

import lmdb

import harness
import pki
import servers
from harness import CERTFS, put, run

PASSWORD = b"correct horse battery"
OTHER_USER = 61001


class Patient(harness.MountTest):
    """A mount about whose keystore there is nothing to say."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.chmod(cls.work, 0o755)
        recovery_key = pki.new_key(os.path.join(cls.work, "recovery.key"))
        recovery = os.path.join(cls.work, "recovery.pem")
        pki.openssl("req", "-x509", "-key", recovery_key, "-subj", "/CN=Recovery", "-out", recovery, "-days", "30")
        password = pki.write(os.path.join(cls.work, "password"), PASSWORD)
        for command in (("key", "add", cls.mount.keystore, "--recovery", recovery),
                        ("password", "set", cls.mount.keystore, "--password-file", password)):
            done = run(CERTFS, *command)
            assert done.returncode == 0, done.stderr
        cls.certfs("ca", "init", "--name", "Doctor CA")
        cls.pair("web")
        cls.read_backup()

    @classmethod
    def certfs(cls, *arguments):
        done = run(CERTFS, *arguments, "--mount", cls.mount.path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @classmethod
    def pair(cls, alias):
        key, certificate = os.path.join(cls.work, alias + ".key"), os.path.join(cls.work, alias + ".pem")
        config = pki.write(os.path.join(cls.work, alias + ".cfg"), f"Name = {alias}.example.com\nHostname = {alias}.example.com\n".encode())
        cls.certfs("ca", "issue", config, "--key-out", key, "--out", certificate)
        cls.certfs("import", pki.write(os.path.join(cls.work, alias + ".both"), pki.read(key) + pki.read(certificate)), "machine/" + alias)

    @classmethod
    def read_backup(cls):
        for name in ("keystore.cms", "ca.p12"):
            pki.read(cls.mount.at("backup", name))

    def doctor(self, *arguments, what=None, user=None):
        """The exit code, and what it says of the one keystore."""
        as_user = ("setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups") if user else ()
        done = run(*as_user, CERTFS, "doctor", "--json", *((what or self.mount.path,) if what != "" else ()), *arguments)
        self.assertIn("keystores", done.stdout, done.stderr)
        told = [each for each in json.loads(done.stdout)["keystores"] if each["keystore"] == self.mount.keystore]
        self.assertEqual(len(told), 1, done.stdout)
        return done.returncode, told[0]

    def found(self, *arguments, **options):
        code, told = self.doctor(*arguments, **options)
        return code, {(each["id"], each["subject"]) for each in told["findings"]}


class Health(Patient):
    def test_a_keystore_that_is_well(self):
        code, told = self.doctor()
        self.assertEqual((code, told["findings"], told["not_checked"], told["mounts"]), (0, [], [], [self.mount.path]))
        self.assertGreaterEqual(told["checks"], 20)
        # Named by its keystore, or by nothing at all, it is the same; unmounted, what concerns mounts is left out.
        self.assertEqual(self.found(what=self.mount.keystore), (0, set()))
        self.doctor(what="")
        text = run(CERTFS, "doctor", self.mount.path)
        self.assertEqual((text.returncode, text.stderr), (0, ""))
        self.assertRegex(text.stdout, rf"^{self.mount.keystore}, mounted on {self.mount.path}\n\d+ checks, 0 findings\n$")
        self.mount.unmount()
        try:
            before = {name: pki.read(os.path.join(self.mount.keystore, name)) for name in os.listdir(self.mount.keystore) if name != "lock.mdb"}
            self.assertEqual(self.found(what=self.mount.keystore), (0, set()))
            self.assertEqual(set(os.listdir(self.mount.keystore)), {*before, "lock.mdb"})
            for name, data in before.items():
                self.assertEqual(pki.read(os.path.join(self.mount.keystore, name)), data, name)
        finally:
            self.mount.mount()

    def test_entries(self):
        entry = self.mount.entry("machine", "short")
        key = pki.new_key(os.path.join(self.work, "short.key"))
        short = pki.Authority(self.work, "Short Root")
        put(self.mount.entry("TRUSTED_ROOTS", "short") + "/cert.pem", pki.read(short.cert))
        put(entry + "/key.pem", pki.read(key))
        put(entry + "/cert.pem", short.issue("localhost", key, end=10))
        self.addCleanup(run, "rm", "-r", entry, self.mount.at("stores/TRUSTED_ROOTS/short"))
        code, found = self.found()
        self.assertIn(("expiring", "machine/short"), found)
        self.assertEqual(code, 7)
        # An end in seconds from now is waited for.
        # Unless that comes before it is written.
        for seconds in (3, 10, 30):
            failed = harness.errno_of(put, entry + "/cert.pem", short.issue("localhost", key, end=seconds / 86400))
            if failed != "EKEYEXPIRED":
                break
        self.assertIsNone(failed)
        self.assertTrue(servers.until(lambda: ("expired", "machine/short") in self.found()[1]))
        self.assertEqual(self.found()[0], 8)

    def test_revoked(self):
        self.pair("gone")
        self.certfs("ca", "revoke", "machine/gone")
        self.read_backup()
        code, found = self.found()
        self.assertIn(("revoked", "machine/gone"), found)
        self.assertEqual(code, 8)
        # The same without a key, from status/ of the mount.
        code, told = self.doctor("--keyfile", pki.write(os.path.join(self.work, "wrong"), b"x" * 32))
        self.assertEqual(code, 3)
        self.assertIn(("revoked", "machine/gone"), {(each["id"], each["subject"]) for each in told["findings"]})
        self.assertIn("records", [each["check"] for each in told["not_checked"]])
        run("rm", "-r", self.mount.at("stores/machine/gone"))

    def test_users_without_rights(self):
        code, told = self.doctor(user=OTHER_USER)
        skipped = {each["check"] for each in told["not_checked"]}
        # What lies in the keystore's directory, and what takes the key, which they may not read either; the mount answers them.
        with_key = {"records", "rotation", "recovery", "readers", "space", "entries", "pairs", "high-water", "audit"}
        self.assertEqual(skipped, {"files", "header", "permissions"} | with_key)
        self.assertEqual(code, 7)


class MountsAndDaemons(Patient):
    def test_options(self):
        done = run("mount", "-o", "remount,bind,exec,suid,nodev", self.mount.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        code, told = self.doctor()
        self.assertEqual((code, [each["id"] for each in told["findings"]]), (7, ["mount-options"]))
        self.assertIn("nosuid,noexec", told["findings"][0]["detail"])
        run("mount", "-o", "remount,bind,noexec,nosuid,nodev", self.mount.path)
        self.assertEqual(self.found(), (0, set()))

    def test_core_dumps(self):
        if run("prlimit", "--pid", self.mount.pid(), "--core=unlimited").returncode:
            self.skipTest("this root may not raise limits (CAP_SYS_RESOURCE)")
        code, found = self.found()
        self.assertEqual((code, {each for each, _ in found}), (7, {"core-dumps"}))
        run("prlimit", "--pid", self.mount.pid(), "--core=0")
        self.assertEqual(self.found(), (0, set()))

    def test_a_dead_mount(self):
        harness.kill_processes(self.mount.path)
        for what in (self.mount.path, self.mount.keystore, ""):
            code, told = self.doctor(what=what)
            # Of all mounts of the machine another test's may be damaged, which is worse.
            self.assertIn(code, (8,) if what else (8, 4), told)
            self.assertEqual([each["id"] for each in told["findings"]], ["dead-mount"], told)
            self.assertIn("(Transport endpoint is not connected)", told["findings"][0]["detail"])
            self.assertIn(f"certfs umount {self.mount.path} && certfs mount {self.mount.keystore} {self.mount.path}, with the options it had",
                          told["findings"][0]["action"])
            self.assertEqual({each["check"] for each in told["not_checked"]}, {"mount-options", "daemon", "confinement", "version", "health"})
        self.mount.unmount()
        self.mount.mount()
        self.assertEqual(self.found(), (0, set()))

    def test_a_mount_that_hangs(self):
        pid = self.mount.pid()
        harness.stop(pid)
        # What the kernel knows of the mount's root it believes for a second: then it would have to ask.
        time.sleep(1.5)
        try:
            for what in (self.mount.path, self.mount.keystore):
                code, told = self.doctor(what=what)
                self.assertEqual((code, [(each["id"], each["severity"]) for each in told["findings"]]), (8, [("dead-mount", "critical")]), told)
                self.assertIn("does not answer", told["findings"][0]["detail"])
                self.assertIn("umount -f " + self.mount.path, told["findings"][0]["action"])
                self.assertEqual({each["check"] for each in told["not_checked"]}, {"mount-options", "daemon", "confinement", "version", "health"})
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.found(), (0, set()))


class Damage(Patient):
    """What somebody with the disk does, by LMDB's own library."""

    def setUp(self):
        self.mount.unmount()
        self.good = self.mount.keystore + ".good"
        shutil.copytree(self.mount.keystore, self.good)
        self.addCleanup(self.restore)
        self.mount.mount()
        self.number = os.stat(self.mount.at("stores/machine/web")).st_ino >> 3 & 0xFFFFFFFF
        self.mount.unmount()

    def restore(self):
        if os.path.ismount(self.mount.path):
            self.mount.unmount()
        shutil.rmtree(self.mount.keystore)
        os.rename(self.good, self.mount.keystore)
        self.mount.mount()
        self.assertEqual(self.found(), (0, set()))

    def change(self, name, act):
        environment = lmdb.open(self.mount.keystore, max_dbs=8, create=False)
        with environment.begin(write=True) as transaction:
            act(transaction, environment.open_db(name.encode(), transaction, create=False))
        environment.close()

    def flip(self, name, key, at=90):
        def act(transaction, table):
            record = bytearray(transaction.get(key, db=table))
            record[at] ^= 1
            transaction.put(key, bytes(record), db=table)
        self.change(name, act)

    def expect(self, subject, mounted):
        for what in ((self.mount.path, self.mount.keystore) if mounted else (self.mount.keystore,)):
            code, found = self.found(what=what)
            self.assertEqual(code, 4)
            self.assertIn(("damaged", subject), found)

    def test_bytes_of_files(self):
        for member, name in ((1, "cert.pem"), (2, "key.pem")):
            self.flip("contents", struct.pack(">QB", self.number, member))
        for name in ("cert.pem", "key.pem"):
            self.expect("machine/web/" + name, mounted=False)
        # The daemon serves all the rest meanwhile.
        self.mount.mount()
        self.expect("machine/web/cert.pem", mounted=True)

    def test_an_entry(self):
        self.flip("entries", struct.pack(">Q", self.number))
        self.expect("machine", mounted=False)

    def test_a_removed_file(self):
        self.change("contents", lambda transaction, table: transaction.delete(struct.pack(">QB", self.number, 2), db=table))
        self.expect("machine/web/key.pem", mounted=False)

    def test_the_settings(self):
        self.flip("manifest", b"\x01")
        self.expect("the settings", mounted=False)

    def test_the_manifest(self):
        self.flip("manifest", b"\x00")
        self.expect(self.mount.keystore, mounted=False)

    def test_what_nothing_leads_to(self):
        def act(transaction, table):
            transaction.put(struct.pack(">QB", 999999, 1), b"stray" * 40, db=table)
        self.change("contents", act)
        code, found = self.found(what=self.mount.keystore)
        self.assertEqual((code, found), (7, {("unreferenced", self.mount.keystore)}))

    def test_a_line_of_the_audit_log(self):
        path = os.path.join(self.mount.keystore, "audit.log")
        log = bytearray(pki.read(path))
        log[len(log) // 2] ^= 1
        pki.write(path, log)
        code, told = self.doctor(what=self.mount.keystore)
        self.assertEqual((code, {(each["id"], each["severity"]) for each in told["findings"]}), (8, {("audit-damaged", "critical")}))
        self.assertIn("line", told["findings"][0]["detail"])

    def test_a_file_that_was_cut_short(self):
        path = os.path.join(self.mount.keystore, "data.mdb")
        os.truncate(path, os.path.getsize(path) // 2)
        code, told = self.doctor(what=self.mount.keystore)
        self.assertEqual((code, [each["id"] for each in told["findings"]]), (4, ["damaged"]))
        self.assertIn("cut short", told["findings"][0]["detail"])

    def zero_pages(self, chosen):
        """Fills each page of data.mdb with zeros whose flags `chosen` takes."""
        path = os.path.join(self.mount.keystore, "data.mdb")
        data = bytearray(pki.read(path))
        count = 0
        for page in range(0, len(data), 4096):
            if chosen(struct.unpack_from("<H", data, page + 10)[0]):
                data[page:page + 4096] = bytes(4096)
                count += 1
        self.assertGreater(count, 0)
        pki.write(path, data)

    def salvage(self, *arguments):
        into = os.path.join(self.work, "salvaged")
        self.addCleanup(shutil.rmtree, into, True)
        return into, run(CERTFS, "doctor", self.mount.keystore, "--salvage", into, *arguments)

    def test_a_daemon_does_not_start_on_pages_that_lead_nowhere(self):
        branch_or_leaf = 0x03
        self.zero_pages(lambda flags: flags & branch_or_leaf == 0x02)
        mounted = run(CERTFS, "mount", self.mount.keystore, self.mount.path)
        self.assertEqual(mounted.returncode, 4, mounted.stderr)
        self.assertRegex(mounted.stderr, r"data\.mdb is damaged: page \d+, of .*--salvage")
        self.assertEqual(mounted.stderr.count("\n"), 1, mounted.stderr)
        self.assertFalse(os.path.ismount(self.mount.path))
        code, told = self.doctor(what=self.mount.keystore)
        self.assertEqual((code, [each["id"] for each in told["findings"]]), (4, ["damaged"]))
        self.assertIn("--salvage", told["findings"][0]["action"])

    def test_salvage(self):
        """Both metas are gone: nothing else opens the file, and all of it comes back. One file that is damaged is named."""
        self.flip("contents", struct.pack(">QB", self.number, 2))
        self.zero_pages(lambda flags: flags & 0x08)
        self.assertEqual(run(CERTFS, "mount", self.mount.keystore, self.mount.path).returncode, 4)
        before = pki.read(os.path.join(self.mount.keystore, "data.mdb"))
        into, done = self.salvage("--json")
        told = json.loads(done.stdout)
        states = {each["name"]: each["state"] for each in told["items"]}
        # The copy that LMDB left of the key on a page that is free may have been used again since.
        self.assertIn((done.returncode, told["status"], states["machine/web/key.pem"]), ((4, "lost", "damaged"), (7, "doubtful", "recovered")))
        self.assertEqual({state for name, state in states.items() if name != "machine/web/key.pem"}, {"recovered"})
        self.assertEqual(pki.read(os.path.join(self.mount.keystore, "data.mdb")), before)
        self.assertTrue(told["authority"])
        self.assertGreater(told["issued"], 0)
        # It is a keystore like any other, by the same key.
        key = self.mount.keystore + ".key"
        checked = run(CERTFS, "doctor", into, "--keyfile", key, "--json")
        self.assertNotIn(checked.returncode, (3, 4, 5), checked.stdout)
        self.assertEqual(run(CERTFS, "mount", into, self.mount.path, "--keyfile", key).returncode, 0)
        try:
            self.assertIn(b"BEGIN CERTIFICATE", pki.read(self.mount.at("stores/machine/web/cert.pem")))
            self.assertIn("web", run(CERTFS, "ca", "list", "--mount", self.mount.path).stdout)
            self.assertEqual(run(CERTFS, "verify", self.mount.at("stores/machine/web/cert.pem"), "--mount", self.mount.path).returncode, 0)
        finally:
            self.mount.unmount()
        # Not over something that is there, and not beside a daemon.
        self.assertEqual(run(CERTFS, "doctor", self.mount.keystore, "--salvage", into).returncode, 1)

    def test_salvage_beside_a_daemon(self):
        self.mount.mount()
        into, done = self.salvage()
        self.assertEqual((done.returncode, done.stdout, os.path.exists(into)), (1, "", False))
        self.assertIn("unmount it first", done.stderr)


class Why(harness.MountTest):
    def refuse(self, alias, data):
        entry = self.mount.entry("machine", alias)
        self.assertIsNotNone(harness.errno_of(put, entry + "/cert.pem", data))

    def why(self, *arguments):
        return run(CERTFS, "why", "--mount", self.mount.path, *arguments)

    def test_what_to_do(self):
        self.refuse("old", self.issuing.issue("localhost", self.key, start=-20, end=-10))
        self.refuse("odd: one", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        told = json.loads(self.why("--json").stdout)["refusals"]
        first, last = told[-2:]
        self.assertEqual((first["path"], first["code"], first["rule"]), ("stores/machine/old/cert.pem", "expired", "expired"))
        self.assertEqual((last["path"], last["uid"]), ("stores/machine/odd: one/cert.pem", os.getuid()))
        for each in (first, last):
            self.assertTrue(each["action"])
            self.assertGreater(each["pid"], 0)
        lines = self.why().stdout.splitlines()
        self.assertEqual(lines[-4:][1::2], ["  -> " + first["action"], "  -> " + last["action"]])
        self.assertEqual(self.why("--last").stdout.splitlines(), lines[-2:])
        self.assertEqual(len(json.loads(self.why("--last", "--json").stdout)["refusals"]), 1)

    def test_everybody(self):
        self.refuse("mine", b"-----BEGIN nothing")
        as_user = ("setpriv", "--reuid", str(OTHER_USER), "--regid", str(OTHER_USER), "--clear-groups", CERTFS, "why", "--mount", self.mount.path)
        own = run(*as_user)
        self.assertEqual((own.returncode, own.stdout), (0, ""))
        self.assertEqual(json.loads(run(*as_user, "--json").stdout), {"refusals": []})
        refused = run(*as_user, "--all")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("Permission denied", refused.stderr)
        self.assertIn("machine/mine", self.why("--all").stdout)
        self.assertIn("stores/machine/mine/cert.pem", [each["path"] for each in json.loads(self.why("--all", "--json").stdout)["refusals"]])


if __name__ == "__main__":
    harness.main()
