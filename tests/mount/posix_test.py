"""Goal: what users of a filesystem may rely on holds in the directories of stores and entries: which error comes first, what an open file
keeps, which times move. Method: the same calls on the mount and on a tmpfs of the same shape, as root, as the owner and as a stranger; where
the two differ, a table says so and why."""

import ctypes
import os
import shutil
import socket
import stat
import time

import harness
import pki
from harness import errno_of, put, run

OWNER, STRANGER = 61001, 61003
USERS = {"root": 0, "owner": OWNER, "stranger": STRANGER}
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
AT_FDCWD = -100

libc = ctypes.CDLL(None, use_errno=True)


def rename_with(flags):
    def rename(old, new):
        if libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return rename


def described(row):
    """What a row does, for messages."""
    action, *paths = row
    return " ".join([getattr(action, "__qualname__", "?").split(".")[0], *(path if len(path) < 40 else path[:40] + "…" for path in paths)])


def opened(flags, then=None):
    def open_it(path):
        descriptor = os.open(path, flags, 0o644)
        try:
            if then:
                then(descriptor)
        finally:
            os.close(descriptor)
    return open_it


def bound_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)


def as_user(uid, action):
    """The errno with which `action` fails for `uid`, by name; None when it succeeds."""
    groups, here = os.getgroups(), os.getcwd()
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, 0)
        os.setresuid(uid, uid, 0)
    try:
        return errno_of(action)
    finally:
        if uid:
            os.setresuid(0, 0, 0)
            os.setresgid(0, 0, 0)
            os.setgroups(groups)
        os.chdir(here)


LONG = "x" * 256  # No filesystem here has names of this length.
W, R, RW = os.O_WRONLY, os.O_RDONLY, os.O_RDWR

