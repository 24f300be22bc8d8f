#!/usr/bin/python3
"""certfs ca, certfs renew and certool against a mounted authority.

Goal: each command does what tools/README.md says, with its exit code, and stock tools agree with its result. Method: the programs
themselves, also at a terminal; openssl verify, crl and ocsp; systemd-analyze for the timer.
"""

import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

import harness
import pki
from harness import CERTFS, run
from seed_test import AuthorityTest, CERTOOL, TOOLS
from terminal import converse


class Commands(AuthorityTest):
    def json(self, *arguments):
        return json.loads(self.must(*arguments, "--json"))

    def certfs(self, *arguments):
        return run(CERTFS, *arguments, "--mount", self.mount.path, cwd=self.work)

    def certool(self, *arguments):
        return run(CERTOOL, *arguments, "--mount", self.mount.path, cwd=self.work)

    def issue(self, name, *options):
        self.write(name + ".cfg", f"Name = {name}\nHostname = {name}.example.com\n")
        self.must("ca", "issue", self.file(name + ".cfg"), "--out", self.file(name + ".pem"), "--key-out", self.file(name + ".key"), *options)
        return self.file(name + ".pem")

    def pair(self, name, *options):
        """An entry machine/NAME with a certificate of the authority, live."""
        certificate = self.issue(name, *options)
        bundle = pki.write(self.file(name + ".bundle"), pki.read(certificate) + pki.read(self.file(name + ".key")))
        self.must("import", bundle, "machine/" + name)
        return self.mount.at("stores", "machine", name, "cert.pem")

    def serial(self, certificate):
        return run("openssl", "x509", "-noout", "-serial", "-in", certificate).stdout.strip().split("=")[1].lower().rjust(32, "0")

    def test_there_is_one_authority(self):
        shown = self.json("ca", "show")
        self.assertEqual(shown["authority"]["role"], "issuing")
        self.assertEqual(shown["authority"]["key"], "EC P-384")
        self.assertIn("Acme CA", shown["authority"]["subject"])
        self.assertLessEqual({"server", "client", "solution-user", "ca", "ocsp"}, set(shown["profiles"]))
        again = self.certfs("ca", "init")
        self.assertEqual(again.returncode, 1)
        self.assertEqual(again.stdout, "")

    def test_issue_takes_requests_and_configs(self):
        certificate = self.issue("issued")
        self.assertEqual(self.verifies(certificate, "-verify_hostname", "issued.example.com").returncode, 0)
        self.assertEqual(os.stat(self.file("issued.key")).st_mode & 0o777, 0o600)
        public = pki.openssl("pkey", "-in", self.file("issued.key"), "-pubout")
        self.assertEqual(public, pki.openssl("x509", "-in", certificate, "-noout", "-pubkey"))
        # No key is ever written over, and nothing is issued then.
        count = self.json("ca", "show")["issued"]
        refused = self.certfs("ca", "issue", self.file("issued.cfg"), "--key-out", self.file("issued.key"))
        self.assertEqual((refused.returncode, "not overwritten" in refused.stderr), (1, True), refused.stderr)
        self.assertEqual(self.certfs("ca", "issue", self.file("issued.cfg")).returncode, 2)
        # A request, PEM or DER.
        key = pki.new_key(self.file("r.key"))
        for form in ("PEM", "DER"):
            pki.openssl("req", "-new", "-key", key, "-subj", "/CN=r", "-addext", "subjectAltName=DNS:r.example.com", "-outform", form, "-out", self.file("r.csr"))
            out = self.must("ca", "issue", self.file("r.csr"), "--days", "7")
            self.assertEqual(self.verifies(pki.write(self.file("r.pem"), out.encode())).returncode, 0)
            days = run("openssl", "x509", "-noout", "-checkend", str(8 * 86400), "-in", self.file("r.pem"))
            self.assertEqual(days.returncode, 1)
        self.assertEqual(self.certfs("ca", "issue", self.file("r.csr"), "--key-out", self.file("x")).returncode, 2)
        # What is refused leaves no key.
        self.write("template.cfg", "Name = Acme\nHostname = server.acme.com\n")
        refused = self.certfs("ca", "issue", self.file("template.cfg"), "--key-out", self.file("template.key"))
        self.assertEqual((refused.returncode, "line 2" in refused.stderr), (1, True), refused.stderr)
        unknown = self.certfs("ca", "issue", self.file("issued.cfg"), "--key-out", self.file("unknown.key"), "--profile", "none")
        self.assertEqual((unknown.returncode, os.path.exists(self.file("unknown.key"))), (1, False), unknown.stderr)
        self.assertEqual(self.json("ca", "show")["issued"], count + 2)

    def test_list_status_and_revoke(self):
        certificate = self.issue("listed", "--days", "20")
        serial = self.serial(certificate)
        (line,) = self.json("ca", "list", "--name", "listed.example.com")["issued"]
        self.assertEqual((line["serial"], line["state"]), (serial, "active"))
        self.assertIn(serial, {each["serial"] for each in self.json("ca", "list", "--expiring", "30d")["issued"]})
        self.assertNotIn(serial, {each["serial"] for each in self.json("ca", "list", "--expiring", "10d")["issued"]})
        table = self.must("ca", "list", "--name", "listed").splitlines()
        self.assertTrue(table[0].startswith("SERIAL") and table[1].startswith(serial), table)
        self.write("two.cfg", "Name = Two Words\nHostname = two.example.com\n")
        self.must("ca", "issue", self.file("two.cfg"), "--key-out", self.file("two.key"), "--name", "two words")
        self.assertEqual([each["pickup"] for each in self.json("ca", "list", "--name", "Two Words")["issued"]], ["two words"])
        for target in (certificate, serial, serial.upper()):
            self.assertEqual(self.json("ca", "status", target)["state"], "active")
        revoked = self.certfs("ca", "revoke", certificate, "--reason", "keyCompromise")
        self.assertEqual(revoked.returncode, 0, revoked.stderr)
        status = self.certfs("ca", "status", serial, "--json")
        self.assertEqual((status.returncode, json.loads(status.stdout)["issued"]["revoked"]["reason"]), (1, "keyCompromise"))
        again = self.certfs("ca", "revoke", serial)
        self.assertEqual((again.returncode, "revoked" in again.stderr), (1, True), again.stderr)
        self.assertEqual(self.certfs("ca", "revoke", serial[::-1]).returncode, 1)
        self.assertEqual(self.json("ca", "list", "--state", "revoked", "--name", "listed")["issued"][0]["serial"], serial)
        refused = self.verifies(certificate, "-crl_check", "-CRLfile", self.mount.at("ca", "crl.pem"))
        self.assertIn("revoked", refused.stdout + refused.stderr)
        self.assertEqual(self.must("ca", "crl").encode(), pki.read(self.mount.at("ca", "crl.pem")))
        stranger = self.file("stranger.pem")
        pki.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.file("stranger.key"), "-subj", "/CN=s", "-out", stranger)
        self.assertEqual(self.certfs("ca", "status", stranger).stdout, "unknown\n")
        self.assertEqual(self.certfs("ca", "revoke", stranger).returncode, 1)

    def test_certool_tells_the_truth(self):
        certificate = self.issue("truth")
        status = self.certool("--status", "--cert=" + certificate)
        self.assertEqual((status.returncode, status.stdout), (0, "Certificate : ACTIVE\nStatus : Success\n"), status.stderr)
        stranger = self.file("other.pem")
        pki.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.file("o.key"), "-subj", "/CN=o", "-out", stranger)
        self.assertIn("Certificate : UNKNOWN\n", self.certool("--status", "--cert", stranger).stdout)
        self.assertEqual(self.certool("--revokecert", "--cert", stranger).returncode, 70010 % 256)
        self.assertEqual(self.certool("--revokecert", "--cert", certificate).returncode, 0)
        self.assertEqual(self.certool("--revokecert", "--cert", certificate).returncode, 70048 % 256)
        self.assertIn("Certificate : REVOKED\n", self.certool("--status", "--cert", certificate).stdout)
        state = json.loads(self.certool("--status", "--cert", certificate, "--json").stdout)
        self.assertEqual(state, {"state": "REVOKED", "status": "Success"})
        issued = json.loads(self.certool("--enumcert", "--filter=revoked", "--json").stdout)["certificates"]
        self.assertIn(pki.read(certificate).decode().split("-----END")[0], [each["certificate"].split("-----END")[0] for each in issued])
        chain = json.loads(self.certool("--getrootca", "--json").stdout)
        self.assertEqual((chain["pem"].encode(), chain["status"]), (pki.read(self.mount.at("ca", "chain.pem")), "Success"))
        for filter_, there in (("all", True), ("revoked", True), ("active", False), ("expired", False)):
            listed = self.certool("--enumcert", "--filter=" + filter_)
            self.assertEqual((listed.returncode, "CN=truth" in listed.stdout), (0, there), filter_)
        crl = self.file("getcrl.pem")
        self.assertEqual(self.certool("--gencrl").returncode, 0)
        self.assertEqual(self.certool("--getcrl", "--crl", crl).returncode, 0)
        self.assertEqual(pki.read(crl), pki.read(self.mount.at("ca", "crl.pem")))
        self.assertIn("CRL Info : ", self.certool("--viewcrl", "--crl", crl).stdout)
        root = self.file("getroot.pem")
        shown = self.certool("--getrootca", "--cert=" + root)
        self.assertIn("Certificate written to file : " + root, shown.stdout)
        self.assertEqual(pki.read(root), pki.read(self.mount.at("ca", "chain.pem")))
        self.assertEqual(self.certool("--WaitVMCA", "--wait=1").returncode, 0)

    def test_certool_asks_before_a_root_goes(self):
        before = pki.read(self.mount.at("ca", "root.pem"))
        self.write("root.cfg", "Country = US\nName = Another\n")
        refused = self.certool("--selfca", "--config=root.cfg")
        self.assertEqual((refused.returncode, "--force" in refused.stdout), (70001 % 256, True), refused.stdout)
        self.assertEqual(pki.read(self.mount.at("ca", "root.pem")), before)

    def test_certool_makes_solution_users_once(self):
        self.assertEqual(self.certool("--genkey", "--privkey=vpxd.priv", "--pubkey=vpxd.pub", "--KeyType=ec-p256").returncode, 0)
        command = ("--genCIScert", "--privkey=vpxd.priv", "--cert=vpxd.crt", "--Name=vpxd", "--FQDN=vpxd.example.com")
        made = self.certool(*command)
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        live = self.mount.at("stores", "vpxd", "vpxd", "cert.pem")
        self.assertEqual(pki.read(live), pki.read(self.file("vpxd.crt")))
        subject = run("openssl", "x509", "-noout", "-subject", "-in", live).stdout
        self.assertTrue("CN = vpxd" in subject and "OU = mID-" in subject, subject)
        count = self.json("ca", "show")["issued"]
        again = self.certool(*command)
        self.assertEqual((again.returncode, "Status : Failed" in again.stdout), (183, True), again.stdout)
        self.assertEqual(self.json("ca", "show")["issued"], count)

    def test_renew_plans_asks_and_changes_what_has_to(self):
        soon, late = self.pair("soon", "--days", "10"), self.pair("late")
        before = {path: (pki.read(path), os.stat(path).st_mtime_ns) for path in (soon, late)}
        plan = self.json("renew", "--all", "--dry-run")
        self.assertEqual([entry["alias"] for entry in plan["entries"] if entry["alias"] in ("soon", "late")], ["soon"])
        self.assertEqual(pki.read(soon), before[soon][0])
        code, shown = converse([("renew?", "n")], CERTFS, "renew", "--all", "--mount", self.mount.path)
        self.assertEqual((code, "nothing was changed" in shown), (1, True), shown)
        self.assertEqual(pki.read(soon), before[soon][0])
        self.must("renew", "--all", "--yes")
        self.assertNotEqual(pki.read(soon), before[soon][0])
        self.assertEqual((pki.read(late), os.stat(late).st_mtime_ns), before[late])
        self.assertEqual(self.verifies(soon).returncode, 0)
        self.assertIn("nothing has to be renewed", self.must("renew", "--all", "--yes"))
        key = pki.read(os.path.join(os.path.dirname(late), "key.pem"))
        self.must("renew", "machine/late", "--rekey", "--yes")
        self.assertNotEqual(pki.read(os.path.join(os.path.dirname(late), "key.pem")), key)
        public = pki.openssl("pkey", "-in", os.path.join(os.path.dirname(late), "key.pem"), "-pubout")
        self.assertEqual(public, pki.openssl("x509", "-in", late, "-noout", "-pubkey"))
        self.assertEqual(self.certfs("renew", "machine/none", "--yes").returncode, 1)

    def test_a_status_of_an_entry(self):
        live = self.pair("entry")
        answer = self.json("ca", "status", "machine/entry")
        self.assertEqual((answer["state"], answer["issued"]["entry"]), ("active", "machine/entry"))
        self.must("ca", "revoke", "machine/entry", "--reason", "superseded")
        self.assertEqual(self.serial(live), json.loads(self.certfs("ca", "status", "machine/entry", "--json").stdout)["issued"]["serial"])

    def test_ocsp_answers_stock_openssl(self):
        good, bad = self.issue("good"), self.issue("bad")
        server = subprocess.Popen([CERTFS, "ca", "ocsp", "--port", "0", "--mount", self.mount.path], stdout=subprocess.PIPE, text=True)
        try:
            url = re.fullmatch(r"serving (http://127\.0\.0\.1:\d+)/\n", server.stdout.readline())[1]

            def ask(certificate, *options):
                done = run("openssl", "ocsp", "-url", url, "-issuer", self.mount.at("ca", "chain.pem"), "-CAfile", self.mount.at("ca", "root.pem"),
                           "-cert", certificate, *options)
                self.assertIn("Response verify OK", done.stdout + done.stderr)
                return done.stdout

            self.assertIn("good.pem: good", ask(good))
            self.assertIn("bad.pem: good", ask(bad, "-no_nonce"))
            self.must("ca", "revoke", bad, "--reason", "keyCompromise")
            answer = ask(bad)
            self.assertTrue("bad.pem: revoked" in answer and "keyCompromise" in answer, answer)
            unknown = run("openssl", "ocsp", "-url", url, "-issuer", self.mount.at("ca", "chain.pem"), "-CAfile", self.mount.at("ca", "root.pem"),
                          "-serial", "0x1234")
            self.assertIn("0x1234: unknown", unknown.stdout)
            # The same by GET, as browsers ask.
            request = self.file("ocsp.req")
            pki.openssl("ocsp", "-issuer", self.mount.at("ca", "chain.pem"), "-cert", good, "-no_nonce", "-reqout", request)
            encoded = run("openssl", "base64", "-A", "-in", request).stdout.strip()
            for path in (encoded, encoded.replace("/", "%2F").replace("+", "%2B").replace("=", "%3D")):
                got = run("curl", "-sS", "-o", self.file("ocsp.resp"), "-w", "%{http_code} %{content_type}", f"{url}/{path}")
                self.assertEqual(got.stdout, "200 application/ocsp-response", got.stderr)
                text = run("openssl", "ocsp", "-respin", self.file("ocsp.resp"), "-issuer", self.mount.at("ca", "chain.pem"),
                           "-CAfile", self.mount.at("ca", "root.pem"), "-cert", good)
                self.assertIn("good.pem: good", text.stdout, text.stderr)
            self.assertEqual(run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-d", "x" * 70000, "-H", "Content-Type: application/ocsp-request", url).stdout, "413")
            self.assertEqual(run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{url}/!").stdout, "400")
        finally:
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(30), 0)
            server.stdout.close()
        elsewhere = run(CERTFS, "ca", "ocsp", "--listen", "0.0.0.0", "--mount", self.mount.path)
        self.assertEqual((elsewhere.returncode, "loopback" in elsewhere.stderr), (2, True), elsewhere.stderr)

    def test_the_timer_is_what_systemd_takes(self):
        units = self.file("units")
        os.makedirs(units, exist_ok=True)
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "systemd")
        text = pki.read(os.path.join(source, "certfs-renew.service.in")).decode().replace("@CMAKE_INSTALL_FULL_BINDIR@", TOOLS)
        service = pki.write(os.path.join(units, "certfs-renew.service"), text.encode())
        timer = shutil.copy(os.path.join(source, "certfs-renew.timer"), units)
        if shutil.which("systemd-analyze"):
            verdict = run("systemd-analyze", "verify", "--man=no", service, timer)
            self.assertEqual((verdict.returncode, verdict.stderr), (0, ""), verdict.stderr)
        self.assertRegex(text, r"(?m)^ExecStart=\S+/certfs renew --all --yes$")
        self.assertRegex(pki.read(timer).decode(), r"(?m)^Persistent=true$")


