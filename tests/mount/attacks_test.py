"""Goal: an unprivileged user with a shell on the machine gets nothing of others, and stops nobody else. Method: a list of what such users try, each
tried in a process of that user and judged by its errno; before it, while it lasts and after it an honest reader, an honest writer and another
user do their work. The attacker has what a service may have: an entry of his own, in which he may do what he likes."""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import select
import signal
import socket
import stat
import struct
import sys
import threading
import time
import unittest

import harness
import pki
from harness import errno_of, put, run

ATTACKER, OTHER, STRANGER = 61001, 61002, 61003
MIB = 1 << 20

libc = ctypes.CDLL(None, use_errno=True)


def system_call(name, *arguments):
    """A function of the C library, or a system call by its number; raises OSError as Python's own do."""
    returned = libc.syscall(name, *arguments) if isinstance(name, int) else getattr(libc, name)(*arguments)
    if returned < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return returned


def raise_limit():
    """As anybody may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Other:
    """A process of somebody else that runs a function and says what that returned (JSON). It may be told to go on, and keeps what it has open
    until the block ends."""

    def __init__(self, uid, work, *arguments):
        self.out, out = os.pipe()
        go, self.go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.out)
                os.close(self.go)
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
                os.chdir("/")

                def say(value):
                    os.write(out, json.dumps(value).encode() + b"\n")
                    os.read(go, 1)

                say(work(*arguments, **({"hold": say} if "hold" in work.__code__.co_varnames[:work.__code__.co_argcount] else {})))
                os._exit(0)
            except BaseException as error:  # Whatever it is, the test says it.
                os.write(out, json.dumps({"failed": repr(error)}).encode() + b"\n")
                os._exit(1)
        os.close(out)
        os.close(go)
        self.rest = b""

    def says(self, seconds=60):
        deadline = time.monotonic() + seconds
        while b"\n" not in self.rest:
            if not select.select([self.out], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError("nobody answered")
            got = os.read(self.out, 1 << 20)
            if not got:
                raise AssertionError("it ended without a word")
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        value = json.loads(line)
        if isinstance(value, dict) and "failed" in value:
            raise AssertionError(value["failed"])
        return value

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        os.close(self.go)
        os.close(self.out)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def as_user(uid, work, *arguments):
    with Other(uid, work, *arguments) as other:
        return other.says()


def kept_open(take, most=8192):
    """How many files somebody gets who keeps all of them open, by `take`, which adds one to its list; and by which errno one was refused."""
    raise_limit()
    handles, refused = [], None
    while refused is None and len(handles) < most:
        refused = errno_of(take, handles)
    return [len(handles), refused]


def outcomes(attempts):
    """What each of these came to: its errno, or "done"."""
    return {name: errno_of(attempt) or "done" for name, attempt in attempts.items()}


class Attacks(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.victim = cls.mount.entry("machine", "victim")
        put(cls.victim + "/key.pem", pki.read(cls.key))
        put(cls.victim + "/cert.pem", cls.chain)
        cls.key_bytes = pki.read(cls.key)
        cls.honest = cls.mount.entry("APPLMGMT_PASSWORD", "honest") + "/secret"
        put(cls.honest, b"0")
        cls.theirs = cls.owned("theirs", ATTACKER)
        cls.others = cls.owned("others", OTHER)
        cls.daemon = cls.mount.pid()

    @classmethod
    def owned(cls, alias, uid):
        path = cls.mount.entry("machine", alias)
        os.chown(path, uid, uid)
        return path

    def setUp(self):
        self.assert_others_go_on()
        self.addCleanup(self.assert_others_go_on)
        self.addCleanup(self.clear)

    def clear(self):
        """What he left in his entry, for the next test to begin anew."""
        def work(theirs):
            for name in os.listdir(theirs):
                os.rmdir(theirs + "/" + name) if os.path.isdir(theirs + "/" + name) else os.unlink(theirs + "/" + name)
            return len(os.listdir(theirs))

        self.assertEqual(as_user(ATTACKER, work, self.theirs), 0)

    def assert_others_go_on(self):
        """A reader, a writer and another user, within a time that nobody would call stopped."""
        text = b"%d" % time.monotonic_ns()

        def work(key, honest, mine, text):
            assert pki.read(key + "/cert.pem")
            put(mine + "/.probe.tmp", text)
            assert pki.read(mine + "/.probe.tmp") == text
            os.unlink(mine + "/.probe.tmp")
            return "well"

        result = {}

        def root():
            result["key"] = pki.read(self.victim + "/key.pem")
            put(self.honest, text)
            result["secret"] = pki.read(self.honest)

        with Other(OTHER, work, self.victim, self.honest, self.others, text) as other:
            thread = threading.Thread(target=root, daemon=True)
            thread.start()
            self.assertEqual(other.says(20), "well")
            thread.join(20)
            self.assertEqual(result, {"key": self.key_bytes, "secret": text})
        self.assertEqual(self.mount.pid(), self.daemon)

    def assert_all(self, answers, *allowed):
        self.assertEqual({name: answer for name, answer in answers.items() if answer not in allowed}, {})

    def held(self, work, *arguments, rounds=3, meanwhile=lambda i: None):
        """What the attacker says. While he holds what he has, the others go on."""
        with Other(ATTACKER, work, *arguments) as attacker:
            said = attacker.says(300)
            for i in range(rounds):
                meanwhile(i)
                self.assert_others_go_on()
        return said

    def renew(self, i):
        put(self.victim + "/cert.pem", b"# %d\n" % i + self.leaf)

    # --- What is somebody else's

    def test_keys_of_others_by_every_name(self):
        def work(victim, mount):
            paths = [victim + "/key.pem", f"{mount}/export/machine/victim/combined.pem", f"{mount}/export/machine/victim/keystore.p12",
                     f"{mount}/export/machine/store.p12", f"{mount}/export/vmo-server.vmokeystore", f"{mount}/backup/keystore.cms",
                     f"{mount}/backup/ca.p12", f"{mount}/status/audit.jsonl", f"{mount}/status/errors.log", f"{mount}/ca/control",
                     f"{mount}/stores/APPLMGMT_PASSWORD/honest/secret", f"{mount}/stores/BACKUP_STORE/bkp_victim/key.pem"]
            return outcomes({f"{path} {flags}": lambda path=path, flags=flags: os.open(path, flags) for path in paths
                             for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_NOATIME)})

        self.assert_all(as_user(ATTACKER, work, self.victim, self.mount.path), "EACCES", "EPERM", "EROFS")

    def test_a_key_by_ways_around_its_name(self):
        def work(victim):
            key = victim + "/key.pem"
            path_only = os.open(key, os.O_PATH)
            handle = ctypes.create_string_buffer(struct.pack("II", 128, 0) + bytes(128))
            named = {"name_to_handle_at": lambda: system_call("name_to_handle_at", -100, key.encode(), handle, ctypes.byref(ctypes.c_int()), 0)}
            return outcomes({
                "reopened": lambda: os.open(f"/proc/self/fd/{path_only}", os.O_RDONLY),
                "reopened to write": lambda: os.open(f"/proc/self/fd/{path_only}", os.O_WRONLY),
                "open_by_handle_at": lambda: [errno_of(named["name_to_handle_at"]), system_call("open_by_handle_at", os.open(victim, os.O_RDONLY), handle, 0)],
                "truncate": lambda: os.truncate(key, 0), "chmod": lambda: os.chmod(key, 0o666), "chown": lambda: os.chown(key, ATTACKER, -1),
                "utime": lambda: os.utime(key, (0, 0)), "unlink": lambda: os.unlink(key), "rename": lambda: os.rename(key, victim + "/.x"),
                "copy beside": lambda: os.link(key, victim + "/.x"), "symlink": lambda: os.symlink("x", victim + "/.y"),
                "mkdir": lambda: os.mkdir(victim + "/next"), "scratch": lambda: os.open(victim + "/.scratch", os.O_CREAT | os.O_WRONLY),
                "acl": lambda: os.setxattr(key, "system.posix_acl_access", struct.pack("<I", 2)),
                "acl removed": lambda: os.removexattr(key, "system.posix_acl_access"),
                "default acl": lambda: os.setxattr(victim, "system.posix_acl_default", struct.pack("<I", 2)),
            })

        self.assert_all(as_user(ATTACKER, work, self.victim), "EACCES", "EPERM", "ENOTSUP")
        self.assertEqual(pki.read(self.victim + "/key.pem"), self.key_bytes)

    def test_a_key_linked_or_renamed_into_ones_own_directory(self):
        """Also where the machine lets everybody link what he cannot write (fs.protected_hardlinks=0)."""
        def work(victim, theirs):
            answers = outcomes({
                "link": lambda: os.link(victim + "/key.pem", theirs + "/.linked"),
                "link live": lambda: os.link(victim + "/key.pem", theirs + "/key.pem"),
                "rename": lambda: os.rename(victim + "/key.pem", theirs + "/.renamed"),
                "exchange": lambda: system_call("renameat2", -100, (victim + "/key.pem").encode(), -100, (theirs + "/.mine").encode(), 2),
            })
            answers.update(outcomes({"read " + name: lambda name=name: open(theirs + "/" + name, "rb").read() for name in os.listdir(theirs)}))
            return answers

        as_user(ATTACKER, lambda path: put(path, b"mine"), self.theirs + "/.mine")
        setting = "/proc/sys/fs/protected_hardlinks"
        before = pki.read(setting)
        self.addCleanup(pki.write, setting, before)
        for value in (b"0", b"1"):
            pki.write(setting, value)
            with self.subTest(protected_hardlinks=value):
                answers = as_user(ATTACKER, work, self.victim, self.theirs)
                self.assertEqual(answers.pop("read .mine"), "done")
                # A copy that he was given bears the owner and mode of the key.
                if answers.get("link") == "done":
                    self.assertEqual(os.stat(self.theirs + "/.linked").st_uid if os.path.exists(self.theirs + "/.linked") else 0, 0)
                    answers.pop("link")
                self.assert_all(answers, "EACCES", "EPERM", "EEXIST", "EINVAL", "EXDEV")

    # --- The daemon

    def test_the_daemon_as_a_process(self):
        def work(pid):
            attempts = {name: lambda name=name: open(f"/proc/{pid}/{name}", "rb").read(1) for name in ("mem", "environ", "maps", "smaps", "auxv", "pagemap", "syscall", "stack")}
            attempts |= {link: lambda link=link: os.readlink(f"/proc/{pid}/{link}") for link in ("exe", "cwd", "root", "fd/0", "fd/5")}
            attempts |= {f"signal {number}": lambda number=number: os.kill(pid, number) for number in (0, signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGHUP)}
            attempts |= {"fd": lambda: os.listdir(f"/proc/{pid}/fd"), "attach": lambda: system_call(101, 16, pid, 0, 0),
                         "limits": lambda: resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0)),
                         "oom": lambda: open(f"/proc/{pid}/oom_score_adj", "w").write("1000"),
                         "memory": lambda: open(f"/proc/{pid}/mem", "r+b"), "affinity": lambda: os.sched_setaffinity(pid, [0]),
                         "priority": lambda: os.setpriority(os.PRIO_PROCESS, pid, 19)}
            return outcomes(attempts)

        self.assert_all(as_user(ATTACKER, work, self.daemon), "EACCES", "EPERM")

    def test_the_device_and_the_mountpoint(self):
        def work(mount):
            def over():
                device = os.open("/dev/fuse", os.O_RDWR)
                system_call("mount", b"fuse", mount.encode(), b"fuse", 0, b"fd=%d,rootmode=40000,user_id=0,group_id=0" % device)

            def foreign_answer():
                device = os.open("/dev/fuse", os.O_RDWR)
                os.write(device, struct.pack("IiQ", 16, 0, 1))

            return outcomes({"mount over it": over, "answer for it": foreign_answer, "umount": lambda: system_call("umount2", mount.encode(), 2),
                             "remount": lambda: system_call("mount", b"none", mount.encode(), None, 32, b"")}) | {
                "fusermount3 -u": run("fusermount3", "-u", mount).returncode, "certfs umount": run(harness.CERTFS, "umount", mount).returncode}

        answers = as_user(ATTACKER, work, self.mount.path)
        self.assertNotEqual(answers.pop("fusermount3 -u"), 0)
        self.assertNotEqual(answers.pop("certfs umount"), 0)
        self.assert_all(answers, "EACCES", "EPERM")

    def test_a_name_space_of_ones_own(self):
        """There he is root, and here he is who he was."""
        there = ("setpriv", f"--reuid={ATTACKER}", f"--regid={ATTACKER}", "--clear-groups", "unshare", "-Urm")
        made = run(*there, "true")
        if made.returncode:
            self.skipTest(f"an ordinary user makes no name space here: {made.stderr.strip()}")
        for words in (("cat", self.victim + "/key.pem"), ("chmod", "666", self.victim + "/key.pem"), ("umount", self.mount.path)):
            done = run(*there, *words)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertIn(words[0] + ":", done.stderr)
            self.assertNotIn(self.key_bytes.decode().splitlines()[1], done.stdout)

    def test_abstract_sockets_and_watches(self):
        """Names that the daemon might use are taken first; and who watches much holds up no commit."""
        def work(victim, honest, hold):
            taken = []
            for name in ("certfs", "certfs-waker", "certfs-mounter", "certfs-notify"):
                taken.append(socket.socket(socket.AF_UNIX))
                taken[-1].bind("\0" + name)
            notify = system_call("inotify_init1", os.O_CLOEXEC)
            watched = 0
            for path in [victim, victim + "/cert.pem", victim + "/key.pem", honest] * 2000:
                watched += errno_of(system_call, "inotify_add_watch", notify, path.encode(), 0xFFF) is None
            instances = 0
            while errno_of(system_call, "inotify_init1", os.O_CLOEXEC) is None and instances < 4096:
                instances += 1
            answers = outcomes({"fanotify of all": lambda: system_call("fanotify_init", 4, 0), "lease": lambda: fcntl.fcntl(os.open(victim + "/cert.pem", os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_WRLCK)})
            hold({"watched": watched, "answers": answers})
            return "held"

        said = self.held(work, self.victim, os.path.dirname(self.honest), rounds=5, meanwhile=self.renew)
        put(self.victim + "/cert.pem", self.chain)
        self.assertGreater(said["watched"], 0)
        self.assert_all(said["answers"], "EPERM", "EACCES", "EAGAIN")

    # --- In his own entry, where he may do much

    def test_what_is_no_file(self):
        def work(theirs):
            def bind():
                os.chdir(theirs)
                with socket.socket(socket.AF_UNIX) as bound:
                    bound.bind(".socket")

            return outcomes({"symlink": lambda: os.symlink("/etc/shadow", theirs + "/.link"), "live symlink": lambda: os.symlink("/etc/shadow", theirs + "/key.pem"),
                             "fifo": lambda: os.mkfifo(theirs + "/.fifo"), "device": lambda: os.mknod(theirs + "/.device", 0o666 | stat.S_IFCHR, os.makedev(1, 3)),
                             "socket": bind, "unnamed": lambda: os.open(theirs, os.O_TMPFILE | os.O_RDWR),
                             "directory": lambda: os.mkdir(theirs + "/directory"), "unknown name": lambda: os.open(theirs + "/notes.txt", os.O_CREAT | os.O_WRONLY),
                             "up": lambda: os.open(theirs + "/..certfs/../../victim/key.pem", os.O_RDONLY)})

        answers = as_user(ATTACKER, work, self.theirs)
        self.assertEqual(answers.pop("unnamed"), "ENOTSUP")
        self.assertEqual(answers.pop("up"), "ENOENT")
        self.assert_all(answers, "EPERM")

    def test_names_that_are_long_deep_or_strange(self):
        def work(theirs):
            names = {"256 bytes": "." + "x" * 255, "a line": ".a\nkey.pem", "no UTF-8": ".\udcff\udcfe", "dots": "...", "control": ".\x01\x1b[2J"}
            answers = outcomes({name: lambda each=each: os.close(os.open(theirs + "/" + each, os.O_CREAT | os.O_WRONLY)) for name, each in names.items()})
            answers["path"] = errno_of(os.open, theirs + "/." * 3000, os.O_RDONLY)
            os.mkdir(theirs + "/.deep")
            answers["deeper"] = errno_of(os.mkdir, theirs + "/.deep/.deeper")
            return answers | {"in stores": errno_of(os.mkdir, os.path.dirname(theirs) + "/../mine"), "beside": errno_of(os.mkdir, theirs + "2")}

        answers = as_user(ATTACKER, work, self.theirs)
        self.assertEqual(answers.pop("256 bytes"), "ENAMETOOLONG")
        self.assertEqual(answers.pop("path"), "ENAMETOOLONG")
        for name in ("deeper",):
            self.assertEqual(answers.pop(name), "EPERM")
        for name in ("in stores", "beside"):
            self.assertEqual(answers.pop(name), "EACCES")
        # What is scratch may be called anything, and is nobody else's to see.
        self.assert_all(answers, "done", "EINVAL")
        self.assertEqual(sorted(os.listdir(self.theirs)), [])

    def test_calls_that_files_elsewhere_know(self):
        def work(theirs, key):
            path = theirs + "/key.pem"
            put(path, key)
            file = os.open(path, os.O_RDWR)
            certificate = os.open(os.path.dirname(theirs) + "/victim/cert.pem", os.O_RDONLY)

            def mapped():
                mmap.mmap(file, 64, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)

            def spliced():
                out, into = os.pipe()
                os.write(into, b"x")
                os.splice(out, certificate, 1)

            answers = outcomes({"mmap": mapped, "ioctl": lambda: fcntl.ioctl(file, 0x5401, bytes(64)), "flags": lambda: fcntl.ioctl(file, 0x40086602, struct.pack("l", 0x10)),
                                "clone": lambda: fcntl.ioctl(file, 0x40049409, certificate), "fallocate": lambda: system_call("fallocate", file, 0, ctypes.c_long(0), ctypes.c_long(MIB)),
                                "punch": lambda: system_call("fallocate", file, 3, ctypes.c_long(0), ctypes.c_long(1)),
                                "splice into another's": spliced, "lease": lambda: fcntl.fcntl(certificate, fcntl.F_SETLEASE, fcntl.F_WRLCK),
                                "swap": lambda: system_call("swapon", path.encode(), 0), "execute": lambda: os.execv(path, ["key"]),
                                "quota": lambda: system_call("quotactl", 0x800002 << 8, path.encode(), 0, None), "direct": lambda: os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))})
            answers["statfs"] = errno_of(os.statvfs, path) or "done"
            errno_of(os.close, file)  # Where fallocate is none of a filesystem's calls, the C library writes zeros.
            errno_of(os.unlink, path)
            return answers

        answers = as_user(ATTACKER, work, self.theirs, self.key_bytes)
        self.assertEqual(answers.pop("statfs"), "done")
        self.assertIn(answers.pop("direct"), ("done", "EINVAL"))
        self.assertEqual(answers.pop("mmap"), "ENODEV")
        self.assert_all(answers, "EPERM", "EACCES", "ENOTTY", "ENOTSUP", "EBADF", "EINVAL", "EAGAIN", "ENOSYS", "EXDEV", "ENODEV", "ENOTBLK")

    def test_attributes_huge_unknown_and_malformed(self):
        def work(theirs):
            put(theirs + "/.file", b"x")
            path, answers = theirs + "/.file", {}
            values = {"empty": b"", "short": b"\2\0\0", "version": struct.pack("<I", 9), "half": struct.pack("<IHH", 2, 1, 7), "64 KiB": os.urandom(65536),
                      "nobody": struct.pack("<IHHI", 2, 99, 7, 1), "no mask": struct.pack("<I" + "HHI" * 3, 2, 1, 7, 0xFFFFFFFF, 2, 7, 61003, 32, 7, 0xFFFFFFFF),
                      "many": struct.pack("<I", 2) + b"".join(struct.pack("<HHI", 2, 7, i) for i in range(8000))}
            for name in ("system.posix_acl_access", "system.posix_acl_default"):
                for kind, value in values.items():
                    answers[f"{name} {kind}"] = errno_of(os.setxattr, theirs, name, value) or "done"
            for name in ("user.x", "user.certfs.pid", "user.certfs.store", "user.certfs.confinement", "user.certfs.enforce_revocation", "user." + "x" * 250,
                         "security.capability", "security.selinux", "trusted.x", "system.nfs4_acl", "system.x"):
                for target in (theirs, path):
                    answers[f"{name} of {target}"] = errno_of(os.setxattr, target, name, os.urandom(65536)) or "done"
            os.unlink(path)
            return answers

        answers = as_user(ATTACKER, work, self.theirs)
        # An empty list removes what is not there.
        for name in [name for name in answers if name.endswith(" empty")]:
            self.assertIn(answers.pop(name), ("done", "EINVAL"))
        self.assert_all(answers, "EINVAL", "ENOTSUP", "EPERM", "EACCES", "E2BIG", "ERANGE")
        self.assertEqual(os.listxattr(self.theirs), [])

    def test_lists_of_permissions_give_no_more_than_he_has(self):
        def work(theirs, key):
            entry = lambda tag, bits, who=0xFFFFFFFF: struct.pack("<HHI", tag, bits, who)
            everybody = struct.pack("<I", 2) + entry(1, 7) + entry(2, 7, 61003) + entry(4, 7) + entry(16, 7) + entry(32, 7)
            put(theirs + "/key.pem", key)
            answers = outcomes({"for others on a key": lambda: os.setxattr(theirs + "/key.pem", "system.posix_acl_access", everybody),
                                "mode for others": lambda: os.chmod(theirs + "/key.pem", 0o666), "given away": lambda: os.chown(theirs + "/key.pem", 61003, -1),
                                "another's group": lambda: os.chown(theirs + "/key.pem", -1, 0), "the daemon's": lambda: os.chown(theirs, 0, 0)})
            os.setxattr(theirs, "system.posix_acl_default", everybody)
            os.unlink(theirs + "/key.pem")
            put(theirs + "/key.pem", key)
            os.removexattr(theirs, "system.posix_acl_default")
            mode = os.stat(theirs + "/key.pem").st_mode & 0o7
            os.chmod(theirs, 0o7777)
            kept = os.stat(theirs).st_mode & 0o7777
            os.chmod(theirs, 0o755)
            os.unlink(theirs + "/key.pem")
            return {"answers": answers, "mode": mode, "kept": kept}

        said = as_user(ATTACKER, work, self.theirs, self.key_bytes)
        self.assert_all(said["answers"], "EPERM")
        self.assertEqual(said["mode"], 0)

    # --- Floods. Each is held while the others go on.

    def test_a_hundred_thousand_scratch_files(self):
        def work(theirs, count):
            made, refused, until = 0, {}, time.monotonic() + 15
            for i in range(count):
                if i >= 1000 and time.monotonic() > until:  # As many as there is time for.
                    break
                code = errno_of(lambda: os.close(os.open(f"{theirs}/.flood{i}", os.O_CREAT | os.O_WRONLY)))
                if code is None:
                    made += 1
                else:
                    refused[code] = refused.get(code, 0) + 1
            with open(os.path.dirname(theirs) + "/../../status/why") as why:
                words = why.read().splitlines()[-1]
            return [made, refused, words]

        made, refused, words = self.held(work, self.theirs, harness.rounds(100_000))
        self.assertLessEqual(made, 256)
        self.assertEqual(set(refused), {"ENOMEM"})
        self.assertIn("too many temporary files", words)

    def test_large_files_that_are_never_finished(self):
        def work(theirs):
            handles, taken = [], 0
            for i in range(64):
                try:
                    handles.append(os.open(theirs + f"/.large{i}" if i % 2 else theirs + "/key.pem", os.O_CREAT | os.O_WRONLY))
                    for _ in range(15):
                        taken += os.write(handles[-1], b"-----BEGIN" + b" " * 65526)
                except OSError as error:
                    assert error.errno == errno.ENOMEM, error
            return taken

        taken = self.held(work, self.theirs)
        self.assertLessEqual(taken, 4 * MIB)
        self.assertGreater(taken, MIB)

    def test_writers_of_a_byte_at_a_time(self):
        def work(theirs):
            def take(handles):
                handles.append(os.open(theirs + "/key.pem", os.O_CREAT | os.O_WRONLY))
                os.write(handles[-1], b"-")

            return kept_open(take)

        handles, refused = self.held(work, self.theirs)
        self.assertEqual(refused, "ENOMEM")
        self.assertLessEqual(handles, 4096)
        self.assertGreater(handles, 256)

    def test_files_without_a_name(self):
        """A name that is taken away gives no room back while the file is open."""
        def work(theirs):
            def take(handles):
                handles.append(os.open(theirs + "/.nameless", os.O_CREAT | os.O_WRONLY))
                os.unlink(theirs + "/.nameless")
                os.write(handles[-1], b"x")

            return kept_open(take)

        handles, refused = self.held(work, self.theirs)
        self.assertEqual(refused, "ENOMEM")
        self.assertLessEqual(handles, 4097)

    def test_files_of_status_that_are_kept_open(self):
        """Each shows what was true when it was opened, hence is memory of the daemon's."""
        def rss():
            with open(f"/proc/{self.daemon}/status") as status:
                return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))

        def work(mount):
            def take(handles):
                handles.append(os.open(mount + "/status/" + ("metrics.prom", "why")[len(handles) % 2], os.O_RDONLY))

            return kept_open(take, 15000)

        before = rss()
        handles, refused = self.held(work, self.mount.path)
        self.assertEqual(refused, "ENOMEM", handles)
        self.assertLess(rss() - before, 128 << 10)

    def test_locks_hold_up_no_writer(self):
        def work(victim):
            for path in (victim + "/cert.pem", victim):
                fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX)
            return "locked"

        self.held(work, self.victim, meanwhile=self.renew)
        put(self.victim + "/cert.pem", self.chain)

    # --- Races

    def test_names_that_change_all_the_time(self):
        """Renames, exchanges, links and removals in his own entry, while its owner before him, root, commits there; and opens of another's key
        while that is replaced."""
        def work(theirs, victim, key, hold):
            hold("begun")
            answers, read = {}, 0
            deadline = time.monotonic() + 2
            other = key + b"# again\n"
            i = 0
            while time.monotonic() < deadline:
                i += 1
                a, b = (f"{theirs}/.r{j}".encode() for j in (i % 7, i % 5))
                for action in (lambda: put(a, key if i % 2 else other), lambda: system_call("renameat2", -100, a, -100, b, 2),
                               lambda: system_call("renameat2", -100, a, -100, b, 4), lambda: os.link(a, b), lambda: os.rename(a, b),
                               lambda: os.rename(b, theirs.encode() + b"/key.pem"), lambda: os.unlink(theirs + "/key.pem"), lambda: os.rename(theirs + "/key.pem", a),
                               lambda: os.mkdir(theirs + "/next"), lambda: os.rmdir(theirs + "/next")):
                    code = errno_of(action) or "done"
                    answers[code] = answers.get(code, 0) + 1
                for flags in (os.O_RDONLY, os.O_WRONLY):
                    read += errno_of(os.open, victim + "/key.pem", flags) is None
            return {"answers": answers, "read": read}

        with Other(ATTACKER, work, self.theirs, self.victim, self.key_bytes) as attacker:
            self.assertEqual(attacker.says(), "begun")
            os.write(attacker.go, b"\n")
            commented = b"# renewed\n" + self.key_bytes
            for i in range(20):
                put(self.victim + "/key.pem", commented if i % 2 == 0 else self.key_bytes)
                self.renew(i)
                # What he makes may be gone again, or stand in the way; nothing of it is half.
                code = errno_of(put, self.theirs + "/key.pem", self.key_bytes)
                self.assertIn(code, (None, "ENOENT", "ESTALE", "EEXIST", "EKEYREJECTED", "EISDIR"))
            self.assert_others_go_on()
            said = attacker.says()
        self.assertEqual(said["read"], 0)
        self.assertEqual(set(said["answers"]) - {"done", "EINVAL", "ENOENT", "EEXIST", "EPERM", "EKEYREJECTED", "ENOTEMPTY", "ESTALE", "EBUSY", "EACCES", "ENOMEM"}, set(), said)
        status = os.stat(self.victim + "/key.pem")
        self.assertEqual((status.st_uid, stat.S_IMODE(status.st_mode)), (0, 0o600))
        put(self.victim + "/cert.pem", self.chain)


if __name__ == "__main__":
    harness.main()
