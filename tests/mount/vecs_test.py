"""Goal: vecs-cli does what VECS did and what tools/README.md adds: the session of the document, every error with its number and exit code,
prompts, --json, --dry-run, permissions that the kernel enforces, an ordinary user. Method: sessions compared with golden files word for
word, the rest against openssl, getfacl, real uids and the files themselves."""

import glob
import hashlib
import json
import os
import pwd
import shutil
import ssl
import stat
import subprocess
import unittest

import harness
import pki
from harness import CERTFS, put, run
from terminal import converse
from transcript import Transcript

TOOLS = os.path.dirname(CERTFS)
VECS_CLI = os.path.join(TOOLS, "vecs-cli")
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "vecs")
STRANGER = 61003


def sha1(pem):
    return hashlib.sha1(ssl.PEM_cert_to_DER_cert(pem.decode().split("-----END")[0] + "-----END CERTIFICATE-----\n")).hexdigest()


class VecsTest(unittest.TestCase):
    """A mount, and files that the sessions name, for each class."""

    @classmethod
    def setUpClass(cls):
        if not os.path.exists("/dev/fuse"):
            raise unittest.SkipTest("there is no /dev/fuse on this machine")
        cls.mount = harness.Mount()
        cls.work = os.path.join(cls.mount.directory, "work")
        os.mkdir(cls.work)
        os.environ["CERTFS_MOUNT"] = cls.mount.path
        cls.root = pki.Authority(cls.mount.directory, "Test Root")
        cls.issuing = pki.Authority(cls.mount.directory, "Test Issuing CA", cls.root)
        cls.file("root.crt", pki.read(cls.root.cert))
        for name in ("server", "other"):
            key = pki.new_key(os.path.join(cls.work, name + ".key"))
            cls.file(name + ".crt", cls.issuing.issue("localhost", key, end=300) + pki.read(cls.issuing.cert))
        cls.file("renewed.crt", cls.issuing.issue("localhost", os.path.join(cls.work, "server.key"), end=300) + pki.read(cls.issuing.cert))
        cls.file("expired.crt", cls.issuing.issue("localhost", os.path.join(cls.work, "server.key"), start=-20, end=-10))
        cls.file("soon.crt", cls.issuing.issue("localhost", os.path.join(cls.work, "server.key"), end=10) + pki.read(cls.issuing.cert))
        for name, text in (("password", b"correct horse\n"), ("wrong", b"incorrect horse\n")):
            os.chmod(cls.file(name, text), 0o600)
        pki.openssl("pkcs8", "-topk8", "-in", os.path.join(cls.work, "server.key"), "-out", os.path.join(cls.work, "encrypted.key"), "-passout",
                    "pass:correct horse")
        cls.file("garbage", b"this is no certificate\n")
        cls.file("large", b"-----BEGIN CERTIFICATE-----\n" + b"A" * (1 << 20))
        cls.file("list.crl", cls.root.crl())

    @classmethod
    def tearDownClass(cls):
        del os.environ["CERTFS_MOUNT"]
        cls.mount.close()

    @classmethod
    def file(cls, name, data=None):
        path = os.path.join(cls.work, name)
        return path if data is None else pki.write(path, data)

    @classmethod
    def content(cls, name):
        return pki.read(cls.file(name))

    @classmethod
    def vecs(cls, *arguments, **options):
        return run(VECS_CLI, *arguments, cwd=cls.work, **options)

    @classmethod
    def must(cls, *arguments, **options):
        done = cls.vecs(*arguments, **options)
        if done.returncode:
            raise AssertionError(f"{arguments}: {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    @classmethod
    def object(cls, *arguments, code=0):
        """The one object that a command prints with --json."""
        done = cls.vecs(*arguments, "--json")
        if done.returncode != code:
            raise AssertionError(f"{arguments}: {done.returncode}: {done.stderr}{done.stdout}")
        return json.loads(done.stdout)

    def as_user(self, uid, *command, **options):
        return run("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *command, cwd="/", **options)

    def transcript(self, name):
        words = []
        for path in sorted(glob.glob(self.work + "/*.crt") + glob.glob(self.work + "/*.key") + glob.glob(self.work + "/*.crl")):
            words.append((pki.read(path).decode(), f"<{os.path.basename(path)}>\n"))
            if path.endswith(".crt"):
                words.append((sha1(pki.read(path)), f"<sha1 of {os.path.basename(path)}>"))
        words.append((self.mount.path, "<mount>"))
        environment = dict(os.environ, LC_ALL="C", PATH=TOOLS + ":" + os.environ["PATH"])
        environment.pop("NO_COLOR", None)
        Transcript(os.path.join(GOLDEN, name), self.work, environment, words).check(self)

    def pair(self, store, alias, certificate="server.crt", key="server.key"):
        self.must("entry", "create", "--store", store, "--alias", alias, "--cert", certificate, "--key", key)
        return self.mount.at("stores", store, alias)


class Sessions(VecsTest):
    def setUp(self):
        self.tearDownClass()
        self.setUpClass()

    def test_the_document(self):
        self.transcript("session.txt")

    def test_every_error(self):
        self.mount.entry("machine", "staged")
        put(self.mount.at("stores/machine/staged/key.pem"), self.content("server.key"))
        os.mkdir(self.mount.at("stores/machine/staged/next"))
        put(self.mount.at("stores/machine/staged/next/key.pem"), self.content("other.key"))
        self.transcript("errors.txt")

    def test_dry_runs_change_nothing(self):
        self.pair("machine", "live")
        os.mkdir(self.mount.at("stores/empty"))
        before = self.state()
        self.transcript("dry_run.txt")
        self.assertEqual(self.state(), before)

    def state(self):
        """Names, owners, modes, ACLs and bytes of all that there is."""
        listing = run("bash", "-c", "find . -printf '%p %u %g %m %s\\n' | sort; getfacl -Rpn . ; find . -type f -exec sha256sum {} + | sort",
                      cwd=self.mount.at("stores"))
        self.assertEqual(listing.returncode, 0, listing.stderr)
        return listing.stdout

    def test_permissions_as_they_are_shown(self):
        self.transcript("permissions.txt")


class Entries(VecsTest):
    def test_text_shows_all_of_a_chain_a_list_and_keys_of_every_kind(self):
        self.pair("vsphere-webclient", "chain")
        wanted = "".join(run("openssl", "x509", "-noout", "-text", "-nameopt", "RFC2253,-esc_msb", "-in", name).stdout
                         for name in (self.file("server.crt"), self.issuing.cert))
        self.assertEqual(self.must("entry", "getcert", "--store", "vsphere-webclient", "--alias", "chain", "--text"), wanted)
        self.assertEqual(self.must("entry", "list", "--store", "vsphere-webclient", "--text"),
                         "Number of entries in store :\t1\nAlias :\tchain\nEntry type :\tPrivate Key\n" + wanted)
        # The names of the last two are in the CRL store.
        self.must("entry", "create", "--store", "TRUSTED_ROOTS", "--alias", "root", "--cert", "root.crt")
        put(self.mount.entry("TRUSTED_ROOTS_CRLS", "root") + "/crl.pem", self.content("list.crl"))
        words = self.must("entry", "list", "--store", "trusted_root_crls", "--text")
        self.assertIn("Alias :\troot\nEntry type :\tCertification Revocation List\nCertificate Revocation List (CRL):\n", words)
        self.assertIn("Next Update", words)
        plain = self.must("entry", "list", "--store", "TRUSTED_ROOTS_CRLS")
        self.assertIn("Certificate :\t" + self.content("list.crl").decode() + "\n\n", plain)
        self.assertEqual(self.must("entry", "getcert", "--store", "TRUSTED_ROOT_CRLS", "--alias", "ROOT"), self.content("list.crl").decode() + "\n")
        for number, algorithm in enumerate((("RSA", "-pkeyopt", "rsa_keygen_bits:2048"), ("ED25519",), ("EC", "-pkeyopt", "ec_paramgen_curve:P-384"))):
            key = pki.new_key(self.file(f"key{number}.key"), "-algorithm", *algorithm)
            self.must("entry", "create", "--store", "wcp", "--alias", f"key{number}", "--key", key)
            self.assertEqual(self.must("entry", "getkey", "--store", "wcp", "--alias", f"key{number}", "--text"),
                             run("openssl", "pkey", "-noout", "-text", "-in", key).stdout)
        self.assertIn("Entry type :\tSecret Key\nCertificate :\t\n\n", self.must("entry", "list", "--store", "wcp"))

    def test_what_is_got_is_what_is_there_and_private(self):
        entry = self.pair("vpxd", "got")
        for verb, member in (("getcert", "cert.pem"), ("getkey", "key.pem")):
            output = self.file("got")
            self.assertEqual(self.must("entry", verb, "--store", "vpxd", "--alias", "GOT", "--output", output), "")
            self.assertEqual((pki.read(output), stat.S_IMODE(os.stat(output).st_mode)), (pki.read(entry + "/" + member), 0o600))
            os.unlink(output)
        self.must("entry", "create", "--store", "APPLMGMT_PASSWORD", "--alias", "s", "--key", self.file("secret", b'say "x"\\\n\x01'))
        self.assertEqual(self.must("entry", "getkey", "--store", "APPLMGMT_PASSWORD", "--alias", "s"), 'say "x"\\\n\x01\n')
        self.assertEqual(self.object("entry", "getkey", "--store", "APPLMGMT_PASSWORD", "--alias", "s")["key"], 'say "x"\\\n\x01')
        binary = self.file("binary", bytes(range(256)))
        self.must("entry", "create", "--store", "APPLMGMT_PASSWORD", "--alias", "b", "--key", binary)
        pem = self.object("entry", "getkey", "--store", "APPLMGMT_PASSWORD", "--alias", "b")["key_pem"]
        decoded = subprocess.run(["openssl", "base64", "-d"], input="".join(pem.splitlines(True)[1:-1]).encode(), capture_output=True, check=True)
        self.assertEqual(decoded.stdout, bytes(range(256)))

    def test_an_encrypted_key_is_decrypted_on_the_way_in(self):
        create = ("entry", "create", "--store", "hvc", "--alias", "e", "--cert", "server.crt", "--key", "encrypted.key")
        self.must(*create, "--password-file", "password")
        wanted = pki.openssl("pkey", "-in", self.file("server.key"), "-pubout")
        self.assertEqual(pki.openssl("pkey", "-in", self.mount.at("stores/hvc/e/key.pem"), "-pubout"), wanted)
        self.assertNotIn(b"ENCRYPTED", pki.read(self.mount.at("stores/hvc/e/key.pem")))
        # Or asked for, where there is somebody to ask.
        for password, code in (("incorrect horse", 16), ("correct horse", 0)):
            ended, shown = converse([("Enter PEM pass phrase", password)], VECS_CLI, "entry", "create", "--store", "hvc", "--alias", "asked",
                                    "--cert", self.file("server.crt"), "--key", self.file("encrypted.key"))
            self.assertEqual((ended, "Enter PEM pass phrase" in shown, password in shown), (code, True, False), shown)
            self.assertEqual(os.path.exists(self.mount.at("stores/hvc/asked")), code == 0)

    def test_replace_is_one_step_and_needs_what_is_there(self):
        entry = self.pair("machine", "replaced")
        inode = os.stat(entry + "/cert.pem").st_ino
        self.must("entry", "replace", "--store", "machine", "--alias", "REPLACED", "--cert", "renewed.crt")
        self.assertEqual(run("cat", entry + "/cert.pem").stdout.encode(), self.content("renewed.crt"))
        out = self.must("entry", "replace", "--store", "machine", "--alias", "replaced", "--cert", "other.crt", "--key", "other.key")
        self.assertEqual(out, "Entry with alias [replaced] in store [machine] was replaced successfully \n")
        self.assertEqual(run("cat", entry + "/cert.pem").stdout.encode(), self.content("other.crt"))
        self.assertEqual(run("cat", entry + "/key.pem").stdout.encode(), self.content("other.key"))
        self.assertNotEqual(os.stat(entry + "/cert.pem").st_ino, inode)
        self.assertFalse(os.path.exists(entry + "/next"))
        # BACKUP_STORE has the state before, which the pair of renewed.crt was.
        kept = self.mount.at("stores/BACKUP_STORE/bkp_replaced/cert.pem")
        self.assertEqual(pki.read(kept), self.content("renewed.crt"))
        self.assertEqual(self.must("entry", "getcert", "--store", "BACKUP_STORE", "--alias", "bkp_replaced"),
                         self.content("renewed.crt").decode() + "\n")
        before = run("cat", entry + "/cert.pem", entry + "/key.pem").stdout
        for arguments, code, number in ((("--cert", "server.crt"), 8, 90018), (("--key", "server.key"), 8, 90018), (("--cert", "expired.crt", "--key", "server.key"), 7, 11),
                                        (("--cert", "garbage", "--key", "server.key"), 7, 11)):
            failed = self.object("entry", "replace", "--store", "machine", "--alias", "replaced", *arguments, code=code)
            self.assertEqual(failed["error"]["number"], number)
            self.assertEqual(run("cat", entry + "/cert.pem", entry + "/key.pem").stdout, before)
            self.assertFalse(os.path.exists(entry + "/next"))
        self.must("entry", "create", "--store", "TRUSTED_ROOTS", "--alias", "anchor", "--cert", "root.crt")
        lacks = self.vecs("entry", "replace", "--store", "TRUSTED_ROOTS", "--alias", "anchor", "--cert", "root.crt", "--key", self.root.key)
        self.assertEqual((lacks.returncode, "No key was found" in lacks.stderr), (2, True), lacks.stderr)
        missing = self.vecs("entry", "replace", "--store", "machine", "--alias", "none", "--cert", "server.crt")
        self.assertEqual((missing.returncode, "Error 4312" in missing.stderr), (4, True))

    def test_expiring(self):
        self.pair("vpxd-extension", "late")
        self.pair("vpxd-extension", "soon", "soon.crt")
        put(self.mount.entry("vpxd-extension", "key-only") + "/key.pem", self.content("server.key"))
        listed = ("entry", "list", "--store", "vpxd-extension", "--aliases", "--expiring")
        self.assertEqual(self.must(*listed, "30d"), "Number of entries in store :\t1\nsoon\n")
        self.assertEqual(self.must(*listed, "5"), "Number of entries in store :\t0\n")
        self.assertEqual(self.object(*listed, "400d")["aliases"], ["late", "soon"])
        for wrong in ("x", "-1", "30h", "", "40000d"):
            self.assertEqual(self.vecs(*listed[:-1], "--expiring=" + wrong).returncode, 2, wrong)

    def test_listing_is_one_pass(self):
        """Each entry costs the same number of system calls, and the store's directory is opened once."""
        counts = []
        for entries in (4, 12):
            store = f"pass{entries}"
            os.mkdir(self.mount.at("stores", store))
            for number in range(entries):
                put(self.mount.entry(store, f"e{number}") + "/key.pem", self.content("server.key"))
            trace = self.file("trace")
            # The check for leaks, of sanitized code, cannot be done under strace.
            unleaked = f"ASAN_OPTIONS={os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0"
            done = run("strace", "-f", "-o", trace, "-E", unleaked, VECS_CLI, "entry", "list", "--store", store, cwd=self.work)
            self.assertEqual(done.returncode, 0, done.stderr)
            calls = pki.read(trace).decode().splitlines()
            opened = [call for call in calls if "openat(" in call and f'stores/{store}"' in call]
            self.assertEqual(len(opened), 1)
            counts.append(len([call for call in calls if f"stores/{store}/" in call]))
        self.assertEqual(counts[0] * 3, counts[1])


class Questions(VecsTest):
    def test_the_prompt(self):
        entry = self.pair("machine", "asked")
        warning = "Warning: This operation will delete entry [asked] from store [machine]\nDo you wish to continue? Y/N [N] \n"
        delete = ("entry", "delete", "--store", "machine", "--alias", "asked")
        for answer in ("", "\n", "n\n", "N\n", "x y\n"):
            done = self.vecs(*delete, input=answer)
            self.assertEqual((done.returncode, done.stdout), (3, warning), done.stderr)
            self.assertIn("Error 1223: not confirmed", done.stderr)
            self.assertEqual(sorted(os.listdir(entry)), ["cert.pem", "key.pem"])
        for answer in ("y\n", "Y", "yes\n"):
            done = self.vecs(*delete, input=answer)
            self.assertEqual((done.returncode, done.stdout), (0, warning + "Deleted entry with alias [asked] in store [machine] successfully\n"))
            self.assertFalse(os.path.exists(entry))
            self.pair("machine", "asked")
        os.mkdir(self.mount.at("stores/own"))
        warning = "Warning: This operation will delete store [OWN]\nDo you wish to continue? Y/N [N] \n"
        done = self.vecs("store", "delete", "--name", "OWN", input="n\n")
        self.assertEqual((done.returncode, done.stdout), (3, warning))
        done = self.vecs("store", "delete", "--name", "OWN", input="y\n")
        self.assertEqual((done.returncode, done.stdout), (0, warning + "Successfully deleted store [OWN]\n"))
        self.assertEqual(self.object(*delete, code=2)["error"]["name"], "ERROR_INVALID_PARAMETER")

    def test_json_everywhere(self):
        self.assertEqual(self.object("store", "create", "--name", "j"), {"store": "j", "created": True})
        stores = self.object("store", "list")["stores"]
        self.assertEqual([store["name"] for store in stores], self.must("store", "list").split())
        self.assertIn({"name": "j", "path": self.mount.at("stores/j"), "entries": 0, "protected": False}, stores)
        made = self.object("entry", "create", "--store", "J", "--alias", "Web", "--cert", "server.crt", "--key", "server.key")
        self.assertEqual(made, {"store": "j", "alias": "Web", "type": "Private Key", "created": True})
        listed = self.object("entry", "list", "--store", "j")
        self.assertEqual((listed["store"], listed["count"], listed["not_readable"]), ("j", 1, 0))
        entry = listed["entries"][0]
        self.assertEqual((entry["alias"], entry["type"], entry["path"], entry["crl"]), ("Web", "Private Key", self.mount.at("stores/j/Web"), None))
        self.assertEqual(entry["pem"], self.content("server.crt").decode())
        self.assertEqual([each["subject"] for each in entry["certificates"]], ["CN=localhost", "CN=Test Issuing CA"])
        leaf = entry["certificates"][0]
        self.assertEqual(leaf["sha1"], sha1(self.content("server.crt")))
        self.assertEqual((leaf["key"], leaf["names"]), ("EC P-256", ["DNS:localhost", "IP Address:127.0.0.1"]))
        self.assertEqual(entry["expires"], min(each["not_after"] for each in entry["certificates"]))
        self.assertEqual(self.object("entry", "getcert", "--store", "j", "--alias", "web")["pem"], entry["pem"])
        key = self.object("entry", "getkey", "--store", "j", "--alias", "web")
        self.assertEqual((key["kind"], key["key"]), ("EC P-256", self.content("server.key").decode()))
        key = self.object("entry", "getkey", "--store", "j", "--alias", "web", "--output", self.file("k"))
        self.assertEqual((key["output"], "key" in key), (self.file("k"), False))
        permissions = self.object("store", "get-permissions", "--name", "j")
        self.assertEqual(permissions["owner"], {"name": "root", "id": 0})
        self.assertEqual(permissions["users"], [{"name": "EVERYONE", "id": None, "access": ["read"]}])
        done = self.object("store", "permission", "--name", "j", "--user", "daemon", "--grant", "write", "--dry-run")
        self.assertEqual((done["granted"], done["dry_run"]), ("write", True))
        self.assertEqual(self.object("entry", "delete", "--store", "j", "--alias", "web", "-y")["deleted"], True)
        self.assertEqual(self.object("entry", "delete", "--store", "j", "--alias", "web", "-y", "--if-exists")["deleted"], False)
        self.assertEqual(self.object("store", "delete", "--name", "j", "-y"), {"store": "j", "deleted": True})
        missing = self.object("entry", "list", "--store", "j", code=4)
        self.assertEqual(missing, {"error": {"name": "ERROR_OBJECT_NOT_FOUND", "number": 4312, "exit_code": 4, "message": "Store [j] does not exist"}})
        usage = self.object("entry", "list", "--stroe", "j", code=2)
        self.assertIn("did you mean '--store'?", usage["error"]["message"])

    def test_it_finds_the_mount(self):
        environment = {name: value for name, value in os.environ.items() if name != "CERTFS_MOUNT"}
        done = subprocess.run([VECS_CLI, "store", "list", "--mount", self.mount.path], env=environment, capture_output=True, text=True)
        self.assertEqual((done.returncode, "machine\n" in done.stdout), (0, True), done.stderr)
        # Alone, in a mount namespace of its own.
        others = "for each in $(findmnt -rnt fuse.certfs -o TARGET); do [ \"$each\" = \"$0\" ] || umount -l \"$each\"; done; "
        for last, code in (("", 0), ("umount -l \"$0\"; ", 14)):
            done = subprocess.run(["unshare", "-m", "bash", "-c", others + last + '"$1" store list', self.mount.path, VECS_CLI], env=environment,
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn("Error 1021: no certfs filesystem is mounted", done.stderr)

    def test_packages_of_a_key_are_named_before_it_goes(self):
        entry = self.pair("machine", "recipient")
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pki.openssl("x509", "-noout", "-pubkey", "-in", self.file("server.crt")),
                             capture_output=True, check=True).stdout
        record = self.mount.entry("PACKAGES", hashlib.sha256(der).hexdigest() + "-" + "0" * 32)
        put(record + "/secret", json.dumps({"package": "quarterly.package", "time": "2026-01-31T12:00:00Z", "sha256": "0" * 64}).encode())
        replace = ("entry", "replace", "--store", "machine", "--alias", "recipient", "--cert")
        self.assertEqual(self.vecs(*replace, "renewed.crt").stderr, "")  # Its key stays.
        for arguments in ((*replace, "other.crt", "--key", "other.key", "--dry-run"), ("entry", "delete", "--store", "machine", "--alias", "recipient", "-y")):
            done = self.vecs(*arguments)
            self.assertEqual((done.returncode, "quarterly.package" in done.stderr), (0, True), done.stderr)
        self.assertFalse(os.path.exists(entry))

    def test_a_dead_mount_is_said_to_be_dead(self):
        dead = harness.Mount()
        try:
            harness.kill_processes(dead.path)
            done = self.vecs("store", "list", "--mount", dead.path)
            while done.returncode == 0:  # The kernel learns of it when the process has gone.
                done = self.vecs("store", "list", "--mount", dead.path)
            self.assertEqual((done.returncode, "Error 1021" in done.stderr, "its daemon has ended" in done.stderr), (14, True, True), done.stderr)
        finally:
            dead.close()


class Users(VecsTest):
    def setUp(self):
        # Where the programs are may be closed to others; the mount's directory is not.
        self.program = shutil.copy(VECS_CLI, os.path.join(self.mount.directory, "vecs-cli"))
        self.daemon = pwd.getpwnam("daemon")

    def vecs_as(self, uid, *arguments, **options):
        return self.as_user(uid, self.program, *arguments, "--mount", self.mount.path, **options)

    def test_an_ordinary_user_has_what_the_kernel_grants(self):
        entry = self.pair("machine", "plain")
        listed = self.vecs_as(STRANGER, "store", "list")
        self.assertEqual((listed.returncode, listed.stdout), (0, self.must("store", "list")))
        got = self.vecs_as(STRANGER, "entry", "getcert", "--store", "machine", "--alias", "plain")
        self.assertEqual((got.returncode, got.stdout), (0, self.content("server.crt").decode() + "\n"), got.stderr)
        for arguments in (("entry", "getkey", "--store", "machine", "--alias", "plain"), ("entry", "list", "--store", "BACKUP_STORE"),
                          ("store", "create", "--name", "mine"), ("store", "delete", "--name", "wcp", "-y"),
                          ("entry", "delete", "--store", "machine", "--alias", "plain", "-y"),
                          ("store", "permission", "--name", "machine", "--user", str(STRANGER), "--grant", "write"), ("force-refresh",)):
            for dry in ((),) if arguments[1:2] in (("getkey",), ("list",), ()) else ((), ("--dry-run",)):
                refused = self.vecs_as(STRANGER, *arguments, *dry)
                self.assertEqual(refused.returncode, 5, (arguments, refused.stdout, refused.stderr))
                self.assertIn("vecs-cli failed. Error 5: ", refused.stderr)
        refused = self.vecs_as(STRANGER, "entry", "getkey", "--store", "machine", "--alias", "plain")
        self.assertIn(f"key.pem is root's, mode 0600, and you are user {STRANGER}; its owner may allow it: vecs-cli store permission --name machine "
                      f"--user {STRANGER} --grant read", refused.stderr)
        refused = self.vecs_as(STRANGER, "store", "create", "--name", "mine")
        self.assertTrue(refused.stderr.endswith(f"stores is root's, mode 0755, and you are user {STRANGER}\n"), refused.stderr)
        self.assertEqual(sorted(os.listdir(entry)), ["cert.pem", "key.pem"])
        # A list that is not whole says so.
        closed = self.pair("machine", "closed")
        os.chmod(closed, 0o700)
        listed = self.vecs_as(STRANGER, "entry", "list", "--store", "machine")
        self.assertEqual(listed.returncode, 5)
        self.assertIn("Alias :\tplain\n", listed.stdout)
        self.assertNotIn("Alias :\tclosed\n", listed.stdout)
        self.assertIn("[closed]: ", listed.stderr)
        listed = self.vecs_as(STRANGER, "entry", "list", "--store", "machine", "--json")
        told = json.loads(listed.stdout)
        self.assertEqual((listed.returncode, told["count"], told["not_readable"], told["error"]["number"]), (5, 1, 1, 5))

    def acl(self, path):
        shown = run("getfacl", "-cpE", path)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        return shown.stdout.split()

    def test_a_grant_is_enforced_inherited_and_survives_a_renewal(self):
        name, uid = "daemon", self.daemon.pw_uid
        self.must("store", "create", "--name", "granted")
        store = self.mount.at("stores/granted")
        entry = self.pair("granted", "before")
        getkey = ("entry", "getkey", "--store", "granted", "--alias")
        self.assertEqual(self.vecs_as(uid, *getkey, "before").returncode, 5)
        permission = ("store", "permission", "--name", "granted", "--user", name)
        self.assertEqual(self.must(*permission, "--grant", "read"), "Permissions for store [granted] set  successfully\n")
        self.assertEqual(self.must("store", "get-permissions", "--name", "granted"),
                         "PERMISSIONS FOR STORE: [granted]\nOWNER : root\nUSER\t\tACCESS\ndaemon\tread\nEVERYONE\tread\n")
        later = self.pair("granted", "later")
        for alias, place in (("before", entry), ("later", later)):
            got = self.vecs_as(uid, *getkey, alias)
            self.assertEqual((got.returncode, got.stdout), (0, self.content("server.key").decode() + "\n"), got.stderr)
            self.assertEqual(self.vecs_as(STRANGER, *getkey, alias).returncode, 5)
            self.assertIn("other::---", self.acl(place + "/key.pem"))
            self.assertEqual(self.vecs_as(uid, "entry", "replace", "--store", "granted", "--alias", alias, "--cert", self.file("renewed.crt")).returncode, 5)
        self.assertIn("user:daemon:r-x", self.acl(store))
        self.assertIn("default:user:daemon:r-x", self.acl(store))
        self.assertIn("user:daemon:r--", self.acl(entry + "/key.pem"))
        shown = [self.acl(path) for path in (store, entry, entry + "/key.pem", entry + "/cert.pem")]
        for files in (("--cert", "renewed.crt"), ("--cert", "other.crt", "--key", "other.key")):
            self.must("entry", "replace", "--store", "granted", "--alias", "before", *files)
            self.assertEqual([self.acl(path) for path in (store, entry, entry + "/key.pem", entry + "/cert.pem")], shown)
        self.assertEqual(self.vecs_as(uid, *getkey, "before").stdout, self.content("other.key").decode() + "\n")
        # A second right is added, and takes the first with it in neither direction.
        self.must(*permission, "--grant", "write")
        self.assertIn("daemon\tread,write\n", self.must("store", "get-permissions", "--name", "granted"))
        for name_ in ("server.crt", "server.key", "renewed.crt"):
            shutil.copy(self.file(name_), self.mount.directory)
            os.chmod(os.path.join(self.mount.directory, name_), 0o644)
        done = self.vecs_as(uid, "entry", "create", "--store", "granted", "--alias", "his", "--cert", self.mount.directory + "/server.crt", "--key",
                            self.mount.directory + "/server.key")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.vecs_as(uid, "entry", "replace", "--store", "granted", "--alias", "later", "--cert", self.mount.directory + "/renewed.crt")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.must(*permission, "--revoke", "read")
        self.assertIn("daemon\twrite\n", self.must("store", "get-permissions", "--name", "granted"))
        self.assertIn("user:daemon:-wx", self.acl(store))
        self.assertEqual(self.vecs_as(uid, *getkey, "later").returncode, 5)
        self.assertEqual(self.vecs_as(uid, "entry", "delete", "--store", "granted", "--alias", "later", "-y").returncode, 0)
        self.must(*permission, "--revoke", "write")
        for path in (store, entry, entry + "/key.pem", entry + "/cert.pem"):
            self.assertFalse([line for line in self.acl(path) if "daemon" in line or "default" in line], path)
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/key.pem").st_mode), 0o600)

    def test_others_keep_theirs(self):
        entry = self.pair("wcp", "shared")
        for user in ("daemon", "bin"):
            self.must("store", "permission", "--name", "wcp", "--user", user, "--grant", "read")
        run("setfacl", "-m", "u:games:r", entry + "/key.pem")
        os.chmod(entry + "/key.pem", 0o600)  # Which masks them all; a grant has to work all the same.
        self.must("store", "permission", "--name", "wcp", "--user", "sync", "--grant", "read")
        self.assertEqual(self.as_user(pwd.getpwnam("sync").pw_uid, "cat", entry + "/key.pem").returncode, 0)
        self.must("store", "permission", "--name", "wcp", "--user", "daemon", "--revoke", "read")
        shown = self.acl(entry + "/key.pem")
        for user in ("bin", "games", "sync"):
            self.assertIn(f"user:{user}:r--", shown)
        self.assertFalse([line for line in shown if "daemon" in line])
        self.assertEqual(self.as_user(self.daemon.pw_uid, "cat", entry + "/key.pem").returncode, 1)

    def test_everyone_never_gets_a_key(self):
        entry = self.pair("SMS", "public")
        os.chmod(self.mount.at("stores/SMS"), 0o700)
        self.assertEqual(self.as_user(STRANGER, "cat", entry + "/cert.pem").returncode, 1)
        self.must("store", "permission", "--name", "SMS", "--user", "everyone", "--grant", "read")
        self.assertEqual(self.as_user(STRANGER, "cat", entry + "/cert.pem").returncode, 0)
        self.assertEqual(self.as_user(STRANGER, "cat", entry + "/key.pem").returncode, 1)
        self.must("store", "permission", "--name", "SMS", "--user", "EVERYONE", "--revoke", "read")
        self.assertEqual(self.as_user(STRANGER, "cat", entry + "/cert.pem").returncode, 1)

    def test_what_is_anothers_keeps_all_as_it_is(self):
        """The owner of a store cannot say who uses an entry of somebody else's, and then changes nothing at all."""
        self.must("store", "create", "--name", "mixed")
        store, entry = self.mount.at("stores/mixed"), self.pair("mixed", "roots")
        os.chown(store, STRANGER, STRANGER)
        before = [self.acl(path) for path in (store, entry, entry + "/key.pem")]
        done = self.vecs_as(STRANGER, "store", "permission", "--name", "mixed", "--user", "daemon", "--grant", "read")
        self.assertEqual((done.returncode, "roots: belongs to root" in done.stderr), (5, True), done.stderr)
        self.assertEqual([self.acl(path) for path in (store, entry, entry + "/key.pem")], before)
        # Root may; and what the mount refuses is taken back.
        done = self.vecs("store", "permission", "--name", "BACKUP_STORE", "--user", "daemon", "--grant", "read")
        self.assertEqual(done.returncode, 5, done.stderr)


class Refreshing(VecsTest):
    def test_force_refresh_says_what_it_did(self):
        self.assertEqual(self.must("force-refresh"), "There is no certificate authority in this keystore: nothing to refresh\n")
        self.assertEqual(self.object("force-refresh"), {"authority": False, "signed": 0, "stores": []})
        done = run(CERTFS, "ca", "init", "--name", "Acme CA", "--mount", self.mount.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.must("force-refresh", "--dry-run"), "Nothing is due: the CRL is before half of its life\n")
        self.assertEqual(self.must("force-refresh"), "TRUSTED_ROOTS :\tadded 0, replaced 0, removed 0, kept 1\n"
                                                     "TRUSTED_ROOT_CRLS :\tadded 0, replaced 0, removed 0, kept 1\nCRLs signed anew :\t0\n")
        told = self.object("force-refresh")
        self.assertEqual((told["signed"], [store["kept"] for store in told["stores"]]), (0, [1, 1]))


if __name__ == "__main__":
    harness.main()
