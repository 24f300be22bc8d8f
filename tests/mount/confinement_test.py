"""Goal: key bytes are where they are promised to be and nowhere else: in locked memory while somebody has them open, never in a core, in
no file, and gone with the last handle; nobody but root looks into the daemon, which has given up what it does not need to serve. Method: a
key that is nowhere else on the machine, the daemon's whole memory and cores of it searched for each form in which its bytes may lie; another
user who tries to look; what the kernel says that the daemon, and its successor, may still do."""

import base64
import ctypes
import errno
import os
import re
import signal
import socket
import tempfile
import time

import harness
import permission_test
import pki
import servers
from harness import errno_of, put, run

STRANGER = 61003
# landlock_create_ruleset(2), which is asked for the version of it that the kernel has.
CREATE_RULESET, VERSION = 444, 1
PROCESS_MADVISE, PAGEOUT = 440, 21


class Canary:
    """A private key, and what betrays it: its number as files and as OpenSSL's numbers have it, its DER, and the lines of its PEM."""

    def __init__(self, path):
        """Made where there is none."""
        self.path = path if os.path.exists(path) else pki.new_key(path)
        self.pem = pki.read(path)
        der = pki.openssl("ec", "-in", path, "-outform", "DER")
        scalar = re.search(rb"\x02\x01\x01\x04\x20(.{32})", der, re.DOTALL).group(1)
        body = b"".join(line for line in self.pem.splitlines() if b"-----" not in line)
        pkcs8 = base64.b64decode(body)
        assert scalar in pkcs8
        self.needles = {"number": scalar, "number of OpenSSL": scalar[::-1], "PKCS#8 with the number": pkcs8[pkcs8.index(scalar) - 6:],
                        **{f"line {i} of PEM": line for i, line in enumerate(self.pem.splitlines()) if len(line) == 64 and b"-----" not in line}}

    def in_bytes(self, data):
        return {name for name, needle in self.needles.items() if needle in data}

    def in_files(self, directory):
        return {os.path.join(above, name): found for above, _, names in os.walk(directory) for name in names
                if (found := self.in_bytes(pki.read(os.path.join(above, name))))}


def memory_of(pid):
    """What the process can read of its own memory: a name and the bytes of each mapping, save those of devices and of data.mdb."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            words = line.split(maxsplit=5)
            begin, end = (int(word, 16) for word in words[0].split("-"))
            name = words[5].strip() if len(words) > 5 else "memory"
            if "r" not in words[1] or name in ("[vvar]", "[vsyscall]") or name.startswith("[vvar"):
                continue
            at = begin
            while at < end:
                size = min(end - at, 16 << 20)
                try:
                    memory.seek(at)
                    data = memory.read(size)
                except OSError:  # Beyond the end of a file that is mapped.
                    break
                yield name, data
                at += size


def found_in_memory(pid, canary):
    return {(name, form) for name, data in memory_of(pid) for form in canary.in_bytes(data)}


class Mapping:
    """A part of a process's memory: what proc(5) says of it in smaps."""

    def __init__(self, text):
        self.begin, self.end = (int(word, 16) for word in text.split(maxsplit=1)[0].split("-"))
        self.flags = set(re.search(r"^VmFlags:(.*)", text, re.MULTILINE).group(1).split())
        self.swapped = int(re.search(r"^Swap: *([0-9]+) kB", text, re.MULTILINE).group(1))
        self.name = text.splitlines()[0].split(maxsplit=5)[5:]

    def holds(self, memory, canary):
        try:
            memory.seek(self.begin)
            return bool(canary.in_bytes(memory.read(self.end - self.begin)))
        except OSError:
            return False


