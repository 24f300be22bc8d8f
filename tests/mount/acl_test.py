"""Goal: POSIX ACLs on keys, certificates, entries and stores do what they do on other filesystems, survive remounts and renewals, and never
open a key to others. Method: setfacl and getfacl, real uids, every writer that sets no mode after close, the same random steps on a tmpfs,
and the checks of OpenSSH and PostgreSQL themselves."""

import os
import pwd
import random
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import time

import harness
import pki
from harness import errno_of, put, run

USER, GROUP, STRANGER, OTHER_GROUP = 61001, 61002, 61003, 61004
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"


def as_user(uid, gid, *command):
    return run("setpriv", "--reuid", str(uid), "--regid", str(gid), "--clear-groups", *command)


def may_read(path, uid, gid=STRANGER):
    done = as_user(uid, gid, "cat", path)
    assert done.returncode == 0 or "Permission denied" in done.stderr, done.stderr
    return done.returncode == 0


def setfacl(*words):
    done = run("setfacl", *words)
    assert done.returncode == 0, done.stderr


def acl(path):
    """Owner, group, and the lists as getfacl shows them, with what the mask leaves."""
    done = run("getfacl", "-pn", path)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line and not line.startswith("# file:")]


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class Acls(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key_text = pki.read(cls.key)

    def pair(self, alias):
        entry = self.mount.entry("machine", alias)
        put(entry + "/key.pem", self.key_text)
        put(entry + "/cert.pem", self.leaf)
        return entry

    def remount(self):
        self.mount.unmount()
        self.mount.mount()

    def test_a_grant_is_shown_enforced_and_survives(self):
        entry = self.pair("granted")
        key = entry + "/key.pem"
        setfacl("-m", f"u:{USER}:r,g:{GROUP}:r", key)
        shown = acl(key)
        self.assertIn(f"user:{USER}:r--", shown)
        self.assertIn("other::---", shown)
        self.assertEqual(mode_of(key), 0o640)
        self.assertEqual(os.listxattr(key), [ACCESS])
        for step in (lambda: None, self.remount, lambda: (self.mount.kill(), self.mount.mount())):
            step()
            self.assertEqual(acl(key), shown)
            self.assertTrue(may_read(key, USER))
            self.assertTrue(may_read(key, STRANGER, GROUP))
            self.assertFalse(may_read(key, STRANGER))
        # The mask takes it away, and gives it back; so does its removal.
        os.chmod(key, 0o600)
        self.assertFalse(may_read(key, USER))
        os.chmod(key, 0o640)
        self.assertTrue(may_read(key, USER))
        setfacl("-x", f"u:{USER}", key)
        self.assertFalse(may_read(key, USER))
        setfacl("-b", key)
        self.assertEqual((mode_of(key), os.listxattr(key)), (0o600, []))
        self.assertEqual(errno_of(os.getxattr, key, ACCESS), "ENODATA")
        self.assertFalse(may_read(key, STRANGER, GROUP))

    def test_a_directory_lets_in_whom_it_names(self):
        entry = self.pair("closed")
        os.chmod(entry, 0o700)
        self.assertFalse(may_read(entry + "/cert.pem", USER))
        setfacl("-m", f"u:{USER}:rx", entry)
        self.assertTrue(may_read(entry + "/cert.pem", USER))
        self.assertFalse(may_read(entry + "/cert.pem", STRANGER))
        # Who may write the directory stages and replaces.
        setfacl("-m", f"u:{USER}:rwx", entry)
        self.assertEqual(as_user(USER, STRANGER, "mkdir", entry + "/next").returncode, 0)
        self.assertNotEqual(as_user(STRANGER, STRANGER, "mkdir", entry + "/next").returncode, 0)
        # And who may write the file, through the inode that the writer is led to.
        source = pki.write(os.path.join(self.work, "written.pem"), self.chain)
        os.chmod(source, 0o644)
        os.chmod(self.work, 0o755)
        self.assertNotEqual(as_user(USER, STRANGER, "cp", source, entry + "/cert.pem").returncode, 0)
        setfacl("-m", f"u:{USER}:rw", entry + "/cert.pem")
        self.assertEqual(as_user(USER, STRANGER, "cp", source, entry + "/cert.pem").returncode, 0)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)
        self.assertIn(f"user:{USER}:rw-", acl(entry + "/cert.pem"))

    def test_key_material_is_never_for_others(self):
        entry = self.pair("never")
        secret = self.mount.entry("APPLMGMT_PASSWORD", "never") + "/secret"
        put(secret, b"secret")
        for path in (entry + "/key.pem", secret):
            before = acl(path)
            self.assertEqual(errno_of(os.chmod, path, 0o604), "EPERM")
            for what in ("o::r", f"u:{USER}:r,o::x"):
                done = run("setfacl", "-m", what, path)
                self.assertEqual(done.returncode, 1)
                self.assertIn("Operation not permitted", done.stderr)
            self.assertIn("key-for-others", self.mount.why().splitlines()[-1])
            self.assertEqual(acl(path), before)
        self.assertEqual(run("setfacl", "-m", "o::rw", entry + "/cert.pem").returncode, 0)

    def test_malformed_lists_and_other_attributes(self):
        entry = self.pair("malformed")
        owner, group, others = (struct.pack("<HHI", tag, 6, 0xffffffff) for tag in (1, 4, 32))
        head = struct.pack("<I", 2)
        for value in (b"\2", head + b"x" * 8, head + owner, head + owner + owner + group + others,
                      head + owner + struct.pack("<HHI", 2, 4, 7) + group + others, head + struct.pack("<HHI", 1, 8, 0xffffffff) + group + others):
            self.assertEqual(errno_of(os.setxattr, entry + "/cert.pem", ACCESS, value), "EINVAL", value)
        self.assertEqual(errno_of(os.setxattr, entry + "/cert.pem", ACCESS, struct.pack("<I", 3) + owner + group + others), "ENOTSUP")
        many = head + owner + b"".join(struct.pack("<HHI", 2, 4, 1000 + i) for i in range(600)) + group + struct.pack("<HHI", 16, 4, 0xffffffff) + others
        self.assertEqual(errno_of(os.setxattr, entry + "/cert.pem", ACCESS, many), "E2BIG")
        self.assertEqual(errno_of(os.setxattr, entry + "/cert.pem", DEFAULT, head + owner + group + others), "EACCES")
        for name in ("user.mine", "trusted.mine", "security.mine"):
            self.assertEqual(errno_of(os.setxattr, entry, name, b"1"), "ENOTSUP")
            self.assertEqual(errno_of(os.getxattr, entry, name), "ENOTSUP")
            self.assertEqual(errno_of(os.removexattr, entry, name), "ENOTSUP")
        self.assertEqual(mode_of(entry + "/cert.pem"), 0o644)
        for fixed in ("", "stores", "status", "status/version", "stores/BACKUP_STORE"):
            done = run("setfacl", "-m", f"u:{USER}:r", self.mount.at(fixed))
            self.assertIn("Operation not permitted", done.stderr, fixed)
        self.assertEqual(mode_of(self.mount.at("stores/BACKUP_STORE")), 0o700)

    def test_only_the_owner_and_root_change_it(self):
        entry = self.pair("owned")
        os.chown(entry + "/cert.pem", USER, GROUP)
        stranger = as_user(STRANGER, STRANGER, "setfacl", "-m", f"u:{STRANGER}:rw", entry + "/cert.pem")
        self.assertIn("Operation not permitted", stranger.stderr)
        self.assertEqual(as_user(USER, GROUP, "setfacl", "-m", f"u:{STRANGER}:r", entry + "/cert.pem").returncode, 0)
        # Through what was opened before the file was replaced and given away.
        script = ("import os,sys,errno\nold=os.open(sys.argv[1],os.O_RDONLY)\nprint('open',flush=True)\nsys.stdin.readline()\nos.fstat(old)\n"
                  "try: os.setxattr(old,'system.posix_acl_access',bytes.fromhex(sys.argv[2]))\n"
                  "except OSError as error: print(errno.errorcode[error.errno])\nelse: print('done')")
        grant = struct.pack("<IHHIHHIHHI", 2, 1, 6, 0xffffffff, 4, 6, 0xffffffff, 32, 6, 0xffffffff).hex()
        for owner, answer, mode in ((STRANGER, "EPERM", 0o644), (USER, "done", 0o666)):
            os.chown(entry + "/cert.pem", USER, GROUP)
            setfacl("-b", entry + "/cert.pem")
            os.chmod(entry + "/cert.pem", 0o644)
            earlier = subprocess.Popen(["setpriv", "--reuid", str(USER), "--regid", str(GROUP), "--clear-groups", "/usr/bin/python3", "-c", script,
                                        entry + "/cert.pem", grant], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.assertEqual(earlier.stdout.readline(), "open\n")
            put(entry + "/cert.pem", self.chain if pki.read(entry + "/cert.pem") == self.leaf else self.leaf)
            os.chown(entry + "/cert.pem", owner, GROUP)
            time.sleep(1.1)  # Until the kernel asks for the old inode's owner again.
            answers, _ = earlier.communicate("\n")
            self.assertEqual(answers.strip(), answer)
            self.assertEqual(mode_of(entry + "/cert.pem"), mode)

    def test_the_kernel_forgets_what_it_knew_when_another_inode_changes_it(self):
        """A grant taken away by an old handle is gone at once, though the kernel had the ACL cached."""
        entry = self.pair("cached")
        with open(entry + "/cert.pem", "rb") as old:
            put(entry + "/cert.pem", self.chain)
            os.chmod(entry + "/cert.pem", 0o640)
            for _ in range(harness.rounds(20)):
                setfacl("-m", f"u:{USER}:r", entry + "/cert.pem")
                self.assertTrue(may_read(entry + "/cert.pem", USER))
                os.setxattr(old.fileno(), ACCESS, struct.pack("<IHHIHHIHHI", 2, 1, 6, 0xffffffff, 4, 4, 0xffffffff, 32, 0, 0xffffffff))
                self.assertFalse(may_read(entry + "/cert.pem", USER))
                self.assertNotIn(f"user:{USER}:r--", acl(entry + "/cert.pem"))

    # Item 4: every writer that sets no mode by path after close.
    WRITERS = {
        "cp": "cp {source} {target}",
        "cp -p": "cp -p {source} {target}",
        "cp --preserve=all": "cp --preserve=all {source} {target}",
        "cat": "cat {source} > {target}",
        "tee": "tee {target} < {source} > /dev/null",
        "dd": "dd if={source} of={target} status=none",
        "dd conv=notrunc": "dd if={source} of={target} conv=notrunc,fsync status=none",
        "python": "python3 -c 'import sys; open(sys.argv[2],\"wb\").write(open(sys.argv[1],\"rb\").read())' {source} {target}",
        "shutil": "python3 -c 'import shutil,sys; shutil.copyfile(sys.argv[1],sys.argv[2])' {source} {target}",
        "rsync --inplace": "rsync --inplace --ignore-times {source} {target}",
        "openssl": "openssl {kind} -in {source} -out {target}",
        "curl": "curl -sS -o {target} file://{source}",
        "sh": "sh -c 'cat \"$0\" > \"$1\"' {source} {target}",
    }

    def test_every_writer_keeps_the_grants(self):
        entry = self.pair("renewed")
        key, cert = entry + "/key.pem", entry + "/cert.pem"
        os.chown(key, STRANGER, GROUP)
        setfacl("-m", f"u:{USER}:r,g:{OTHER_GROUP}:r", key)
        setfacl("-m", f"u:{USER}:rw", cert)
        os.chmod(cert, 0o660)
        shown = acl(key), acl(cert)
        for number, (name, command) in enumerate(self.WRITERS.items()):
            for target, text in ((key, self.key_text), (cert, self.leaf)):
                with self.subTest(name, target=os.path.basename(target)):
                    # Other bytes each time, as many, and the same key; openssl leaves the first line out.
                    source = pki.write(os.path.join(self.work, "renewal"), b"# %03d\n" % number + text)
                    os.chmod(source, 0o600)
                    before = run("stat", "-c", "%i", target).stdout
                    kind = "pkey" if target == key else "x509"
                    done = run("bash", "-ec", command.format(source=source, target=target, kind=kind))
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    # By processes of their own: who has just read the key would get the certificate that it had.
                    self.assertNotEqual(run("stat", "-c", "%i", target).stdout, before)
                    self.assertEqual(run("cat", target).stdout.encode(), text if name == "openssl" else pki.read(source))
                    self.assertEqual((acl(key), acl(cert)), shown)
                    self.assertTrue(may_read(key, USER))
                    self.assertFalse(may_read(key, USER + 77))

    def test_a_pair_by_next_keeps_the_live_grants_and_a_new_one_has_the_inherited(self):
        pair = os.path.join(self.work, "pair")
        os.mkdir(pair)
        key = pki.new_key(pair + "/key.pem")
        os.chmod(key, 0o600)
        pki.write(pair + "/cert.pem", self.issuing.issue("localhost", key) + pki.read(self.issuing.cert))
        for command in ("cp -a key.pem cert.pem {next}/", "cp -a . {next}", "tar c key.pem cert.pem | tar xp -C {next}", "rsync -a --inplace ./ {next}/",
                        "install -m 600 key.pem {next}/ && install -m 644 cert.pem {next}/", "cp --preserve=all cert.pem key.pem {next}/"):
            with self.subTest(command):
                entry = self.pair("by-next")
                setfacl("-m", f"u:{USER}:r", entry + "/key.pem")
                setfacl("-m", f"u:{USER}:rw", entry + "/cert.pem")
                shown = acl(entry + "/key.pem"), acl(entry + "/cert.pem")
                os.mkdir(entry + "/next")
                done = run("bash", "-ec", "set -o pipefail; " + command.format(next=entry + "/next"), cwd=pair)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(pki.read(entry + "/key.pem"), pki.read(key))
                self.assertEqual((acl(entry + "/key.pem"), acl(entry + "/cert.pem")), shown)
                kept = self.mount.at("stores/BACKUP_STORE/bkp_by-next")
                self.assertEqual((acl(kept + "/key.pem"), acl(kept + "/cert.pem")), shown)
                self.assertFalse(may_read(kept + "/key.pem", USER))
                shutil.rmtree(entry)
        entry = self.mount.entry("machine", "by-next-new")
        setfacl("-d", "-m", f"u:{USER}:r", entry)
        os.mkdir(entry + "/next")
        put(entry + "/next/key.pem", pki.read(key))
        put(entry + "/next/cert.pem", pki.read(pair + "/cert.pem"))
        self.assertEqual(sorted(os.listdir(entry)), ["cert.pem", "key.pem", "next"])
        self.assertTrue(may_read(entry + "/key.pem", USER))
        self.assertFalse(may_read(entry + "/key.pem", STRANGER))

    def test_revert_brings_the_grants_back(self):
        entry = self.pair("reverted")
        setfacl("-m", f"u:{USER}:rx", entry)
        setfacl("-d", "-m", f"u:{STRANGER}:r", entry)
        setfacl("-m", f"u:{USER}:r", entry + "/key.pem")
        paths = (entry, entry + "/key.pem", entry + "/cert.pem")
        shown = [acl(path) for path in paths]
        shutil.rmtree(entry)
        done = run(harness.CERTFS, "revert", "machine/reverted", "--mount", self.mount.path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([acl(path) for path in paths], shown)

    def test_default_acls_are_inherited(self):
        store = self.mount.at("stores/inheriting")
        os.mkdir(store)
        setfacl("-d", "-m", f"u:{USER}:rx,g:{GROUP}:rx", store)
        shown = acl(store)
        os.umask(0o077)  # Which yields to a default ACL, and to nothing else.
        try:
            os.mkdir(self.mount.at("stores/umask"))
            os.mkdir(store + "/e")
            put(store + "/e/key.pem", self.key_text)
            put(store + "/e/cert.pem", self.leaf)
            os.mkdir(store + "/e/next")
        finally:
            os.umask(0o022)
        self.assertEqual(mode_of(self.mount.at("stores/umask")), 0o700)
        for directory in (store + "/e", store + "/e/next"):
            self.assertEqual([line for line in acl(directory) if line.startswith("default:")], [line for line in shown if line.startswith("default:")])
            self.assertIn(f"user:{USER}:r-x", acl(directory))
        key = store + "/e/key.pem"
        self.assertTrue(may_read(key, USER) and may_read(key, STRANGER, GROUP))
        self.assertFalse(may_read(key, STRANGER))
        self.assertTrue(may_read(store + "/e/cert.pem", STRANGER))
        lines = acl(key)
        self.assertIn("mask::r--", lines)
        self.assertIn("group::---", lines)
        self.assertIn("other::---", lines)
        # Without the store's default, and after a remount, what was inherited stays.
        setfacl("-k", store)
        self.remount()
        self.assertEqual(acl(key), lines)
        os.mkdir(store + "/later")
        put(store + "/later/key.pem", self.key_text)
        self.assertFalse(may_read(store + "/later/key.pem", USER))
        self.assertEqual(os.listxattr(store + "/later"), [])
        # A default ACL for everybody is none for keys.
        setfacl("-d", "-m", f"u:{USER}:rwx,o::rwx", store)
        os.mkdir(store + "/open")
        put(store + "/open/key.pem", self.key_text)
        self.assertFalse(may_read(store + "/open/key.pem", STRANGER))
        self.assertTrue(may_read(store + "/open/key.pem", USER))

    def test_it_is_as_on_tmpfs(self):
        """The same random steps here and there; after each both show the same."""
        other = tempfile.mkdtemp(prefix="certfs-tmpfs-")
        done = run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", other)
        self.assertEqual(done.returncode, 0, done.stderr)
        try:
            entry = self.pair("differential")
            os.mkdir(other + "/e", 0o755)
            pki.write(other + "/e/cert.pem", self.leaf)
            chance = random.Random(11)
            for step in range(harness.rounds(300)):
                target = chance.choice(("", "/cert.pem"))
                who = chance.choice(("u:", "g:", "o:", "m:", f"u:{USER}:", f"u:{STRANGER}:", f"g:{GROUP}:"))
                permissions = "".join(chance.choice((bit, "-")) for bit in "rwx")
                default = ["-d"] if not target and chance.random() < 0.4 else []
                what = chance.choice(("chmod", "set", "set", "set", "set no mask", "remove", "clear", "clear default", "chown", "raw"))
                mode = chance.randrange(0o1000)
                lower = "" if who.count(":") > 1 or who.startswith(("o", "m")) else ":"
                remove = who.rstrip(":")

                def act(root):
                    path = root + target
                    if what == "chmod":
                        return errno_of(os.chmod, path, mode)
                    if what == "chown":
                        return errno_of(os.chown, path, mode % 3, mode % 5)
                    if what == "raw":
                        return errno_of(os.removexattr, path, ACCESS if mode % 2 else DEFAULT)
                    words = {"set": ["-m", who + lower + permissions], "set no mask": ["-n", "-m", who + lower + permissions], "remove": ["-x", remove],
                             "clear": ["-b"], "clear default": ["-k"]}[what]
                    done = run("setfacl", *default, *words, path)
                    return done.returncode, done.stderr.replace(root, "")

                with self.subTest(step=step, what=what, who=who, permissions=permissions, mode=oct(mode), default=default, target=target):
                    self.assertEqual(act(entry), act(other + "/e"))
                    for path in ("", "/cert.pem"):
                        self.assertEqual(acl(entry + path), acl(other + "/e" + path))
                        self.assertEqual(mode_of(entry + path), mode_of(other + "/e" + path))
                        self.assertEqual(sorted(os.listxattr(entry + path)), sorted(os.listxattr(other + "/e" + path)))
                        for uid, gid in ((USER, STRANGER), (STRANGER, GROUP), (1, 1)):
                            if step % 20 == 0:
                                self.assertEqual(as_user(uid, gid, "test", "-r", entry + path).returncode,
                                                 as_user(uid, gid, "test", "-r", other + "/e" + path).returncode)
        finally:
            harness.umount(other)
            os.rmdir(other)


class Programs(harness.MountTest):
    """The checks of key files that programs make themselves."""

    def test_openssh(self):
        entry = self.mount.entry("machine", "ssh")
        put(entry + "/key.pem", pki.read(pki.new_key(os.path.join(self.work, "ssh.key"), "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")))
        # ssh-keygen makes the check that ssh makes, of who asks: the key's owner.
        show = ("ssh-keygen", "-y", "-P", "", "-f", entry + "/key.pem")
        done = run(*show)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith("ssh-rsa "))
        # A grant shows as a group bit, which ssh refuses for its own user's key as on any filesystem.
        daemon, bin_user = pwd.getpwnam("daemon"), pwd.getpwnam("bin")  # ssh-keygen asks who runs it.
        setfacl("-m", "u:daemon:r", entry + "/key.pem")
        self.assertIn("UNPROTECTED PRIVATE KEY FILE", run(*show).stderr)
        # But whom it names may use it: it is not his.
        done = as_user(daemon.pw_uid, daemon.pw_gid, *show)
        self.assertEqual((done.returncode, done.stdout[:8]), (0, "ssh-rsa "), done.stderr)
        self.assertIn("Permission denied", as_user(bin_user.pw_uid, bin_user.pw_gid, *show).stderr)

    def test_postgresql(self):
        """The server itself, with its key on the mount: 0600 and its own, 0640 and root's."""
        found = sorted(path for path in (f"/usr/lib/postgresql/{version}/bin" for version in os.listdir("/usr/lib/postgresql")) if os.path.isdir(path))
        programs = found[-1]
        server = pwd.getpwnam("postgres")
        self.user, self.group = server.pw_uid, server.pw_gid
        entry = self.mount.entry("machine", "postgres")
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.chain)
        data = tempfile.mkdtemp(prefix="certfs-pg-")
        os.chown(data, self.user, self.group)
        try:
            made = as_user(self.user, self.group, programs + "/initdb", "-D", data + "/db", "-U", "pg", "-A", "trust", "--no-sync", "--no-instructions")
            self.assertEqual(made.returncode, 0, made.stderr)
            with open(data + "/db/postgresql.conf", "a") as file:
                file.write(f"ssl = on\nssl_cert_file = '{entry}/cert.pem'\nssl_key_file = '{entry}/key.pem'\n"
                           f"unix_socket_directories = '{data}'\nfsync = off\n")
            for owner, group, mode, accepted in ((self.user, self.group, 0o600, True), (0, self.group, 0o640, True), (self.user, self.group, 0o640, False)):
                with self.subTest(owner=owner, mode=oct(mode)):
                    os.chown(entry + "/key.pem", owner, group)
                    os.chmod(entry + "/key.pem", mode)
                    self.serves(programs, data, accepted)
            # A grant to a server that does not own the key: root's, with the mask as its group bits.
            os.chown(entry + "/key.pem", 0, 0)
            os.chmod(entry + "/key.pem", 0o600)
            setfacl("-m", f"u:{self.user}:r", entry + "/key.pem")
            self.serves(programs, data, True)
        finally:
            shutil.rmtree(data, ignore_errors=True)

    def serves(self, programs, data, accepted):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        control = ("-D", data + "/db", "-w", "-t", "30", "-l", data + "/log", "-o", f"-p {port} -h 127.0.0.1")
        started = as_user(self.user, self.group, programs + "/pg_ctl", *control, "start")
        try:
            self.assertEqual(started.returncode == 0, accepted, started.stdout + started.stderr)
            if accepted:
                asked = run("psql", f"host=127.0.0.1 port={port} user=pg dbname=postgres sslmode=require", "-Atc",
                            "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
                self.assertEqual((asked.stdout, asked.stderr), ("t\n", ""))
            else:
                self.assertIn("has group or world access", open(data + "/log").read())
        finally:
            if started.returncode == 0:
                as_user(self.user, self.group, programs + "/pg_ctl", "-D", data + "/db", "-m", "immediate", "-w", "stop")


if __name__ == "__main__":
    harness.main()
