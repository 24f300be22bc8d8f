"""Measures certfs against what the same machine can do in the same run, and prints one table of ratios.

Asserts nothing about speed: it fails only when something could not be run. Whatever it starts and mounts it ends and
unmounts by its own id, also when it is interrupted.
"""

import argparse
import contextlib
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mount"))
import others  # noqa: E402
import pki  # noqa: E402

MEMORY = "/dev/shm"  # Where nothing waits for a disk.
PATH = "stores/machine/e000000"  # One entry, in each of the trees.
PAIR = "stores/MACHINE_SSL_CERT/__MACHINE_CERT"
DROP_CACHES = "/proc/sys/vm/drop_caches"

REREADS = 3000
STATS = 20000
REPLACEMENTS = 100
REPEATS = 3  # Of the short measurements in each round.
LISTINGS = 5  # After each dropping of the caches: one is the first, the others come again.
MOUNTS = 5
COMPARED = 500  # Entries in each filesystem that certfs is compared with.
STOP_SECONDS = 30


def run(*words):
    """The output of a program that must succeed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=3600,
                          env=dict(os.environ, LC_ALL="C"))
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Times:
    """What a program of this folder printed of one place, in microseconds."""

    def __init__(self, line):
        self.first, self.p50, self.mean = (float(number) for number in line.split())


class Programs:
    def __init__(self, directory):
        self.directory = directory

    def path(self, name):
        return os.path.join(self.directory, name)

    def times(self, name, *words):
        return [Times(line) for line in run(self.path(name), *words).splitlines()]


# --- Ahead of the machine's other load, which shall not be measured

FIRST = "-20"


def set_session_priority(pid, nice):
    """Of all processes of that one's session together: where the kernel shares out time by sessions, nice(2) counts only
    within one. Only root may; without it, measurements are noisier."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as file:
        file.write(nice)


@contextlib.contextmanager
def stepped_forward():
    """Runs this program, and all that it starts, first. The session is somebody else's, too: it gets back what it had."""
    try:
        with open("/proc/self/autogroup", encoding="ascii") as file:
            before = file.read().split()[-1]
    except OSError:
        before = "0"
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, int(FIRST))
    set_session_priority("self", FIRST)
    try:
        yield
    finally:
        set_session_priority("self", before)


# --- Mounts


def wait_until(condition, words):
    end = time.monotonic() + STOP_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(words)
        time.sleep(0.005)


class Certfs:
    """A mounted keystore."""

    def __init__(self, programs, keystore, mountpoint):
        self.programs, self.keystore, self.path = programs, keystore, mountpoint
        os.makedirs(mountpoint, exist_ok=True)

    def __enter__(self):
        try:
            return self.mount()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        done = subprocess.run([self.programs.path("certfs"), "umount", self.path], capture_output=True, check=False)
        if done.returncode:
            subprocess.run(["umount", "-l", self.path], capture_output=True, check=False)

    def mount(self):
        start = time.monotonic()
        run(self.programs.path("certfs"), "mount", self.keystore, self.path)
        self.command_seconds = time.monotonic() - start
        pki.read(os.path.join(self.path, PATH, "cert.pem"))
        self.read_seconds = time.monotonic() - start
        self.pid = int(os.getxattr(self.path, "user.certfs.pid"))
        set_session_priority(self.pid, FIRST)
        return self

    def anonymous_mib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) / 1024
        raise RuntimeError("the kernel does not tell RssAnon")


@contextlib.contextmanager
def mounted_floor(programs, entries, certificate, key, mountpoint):
    os.makedirs(mountpoint, exist_ok=True)
    words = [programs.path("bench_floor"), str(entries), certificate, key, mountpoint]
    process = subprocess.Popen(words, start_new_session=True)  # As the daemon of certfs does.
    set_session_priority(process.pid, FIRST)
    try:
        wait_until(lambda: process.poll() is not None or os.path.ismount(mountpoint), "the floor does not mount")
        if process.poll() is not None:
            raise RuntimeError("the floor ended before it was mounted")
        yield mountpoint
    finally:
        subprocess.run(["umount", mountpoint] if os.geteuid() == 0 else ["fusermount3", "-u", mountpoint],
                       capture_output=True, check=False)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait(STOP_SECONDS)