def mappings(pid):
    with open(f"/proc/{pid}/smaps") as smaps:
        return [Mapping(part) for part in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", smaps.read())]


def mappings_with(pid, canary):
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        return [each for each in mappings(pid) if "rd" in each.flags and each.holds(memory, canary)]


def page_out(pid, mapping):
    """Has the kernel write the mapping to the swap, as far as it may; returns the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        part = (ctypes.c_size_t * 2)(mapping.begin, mapping.end - mapping.begin)
        done = libc.syscall(PROCESS_MADVISE, process, part, ctypes.c_size_t(1), PAGEOUT, 0)
        return 0 if done >= 0 else ctypes.get_errno()
    finally:
        os.close(process)


def examiner_of(daemon):
    """The process that walks data.mdb for it."""
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/stat") as stat:
                name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if name.startswith("certfs-examiner") and int(rest.split()[1]) == daemon:
            return int(number)
    return None


def core_of(pid, directory):
    done = run("gcore", "-o", os.path.join(directory, "core"), pid)
    assert done.returncode == 0, done.stdout + done.stderr
    path = os.path.join(directory, f"core.{pid}")
    core = pki.read(path)
    os.unlink(path)
    return core


class Memory(harness.MountTest):
    def setUp(self):
        self.pid = self.mount.pid()
        self.canary = Canary(os.path.join(self.work, self.id() + ".key"))
        self.path = self.mount.entry("machine", self.id().rsplit(".", 1)[1]) + "/key.pem"

    def assert_nowhere(self):
        """The daemon hears of a close a moment after it; what it then still has it keeps."""
        deadline = time.monotonic() + 10
        while (found := found_in_memory(self.pid, self.canary)) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(found, set())
        self.assertEqual(self.canary.in_files(self.mount.keystore), {})

    def locked_mappings(self):
        """Those that hold it. What was read of the device is wiped a moment after the answer; what is left of it is locked."""
        def is_locked(mapping):
            return {"lo", "dd"} <= mapping.flags

        servers.until(lambda: all(map(is_locked, mappings_with(self.pid, self.canary))))
        holding = mappings_with(self.pid, self.canary)
        self.assertEqual([each.name for each in holding if not is_locked(each)], [])
        return holding

    def test_while_it_is_open_it_is_found_and_in_no_core(self):
        """That it is found is what makes the rest of these tests true."""
        put(self.path, self.canary.pem)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), self.canary.pem)
            found = found_in_memory(self.pid, self.canary)
            self.assertTrue(any("PEM" in form for _, form in found), found)
            self.locked_mappings()
            core = core_of(self.pid, self.work)
            self.assertEqual(self.canary.in_bytes(core), set())
            self.assertGreater(len(core), 1 << 20)
        self.assert_nowhere()

    def test_while_it_is_open_the_swap_gets_nothing_of_it(self):
        put(self.path, self.canary.pem)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), self.canary.pem)
            holding = self.locked_mappings()
            self.assertTrue(holding)
            for each in holding:
                self.assertEqual(page_out(self.pid, each), errno.EINVAL, "memory that is locked is paged out")
            # What is not locked the kernel pages out when it is asked to: the question is the right one.
            other = next(each for each in mappings(self.pid) if each.name == ["[heap]"])
            self.assertEqual(page_out(self.pid, other), 0)
            self.assertEqual([each.swapped for each in mappings_with(self.pid, self.canary)], [0] * len(holding))

    def test_who_examines_the_keystore_has_no_key(self):
        """Neither what is served nor the key file, which opens all of it."""
        put(self.path, self.canary.pem)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), self.canary.pem)
            examiner = examiner_of(self.pid)
            self.assertIsNotNone(examiner)
            key_file = pki.read(self.mount.keystore + ".key")
            for process in (examiner, self.mount.mounter()):
                self.assertEqual(found_in_memory(process, self.canary), set())
                self.assertEqual([name for name, data in memory_of(process) if key_file in data], [])

    def test_written_and_read(self):
        put(self.path, self.canary.pem)
        for _ in range(20):
            self.assertEqual(pki.read(self.path), self.canary.pem)
        self.assert_nowhere()
        self.assertEqual(self.canary.in_bytes(core_of(self.pid, self.work)), set())

    def test_written_a_byte_at_a_time(self):
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        for i in range(len(self.canary.pem)):
            os.write(file, self.canary.pem[i:i + 1])
        os.close(file)
        self.assert_nowhere()

    def test_refused(self):
        other = self.mount.entry("machine", "other-key")
        put(other + "/key.pem", pki.read(self.key))
        put(other + "/cert.pem", self.leaf)
        self.assertEqual(errno_of(put, other + "/key.pem", self.canary.pem), "EKEYREJECTED")
        self.assertEqual(errno_of(put, self.path, self.canary.pem[:-40] + b"?" * 40), "EINVAL")
        self.assert_nowhere()

    def test_renamed_into_its_place(self):
        scratch = os.path.dirname(self.path) + "/.key.pem.tmp"
        put(scratch, self.canary.pem)
        os.rename(scratch, self.path)
        self.assert_nowhere()

    def test_as_views_show_it(self):
        put(self.path, self.canary.pem)
        put(os.path.dirname(self.path) + "/cert.pem", self.issuing.issue("localhost", self.canary.path))
        view = self.mount.at("export/machine", self.id().rsplit(".", 1)[1], "combined.pem")
        self.assertIn(self.canary.pem.splitlines()[1], pki.read(view))
        self.assert_nowhere()

    def test_removed(self):
        put(self.path, self.canary.pem)
        os.unlink(self.path)
        # The process that removes it may be about to make it anew, which is remembered for a minute; and then it is BACKUP_STORE's.
        found = found_in_memory(self.pid, self.canary)
        self.assertEqual({form for _, form in found} & {"number", "number of OpenSSL"}, set(), found)
        self.locked_mappings()
        self.assertEqual(self.canary.in_bytes(core_of(self.pid, self.work)), set())
        self.assertEqual(self.canary.in_files(self.mount.keystore), {})


# What signs: OpenSSL's number.
KEPT = {"number of OpenSSL"}


class KeyOfTheAuthority(harness.MountTest):
    """No path shows it, save backup/ca.p12 under the export password; once something was signed it stays, in locked memory."""

    def test_it_is_nowhere(self):
        password = pki.write(os.path.join(self.work, "export-password"), b"a password for exports\n")
        self.mount.unmount()
        done = run(harness.CERTFS, "password", "set", self.mount.keystore, "--password-file", password)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.mount.mount()
        put(self.mount.at("ca", "control"), b"init --key=ec-p256")

        def opened(path):
            """The keys in it, in PEM; none in one of certificates alone, which has another password."""
            return run("openssl", "pkcs12", "-in", path, "-passin", "file:" + password, "-nocerts", "-noenc").stdout.encode()

        key = os.path.join(self.work, "authority.key")
        pki.write(key, opened(self.mount.at("backup", "ca.p12")))
        canary = Canary(pki.write(key, pki.openssl("pkey", "-in", key)))
        for name in ("one", "two"):
            put(self.mount.at("ca", "requests", name + ".cfg"), f"Name = {name}\nHostname = {name}.test\n".encode())
        put(self.mount.at("ca", "control"), b"crl")
        self.machine_pair()
        looked_at, found = 0, set()
        for above, _, names in os.walk(self.mount.path):
            for path in (os.path.join(above, name) for name in names):
                try:
                    data = pki.read(path)
                except OSError:
                    continue  # One that is there to be written.
                looked_at += 1
                if canary.in_bytes(data) or (path.endswith(".p12") and canary.in_bytes(opened(path))):
                    found.add(os.path.relpath(path, self.mount.path))
        self.assertGreater(looked_at, 20)
        self.assertEqual(found, {"backup/ca.p12"})
        self.assertEqual(canary.in_files(self.mount.keystore), {})
        daemon = self.mount.pid()
        deadline = time.monotonic() + 10
        while (left := {form for _, form in found_in_memory(daemon, canary)}) - KEPT and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertLessEqual(left, KEPT)
        for each in mappings_with(daemon, canary):
            self.assertLessEqual({"lo", "dd"}, each.flags, each.name)
        self.assertEqual(canary.in_bytes(core_of(daemon, self.work)), set())


class Daemon(harness.MountTest):
    def status(self, label):
        with open(f"/proc/{self.mount.pid()}/status") as status:
            return next(line.split()[1:] for line in status if line.startswith(label + ":"))

    def test_nothing_of_it_is_swapped_or_dumped(self):
        self.machine_pair()
        self.assertGreaterEqual(int(self.status("VmLck")[0]), 32768)
        self.assertEqual(int(self.status("VmSwap")[0]), 0)
        with open(f"/proc/{self.mount.pid()}/limits") as limits:
            core = next(line for line in limits if line.startswith("Max core file size"))
        self.assertEqual(core.split()[4:6], ["0", "0"])
        # Of all that holds secrets the kernel is told to dump nothing: dd, and lo is locked.
        with open(f"/proc/{self.mount.pid()}/smaps") as smaps:
            text = smaps.read()
        arenas = [part for part in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", text) if re.search(r"^VmFlags:.* lo", part, re.MULTILINE)]
        self.assertTrue(arenas)
        for each in arenas:
            self.assertRegex(each, r"(?m)^VmFlags:.* dd")

    def test_another_user_sees_nothing_of_it(self):
        pid = self.mount.pid()
        script = r"""
import ctypes, errno, os, sys
pid = int(sys.argv[1])
os.setgroups([]); os.setgid(61003); os.setuid(61003)
libc = ctypes.CDLL(None, use_errno=True)
def said(name, action):
    try: action(); print(name, "done")
    except OSError as error: print(name, errno.errorcode[error.errno])
def call(*arguments):
    # As a number of the machine's: what an int leaves of it on the stack is anything.
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    if libc.syscall(*words) < 0: raise OSError(ctypes.get_errno(), "")
for name in ("mem", "environ", "maps", "smaps", "auxv", "pagemap", "stack", "syscall", "io", "personality"):
    said(name, lambda: open(f"/proc/{pid}/{name}", "rb").read(1))
for name in ("exe", "cwd", "root", "fd/0"):
    said(name, lambda: os.readlink(f"/proc/{pid}/{name}"))
said("fd", lambda: os.listdir(f"/proc/{pid}/fd"))
said("attach", lambda: call(101, 16, pid, 0, 0))
said("seize", lambda: call(101, 0x4206, pid, 0, 0))
buffer = ctypes.create_string_buffer(16)
vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 16)
said("process_vm_readv", lambda: call(310, pid, ctypes.byref(vector), 1, ctypes.byref(vector), 1, 0))
pidfd = libc.syscall(434, pid, 0)
said("pidfd_getfd", lambda: call(438, pidfd, 0, 0))
said("prlimit", lambda: call(302, pid, 4, ctypes.byref((ctypes.c_uint64 * 2)(1 << 30, 1 << 30)), 0))
for signal in (0, 1, 6, 9, 15, 19):
    said(f"signal {signal}", lambda: os.kill(pid, signal))
