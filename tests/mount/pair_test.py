"""Goal: a process that knows nothing of certfs and reads cert.pem, then key.pem, gets the two of one revision, and never an old one.
Method: readers of every order in processes of their own while an entry is replaced as fast as it goes; inode numbers tell revisions."""

import os
import subprocess
import sys
import time

import harness
import pki
from harness import put

# Reads a pair COUNT times, and on until ENOUGH is there; prints for each: when it began, the revisions of the two halves.
READER = """
import os, sys, time
entry, names, count, enough = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3]), sys.argv[4]
def revision(name):
    file = os.open(entry + "/" + name, os.O_RDONLY)
    number, size = os.fstat(file).st_ino >> 35, os.fstat(file).st_size
    assert len(os.read(file, 1 << 20)) == size
    os.close(file)
    return number
while count > 0 or not os.path.exists(enough):
    count -= 1
    began = time.clock_gettime(time.CLOCK_REALTIME)
    first, second = revision(names[0]), revision(names[1])
    print(began, first, second)
    time.sleep(0.0005 if len(sys.argv) > 5 else 0)
"""


class Pairs(harness.MountTest):
    def test_no_process_meets_halves_of_two_revisions(self):
        entry = self.mount.entry("machine", "pair")
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)

        def rotate(i):
            put(entry + "/cert.pem", b"# %d\n" % i + self.leaf)
        self.read_while(entry, rotate, harness.rounds(1000))

    def test_nor_when_certificate_and_key_change_together(self):
        entry = self.mount.entry("machine", "both")
        os.mkdir(entry + "/next")
        pairs = []
        for name in ("one", "two"):
            key = pki.new_key(os.path.join(self.work, name + ".key"))
            pairs.append((pki.read(key), self.issuing.issue("localhost", key)))

        def rotate(i):
            put(entry + "/next/key.pem", pairs[i % 2][0])
            put(entry + "/next/cert.pem", pairs[i % 2][1])
        rotate(0)
        self.read_while(entry, rotate, harness.rounds(400))

    def read_while(self, entry, rotate, count):
        """Reads the pair `count` times or more in each of three ways, while rotate(1), rotate(2) … replace it, eleven times or more."""
        enough = os.path.join(self.work, os.path.basename(entry) + ".enough")
        orders = ("cert.pem,key.pem", "cert.pem,key.pem", "key.pem,cert.pem")
        outputs = [open(os.path.join(self.work, f"read{i}"), "w+") for i in range(len(orders))]
        readers = [subprocess.Popen([sys.executable, "-c", READER, entry, order, str(count), enough] + (["slow"] if i == 1 else []),
                                    stdout=outputs[i]) for i, order in enumerate(orders)]
        # When each revision was replaced, at the latest.
        replaced, rotations = {}, 0
        try:
            while any(reader.poll() is None for reader in readers):
                before = os.stat(entry + "/cert.pem").st_ino >> 35
                rotate(rotations + 1)
                replaced[before] = time.clock_gettime(time.CLOCK_REALTIME)
                rotations += 1
                if rotations == 11:
                    open(enough, "w").close()
        except BaseException:
            for reader in readers:
                reader.kill()
            raise
        mismatches, old, reads = 0, 0, 0
        for reader, output in zip(readers, outputs):
            self.assertEqual(reader.wait(), 0)
            output.seek(0)
            for line in output:
                began, first, second = line.split()
                reads += 1
                mismatches += first != second
                old += float(began) > replaced.get(int(first), float("inf")) + 2
            output.close()
        print(f"{rotations} rotations, {reads} pairs read, {mismatches} mismatches, {old} too old")
        self.assertGreaterEqual(reads, count * len(readers))
        self.assertEqual((mismatches, old), (0, 0))


if __name__ == "__main__":
    harness.main()