# What is done, to which paths below the directory of stores. `E` is an entry with a certificate and a key, `O` another, `N` an empty one;
# all belong to OWNER, as does their store.
STORE, E, O, N, LINK = "mine", "mine/web", "mine/other", "mine/empty", "TRUSTED_ROOT_CRLS"
C, K = E + "/cert.pem", E + "/key.pem"
ROWS = [
    (os.mkdir, E), (os.mkdir, STORE), (os.mkdir, C), (os.mkdir, C + "/x"), (os.mkdir, "mine/none/x"), (os.mkdir, E + "/."), (os.mkdir, E + "/.."),
    (os.mkdir, "mine/" + LONG), (os.mkdir, LONG), (os.mkdir, E + "/" + LONG), (os.mkdir, "mine/" + "y/" * 2100), (os.mkdir, LINK), (os.mkdir, ""),
    (os.rmdir, E), (os.rmdir, STORE), (os.rmdir, "mine/none"), (os.rmdir, C), (os.rmdir, C + "/x"), (os.rmdir, E + "/."), (os.rmdir, E + "/.."),
    (os.rmdir, LINK), (os.rmdir, "mine/" + LONG), (os.rmdir, E + "/none"), (os.rmdir, "none"),
    (os.unlink, E), (os.unlink, STORE), (os.unlink, E + "/none"), (os.unlink, C + "/"), (os.unlink, C + "/x"), (os.unlink, E + "/."),
    (os.unlink, E + "/" + LONG), (os.unlink, "none"), (os.unlink, E + "/"),
    (opened(W | os.O_CREAT | os.O_EXCL), C), (opened(R | os.O_CREAT | os.O_EXCL), C), (opened(W | os.O_CREAT | os.O_EXCL), E),
    (opened(W | os.O_CREAT | os.O_EXCL), LINK), (opened(R | os.O_CREAT), C), (opened(R | os.O_EXCL), C),
    (opened(W | os.O_CREAT), E), (opened(R | os.O_CREAT), E), (opened(W), E), (opened(RW), E), (opened(R | os.O_TRUNC), E), (opened(R), E), (opened(R), STORE),
    (opened(R | os.O_DIRECTORY), C), (opened(R | os.O_DIRECTORY), E), (opened(R | os.O_DIRECTORY | os.O_CREAT), C), (opened(R | os.O_NOFOLLOW), LINK),
    (opened(W), C + "/x"), (opened(R), C + "/x"), (opened(R), C + "/"), (opened(W | os.O_CREAT), C + "/"), (opened(W | os.O_CREAT), E + "/none/"),
    (opened(R), E + "/none"), (opened(W), E + "/none"), (opened(R), E + "/" + LONG), (opened(W | os.O_CREAT), E + "/" + LONG), (opened(R), "mine/none/cert.pem"),
    (opened(os.O_PATH), C), (opened(os.O_PATH), K), (opened(R | os.O_NOATIME), C), (opened(R), C), (opened(R), K), (opened(W), C), (opened(RW), C), (opened(RW), K),
    (opened(W | os.O_APPEND), C), (opened(R | os.O_DIRECT), C), (opened(W | os.O_SYNC), C), (opened(R | os.O_NONBLOCK), C), (opened(R | os.O_TMPFILE), E),
    (opened(W | os.O_TMPFILE), C),
    (opened(R, lambda file: os.write(file, b"x")), C), (opened(W, lambda file: os.read(file, 1)), C), (opened(R, lambda file: os.ftruncate(file, 0)), C),
    (opened(R, os.fsync), E), (opened(R, os.fdatasync), E), (opened(R, os.fsync), C), (opened(W, os.fsync), C), (opened(R, lambda file: os.read(file, 1)), E),
    (opened(R, lambda file: os.posix_fallocate(file, 0, 9)), C), (opened(os.O_PATH, lambda file: os.read(file, 1)), C),
    (opened(os.O_PATH, lambda file: os.fchmod(file, 0o600)), C), (opened(R, lambda file: os.lseek(file, -1, 0)), C), (opened(R, lambda file: os.pread(file, 1, -1)), C),
    (rename_with(0), "mine/none", "mine/new"), (rename_with(0), E, E), (rename_with(0), E, E + "/x"), (rename_with(0), E, STORE), (rename_with(0), E, C),
    (rename_with(0), C, E), (rename_with(0), C, O), (rename_with(0), C, C), (rename_with(0), E + "/.", "mine/new"), (rename_with(0), E, "mine/" + LONG),
    (rename_with(0), E + "/none", C), (rename_with(0), E, "mine/none/new"), (rename_with(0), E, C + "/new"), (rename_with(0), "mine/" + LONG, E), (rename_with(0), C, C + "/"),
    (rename_with(NOREPLACE), E, O), (rename_with(NOREPLACE), E, E), (rename_with(NOREPLACE), C, K), (rename_with(NOREPLACE), "mine/none", O),
    (rename_with(EXCHANGE), E, "mine/none"), (rename_with(NOREPLACE | EXCHANGE), E, O),
    (rename_with(1 << 7), E, O), (rename_with(0), STORE, E), (rename_with(0), STORE, STORE), (rename_with(0), LINK, LINK),
    (os.link, C, K), (os.link, E, "mine/new"), (os.link, E + "/none", E + "/crl.pem"), (os.link, C, E), (os.link, C, E + "/" + LONG),
    (os.symlink, C), (os.symlink, E), (os.symlink, "mine/none/x"), (os.symlink, C + "/x"),
    (os.mkfifo, C), (bound_socket, C),
    (lambda path: os.mknod(path, stat.S_IFREG | 0o600), C),
    (lambda path: os.truncate(path, 0), E), (lambda path: os.truncate(path, 0), E + "/none"), (lambda path: os.truncate(path, 0), C + "/x"), (lambda path: os.truncate(path, -1), C),
    (os.readlink, C), (os.readlink, E), (os.readlink, LINK), (os.listdir, C), (os.listdir, E), (os.listdir, E + "/none"), (os.chdir, C), (os.chdir, E),
    (os.stat, E + "/" + LONG), (os.stat, "mine/" + LONG), (os.stat, LONG), (os.stat, C + "/x"), (os.stat, C + "/"), (os.stat, E + "/"), (os.stat, "mine/none/x"), (os.stat, C), (os.stat, K), (os.statvfs, C),
    (lambda path: os.chmod(path, 0o644), C), (lambda path: os.chmod(path, 0o600), K), (lambda path: os.chmod(path, 0o755), E), (lambda path: os.chmod(path, 0o644), E + "/none"),
    (lambda path: os.chmod(path, 0o644), C + "/x"), (lambda path: os.chown(path, OWNER, -1), C), (lambda path: os.chown(path, -1, OWNER), C), (lambda path: os.chown(path, STRANGER, -1), E + "/none"),
    (lambda path: os.utime(path), C), (lambda path: os.utime(path, (1, 1)), C), (lambda path: os.utime(path, (1, 1)), E + "/none"), (lambda path: os.utime(path, (1, 1)), E),
    (lambda path: None if os.access(path, os.W_OK) else os.stat(path + "/"), C), (os.listxattr, C),
]

