"""Goal: what was flipped, swapped, removed or put back from an older copy on the disk is EIO, and everything beside it is served.
Method: change single records with LMDB's own library, as somebody with the disk would, and look through the mount."""

import ctypes
import errno
import json
import os
import shutil
import struct

import lmdb

import harness
import pki
from harness import CERTFS, errno_of, put, run
from seed_test import AuthorityTest

CERTIFICATE, KEY = 1, 2  # The members' numbers in store/README.md.


def list_on(path):
    """The number of names in a directory, and the errors, read on behind each to the end."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
    directory = ctypes.c_void_p(libc.opendir(path.encode()))
    names, errors = 0, []
    try:
        while True:
            ctypes.set_errno(0)
            if libc.readdir(directory):
                names += 1
            elif ctypes.get_errno():
                errors.append(errno.errorcode[ctypes.get_errno()])
            else:
                return names, errors
    finally:
        libc.closedir(directory)


def flip(transaction, table, key, at):
    record = bytearray(transaction.get(key, db=table))
    record[at] ^= 1
    if not transaction.put(key, bytes(record), db=table):
        raise AssertionError("the record is not there")


def change_tables(keystore, change):
    """Lets `change` at the tables of a keystore that nobody has open."""
    environment = lmdb.open(keystore, max_dbs=8, create=False)
    with environment.begin(write=True) as transaction:
        tables = {name: environment.open_db(name.encode(), transaction, create=False) for name in ("contents", "entries", "nodes")}
        change(transaction, tables)
    environment.close()


class Damage(harness.MountTest):
    def setUp(self):
        self.bytes = {}
        for alias in ("a", "b", "c", "d"):
            content = b"# " + alias.encode() + b"\n" + self.leaf
            put(self.mount.entry("machine", alias) + "/cert.pem", content)
            self.bytes[alias] = content
        self.numbers = {alias: os.stat(self.mount.at("stores/machine", alias)).st_ino >> 3 & 0xFFFFFFFF for alias in self.bytes}

    def content_key(self, alias):
        return struct.pack(">QB", self.numbers[alias], CERTIFICATE)

    def entry_key(self, alias):
        return struct.pack(">Q", self.numbers[alias])

    def damaged(self, change):
        """Lets `change` at the tables of an unmounted keystore, with its good copy kept; mounts it again."""
        self.mount.unmount()
        good = self.mount.keystore + ".good"
        shutil.copytree(self.mount.keystore, good)
        self.addCleanup(self.restore, good)
        change_tables(self.mount.keystore, change)
        self.mount.mount()

    def restore(self, good):
        self.mount.unmount()
        shutil.rmtree(self.mount.keystore)
        os.rename(good, self.mount.keystore)
        self.mount.mount()
        self.check(lost=())

    def check(self, lost):
        for alias, content in self.bytes.items():
            path = self.mount.at("stores/machine", alias, "cert.pem")
            if alias in lost:
                self.assertEqual(errno_of(pki.read, path), "EIO", alias)
                self.assertNotEqual(run("cat", path).returncode, 0)
            else:
                self.assertEqual(pki.read(path), content, alias)
            # Nothing is made of what is damaged, and everything beside it is shown.
            shown = self.mount.at("export/machine", alias, "fullchain.pem")
            if alias in lost:
                self.assertEqual(errno_of(pki.read, shown), "EIO", alias)
            else:
                self.assertTrue(pki.read(shown).startswith(self.leaf), alias)
        names, errors = list_on(self.mount.at("export/machine"))
        self.assertGreaterEqual(names, 2 + len(self.bytes) - len(lost))
        self.assertEqual(errors, ["EIO"] if lost else [])

    def test_a_flipped_bit_of_a_files_bytes(self):
        for at in (0, 4, 8, 16, 48, 80, -1):
            with self.subTest(at=at):
                self.damaged(lambda transaction, tables: flip(transaction, tables["contents"], self.content_key("b"), at))
                self.check(lost=("b",))
                self.assertEqual(errno_of(pki.read, self.mount.at("stores/machine/b/cert.pem")), "EIO")
                self.assertIn("stores/machine/b/cert.pem: corrupt", self.mount.why().splitlines()[-1])
                self.doCleanups()

    def test_vecs_cli_tells_it(self):
        """The tools that people know have a number for it."""
        vecs = os.path.join(os.path.dirname(CERTFS), "vecs-cli")
        self.damaged(lambda transaction, tables: flip(transaction, tables["contents"], self.content_key("b"), 0))
        done = run(vecs, "entry", "getcert", "--store", "machine", "--alias", "b", "--mount", self.mount.path)
        self.assertEqual((done.returncode, "Error 4313: " in done.stderr), (20, True), done.stderr)
        done = run(vecs, "entry", "list", "--store", "machine", "--mount", self.mount.path)
        self.assertEqual((done.returncode, done.stdout.count("Alias :")), (20, len(self.bytes) - 1), done.stderr)
        self.assertIn("[b]: ", done.stderr)

    def test_records_that_were_swapped(self):
        def swap(transaction, tables):
            first, second = (transaction.get(self.content_key(alias), db=tables["contents"]) for alias in "bc")
            transaction.put(self.content_key("b"), second, db=tables["contents"])
            transaction.put(self.content_key("c"), first, db=tables["contents"])
        self.damaged(swap)
        self.check(lost=("b", "c"))

    def test_a_record_that_was_removed(self):
        self.damaged(lambda transaction, tables: transaction.delete(self.content_key("b"), db=tables["contents"]))
        self.check(lost=("b",))

    def test_a_record_put_back_from_an_older_copy(self):
        self.mount.unmount()
        environment = lmdb.open(self.mount.keystore, max_dbs=8, readonly=True)
        with environment.begin() as transaction:
            old = {name: transaction.get(key, db=environment.open_db(name.encode(), transaction, create=False))
                   for name, key in (("contents", self.content_key("a")), ("entries", self.entry_key("a")))}
        environment.close()
        self.mount.mount()
        self.bytes["a"] = b"# newer\n" + self.chain
        put(self.mount.at("stores/machine/a/cert.pem"), self.bytes["a"])

        def roll_back(transaction, tables):
            transaction.put(self.content_key("a"), old["contents"], db=tables["contents"])
        self.damaged(roll_back)
        self.check(lost=("a",))
        self.doCleanups()

        def roll_back_both(transaction, tables):
            roll_back(transaction, tables)
            transaction.put(self.entry_key("a"), old["entries"], db=tables["entries"])
        self.damaged(roll_back_both)
        self.check(lost=("a",))

    def test_a_damaged_entry_is_left_out_of_the_listing_which_says_so(self):
        self.damaged(lambda transaction, tables: flip(transaction, tables["entries"], self.entry_key("b"), 100))
        self.check(lost=("b",))
        store = self.mount.at("stores/machine")
        # Again and again: the kernel keeps nothing of a listing that is not whole, not even for who reads on behind the error.
        for _ in range(3):
            listed = run("ls", store)
            self.assertEqual(listed.stdout.split(), ["a", "c", "d"])
            self.assertIn("Input/output error", listed.stderr)
            self.assertEqual(list_on(store), (5, ["EIO"]))  # With "." and "..".
        # What is beside it can be changed, and the damaged one is still told.
        put(self.mount.at("stores/machine/c/cert.pem"), self.bytes["c"] + b"\n")
        self.assertEqual(errno_of(pki.read, self.mount.at("stores/machine/b/cert.pem")), "EIO")

    def test_a_damaged_tree_serves_nothing_of_its_store_and_everything_of_the_others(self):
        put(self.mount.entry("vpxd", "beside") + "/cert.pem", self.leaf)
        number = os.stat(self.mount.at("stores/machine")).st_ino >> 3 & 0xFFFFFFFF
        self.damaged(lambda transaction, tables: flip(transaction, tables["nodes"], struct.pack(">QB", number, 0), 20))
        self.check(lost=tuple(self.bytes))
        self.assertEqual(pki.read(self.mount.at("stores/vpxd/beside/cert.pem")), self.leaf)


class DamageBesideAnAuthority(AuthorityTest):
    def certfs(self, *arguments):
        return run(CERTFS, *arguments, "--mount", self.mount.path, cwd=self.work)

    def issuer_of(self, alias):
        return run("openssl", "x509", "-noout", "-issuer", "-in", self.mount.at("stores/machine", alias, "cert.pem")).stdout

    def fill(self, aliases):
        """Entries with certificates of the authority; returns the number of the first."""
        sections = "".join(f"[machine/{alias}]\nprofile = server\nName = {alias}\nHostname = {alias}.example.com\n" for alias in aliases)
        control = os.open(self.mount.at("ca", "control"), os.O_RDWR)
        os.write(control, b"write-entries fill\n" + sections.encode())
        os.close(control)
        return os.stat(self.mount.at("stores/machine", aliases[0])).st_ino >> 3 & 0xFFFFFFFF

    def damage(self, table, key, at):
        self.mount.unmount()
        change_tables(self.mount.keystore, lambda transaction, tables: flip(transaction, tables[table], key, at))
        self.mount.mount()

    def test_a_damaged_entry_holds_no_replacement_up(self):
        self.damage("entries", struct.pack(">Q", self.fill("ab")), 100)
        entries = {each["common_name"]: each.get("entry") for each in json.loads(self.must("ca", "list", "--json"))["issued"]}
        self.assertEqual((entries["a"], entries["b"]), (None, "machine/b"))
        self.must("ca", "show")
        # What nobody can read is served to nobody; doctor names it.
        done = self.certfs("ca", "replace-root", "--name", "New CA", "--yes")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("New CA", self.issuer_of("b"), done.stderr)
        self.assertEqual(errno_of(pki.read, self.mount.at("stores/machine/a/cert.pem")), "EIO")

    def test_what_cannot_be_issued_again_is_named(self):
        self.damage("contents", struct.pack(">QB", self.fill("cd"), KEY), 0)
        done = self.certfs("ca", "replace-root", "--name", "Newer CA", "--yes")
        self.assertIn("Newer CA", self.issuer_of("d"), done.stderr)
        self.assertNotIn("Newer CA", self.issuer_of("c"), done.stderr)
        self.assertEqual(done.returncode, 1, done.stderr)
        left = [line for line in done.stderr.splitlines() if "keeps its certificate" in line]
        self.assertEqual(left, ["certfs: machine/c: keeps its certificate: certfs renew machine/c says why"])


if __name__ == "__main__":
    harness.main()
