"""Goal: owner and mode decide, for real users, through the kernel; key material is never anybody else's.
Method: processes of other uids that do what services and people do; groups that are granted something."""

import os
import stat
import subprocess
import tempfile
import time

import harness
import pki
from harness import errno_of, put, run

USER, GROUP, STRANGER = 61001, 61002, 61003


def as_user(uid, gid, script, *arguments):
    """Runs a Python script as somebody else; its output is the errno's name, or what it printed."""
    prelude = f"import os,sys,errno\nos.setgroups([])\nos.setgid({gid})\nos.setuid({uid})\ntry:\n"
    body = "".join("  " + line + "\n" for line in script.splitlines())
    done = run("python3", "-c", prelude + body + "except OSError as error:\n  print(errno.errorcode[error.errno])\n", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


READ = "print(len(open(sys.argv[1],'rb').read()))"
WRITE = "f=os.open(sys.argv[1],os.O_WRONLY|os.O_CREAT|os.O_TRUNC)\nos.write(f,open(sys.argv[2],'rb').read())\nos.close(f)\nprint('written')"


# In a mount namespace of its own: what lets a daemon that is not root mount for all.
OF_NOBODY = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755,dev tmpfs "$1"
mknod -m 666 "$1/fuse" c 10 229
chmod 666 "$1/fuse"
echo user_allow_other > "$1/fuse.conf"
mount --bind "$1/fuse" /dev/fuse
mount --bind "$1/fuse.conf" /etc/fuse.conf
cp "$CERTFS" "$1/certfs"
chmod 755 "$1/certfs"
install -d -o nobody -g nogroup "$1/work" "$1/work/mnt"
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
as_nobody "$1/certfs" init "$1/work/k" > /dev/null
as_nobody "$1/certfs" mount "$1/work/k" "$1/work/mnt"
trap 'as_nobody "$1/certfs" umount "$1/work/mnt"' EXIT
python3 -c "$2" "$1/work/mnt/stores/APPLMGMT_PASSWORD/e"
"""

KILLED_AND_ENDED = r"""
import os, signal, sys, time
os.mkdir(sys.argv[1])
path = sys.argv[1] + "/secret"
for end in (lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(0)):
    with open(path, "w") as file:
        file.write("old")
    if os.fork() == 0:
        os.write(os.open(path, os.O_WRONLY | os.O_TRUNC), b"new")
        end()
    os.wait()
    print(open(path).read())
"""


class Permissions(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.chmod(cls.work, 0o755)
        cls.source = pki.write(os.path.join(cls.work, "source.pem"), cls.chain)
        cls.key_source = pki.write(os.path.join(cls.work, "source.key"), pki.read(cls.key))
        os.chmod(cls.key_source, 0o644)

    def pair(self, alias):
        entry = self.mount.entry("machine", alias)
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)
        return entry

    def test_certificates_are_everybodys_and_keys_are_not(self):
        entry = self.pair("plain")
        self.assertEqual(as_user(STRANGER, STRANGER, READ, entry + "/cert.pem"), str(len(self.leaf)))
        self.assertEqual(as_user(STRANGER, STRANGER, READ, entry + "/key.pem"), "EACCES")
        self.assertEqual(as_user(STRANGER, STRANGER, WRITE, entry + "/cert.pem", self.source), "EACCES")
        self.assertEqual(as_user(STRANGER, STRANGER, "os.mkdir(sys.argv[1])", self.mount.at("stores/machine/theirs")), "EACCES")
        self.assertEqual(as_user(STRANGER, STRANGER, "os.mkdir(sys.argv[1])", self.mount.at("stores/theirs")), "EACCES")
        self.assertEqual(as_user(STRANGER, STRANGER, "os.listdir(sys.argv[1])", self.mount.at("stores/BACKUP_STORE")), "EACCES")
        self.assertEqual(as_user(STRANGER, STRANGER, READ, self.mount.at("status/errors.log")), "EACCES")

    def test_a_daemon_that_is_not_root_knows_a_killed_writer_of_another_user(self):
        done = run("unshare", "-m", "bash", "-c", OF_NOBODY, "bash", tempfile.mkdtemp(dir=self.work), KILLED_AND_ENDED)
        self.assertEqual(done.stdout.split(), ["old", "new"], done.stderr)

    def test_a_handle_of_an_earlier_owner_opens_nothing(self):
        entry = self.mount.entry("machine", "handed-over")
        os.chown(entry, USER, USER)
        other = pki.write(os.path.join(self.work, "later.key"), pki.read(pki.new_key(os.path.join(self.work, "later"))))
        os.chmod(other, 0o644)
        # Two handles that wrote the file when it was theirs, and one that read it.
        script = (
            "path, bytes = sys.argv[1], open(sys.argv[2],'rb').read()\n"
            "handles = [os.open(path, os.O_WRONLY | os.O_CREAT) for _ in range(2)]\n"
            "for each in handles:\n"
            "  os.write(each, bytes)\n"
            "  os.fsync(each)\n"
            "handles.append(os.open(path, os.O_RDONLY))\n"
            "print('open', flush=True)\n"
            "sys.stdin.readline()\n"
            "def outcome(call, *arguments):\n"
            "  try: call(*arguments); return 'done'\n"
            "  except OSError as error: return errno.errorcode[error.errno]\n"
            "for each in handles: os.fstat(each)\n"
            "print(*[outcome(os.fchown, each, -1, %d) for each in handles], *[outcome(os.fchmod, each, 0o640) for each in handles])" % USER)
        prelude = f"import os,sys,errno\nos.setgroups([])\nos.setgid({USER})\nos.setuid({USER})\n"
        earlier = subprocess.Popen(["python3", "-c", prelude + script, entry + "/key.pem", self.key_source],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assertEqual(earlier.stdout.readline(), "open\n")
        os.chown(entry, STRANGER, STRANGER)
        os.chown(entry + "/key.pem", STRANGER, STRANGER)
        self.assertEqual(as_user(STRANGER, STRANGER, WRITE, entry + "/key.pem", other), "written")
        time.sleep(1.1)  # Until the kernel asks for the attributes of the old inodes again.
        answers, _ = earlier.communicate("\n")
        self.assertNotIn("done", answers)
        status = os.stat(entry + "/key.pem")
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid), (0o600, STRANGER, STRANGER))

    def test_a_group_that_may_read_a_key_reads_it_after_a_renewal_too(self):
        entry = self.pair("granted")
        os.chown(entry + "/key.pem", 0, GROUP)
        os.chmod(entry + "/key.pem", 0o640)
        size = str(len(pki.read(self.key)))
        self.assertEqual(as_user(USER, GROUP, READ, entry + "/key.pem"), size)
        self.assertEqual(as_user(STRANGER, STRANGER, READ, entry + "/key.pem"), "EACCES")
        for renew in (("cp", self.key_source), ("install", "-m", "644", self.key_source)):
            put(entry + "/cert.pem", self.chain)
            # install and cp of a key: other bytes that mean the same key.
            changed = pki.write(os.path.join(self.work, "changed.key"), b"# renewed by " + renew[0].encode() + b"\n" + pki.read(self.key))
            self.assertEqual(run("cp", changed, entry + "/key.pem").returncode, 0)
            put(entry + "/cert.pem", self.leaf)
            found = os.stat(entry + "/key.pem")
            self.assertEqual((found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)), (0, GROUP, 0o640))
            self.assertNotEqual(as_user(USER, GROUP, READ, entry + "/key.pem"), "EACCES")

    def test_bits_for_others_on_a_key_are_dropped_at_create_and_refused_later(self):
        entry = self.mount.entry("machine", "loose")
        mask = os.umask(0)
        try:
            file = os.open(entry + "/key.pem", os.O_WRONLY | os.O_CREAT, 0o666)
        finally:
            os.umask(mask)
        self.assertEqual(stat.S_IMODE(os.fstat(file).st_mode), 0o600)
        os.write(file, pki.read(self.key))
        self.assertEqual(errno_of(os.fchmod, file, 0o644), "EPERM")
        os.close(file)
        self.assertEqual(mode_of(entry + "/key.pem"), 0o600)
        for mode in (0o604, 0o602, 0o601, 0o644, 0o777):
            self.assertEqual(errno_of(os.chmod, entry + "/key.pem", mode), "EPERM", oct(mode))
        self.assertEqual(mode_of(entry + "/key.pem"), 0o600)
        self.assertIn("key-for-others", self.mount.why().splitlines()[-1])

    def test_a_new_file_has_the_mode_of_its_kind_whatever_the_umask(self):
        for umask in (0o000, 0o022, 0o077, 0o777):
            entry = self.mount.entry("machine", f"umask{umask}")
            old = os.umask(umask)
            try:
                put(entry + "/key.pem", pki.read(self.key))
                put(entry + "/cert.pem", self.leaf)
            finally:
                os.umask(old)
            self.assertEqual((mode_of(entry + "/key.pem"), mode_of(entry + "/cert.pem")), (0o600, 0o644))

    def test_an_entry_that_was_given_away_is_its_owners(self):
        entry = self.mount.entry("machine", "given")
        os.chown(entry, USER, GROUP)
        self.assertEqual(as_user(USER, GROUP, WRITE, entry + "/key.pem", self.key_source), "written")
        self.assertEqual(as_user(USER, GROUP, WRITE, entry + "/cert.pem", self.source), "written")
        found = os.stat(entry + "/key.pem")
        self.assertEqual((found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)), (USER, GROUP, 0o600))
        self.assertEqual(as_user(USER, GROUP, READ, entry + "/key.pem"), str(len(pki.read(self.key))))
        # chmod is the owner's, chown is not.
        self.assertEqual(as_user(STRANGER, STRANGER, "os.chmod(sys.argv[1],0o600)", entry + "/cert.pem"), "EPERM")
        self.assertEqual(as_user(USER, GROUP, "os.chmod(sys.argv[1],0o640)\nprint('done')", entry + "/cert.pem"), "done")
        self.assertEqual(as_user(USER, GROUP, "os.chown(sys.argv[1],0,0)", entry + "/cert.pem"), "EPERM")
        self.assertEqual(as_user(USER, GROUP, "os.unlink(sys.argv[1])\nprint('gone')", entry + "/cert.pem"), "gone")

    def test_only_root_removes_trusted_roots_whoever_owns_them(self):
        self.trust_root()
        entry = self.mount.at("stores/TRUSTED_ROOTS/test-root")
        os.chown(entry, USER, GROUP)
        self.assertEqual(as_user(USER, GROUP, "os.unlink(sys.argv[1])", entry + "/cert.pem"), "EPERM")
        os.chown(self.mount.at("stores/TRUSTED_ROOTS"), USER, GROUP)
        self.assertEqual(as_user(USER, GROUP, "os.rename(sys.argv[1],sys.argv[1]+'2')", entry), "EPERM")
        os.unlink(entry + "/cert.pem")
        os.rmdir(entry)

    def test_why_tells_each_user_their_own(self):
        entry = self.mount.entry("machine", "reasons")
        os.chown(entry, USER, GROUP)
        garbage = pki.write(os.path.join(self.work, "garbage"), b"garbage\n")
        self.assertEqual(as_user(USER, GROUP, WRITE, entry + "/cert.pem", garbage), "EINVAL")
        show = "print(open(sys.argv[1]).read())"
        why = self.mount.at("status/why")
        self.assertIn(f"stores/machine/reasons/cert.pem: malformed: unreadable", as_user(USER, GROUP, show, why))
        self.assertEqual(as_user(STRANGER, STRANGER, show, why), "")
        self.assertIn(f"uid {USER}", self.mount.errors().splitlines()[-1])


if __name__ == "__main__":
    harness.main()