# Where we are not as tmpfs is: what it answers, what we answer instead, why, and the rows. Whoever gets another answer there gets it here.
DIFFERENT = [
    (None, "ENOTSUP", "no file without a name", [(opened(W | os.O_TMPFILE), E)]),
    ("ENOTEMPTY", "EEXIST", "an alias is taken; POSIX allows both", [(rename_with(0), E, O)]),
    (None, "EEXIST", "an alias is taken, by an empty entry, too", [(rename_with(0), E, N)]),
    (None, "EINVAL", "names cannot be exchanged", [(rename_with(EXCHANGE), E, O), (rename_with(WHITEOUT), E, "mine/new"), (rename_with(NOREPLACE | WHITEOUT), E, "mine/new")]),
    (None, "EPERM", "an entry holds files of four names, and a store entries", [
        (os.symlink, "mine/new"), (os.mkfifo, "mine/new"), (os.mkfifo, E + "/crl.pem"), (bound_socket, E + "/crl.pem"), (bound_socket, "mine/new"),
        (lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3)), E + "/crl.pem"), (os.mkdir, E + "/sub"), (opened(W | os.O_CREAT), "mine/file"),
        (opened(W | os.O_CREAT), E + "/crl.pem"), (opened(W | os.O_CREAT), "file"), (rename_with(0), E, "web"), (rename_with(0), E, O + "/web"), (rename_with(0), C, "mine/cert.pem")]),
    (None, "EPERM", "a writer never touches what readers hold", [(lambda path: os.truncate(path, 0), C), (lambda path: os.truncate(path, 9), K)]),
    (None, "EPERM", "key material is nobody else's", [(lambda path: os.chmod(path, 0o604), K), (lambda path: os.chmod(path, 0o666), K)]),
    ("ENODATA", "ENOTSUP", "no such attributes", [(lambda path: os.getxattr(path, "user.none"), C), (lambda path: os.removexattr(path, "user.none"), C)]),
    (None, "ENOTSUP", "no such attributes", [(lambda path: os.setxattr(path, "trusted.x", b""), C), (lambda path: os.setxattr(path, "user.x", b""), C)]),
]


