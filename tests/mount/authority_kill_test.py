#!/usr/bin/python3
"""A root with hundreds of live certificates (under soak thousands) is replaced while the daemon is killed again and again.

Goal: at every moment each served pair matches and verifies against what is trusted at that moment, and afterwards the replacement is taken
back, or completed. Method: kill -9 of the daemon at twenty places, ten on the way there and ten on the way back, each within a step; after
each all pairs are read by OpenSSL as a server does, and verified by stock openssl, while another thread reads pairs all the time.
"""

import json
import os
import random
import ssl
import threading
import time
import unittest

import harness
import pki
from harness import CERTFS, rounds, run
from seed_test import AuthorityTest

LEAVES = rounds(250)
KILLS = rounds(10)
STEP = LEAVES // (4 * KILLS)  # On the way there at most half are moved.
BATCH = 250  # Entries of one command.


class KilledReplacement(AuthorityTest):
    def setUp(self):
        self.aliases = [f"web{number}" for number in range(LEAVES)]
        for first in range(0, LEAVES, BATCH):
            self.command("write-entries fill\n" + "".join(
                f"[machine/{alias}]\nprofile = server\nName = {alias}\nHostname = {alias}.example.com\n" for alias in self.aliases[first:first + BATCH]))
        self.random = random.Random(4711)
        self.mismatched = []
        self.read = 0

    def command(self, text):
        control = os.open(self.mount.at("ca", "control"), os.O_RDWR)
        try:
            os.write(control, text.encode())
            return json.loads(os.pread(control, 1 << 24, 0))
        finally:
            os.close(control)

    def pair(self, alias):
        entry = self.mount.at("stores", "machine", alias)
        return entry + "/cert.pem", entry + "/key.pem"

    def read_pairs(self, until):
        """What a server does, over and over. A dead mount is no pair that does not match."""
        choice = random.Random(42)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        while not until.is_set():
            try:
                server.load_cert_chain(*self.pair(choice.choice(self.aliases)))
                self.read += 1
                until.wait(0.002)  # The tools are to have a processor, too.
            except ssl.SSLError as error:
                self.mismatched.append(str(error))
            except OSError:
                time.sleep(0.001)

    def check_all(self):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for alias in self.aliases:
            server.load_cert_chain(*self.pair(alias))
        roots = pki.write(self.file("roots.pem"), pki.read(self.mount.at("export", "TRUSTED_ROOTS", "ca-bundle.pem")))
        verified = run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", roots, *(self.pair(alias)[0] for alias in self.aliases))
        self.assertEqual((verified.returncode, verified.stdout.count(": OK\n")), (0, LEAVES), verified.stderr)

    def kill_in_a_step(self, longest):
        """Returns what was left to do after it."""

        def step():
            try:
                self.command(f"replace-root-step {STEP}")
            except (OSError, ValueError):
                pass  # It was killed before it could answer.

        stepping = threading.Thread(target=step)
        stepping.start()
        time.sleep(self.random.uniform(0, longest))
        self.mount.kill()
        stepping.join()
        self.mount.mount()
        self.check_all()
        return self.command("show")["replacement"]["left"]

    def issuers(self):
        """By how many certificates of the authority what is live was issued."""
        issued, after = set(), None
        while True:
            page = self.command("list" + (f" --after={after}" if after else ""))
            issued |= {line["authority"] for line in page["issued"] if line["entry"]}
            after = page["next"]
            if not after:
                return issued

    def test_killed_at_twenty_places(self):
        self.check_all()
        before = {alias: pki.read(self.pair(alias)[0]) for alias in self.aliases}
        self.command("replace-root\nName = New CA\n")
        began = time.monotonic()
        self.command(f"replace-root-step {STEP}")
        longest = 1.2 * (time.monotonic() - began)
        done = threading.Event()
        reader = threading.Thread(target=self.read_pairs, args=(done,))
        reader.start()
        try:
            left = [self.kill_in_a_step(longest) for _ in range(KILLS)]
            self.assertEqual(left, sorted(left, reverse=True), "what is done stays done")
            self.assertGreater(left[-1], 0, "it was killed before its end")
            self.assertEqual(self.issuers(), {1, 2})

            # However few of the killed steps came to their end, there is more to take back than those behind can.
            self.command(f"replace-root-step {STEP * (KILLS + 1)}")
            self.command("replace-root-back")
            left = [self.kill_in_a_step(longest) for _ in range(KILLS)]
            self.assertEqual(left, sorted(left, reverse=True))
            self.must("ca", "replace-root", "--resume")
            self.check_all()
            self.assertEqual(self.issuers(), {1})
            self.assertEqual({alias: pki.read(self.pair(alias)[0]) for alias in self.aliases}, before, "each has what it had")

            self.must("ca", "replace-root", "--name", "Newest CA", "--yes")
            self.check_all()
            self.assertEqual(len(self.issuers()), 1)
        finally:
            done.set()
            reader.join()
        self.assertEqual(self.mismatched, [])
        self.assertGreater(self.read, KILLS)
        print(f"{LEAVES} leaves, {2 * KILLS} kills; {self.read} pairs read meanwhile", flush=True)


if __name__ == "__main__":
    harness.main()