class NoAuthority(AuthorityTest):
    """What is said where there is none, and where it cannot be reached."""

    INIT = None

    def test_each_says_so(self):
        for arguments in (("ca", "show"), ("ca", "list"), ("ca", "crl"), ("ca", "backup", "--out", "x"), ("ca", "ocsp", "--port", "0"),
                          ("renew", "--all", "--yes"), ("ca", "replace-root", "--yes")):
            done = run(CERTFS, *arguments, "--mount", self.mount.path, cwd=self.work)
            if arguments in (("ca", "list"), ("renew", "--all", "--yes")) and done.returncode == 0:
                continue  # Nothing is issued: that is an answer, too.
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn("authority", done.stderr, arguments)
        done = run(CERTOOL, "--getrootca", "--mount", self.mount.path)
        self.assertEqual(done.returncode, 70000 % 256, done.stdout)

    def test_a_mount_of_the_stores_alone_has_none(self):
        stores = harness.Mount(options=("-o", "subtree=stores"))
        try:
            done = run(CERTFS, "ca", "show", "--mount", stores.path)
            self.assertEqual((done.returncode, "subtree=stores" in done.stderr), (1, True), done.stderr)
        finally:
            stores.close()

    def test_a_root_with_constraints_and_one_from_elsewhere(self):
        second = harness.Mount()
        try:
            self.must("ca", "init", "--key", "ec-p256", "--days", "1000", "--path-length", "0", "--permit", "DNS:example.com", mount=second)
            text = run("openssl", "x509", "-noout", "-text", "-in", second.at("ca", "root.pem")).stdout
            self.assertTrue("pathlen:0" in text and "DNS:example.com" in text and "P-256" in text, text)
            self.write("out.cfg", "Name = out\nHostname = out.example.org\n")
            refused = run(CERTFS, "ca", "issue", self.file("out.cfg"), "--key-out", self.file("out.key"), "--mount", second.path)
            self.assertEqual(refused.returncode, 1)
            self.assertFalse(os.path.exists(self.file("out.key")))
        finally:
            second.close()
        root = pki.Authority(self.work, "Elsewhere Root")
        issuing = pki.Authority(self.work, "Elsewhere Issuing", root)
        third = harness.Mount()
        try:
            self.must("ca", "init", "--import", issuing.key, issuing.cert, root.cert, mount=third)
            self.assertEqual(pki.read(third.at("ca", "root.pem")).split(b"\n")[1], pki.read(root.cert).split(b"\n")[1])
            self.write("in.cfg", "Name = in\nHostname = in.example.org\n")
            self.must("ca", "issue", self.file("in.cfg"), "--out", self.file("in.pem"), "--key-out", self.file("in.key"), mount=third)
            self.assertEqual(self.verifies(self.file("in.pem"), root=root.cert).returncode, 0)
        finally:
            third.close()


