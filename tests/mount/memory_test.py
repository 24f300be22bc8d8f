"""Goal: locked memory is scarce, and no use of some files takes the others away; whoever runs out is told, and what he
wrote is dropped whole. Method: many handles, many unfinished writers, many replacements of files at the limit, and what
other readers and writers get meanwhile."""

import os

import harness
from harness import errno_of, put

LARGE = 1 << 20


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Memory(harness.MountTest):
    def secret(self, alias, data):
        path = self.mount.entry("APPLMGMT_PASSWORD", alias) + "/secret"
        put(path, data)
        return path

    def others_work(self):
        self.assertEqual(read(self.other), b"other")
        put(self.other, b"changed")
        put(self.other, b"other")
        self.assertEqual(read(self.key_path), read(self.key))

    def setUp(self):
        self.other = self.secret("other", b"other")
        self.key_path = self.mount.entry("machine", "bystander") + "/key.pem"
        put(self.key_path, read(self.key))

    def test_many_handles_on_one_file(self):
        path = self.secret("handles", b"h" * LARGE)
        handles = [os.open(path, os.O_RDONLY) for _ in range(200)]
        try:
            self.others_work()
            self.assertTrue(all(os.pread(each, 5, LARGE - 2) == b"hh" for each in handles))
        finally:
            for each in handles:
                os.close(each)

    def test_many_replacements_at_once(self):
        path = self.secret("replaced", b"0" * LARGE)
        for i in range(100):
            put(path, bytes([65 + i % 26]) * LARGE)
        self.others_work()

    def test_many_renewals_of_pairs_with_large_keys(self):
        comment = b"# a key with a very long explanation\n"
        key = comment * ((LARGE - len(read(self.key))) // len(comment)) + read(self.key)
        entries = [self.mount.entry("machine", f"renewed{i}") for i in range(2)]
        for entry in entries:
            put(entry + "/key.pem", key)
        for i in range(20):
            for entry in entries:
                put(entry + "/cert.pem", b"# %d\n" % i + self.leaf)
            self.assertEqual(read(self.key_path), read(self.key))
        for entry in entries:
            self.assertEqual(read(entry + "/key.pem"), key)
        self.others_work()

    def test_unfinished_writers_leave_the_readers_their_share(self):
        paths = [self.secret(f"unfinished{i}", b"old") for i in range(40)]
        writers, refused = [], []
        try:
            for path in paths:
                writers.append(os.open(path, os.O_WRONLY | os.O_TRUNC))
                try:
                    written = 0
                    while written < LARGE:
                        written += os.write(writers[-1], b"n" * 65536)
                except OSError:
                    refused.append(writers[-1])
            self.assertGreaterEqual(len(writers) - len(refused), 8)
            self.assertTrue(refused)
            self.assertEqual(read(self.other), b"other")
            self.assertEqual(read(self.key_path), read(self.key))
        finally:
            answers = {each: errno_of(os.close, each) for each in writers}
        # Whose write failed is told again at close, and nothing of it is live.
        self.assertEqual({each for each, answer in answers.items() if answer == "ENOMEM"}, set(refused))
        for each, path in zip(writers, paths):
            self.assertEqual(read(path), b"old" if each in refused else b"n" * LARGE)
        self.others_work()

    def test_a_close_that_failed_is_not_made_good_later(self):
        large = [self.secret(f"large{i}", bytes([i + 1]) * LARGE) for i in range(40)]
        path = self.secret("victim", b"old")
        first = os.open(path, os.O_WRONLY | os.O_TRUNC)
        second = os.dup(first)
        os.write(first, b"n" * LARGE)
        readers = []
        try:
            for each in large:
                try:
                    readers.append(os.open(each, os.O_RDONLY))
                except OSError:
                    break
            self.assertLess(len(readers), len(large))
            self.assertEqual(errno_of(os.close, first), "ENOMEM")
        finally:
            for each in readers:
                os.close(each)
        self.assertEqual(errno_of(os.close, second), "ENOMEM")
        self.assertEqual(read(path), b"old")
        self.others_work()


if __name__ == "__main__":
    harness.main()