# --- The table


def print_columns(columns, rows):
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    for row in [columns, ["-" * width for width in widths], *rows]:
        print("| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |")


class Table:
    COLUMNS = ("operation", "certfs", "against", "ratio (median)", "bound", "holds")

    def __init__(self):
        self.rows = []

    def add(self, operation, value, against, ratio, bound, holds):
        holds = {True: "yes", False: "NO", None: "-"}[holds]
        self.rows.append((operation, value, against, ratio, bound, holds))
        print(f"  {operation}: {value}", file=sys.stderr, flush=True)

    def ratio(self, operation, pairs, floor, bound, unit="us"):
        """`pairs` of (certfs, floor), one a round. What disturbs a round only ever makes it slower: the best counts.
        Beside its ratio stands the median of all rounds; a quiet machine has them close together."""
        value, against = (min(column) for column in zip(*pairs))
        ratio = value / against
        middle = statistics.median(ours / other for ours, other in pairs)
        self.add(operation, show(value, unit), f"{floor} {show(against, unit)}", f"{ratio:.2f} ({middle:.2f})",
                 f"<= {bound:g} x", ratio <= bound)

    def limit(self, operation, values, limit, unit, against=""):
        """The median of `values` against a fixed limit; None: it is only shown."""
        value = statistics.median(values)
        self.add(operation, show(value, unit), against, "", f"<= {show(limit, unit)}" if limit else "",
                 value <= limit if limit else None)

    def print_all(self, options):
        print(f"\n{options.entries:,} entries, {options.rounds} rounds; {os.cpu_count()} cores, "
              f"Linux {platform.release().split('-')[0]}\n")
        print_columns(self.COLUMNS, self.rows)


def show(value, unit):
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


# --- What is measured


def drop_caches():
    os.sync()
    with open(DROP_CACHES, "w", encoding="ascii") as file:
        file.write("3\n")


def can_drop_caches():
    return os.access(DROP_CACHES, os.W_OK)


def mounting(table, programs, keystore, mountpoint, entries):
    commands, reads, memory = [], [], []
    for _ in range(MOUNTS):
        with Certfs(programs, keystore, mountpoint) as mount:
            commands.append(mount.command_seconds * 1e3)
            reads.append(mount.read_seconds * 1e3)
            memory.append(mount.anonymous_mib())
    # The key file makes deriving the key a matter of microseconds: the whole command is an upper bound.
    table.limit(f"`certfs mount` of {entries:,} entries, whole", commands, 100, "ms")
    table.limit("the same, until one cert.pem was read", reads, 100, "ms")
    table.limit("RssAnon once it answers", memory, 48 if entries <= 10000 else 64, "MiB")