"""
        done = run("python3", "-c", script, pid)
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
        self.assertGreaterEqual(len(answers), 25)
        self.assertEqual({name: answer for name, answer in answers.items() if answer not in ("EACCES", "EPERM")}, {})
        self.assertEqual(self.mount.pid(), pid)

    def test_its_own_user_looks_into_it_no_more_than_others(self):
        """Where it is an ordinary user's, what else runs as that user has no key of it."""
        script = r"""
import ctypes, errno, os, pwd, sys
mount = os.path.dirname(os.path.dirname(os.path.dirname(sys.argv[1])))
pid, user = int(os.getxattr(mount, "user.certfs.pid")), pwd.getpwnam("nobody")
with open(f"/proc/{pid}/status") as status:
    assert f"Uid:\t{user.pw_uid}\t" in status.read()
os.setgroups([]); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
libc = ctypes.CDLL(None, use_errno=True)
for name in ("mem", "environ", "maps", "smaps", "auxv"):
    try: open(f"/proc/{pid}/{name}", "rb").read(1); print(name, "done")
    except OSError as error: print(name, errno.errorcode[error.errno])
print("attach", "done" if libc.syscall(101, 16, pid, 0, 0) == 0 else errno.errorcode[ctypes.get_errno()])
"""
        os.chmod(self.work, 0o755)
        done = run("unshare", "-m", "bash", "-c", permission_test.OF_NOBODY, "bash", tempfile.mkdtemp(dir=self.work), script)
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = dict(line.split() for line in done.stdout.splitlines())
        self.assertEqual(len(answers), 6)
        self.assertEqual(set(answers.values()) - {"EACCES", "EPERM"}, set(), answers)


