"""Goal: what the kernel keeps of this mount is never a key, and never a listing of the past. Method: bring keys into the
page cache in every way there is, and count their pages once they are closed; list, change by every way there is, list again."""

import ctypes
import errno
import mmap
import os
import time
import unittest

import harness
from harness import put, run

SYS_CACHESTAT = 451  # The same number on every architecture.
SIZE = 20000


class Range(ctypes.Structure):
    _fields_ = [("offset", ctypes.c_uint64), ("length", ctypes.c_uint64)]


class Statistics(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("cached", "dirty", "writeback", "evicted", "recently_evicted")]


def cached_pages(descriptor):
    """cachestat(2). A mapping for mincore(2) would itself drop the pages of a direct_io file, and prove nothing."""
    whole, statistics = Range(0, 0), Statistics()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SYS_CACHESTAT, descriptor, ctypes.byref(whole), ctypes.byref(statistics), 0):
        if ctypes.get_errno() == errno.ENOSYS:
            raise unittest.SkipTest("this kernel has no cachestat")
        raise OSError(ctypes.get_errno(), "cachestat")
    return statistics.cached


def by_pipe(send):
    def bring(descriptor):
        ends = os.pipe()
        try:
            send(ends[1], descriptor)
        finally:
            for end in ends:
                os.close(end)
    return bring