class Replacement(AuthorityTest):
    """certfs ca replace-root: planned, interrupted, resumed, taken back."""

    COUNT = 60

    def setUp(self):
        self.aliases = [f"web{number}" for number in range(self.COUNT)]
        sections = b""
        for alias in self.aliases:
            sections += f"[machine/{alias}]\nprofile = server\nName = {alias}\nHostname = {alias}.example.com\n".encode()
        control = os.open(self.mount.at("ca", "control"), os.O_RDWR)
        os.write(control, b"write-entries fill\n" + sections)
        os.close(control)

    def served_by(self):
        """The issuers of what is served, after each was verified against what is trusted now."""
        roots = os.path.join(self.work, "roots.pem")
        pki.write(roots, pki.read(self.mount.at("export", "TRUSTED_ROOTS", "ca-bundle.pem")))
        issuers = set()
        for alias in self.aliases:
            live = self.mount.at("stores", "machine", alias, "cert.pem")
            self.assertEqual(self.verifies(live, root=roots).returncode, 0, alias)
            issuers.add(run("openssl", "x509", "-noout", "-issuer", "-in", live).stdout.strip())
        return issuers

    def test_replaced_and_taken_back(self):
        old = pki.read(self.mount.at("ca", "root.pem"))
        plan = json.loads(self.must("ca", "replace-root", "--dry-run", "--json"))
        self.assertEqual((plan["entries"], plan["compromised"]), (self.COUNT, False))
        self.assertEqual(pki.read(self.mount.at("ca", "root.pem")), old)
        code, shown = converse([("replace the root?", "n")], CERTFS, "ca", "replace-root", "--mount", self.mount.path)
        self.assertEqual((code, "nothing was changed" in shown), (1, True), shown)

        # One step of two, then back.
        control = os.open(self.mount.at("ca", "control"), os.O_RDWR)
        os.write(control, b"replace-root\nName = New CA\n")
        os.write(control, b"replace-root-step 20\n")
        os.close(control)
        self.assertIn("under way", self.must("ca", "replace-root", "--status"))
        self.assertEqual(len(self.served_by()), 2)
        self.must("ca", "replace-root", "--roll-back")
        self.assertEqual(len(self.served_by()), 1)
        self.assertIn("no replacement", self.must("ca", "replace-root", "--status"))
        self.assertEqual(pki.read(self.mount.at("ca", "root.pem")), old)

        self.must("ca", "replace-root", "--name", "Newest CA", "--yes")
        (issuer,) = self.served_by()
        self.assertIn("Newest CA", issuer)
        self.assertNotEqual(pki.read(self.mount.at("ca", "root.pem")), old)
        # What has ended is taken back as well.
        self.must("ca", "replace-root", "--roll-back")
        self.assertEqual((pki.read(self.mount.at("ca", "root.pem")), len(self.served_by())), (old, 1))
        self.must("ca", "replace-root", "--name", "Newest CA", "--yes")
        self.assertEqual(run(CERTFS, "ca", "replace-root", "--resume", "--mount", self.mount.path).returncode, 1)
        self.assertIn("retired: 0", self.must("ca", "retire"))
        self.assertIn("retired: 1", self.must("ca", "retire", "--now", "--yes"))


if __name__ == "__main__":
    harness.main()