def landlock_version():
    """Of the kernel; less than 1 where it has none, or it is off."""
    return ctypes.CDLL(None).syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)


def sockets_of(pid):
    """The inodes of all that are open in it."""
    found = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            path = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            continue  # It has just been closed.
        if path.startswith("socket:["):
            found.add(path[len("socket:["):-1])
    return found


def inodes(pid, table, column):
    """Those that a table of /proc/PID/net lists; none where the kernel has no such protocol."""
    try:
        with open(f"/proc/{pid}/net/{table}") as lines:
            return {line.split()[column] for line in list(lines)[1:]}
    except FileNotFoundError:
        return set()


def sockets_of_the_network(pid):
    return sockets_of(pid) & {inode for table in ("tcp", "tcp6", "udp", "udp6") for inode in inodes(pid, table, 9)}


class OfAnother(harness.Mount):
    """A keystore of somebody's, which root mounts: its daemon is that one's."""

    def make_keystore(self):
        super().make_keystore()
        for path in (self.keystore, *(os.path.join(self.keystore, name) for name in os.listdir(self.keystore))):
            os.chown(path, STRANGER, STRANGER)


class Confined(harness.MountTest):
    """What tools/mount_processes.cc has the daemon give up."""

    ENDS = True

    def assert_confined(self, mount, user):
        daemon = mount.pid()
        # Privileges are each thread's own.
        for thread in os.listdir(f"/proc/{daemon}/task"):
            with open(f"/proc/{daemon}/task/{thread}/status") as status:
                said = dict(line.rstrip("\n").split(":", 1) for line in status)
            self.assertEqual(said["Uid"].split(), [str(user)] * 4)
            for capabilities in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
                self.assertEqual(int(said[capabilities], 16), 0, capabilities)
            self.assertEqual((said["NoNewPrivs"].strip(), said["Seccomp"].strip()), ("1", "2"))
        confinement = os.getxattr(mount.path, "user.certfs.confinement").decode().split()
        for word in ("no-new-privileges", "no-capabilities", "filter"):
            self.assertIn(word, confinement)
        version = landlock_version()
        self.assertEqual([word for word in confinement if word.startswith("landlock=")], [f"landlock={version}"] if version > 0 else [])
        # Its lines to its mounter and to its waker are its sockets, and they lead out of nothing.
        sockets = sockets_of(daemon)
        self.assertTrue(sockets)
        self.assertEqual(sockets_of_the_network(daemon), set())
        self.assertEqual(sockets - inodes(daemon, "unix", 6), set())
        # It serves, so confined.
        secret = mount.entry("APPLMGMT_PASSWORD", "confined") + "/secret"
        put(secret, str(daemon).encode())
        self.assertEqual(pki.read(secret), str(daemon).encode())
        self.assertEqual(mount.pid(), daemon)

    def assert_confined_for_ever(self, mount, user):
        with socket.create_server(("127.0.0.1", 0)):
            self.assertEqual(len(sockets_of_the_network(os.getpid())), 1, "one that is open is not found")
        before = mount.pid()
        self.assert_confined(mount, user)
        os.kill(before, signal.SIGKILL)
        self.assertTrue(servers.until(lambda: mount.pid() != before))
        self.assert_confined(mount, user)

    def test_the_daemon_of_root(self):
        self.assert_confined_for_ever(self.mount, 0)

    def test_the_daemon_of_another_user(self):
        mount = OfAnother()
        try:
            self.assert_confined_for_ever(mount, STRANGER)
        finally:
            mount.close()


if __name__ == "__main__":
    harness.main()