def by_mapping(descriptor):
    with mmap.mmap(descriptor, SIZE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as mapping:
        assert mapping[0] == mapping[SIZE - 1] == ord("s")


PAGED = {
    "sendfile": by_pipe(lambda out, descriptor: os.sendfile(out, descriptor, 0, SIZE)),
    "splice": by_pipe(lambda out, descriptor: os.splice(descriptor, out, SIZE)),
    "mapping": by_mapping,
    "readahead": lambda descriptor: os.posix_fadvise(descriptor, 0, SIZE, os.POSIX_FADV_WILLNEED),
}
NOT_PAGED = {
    "read": lambda descriptor: os.read(descriptor, SIZE),
    "pread": lambda descriptor: os.pread(descriptor, 100, 5),
    "preadv": lambda descriptor: os.preadv(descriptor, [bytearray(10), bytearray(9000)], 1),
}


class Keys(harness.MountTest):
    def setUp(self):
        self.path = self.mount.entry("APPLMGMT_PASSWORD", "a") + "/secret"
        put(self.path, b"s" * SIZE)

    def pages_soon(self, descriptor, wanted):
        """Dropping is asynchronous, and so is reading ahead."""
        end = time.monotonic() + 5
        while bool(cached_pages(descriptor)) != wanted and time.monotonic() < end:
            time.sleep(0.002)
        return cached_pages(descriptor)

    def test_no_page_stays_behind_however_it_came(self):
        watch = os.open(self.path, os.O_RDONLY)
        try:
            for name, bring in PAGED.items():
                for others in (0, 2):
                    with self.subTest(name, others=others):
                        descriptors = [os.open(self.path, os.O_RDONLY) for _ in range(1 + others)]
                        bring(descriptors[0])
                        # Else the check below could not fail.
                        self.assertGreater(self.pages_soon(watch, True), 0)
                        for descriptor in descriptors:
                            os.close(descriptor)
                        self.assertEqual(self.pages_soon(watch, False), 0)
        finally:
            os.close(watch)

    def test_nor_of_a_copy_in_a_temporary_file(self):
        for name in (".secret.Xa3k9Q", "secret~"):
            copy = os.path.join(os.path.dirname(self.path), name)
            put(copy, b"s" * SIZE)
            watch = os.open(copy, os.O_RDONLY)
            try:
                for how, bring in PAGED.items():
                    with self.subTest(name=name, how=how):
                        descriptor = os.open(copy, os.O_RDONLY)
                        bring(descriptor)
                        self.assertGreater(self.pages_soon(watch, True), 0)
                        os.close(descriptor)
                        self.assertEqual(self.pages_soon(watch, False), 0)
            finally:
                os.close(watch)

    def test_read_brings_none(self):
        watch = os.open(self.path, os.O_RDONLY)
        try:
            for name, bring in NOT_PAGED.items():
                with self.subTest(name):
                    descriptor = os.open(self.path, os.O_RDONLY)
                    try:
                        bring(descriptor)
                        self.assertEqual(cached_pages(watch), 0)
                    finally:
                        os.close(descriptor)
        finally:
            os.close(watch)

    def test_a_mapping_that_outlives_its_descriptor(self):
        watch = os.open(self.path, os.O_RDONLY)
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
            mapping = mmap.mmap(descriptor, SIZE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
            os.close(descriptor)
            self.assertEqual(mapping[SIZE - 1], ord("s"))
            self.assertGreater(self.pages_soon(watch, True), 0)
            mapping.close()
            self.assertEqual(self.pages_soon(watch, False), 0)
        finally:
            os.close(watch)


class Listings(harness.MountTest):
    def setUp(self):
        self.store = self.mount.at("stores/machine")
        for i in range(300):
            os.makedirs(f"{self.store}/e{i}", exist_ok=True)
        self.names = set(os.listdir(self.store))
        self.listed()

    def listed(self):
        """Twice, of which the second is the kernel's; by one descriptor read from the start again, and by another."""
        self.assertEqual(set(os.listdir(self.store)), self.names)
        descriptor = os.open(self.store, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for _ in range(2):
                self.assertEqual(set(os.listdir(descriptor)), self.names)
        finally:
            os.close(descriptor)

    def test_what_changes_here_shows_at_once(self):
        for i in range(40):
            os.mkdir(f"{self.store}/new{i}")
            self.names.add(f"new{i}")
            self.listed()
            os.rename(f"{self.store}/new{i}", f"{self.store}/other{i}")
            self.names = self.names - {f"new{i}"} | {f"other{i}"}
            self.listed()
            os.rmdir(f"{self.store}/other{i}")
            self.names.remove(f"other{i}")
            self.listed()

    def test_a_listing_under_way_is_not_kept_as_one_of_later(self):
        for i in range(20):
            with os.scandir(self.store) as under_way:
                next(under_way)
                os.mkdir(f"{self.store}/late{i}")
                self.names.add(f"late{i}")
                for _ in under_way:
                    pass
            self.listed()

    def test_a_time_that_is_set_back_hides_nothing(self):
        before = os.stat(self.store)
        for i in range(10):
            os.mkdir(f"{self.store}/back{i}")
            os.utime(self.store, ns=(before.st_atime_ns, before.st_mtime_ns))
            self.names.add(f"back{i}")
            self.listed()

    def test_what_certfs_keeps_by_itself_shows_at_once(self):
        backup = self.mount.at("stores/BACKUP_STORE")
        for i in range(10):
            path = f"{self.store}/e{i}/cert.pem"
            put(path, self.leaf)
            kept = set(os.listdir(backup))
            self.assertEqual(set(os.listdir(backup)), kept)
            put(path, b"# another\n" + self.leaf)
            self.assertEqual(set(os.listdir(backup)), kept | {f"bkp_e{i}"})

    def test_what_another_mount_changes_shows_within_a_second(self):
        other = os.path.join(self.mount.directory, "other")
        os.makedirs(other)
        mounted = run(harness.CERTFS, "mount", self.mount.keystore, other)
        self.assertEqual(mounted.returncode, 0, mounted.stderr)
        try:
            for i in range(3):
                os.mkdir(f"{other}/stores/machine/foreign{i}")
                end = time.monotonic() + 1
                while f"foreign{i}" not in os.listdir(self.store):
                    self.assertLess(time.monotonic(), end, "a listing of the past")
                self.names.add(f"foreign{i}")
                self.listed()
        finally:
            if run(harness.CERTFS, "umount", other).returncode:
                run("umount", "-l", other)

    def test_names_are_the_same_for_everybody(self):
        child = os.fork()
        if child == 0:
            try:
                os.setuid(65534)
                os._exit(0 if set(os.listdir(self.store)) == self.names else 1)
            finally:
                os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)


if __name__ == "__main__":
    harness.main()
