"""Goal: certificate-manager's eight operations do what they say, in one commit, and what fails leaves everything as it was, with the services told.
Method: the program on a real mount, by flags and at a terminal; certificates of a stock openssl CA; services that write down what they are told, or fail."""

import json
import os
import stat
import subprocess

import harness
import pki
from harness import CERTFS, run
from terminal import converse

MANAGER = os.path.join(os.path.dirname(CERTFS), "certificate-manager")
MACHINE = "MACHINE_SSL_CERT/__MACHINE_CERT"
USERS = ["machine", "vsphere-webclient", "vpxd", "vpxd-extension", "hvc", "wcp"]
CONFIG = b"Country = AT\nOrganization = Acme\nName = web\nHostname = web.example.com\n"


class ManagerTest(harness.MountTest):
    def setUp(self):
        if not os.path.exists(MANAGER):
            self.fail(MANAGER + " was not built")
        # Each test begins with a keystore of its own.
        self.mount = harness.Mount()
        self.addCleanup(self.mount.close)
        self.told = os.path.join(self.mount.directory, "told")
        self.config = pki.write(os.path.join(self.mount.directory, "web.cfg"), CONFIG)

    def run_manager(self, *arguments, code=0):
        done = run(MANAGER, "--mount", self.mount.path, *arguments, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def control(self, command):
        descriptor = os.open(self.mount.at("ca", "control"), os.O_RDWR)
        try:
            os.write(descriptor, command.encode())
            return json.loads(os.pread(descriptor, 1 << 20, 0))
        finally:
            os.close(descriptor)

    def authority(self):
        self.control("init")

    def cert(self, entry=MACHINE):
        return self.mount.at("stores", *entry.split("/"), "cert.pem")

    def subject(self, entry=MACHINE):
        return pki.openssl("x509", "-in", self.cert(entry), "-noout", "-subject", "-nameopt", "RFC2253").decode().strip().removeprefix("subject=")

    def pair(self, entry=MACHINE):
        return pki.read(self.cert(entry)), pki.read(self.cert(entry).replace("cert.pem", "key.pem"))

    def check_pair(self, entry=MACHINE):
        """It matches, and chains to the root that the mount shows."""
        public = [pki.openssl("pkey", "-in", self.cert(entry).replace("cert.pem", "key.pem"), "-pubout"),
                  pki.openssl("x509", "-in", self.cert(entry), "-noout", "-pubkey")]
        self.assertEqual(public[0], public[1])
        pki.openssl("verify", "-x509_strict", "-CAfile", self.mount.at("ca", "root.pem"), "-untrusted", self.cert(entry), self.cert(entry))

    def services(self, failing=False, entries='["*"]', shown=MACHINE):
        """A file of one service, that writes down which entries changed, with the subject that `shown` has by then."""
        show = f"openssl x509 -in {self.cert(shown)} -noout -subject -nameopt RFC2253"
        command = f"(echo $CERTFS_SERVICE $CERTFS_ENTRY; {show}) >> {self.told}" + ("; exit 1" if failing else "")
        text = f'[[service]]\nname = "web"\nentries = {entries}\ncommand = """{command}"""\n'
        path = pki.write(os.path.join(self.mount.directory, "services.toml"), text.encode())
        os.chmod(path, 0o600)
        return path

    def what_was_told(self):
        return pki.read(self.told).decode().splitlines() if os.path.exists(self.told) else []


class MachineSsl(ManagerTest):
    def test_by_the_authority_and_reverted(self):
        self.authority()
        done = self.run_manager("--operation", "3", "--config", self.config, "--yes", "--services", self.services())
        self.assertTrue(done.stdout.strip().endswith("Status : 100% Completed [All tasks completed successfully]"), done.stdout)
        self.assertIn("services to reload: web", done.stdout)
        self.assertIn("CN=web", self.subject())
        self.check_pair()
        self.assertEqual(self.what_was_told()[0], f"web {MACHINE}")
        first = self.pair()
        # Once more, to the names that it has.
        self.run_manager("--operation", "machine-ssl", "--yes")
        second = self.pair()
        self.assertNotEqual(first, second)
        self.assertIn("CN=web", self.subject())
        self.check_pair()
        done = self.run_manager("--operation", "7", "--yes")
        self.assertIn(MACHINE, done.stdout)
        self.assertEqual(self.pair(), first)
        done = self.run_manager("--operation", "7", "--yes", code=1)
        self.assertIn("no operation to revert", done.stderr)

    def test_a_custom_one_with_its_root(self):
        self.authority()
        cert = pki.write(os.path.join(self.mount.directory, "custom.pem"), self.chain)
        arguments = ("--operation", "1", "--cert", cert, "--key", self.key, "--root", self.root.cert)
        self.run_manager(*arguments, "--yes")
        self.assertEqual(pki.openssl("x509", "-in", self.cert(), "-noout", "-fingerprint"), pki.openssl("x509", "-in", cert, "-noout", "-fingerprint"))
        fingerprint = pki.openssl("x509", "-in", self.root.cert, "-noout", "-fingerprint", "-sha1").decode().split("=")[1].strip().replace(":", "").lower()
        self.assertTrue(os.path.exists(self.mount.at("stores", "TRUSTED_ROOTS", fingerprint, "cert.pem")))
        # All of it is one operation.
        self.run_manager("--operation", "7", "--yes")
        self.assertFalse(os.path.exists(self.cert()))
        self.assertFalse(os.path.exists(self.mount.at("stores", "TRUSTED_ROOTS", fingerprint, "cert.pem")))

    def test_a_dry_run_judges_and_changes_nothing(self):
        self.authority()
        self.run_manager("--operation", "3", "--config", self.config, "--yes")
        before = self.pair()
        state = self.control("show")
        done = json.loads(self.run_manager("--operation", "3", "--dry-run", "--json", "--services", self.services()).stdout)
        self.assertEqual((done["operation"], done["dry_run"], done["done"]), ("machine-ssl", True, False))
        self.assertEqual([entry["entry"] for entry in done["entries"]], [MACHINE])
        self.assertIn("CN=web", done["entries"][0]["before"]["subject"])
        self.assertEqual(done["services"], ["web"])
        # What would be refused is refused here, too, by the same words.
        bad = pki.write(os.path.join(self.mount.directory, "bad.cfg"), b"Name = web\nHostname = *.example.com\n")
        for option in ("--dry-run", "--yes"):
            done = self.run_manager("--operation", "3", "--config", bad, option, code=1)
            self.assertIn(MACHINE, done.stderr)
        self.assertEqual(self.pair(), before)
        self.assertEqual(self.control("show"), state)
        self.assertEqual(self.what_was_told(), [])

    def test_a_service_that_cannot_be_reloaded_takes_it_back(self):
        self.authority()
        self.run_manager("--operation", "3", "--config", self.config, "--yes")
        before = self.pair()
        other = pki.write(os.path.join(self.mount.directory, "other.cfg"), CONFIG.replace(b"= web", b"= other"))
        done = self.run_manager("--operation", "3", "--config", other, "--yes", "--services", self.services(failing=True), code=1)
        self.assertIn("Operation failed, performing automatic rollback", done.stdout)
        self.assertIn("everything is as it was before", done.stderr)
        self.assertEqual(self.pair(), before)
        # It saw the new one, and then the old one again.
        told = self.what_was_told()
        self.assertEqual((told[0], told[2]), (f"web {MACHINE}", f"web {MACHINE}"))
        self.assertIn("CN=other", told[1])
        self.assertIn("CN=web", told[3])
        done = self.run_manager("--operation", "3", "--config", other, "--yes", "--keep", "--reload-command", "exit 3", code=1)
        self.assertIn("exit code 3", done.stderr)
        self.assertIn("CN=other", self.subject())

    def test_wrong_usage_and_what_is_not_there(self):
        for arguments, code, words in (
                ((), 2, "no terminal to show the menu on"),
                (("--operation", "3"), 2, "no terminal to ask on"),
                (("--operation", "9", "--yes"), 2, "is no operation"),
                (("--operation", "3", "--json"), 2, "--json asks nothing"),
                (("--operation", "3", "--yes"), 1, "no certificate authority"),
                (("--operation", "1", "--yes"), 2, "takes --cert FILE and --key FILE"),
                (("--resume", "--yes"), 1, "nothing to resume"),
                (("--operation", "7", "--yes"), 1, "no operation to revert"),
                (("--operation", "3", "--yes", "--services", "/no/such"), 2, "No such file")):
            with self.subTest(arguments):
                done = self.run_manager(*arguments, code=code)
                self.assertIn(words, done.stderr)
                self.assertNotIn("Status", done.stdout)
        for flag in ("--help", "--version"):
            self.assertIn("certificate-manager", run(MANAGER, flag).stdout)


class SolutionUsers(ManagerTest):
    def test_all_in_one_commit_each_with_its_name(self):
        self.authority()
        self.run_manager("--operation", "6", "--config", self.config, "--yes", "--services", self.services(entries='["vpxd"]', shown="vpxd/vpxd"))
        for user in USERS:
            self.assertIn("CN=" + user, self.subject(f"{user}/{user}"))
            self.check_pair(f"{user}/{user}")
        self.assertEqual(self.what_was_told()[0], "web vpxd/vpxd")
        before = [self.pair(f"{user}/{user}") for user in USERS]
        # One that is refused keeps all others out.
        bad = pki.write(os.path.join(self.mount.directory, "bad.cfg"), b"Name = wcp\nHostname = *.example.com\n")
        self.run_manager("--operation", "6", "--config", self.config, "--config", "wcp=" + bad, "--yes", code=1)
        self.assertEqual([self.pair(f"{user}/{user}") for user in USERS], before)

    def test_custom_ones(self):
        self.authority()
        cert = pki.write(os.path.join(self.mount.directory, "custom.pem"), self.chain)
        self.run_manager("--operation", "5", "--cert", "vpxd=" + cert, "--key", "vpxd=" + self.key, "--root", self.root.cert, "--yes")
        self.assertIn("CN=localhost", self.subject("vpxd/vpxd"))
        self.assertFalse(os.path.exists(self.cert("hvc/hvc")))
        other = pki.new_key(os.path.join(self.mount.directory, "other.key"))
        before = self.pair("vpxd/vpxd")
        self.run_manager("--operation", "5", "--cert", "vpxd=" + cert, "--key", "vpxd=" + other, "--yes", code=1)
        self.assertEqual(self.pair("vpxd/vpxd"), before)

    def test_requests_for_others_to_sign(self):
        self.authority()
        directory = os.path.join(self.mount.directory, "csrs")
        done = self.run_manager("--operation", "5", "--requests", directory, "--config", self.config, "--user", "vpxd", "--user", "hvc")
        self.assertEqual(sorted(os.listdir(directory)), ["hvc.csr", "hvc.key", "vpxd.csr", "vpxd.key"])
        self.assertIn(directory + "/vpxd.csr", done.stdout)
        self.assertEqual(stat.S_IMODE(os.stat(directory + "/vpxd.key").st_mode), 0o600)
        text = pki.openssl("req", "-in", directory + "/vpxd.csr", "-noout", "-verify", "-subject", "-nameopt", "RFC2253").decode()
        self.assertIn("CN=vpxd", text)
        done = self.run_manager("--operation", "5", "--requests", directory, "--config", self.config, "--user", "vpxd", code=1)
        self.assertIn("vpxd.key", done.stderr)


class Root(ManagerTest):
    def prepare(self):
        """Machine SSL and two others by the authority, a solution user from elsewhere."""
        self.authority()
        self.run_manager("--operation", "3", "--config", self.config, "--yes")
        self.run_manager("--operation", "6", "--user", "hvc", "--user", "wcp", "--yes")
        cert = pki.write(os.path.join(self.mount.directory, "custom.pem"), self.chain)
        self.run_manager("--operation", "5", "--cert", "vpxd=" + cert, "--key", "vpxd=" + self.key, "--root", self.root.cert, "--yes")
        self.entries = [MACHINE, "hvc/hvc", "wcp/wcp", "vpxd/vpxd"]
        return [self.pair(entry) for entry in self.entries]

    def root_now(self):
        return pki.read(self.mount.at("ca", "root.pem"))

    def test_a_new_root_and_back(self):
        before, old = self.prepare(), self.root_now()
        done = self.run_manager("--operation", "4", "--yes", "--services", self.services())
        self.assertTrue(done.stdout.strip().endswith("Status : 100% Completed [All tasks completed successfully]"), done.stdout)
        self.assertNotEqual(self.root_now(), old)
        for entry in self.entries:
            self.check_pair(entry)
        self.assertEqual(self.pair(MACHINE)[1], before[0][1], "keys stay without --rekey")
        self.assertIsNone(self.control("show")["replacement"])
        self.assertEqual(sorted(self.what_was_told()[0].split()[1:] + [line for line in self.what_was_told()[1:] if "subject" not in line]), sorted(self.entries))
        self.run_manager("--operation", "7", "--yes")
        self.assertEqual(self.root_now(), old)
        self.assertEqual([self.pair(entry) for entry in self.entries], before)

    def test_a_reset_makes_new_keys_for_all(self):
        before, old = self.prepare(), self.root_now()
        self.run_manager("--operation", "8", "--yes")
        self.assertNotEqual(self.root_now(), old)
        for entry, pair in zip(self.entries, before):
            self.check_pair(entry)
            self.assertNotEqual(self.pair(entry)[1], pair[1], entry)
        for user in USERS:
            self.check_pair(f"{user}/{user}")

    def test_a_custom_signing_certificate(self):
        self.prepare()
        self.run_manager("--operation", "2", "--cert", self.issuing.cert, "--key", self.issuing.key, "--root", self.root.cert, "--yes")
        self.assertEqual(pki.openssl("x509", "-in", self.mount.at("ca", "root.pem"), "-noout", "-fingerprint"),
                         pki.openssl("x509", "-in", self.root.cert, "-noout", "-fingerprint"))
        for entry in self.entries:
            self.check_pair(entry)
            issuer = pki.openssl("x509", "-in", self.cert(entry), "-noout", "-issuer").decode()
            self.assertIn("Test Issuing CA", issuer)

    def test_a_service_that_fails_brings_the_old_root_back(self):
        before, old = self.prepare(), self.root_now()
        done = self.run_manager("--operation", "4", "--rekey", "--yes", "--reload-command", "exit 1", code=1)
        self.assertIn("everything is as it was before", done.stderr)
        self.assertEqual(self.root_now(), old)
        self.assertEqual([self.pair(entry) for entry in self.entries], before)

    def test_a_replacement_that_was_left_goes_on_or_back(self):
        before, old = self.prepare(), self.root_now()
        for end in ("--resume", "7"):
            self.control("replace-root")
            self.control("replace-root-step 1")
            done = self.run_manager("--operation", "3", "--yes", code=1)
            self.assertIn("--resume", done.stderr)
            if end == "--resume":
                self.run_manager("--resume", "--yes")
                self.assertNotEqual(self.root_now(), old)
                self.check_pair()
                before, old = [self.pair(entry) for entry in self.entries], self.root_now()
            else:
                self.run_manager("--operation", "7", "--yes")
                self.assertEqual(self.root_now(), old)
                self.assertEqual([self.pair(entry) for entry in self.entries], before)

    def test_where_there_is_no_authority_one_is_made(self):
        self.run_manager("--operation", "4", "--config", self.config, "--yes")
        self.check_pair()


class Menu(ManagerTest):
    def test_machine_ssl_by_the_authority(self):
        self.authority()
        questions = [("Option[1 to 8]: ", "3"), ("configuration file : Option[Y/N] ? : ", "Y"), ("'Country'", "AT"), ("'Name'", "menu"),
                     ("'Organization'", ""), ("'OrgUnit'", ""), ("'State'", ""), ("'Locality'", ""), ("'IPAddress'", "192.0.2.1"),
                     ("'Email'", ""), ("'Hostname'", "menu.example.com"), ("Continue operation : Option[Y/N] ? : ", "Y")]
        code, shown = converse(questions, MANAGER, "--mount", self.mount.path)
        self.assertEqual(code, 0, shown)
        self.assertIn("Note : Use Ctrl-D to exit.", shown)
        self.assertIn("100% Completed", shown)
        self.assertIn("CN=menu", self.subject())
        self.check_pair()

    def test_ctrl_d_and_no_change_nothing(self):
        self.authority()
        code, shown = converse([("Option[1 to 8]: ", "\x04")], MANAGER, "--mount", self.mount.path)
        self.assertEqual(code, 1, shown)
        code, shown = converse([("Continue operation", "n")], MANAGER, "--mount", self.mount.path, "--operation", "3", "--config", self.config)
        self.assertEqual((code, "nothing was changed" in shown), (1, True), shown)
        self.assertFalse(os.path.exists(self.cert()))


class StoresAlone(harness.MountTest):
    OPTIONS = ("-o", "subtree=stores")

    def test_there_is_no_authority_to_ask(self):
        done = run(MANAGER, "--mount", self.mount.path, "--operation", "3", "--yes", stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("shows the stores alone", done.stderr)


if __name__ == "__main__":
    harness.main()