def reading(table, programs, certfs, floor, tmpfs, entries, rounds):
    def pairs(operation, count, name, *places):
        files = [os.path.join(place, PATH, name) for place in places]
        return [programs.times("bench_probe", operation, count, *files) for _ in range(REPEATS * rounds)]

    def p50(outcomes):
        return [(ours.p50, other.p50) for ours, other in outcomes]

    trees = (certfs, floor)
    table.ratio("re-read cert.pem, p50", p50(pairs("reread", REREADS, "cert.pem", *trees)), "cached floor", 1.2)
    table.ratio("read key.pem, p50", p50(pairs("reread", REREADS // 2, "key.pem", *trees)), "direct floor", 1.3)
    table.ratio("stat cert.pem, p50", p50(pairs("stat", STATS, "cert.pem", certfs, tmpfs)), "tmpfs", 1.5)
    table.ratio("stat cert.pem, p50", p50(pairs("stat", STATS, "cert.pem", *trees)), "cached floor", 1.2)
    if not can_drop_caches():
        print("  first reads and listings: not measured, because only root drops caches", file=sys.stderr)
        return
    stores = [os.path.join(tree, "stores/machine") for tree in trees]
    for name in ("cert.pem", "key.pem"):
        outcomes = []
        for _ in range(rounds):
            drop_caches()
            outcomes.append(programs.times("bench_probe", "first", entries, name, *stores))
        table.ratio(f"first read of {entries:,} {name}, mean", [(ours.mean, other.mean) for ours, other in outcomes],
                    "floor", 1.3)
    outcomes = []
    for _ in range(rounds):
        drop_caches()
        outcomes.append(programs.times("bench_probe", "list", LISTINGS, *stores))
    table.ratio(f"list {entries:,} entries, first",
                [(ours.first / 1e3, other.first / 1e3) for ours, other in outcomes], "floor", 1.3, "ms")
    cached = min(other.p50 for _, other in outcomes) / 1e3
    table.limit("list them again", [min(ours.p50 for ours, _ in outcomes) / 1e3], 4 * entries / 10000, "ms",
                f"floor {show(cached, 'ms')}")


def replacing(table, programs, certfs, work, contents, where, rounds):
    lmdb = os.path.join(work, "lmdb")
    os.makedirs(lmdb, exist_ok=True)
    outcomes = [programs.times("bench_replace", REPLACEMENTS, lmdb, os.path.join(certfs, PAIR, "cert.pem"), *contents)
                for _ in range(REPEATS * rounds)]
    commit, replacement = (min(times.p50 for times in column) for column in zip(*outcomes))
    extra = replacement - commit
    table.add(f"durable replace of a cert.pem, {where}, p50", show(replacement, "us"),
              f"LMDB commit {show(commit, 'us')}", f"{extra:+.0f} us", "<= +650 us", extra <= 650)


def issuing(programs, disk):
    """What the authority takes, as `bench_issue` measures and words it."""
    for where, parent in (("in memory", MEMORY), ("on disk", disk)):
        with contextlib.ExitStack() as stack:
            measured = run(programs.path("bench_issue"), scratch(stack, parent))
            print(f"\nThe certificate authority, {where}\n\n{measured}", end="")


def comparing(programs, rounds):
    """The second table: certfs beside tmpfs and what a user would pick instead, each with a small store in memory."""
    with contextlib.ExitStack() as stack:
        memory = scratch(stack, MEMORY)
        certificates = Certificates(memory)
        keystore = os.path.join(memory, "keystore")
        fill(programs, keystore, COMPARED, certificates)
        trees = {"certfs": stack.enter_context(Certfs(programs, keystore, os.path.join(memory, "mnt"))).path,
                 "tmpfs": os.path.join(memory, "tmpfs")}
        for name in others.installed():
            trees[name] = stack.enter_context(others.mounted(name, memory))
        for name, tree in trees.items():
            if name != "certfs":
                others.fill(tree, COMPARED, certificates.leaves[0], certificates.key)

        def best(operation, count, name, skip=(), field="p50", words=(), before=lambda: None):
            names = [each for each in trees if each not in skip]
            places = [os.path.join(trees[each], name) for each in names]
            outcomes = []
            for _ in range(rounds):
                before()
                outcomes.append(programs.times("bench_probe", operation, count, *words, *places))
            return {each: min(getattr(times[i], field) for times in outcomes) for i, each in enumerate(names)}

        def first(name):
            if not can_drop_caches():
                return {}
            return best("first", COMPARED, "stores/machine", field="mean", words=(name,), before=drop_caches)

        lmdb = os.path.join(memory, "lmdb")
        os.makedirs(lmdb)
        live = os.path.join(trees["certfs"], PAIR, "cert.pem")
        replaced = min(programs.times("bench_replace", REPLACEMENTS, lmdb, live, *certificates.leaves)[1].p50
                       for _ in range(rounds))
        table = {
            "re-read cert.pem, p50": best("reread", REREADS // 3, PATH + "/cert.pem"),
            "read key.pem, p50": best("reread", REREADS // 3, PATH + "/key.pem"),
            "stat cert.pem, p50": best("stat", STATS // 2, PATH + "/cert.pem"),
            f"first read of {COMPARED} cert.pem, mean": first("cert.pem"),
            f"list {COMPARED} entries, p50": best("list", 50, "stores/machine"),
            "durable replace of a cert.pem, p50": {"certfs": replaced,
                                                   **best("rewrite", REPLACEMENTS, PATH + "/cert.pem", skip=("certfs",))},
        }
        rows = [[operation, *(show(figures[name], "us") if name in figures else "-" for name in trees)]
                for operation, figures in table.items()]
        print(f"\nBeside others, {COMPARED} entries in memory; certfs alone judges what is written\n")
        print_columns(["operation", *trees], rows)


# --- Preparing


class Certificates:
    """A root, and two certificates that it issued for one key."""

    def __init__(self, directory):
        root = pki.Authority(directory, "Bench Root")
        self.root = root.cert
        self.key = pki.new_key(os.path.join(directory, "server.key"))
        self.leaves = [pki.write(os.path.join(directory, f"leaf{i}.pem"), root.issue("localhost", self.key))
                       for i in range(2)]


def put(source, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copyfile(source, path)


def fill(programs, keystore, entries, certificates):
    """A keystore of `entries` pairs, and one more in MACHINE_SSL_CERT."""
    with open(keystore + ".key", "wb") as file:
        file.write(os.urandom(32))
    os.chmod(keystore + ".key", 0o600)
    start = time.monotonic()
    run(programs.path("bench_fill"), keystore, keystore + ".key", entries, certificates.leaves[0], certificates.key)
    with Certfs(programs, keystore, keystore + ".mnt") as mount:
        put(certificates.root, os.path.join(mount.path, "stores/TRUSTED_ROOTS/bench-root/cert.pem"))
        put(certificates.key, os.path.join(mount.path, PAIR, "key.pem"))
        put(certificates.leaves[0], os.path.join(mount.path, PAIR, "cert.pem"))
    print(f"  {entries:,} entries made in {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)


def copy_keystore(source, target):
    shutil.copytree(source, target)
    shutil.copyfile(source + ".key", target + ".key")
    os.chmod(target + ".key", 0o600)


def scratch(stack, parent):
    path = tempfile.mkdtemp(prefix="certfs-bench-", dir=parent)
    stack.callback(shutil.rmtree, path, ignore_errors=True)
    return path


def measure(options, table):
    programs = Programs(options.programs)
    with contextlib.ExitStack() as stack:
        memory, disk = scratch(stack, MEMORY), scratch(stack, options.disk)
        certificates = Certificates(memory)
        keystore = os.path.join(memory, "keystore")
        fill(programs, keystore, options.entries, certificates)
        on_disk = os.path.join(disk, "keystore")
        copy_keystore(keystore, on_disk)
        tmpfs = os.path.join(memory, "tmpfs")
        put(certificates.leaves[0], os.path.join(tmpfs, PATH, "cert.pem"))

        mounting(table, programs, keystore, os.path.join(memory, "mnt"), options.entries)
        with mounted_floor(programs, options.entries, certificates.leaves[0], certificates.key,
                           os.path.join(memory, "floor")) as floor, \
                Certfs(programs, keystore, os.path.join(memory, "mnt")) as certfs:
            reading(table, programs, certfs.path, floor, tmpfs, options.entries, options.rounds)
            table.limit("RssAnon after all of that", [certfs.anonymous_mib()], None, "MiB")
            replacing(table, programs, certfs.path, memory, certificates.leaves, "in memory", options.rounds)
        with Certfs(programs, on_disk, os.path.join(memory, "mnt")) as certfs:
            replacing(table, programs, certfs.path, disk, certificates.leaves, "on disk", options.rounds)


def interrupt(*_):
    """Ends as a failure does, unmounting; a second signal does not disturb that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.exit("interrupted")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", required=True, help="the directory of certfs and bench_*")
    parser.add_argument("--disk", required=True, help="a directory on a disk, for what is durable")
    parser.add_argument("--entries", type=int, default=int(os.environ.get("CERTFS_BENCH_ENTRIES", "10000")))
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("CERTFS_BENCH_ROUNDS", "5")))
    options = parser.parse_args()
    if not os.path.exists("/dev/fuse"):
        sys.exit("there is no /dev/fuse on this machine: nothing can be measured")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    table = Table()
    try:
        with stepped_forward():
            measure(options, table)
            table.print_all(options)
            issuing(Programs(options.programs), options.disk)
            comparing(Programs(options.programs), options.rounds)
    except (RuntimeError, OSError, subprocess.SubprocessError) as failure:
        sys.exit(f"run_bench: {failure}")


if __name__ == "__main__":
    main()