class Trees(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = os.path.join(cls.work, "tmpfs")
        os.mkdir(cls.plain)
        os.chmod(cls.work, 0o755)
        if run("mount", "-t", "tmpfs", "-o", "mode=755", "posix-test", cls.plain).returncode:
            raise RuntimeError("no tmpfs can be mounted to compare with")
        cls.addClassCleanup(run, "umount", "-l", cls.plain)
        cls.ours = cls.mount.at("stores")

    def fill(self, root):
        """The same tree in both."""
        if root == self.plain:
            for name in os.listdir(root):
                path = os.path.join(root, name)
                shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
            os.mkdir(root + "/TRUSTED_ROOTS_CRLS")
            os.symlink("TRUSTED_ROOTS_CRLS", root + "/" + LINK)
        elif os.path.exists(f"{root}/{STORE}"):
            for entry in os.listdir(f"{root}/{STORE}"):
                shutil.rmtree(f"{root}/{STORE}/{entry}")
            os.rmdir(f"{root}/{STORE}")
        for directory in (STORE, E, O, N):
            os.mkdir(f"{root}/{directory}", 0o755)
        for entry in (E, O):
            for name, data, mode in (("key.pem", pki.read(self.key), 0o600), ("cert.pem", self.leaf, 0o644)):
                put(f"{root}/{entry}/{name}", data)
                os.chmod(f"{root}/{entry}/{name}", mode)
        for path in (STORE, E, O, N, C, K, O + "/cert.pem", O + "/key.pem"):
            os.chown(f"{root}/{path}", OWNER, OWNER)

    def outcome(self, root, row, uid):
        action, *paths = row
        target = [path if path == "" else os.path.join(root, path) for path in paths]
        if action is os.symlink:
            target = ["somewhere", *target]
        return as_user(uid, lambda: action(*target))


class Errors(Trees):
    def compare(self, row, expect):
        """Runs a row on both sides as each of USERS."""
        for who, uid in USERS.items():
            self.fill(self.plain)
            plain, ours = self.outcome(self.plain, row, uid), self.outcome(self.ours, row, uid)
            with self.subTest(described(row), row=row[1:], who=who, plain=plain):
                self.assertEqual(ours, expect(plain))

    def setUp(self):
        self.fill(self.ours)

    def tearDown(self):
        super().tearDown()
        # None of the rows changed anything here.
        self.assertEqual(sorted(os.listdir(self.ours + "/" + STORE)), ["empty", "other", "web"])
        for entry in (E, O):
            self.assertEqual(sorted(os.listdir(f"{self.ours}/{entry}")), ["cert.pem", "key.pem"])
            self.assertEqual(pki.read(f"{self.ours}/{entry}/cert.pem"), self.leaf)

    def test_it_fails_as_on_tmpfs(self):
        self.assertGreater(len(ROWS), 150)
        for row in ROWS:
            self.compare(row, lambda plain: plain)

    def test_what_differs_is_said(self):
        for theirs, instead, _, rows in DIFFERENT:
            for row in rows:
                self.compare(row, lambda plain: instead if plain == theirs else plain)
                # And it differs for root at least: else the row belongs to ROWS.
                self.fill(self.plain)
                self.assertEqual(self.outcome(self.plain, row, 0), theirs, described(row))

    def test_no_name_is_longer_than_statfs_says(self):
        longest = os.statvfs(self.ours).f_namemax
        self.assertEqual(longest, 255)
        for directory in ("", STORE, E, N, "../status", ".."):
            path = os.path.join(self.ours, directory)
            self.assertEqual(errno_of(os.stat, path + "/" + "x" * (longest + 1)), "ENAMETOOLONG", directory)
        alias, store = "a" * 120, "s" * 128
        os.makedirs(f"{self.ours}/{store}/{alias}")
        try:
            other = self.mount.entry("machine", alias)
            for entry in (other, f"{self.ours}/{store}/{alias}"):
                put(entry + "/cert.pem", self.leaf)
                put(entry + "/cert.pem", self.chain)
            kept = max(os.listdir(self.ours + "/BACKUP_STORE"), key=len)
            self.assertEqual(len(kept), 253)  # bkp_, the alias, @, the store
            self.assertEqual(pki.read(f"{self.ours}/BACKUP_STORE/{kept}/cert.pem"), self.leaf)
        finally:
            shutil.rmtree(f"{self.ours}/{store}")

    def test_statfs_shows_what_is_used(self):
        for uid in USERS.values():
            self.assertIsNone(as_user(uid, lambda: os.statvfs(self.ours)))
        before = os.statvfs(self.ours)
        self.assertTrue(0 < before.f_bavail <= before.f_bfree < before.f_blocks)
        secrets = [self.mount.entry("APPLMGMT_PASSWORD", f"room{i}") for i in range(4)]
        for entry in secrets:
            put(entry + "/secret", os.urandom(1 << 20))
        after = os.statvfs(self.ours)
        self.assertEqual(after.f_blocks, before.f_blocks)
        self.assertGreaterEqual(before.f_bfree - after.f_bfree, (4 << 20) // before.f_frsize)


class Times(Trees):
    """Which times move: [what is done, and what of it is said to differ]. Paths are those of the tables above; m is mtime, c is ctime."""

    def test_the_same_times_move_as_on_tmpfs(self):
        renewed = self.issuing.issue("localhost", self.key)
        both = {C: "mc", K: "mc"}  # Rule 14: a commit sets one mtime on both members.

        def synced(path):
            opened(W | os.O_TRUNC, lambda file: (os.write(file, renewed), os.fsync(file)))(path)

        steps = [
            ("read", lambda at: pki.read(at(C)), None), ("list", lambda at: os.listdir(at(E)), None), ("stat", lambda at: os.stat(at(K)), None),
            ("replace", lambda at: put(at(C), renewed), both), ("fsync", lambda at: synced(at(C)), both),
            ("append", lambda at: opened(W | os.O_APPEND, lambda file: os.write(file, b"# more\n"))(at(C)), both),
            ("open and close", lambda at: opened(W)(at(C)), None), ("the same bytes", lambda at: put(at(C), self.leaf), {}),
            ("create", lambda at: put(at(N) + "/cert.pem", self.leaf), None),
            ("unlink", lambda at: os.unlink(at(C)), None), ("unlink the key", lambda at: os.unlink(at(K)), None),
            ("mkdir", lambda at: os.mkdir(at("mine/new")), None), ("rmdir", lambda at: os.rmdir(at(N)), None), ("mkdir in an entry", lambda at: os.mkdir(at(E) + "/next"), None),
            ("rename", lambda at: os.rename(at(N), at("mine/moved")), None), ("rename a full one", lambda at: os.rename(at(O), at("mine/moved")), None),
            ("refused", lambda at: (errno_of(os.mkdir, at(E)), errno_of(os.rmdir, at(E)), errno_of(os.unlink, at(E) + "/none")), None),
            ("chmod", lambda at: os.chmod(at(C), 0o640), None), ("chmod to the same", lambda at: os.chmod(at(C), 0o644), None),
            ("chmod an entry", lambda at: os.chmod(at(E), 0o750), None), ("chmod a store", lambda at: os.chmod(at(STORE), 0o750), None),
            ("chown", lambda at: os.chown(at(C), 5, 5), None), ("chown an entry", lambda at: os.chown(at(E), 5, 5), None),
            ("utime", lambda at: os.utime(at(C), (1, 1)), None), ("utime the key", lambda at: os.utime(at(K), (1, 1)), None), ("touch", lambda at: os.utime(at(C)), None),
            ("utime an entry", lambda at: os.utime(at(E), (1, 1)), None), ("utime a store", lambda at: os.utime(at(STORE), (1, 1)), None),
            ("a store comes", lambda at: os.mkdir(at("another")), None), ("a store goes", lambda at: os.rmdir(at("another")), None),
            ("a store is renamed", lambda at: (os.mkdir(at("another")), os.rename(at("another"), at("renamed")), os.rmdir(at("renamed"))), None),
        ]
        for name, step, different in steps:
            moved = []
            for root in (self.plain, self.ours):
                if name != "a store goes":
                    self.fill(root)
                time.sleep(0.012)  # tmpfs has the time of the last tick.
                before = self.times(root)
                step(lambda path: os.path.join(root, path))
                moved.append({path: "".join(which for which, old, new in zip("mc", before[path], now) if old != new)
                              for path, now in self.times(root).items() if before.get(path, now) != now})
            with self.subTest(name):
                self.assertEqual(moved[1], moved[0] if different is None else different)

    def times(self, root):
        found = {}
        for path in ("", STORE, E, O, N, C, K):
            try:
                status = os.stat(os.path.join(root, path))
            except FileNotFoundError:
                continue
            found[path] = (status.st_mtime_ns, status.st_ctime_ns)
        return found

    def test_what_is_fixed_keeps_its_times(self):
        """They move at the mount, and not by themselves."""
        paths = [self.mount.path, self.mount.at("stores"), self.mount.at("status"), self.mount.at("stores", LINK)]
        before = [os.lstat(path).st_mtime_ns for path in paths]
        self.mount.unmount()
        self.mount.mount()
        again = [os.lstat(path).st_mtime_ns for path in paths]
        self.assertTrue(all(old < new for old, new in zip(before, again)))
        time.sleep(1.1)  # The kernel asks again after a second.
        self.assertEqual([os.lstat(path).st_mtime_ns for path in paths], again)


class Objects(Trees):
    def setUp(self):
        self.fill(self.ours)

    def at(self, path):
        return os.path.join(self.ours, path)

    def test_of_two_that_make_a_file_exclusively_the_first_one_wins(self):
        """tmpfs tells the second at its open. Here it is no file before it is committed, and who comes second is told then."""
        exclusively = W | os.O_CREAT | os.O_EXCL
        make = opened(exclusively, lambda file: os.write(file, self.leaf))
        for uid in (0, OWNER):
            # A new entry each time: who removes a file and makes it again replaces it (contract rule 4), which is not making it.
            target = self.at(f"mine/for{uid}") + "/cert.pem"
            os.mkdir(os.path.dirname(target))
            os.chown(os.path.dirname(target), OWNER, OWNER)
            mine = os.open(target, exclusively)
            self.assertIsNone(as_user(uid, lambda: make(target)))
            os.write(mine, self.chain)
            self.assertEqual(errno_of(os.close, mine), "EEXIST")
            self.assertEqual((pki.read(target), os.stat(target).st_uid), (self.leaf, uid))
            self.assertIn("another process has made it meanwhile", self.mount.why().splitlines()[-1])
            self.assertEqual(errno_of(os.open, target, exclusively), "EEXIST")
        # rsync, install and mktemp make one after the other with O_EXCL, and remove in between.
        for data in (self.chain, self.leaf):
            os.unlink(target)
            opened(exclusively, lambda file: os.write(file, data))(target)
            self.assertEqual(pki.read(target), data)

    def test_a_file_that_is_removed_stays_with_who_has_it_open(self):
        for path, bytes_of in ((C, self.leaf), (K, pki.read(self.key))):
            with open(self.at(path), "rb") as file:
                os.unlink(self.at(path))
                status = os.fstat(file.fileno())
                self.assertEqual((status.st_nlink, status.st_size, file.read()), (0, len(bytes_of), bytes_of))
                # fs/README.md, Superseded revisions.
                self.assertEqual(errno_of(os.fchmod, file.fileno(), 0o600), "ENOENT")
            self.assertFalse(os.path.exists(self.at(path)))

    def test_a_directory_that_is_removed(self):
        here = os.getcwd()
        os.chdir(self.at(N))
        try:
            os.rmdir(self.at(N))
            self.assertEqual([errno_of(put, "cert.pem", self.leaf), errno_of(os.mkdir, "next"), errno_of(os.getcwd)], ["ENOENT"] * 3)
            self.assertEqual((errno_of(os.listdir, "."), errno_of(os.stat, ".")), ("ESTALE", "ESTALE"))
        finally:
            os.chdir(here)

    def test_an_entry_that_is_renamed_stays_with_who_is_in_it(self):
        here = os.getcwd()
        os.chdir(self.at(E))
        try:
            with open("key.pem", "rb") as file:
                os.rename(self.at(E), self.at("mine/moved"))
                self.assertEqual((file.read(), pki.read("cert.pem")), (pki.read(self.key), self.leaf))
                self.assertEqual(os.getcwd(), self.at("mine/moved"))
                put("cert.pem", self.chain)
                self.assertEqual(pki.read(self.at("mine/moved/cert.pem")), self.chain)
        finally:
            os.chdir(here)

    def test_appending_is_at_the_end(self):
        descriptor = os.open(self.at(C), os.O_WRONLY | os.O_APPEND)
        os.pwrite(descriptor, b"# one\n", 0)  # pwrite(2), BUGS: on Linux it appends.
        os.write(descriptor, b"# two\n")
        os.close(descriptor)
        self.assertEqual(pki.read(self.at(C)), self.leaf + b"# one\n# two\n")

    def test_modes_and_groups_of_what_is_made(self):
        """The bits of mkdir and umask, and the group of a directory that hands its group down: as on tmpfs."""
        group = 61007
        for directory_mode in (0o755, 0o1777, 0o2775, 0o7777):
            for mode, mask in ((0o777, 0o022), (0o7777, 0o027), (0o700, 0)):
                made = []
                for root in (self.plain, self.ours):
                    self.fill(root)
                    os.chown(f"{root}/{STORE}", 0, group)
                    os.chmod(f"{root}/{STORE}", directory_mode)
                    before = os.umask(mask)
                    try:
                        os.mkdir(f"{root}/mine/new", mode)
                        os.mkdir(f"{root}/mine/new/next", mode)
                    finally:
                        os.umask(before)
                    put(f"{root}/mine/new/cert.pem", self.leaf)
                    put(f"{root}/mine/new/next/cert.pem", self.leaf)
                    # As editors, rsync and install write.
                    put(f"{root}/mine/new/tmp.key", pki.read(self.key))
                    os.rename(f"{root}/mine/new/tmp.key", f"{root}/mine/new/key.pem")
                    paths = ("", "/mine", "/mine/new", "/mine/new/next", "/mine/new/cert.pem", "/mine/new/next/cert.pem", "/mine/new/key.pem")
                    status = [os.stat(root + path) for path in paths]
                    made.append([(path, each.st_uid, each.st_gid, oct(each.st_mode) if stat.S_ISDIR(each.st_mode) else None)
                                 for path, each in zip(paths, status)])
                with self.subTest(directory=oct(directory_mode), mode=oct(mode), umask=oct(mask)):
                    self.assertEqual(made[1], made[0])

    def test_a_listing_has_each_name_once_while_others_come_and_go(self):
        staying = {f"stays{i}" for i in range(harness.rounds(200))}
        for name in staying:
            os.mkdir(self.at("mine/" + name))
        for i in range(3):
            for j in range(60):
                os.mkdir(self.at(f"mine/goes{j}"))
            listed = []
            with os.scandir(self.at(STORE)) as listing:
                for number, item in enumerate(listing):
                    listed.append(item.name)
                    if number % 5 == 0 and number // 5 < 60:
                        os.rmdir(self.at(f"mine/goes{number // 5}"))
                        os.mkdir(self.at(f"mine/comes{i}-{number}"))
            self.assertEqual(len(listed), len(set(listed)), f"round {i}")
            self.assertLessEqual(staying, set(listed))
            for name in os.listdir(self.at(STORE)):
                if name.startswith(("goes", "comes")):
                    os.rmdir(self.at("mine/" + name))


if __name__ == "__main__":
    harness.main()
