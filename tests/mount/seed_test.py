#!/usr/bin/python3
"""The documents that certfs follows, run as they are written: replacing machine SSL certificates with certool and vecs-cli, the
Orchestrator's server certificate, the backup of an organizational CA.

Goal: the commands work word for word apart from paths, and their results are what stock tools accept. Method: the sequences themselves,
then openssl, nginx and curl, keytool.
"""

import os
import subprocess
import time
import unittest

import harness
import pki
from harness import CERTFS, run
from consumer_test import free_port, wait_for

TOOLS = os.path.dirname(CERTFS)
CERTOOL, VECS_CLI = os.path.join(TOOLS, "certool"), os.path.join(TOOLS, "vecs-cli")
PASSWORD = "correct horse battery"

NGINX = """
daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/nginx.log notice;
events {{ worker_connections 16; }}
http {{
  access_log off;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {entry}/cert.pem;
    ssl_certificate_key {entry}/key.pem;
    return 200 "served\\n";
  }}
}}
"""


class AuthorityTest(unittest.TestCase):
    """A mount with an authority for all tests of a class."""

    INIT = ("--name", "Acme CA", "--organization", "Acme")

    @classmethod
    def setUpClass(cls):
        if not os.path.exists("/dev/fuse"):
            raise unittest.SkipTest("there is no /dev/fuse on this machine")
        cls.mount = harness.Mount()
        cls.work = os.path.join(cls.mount.directory, "work")
        os.mkdir(cls.work)
        # The command lines of the documents name no mount, and other tests have theirs.
        os.environ["CERTFS_MOUNT"] = cls.mount.path
        cls.password = pki.write(os.path.join(cls.work, "password"), PASSWORD.encode())
        os.chmod(cls.password, 0o600)
        if cls.INIT is not None:
            cls.must("ca", "init", *cls.INIT)

    @classmethod
    def tearDownClass(cls):
        del os.environ["CERTFS_MOUNT"]
        cls.mount.close()

    @classmethod
    def must(cls, *arguments, mount=None):
        """certfs, which succeeds; returns what it printed."""
        done = run(CERTFS, *arguments, "--mount", (mount or cls.mount).path, cwd=cls.work)
        if done.returncode:
            raise AssertionError(f"{arguments}: {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def file(self, name):
        return os.path.join(self.work, name)

    def write(self, name, text):
        return pki.write(self.file(name), text.encode())

    def verifies(self, certificate, *options, root=None):
        """Stock openssl's verdict on a certificate and its intermediates, against the root from the mount."""
        return run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root or self.mount.at("ca", "root.pem"),
                   "-untrusted", certificate, *options, certificate)


class MachineCertificates(AuthorityTest):
    """replace-machine-ssl-certificates, steps 3 and 5."""

    def shell(self, command, stdin=""):
        """A line of the document, in the directory of its files, with the tools on the path."""
        environment = dict(os.environ, LC_ALL="C", PATH=TOOLS + ":" + os.environ["PATH"])
        done = subprocess.run(["bash", "-c", command], cwd=self.work, env=environment, input=stdin, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, command + "\n" + done.stdout + done.stderr)
        return done.stdout

    def served(self, name):
        """What nginx, with the entry's mounted files, sends to a curl that trusts the root from the mount."""
        entry, port = self.mount.at("stores", "MACHINE_SSL_CERT", "__MACHINE_CERT"), free_port()
        config = self.write("nginx.conf", NGINX.format(work=self.work, port=port, entry=entry))
        server = subprocess.Popen(["nginx", "-c", config, "-p", self.work], stderr=subprocess.DEVNULL)
        try:
            wait_for(port)
            return run("curl", "-sS", "--cacert", self.mount.at("ca", "root.pem"), "--resolve", f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/")
        finally:
            server.terminate()
            server.wait()

    def test_the_sequence_runs_unchanged(self):
        self.write("machine1.cfg", "Country = US\nName = vmca-machine1\nOrganization = Acme\nOrgUnit = Acme Engineering\nState = California\n"
                                   "Locality = Palo Alto\nIPAddress = 127.0.0.1\nHostname = machine1.example.com\n")
        self.shell("certool --genkey --privkey=machine1.priv --pubkey=machine1.pub")
        self.shell("certool --gencert --privkey=machine1.priv --cert machine1.crt --Name=Machine1_Cert --config machine1.cfg")
        # The entry that the document deletes first.
        self.shell("certool --gencert --privkey=machine1.priv --cert old.crt --Name=Old --config machine1.cfg")
        self.shell("vecs-cli entry create --store MACHINE_SSL_CERT --alias __MACHINE_CERT --cert old.crt --key machine1.priv")
        self.shell("vecs-cli entry delete --store MACHINE_SSL_CERT --alias __MACHINE_CERT  ", "Y\n")
        out = self.shell("vecs-cli entry create --store MACHINE_SSL_CERT --alias __MACHINE_CERT --cert machine1.crt --key machine1.priv")
        self.assertEqual(out, "Entry with alias [__MACHINE_CERT] in store [MACHINE_SSL_CERT] was created successfully \n")

        live = self.mount.at("stores", "MACHINE_SSL_CERT", "__MACHINE_CERT", "cert.pem")
        verdict = self.verifies(live, "-verify_hostname", "machine1.example.com")
        self.assertEqual(verdict.returncode, 0, verdict.stdout + verdict.stderr)
        subject = run("openssl", "x509", "-noout", "-subject", "-in", live).stdout
        self.assertIn("CN = Machine1_Cert", subject)
        served = self.served("machine1.example.com")
        self.assertEqual((served.returncode, served.stdout), (0, "served\n"), served.stderr)

    def test_the_example_runs_unchanged(self):
        self.write("ssl-config.cfg", "Country = US\nName = vmca-web.example.com\nOrganization = Acme\nHostname = web.example.com\n")
        self.shell("certool --genkey --privkey=ssl-key.priv --pubkey=ssl-key.pub")
        self.assertEqual(os.stat(self.file("ssl-key.priv")).st_mode & 0o777, 0o600)
        self.shell("certool --gencert --cert=new-vmca-ssl.crt --privkey=ssl-key.priv --config=ssl-config.cfg")
        stores = self.shell("vecs-cli store list").split()
        for store in ("MACHINE_SSL_CERT TRUSTED_ROOTS TRUSTED_ROOT_CRLS machine vsphere-webclient vpxd vpxd-extension hvc "
                      "data-encipherment APPLMGMT_PASSWORD SMS wcp KMS_ENCRYPTION").split():
            self.assertIn(store, stores)
        self.assertNotIn("TRUSTED_ROOTS_CRLS", stores)
        self.assertEqual(self.verifies(self.file("new-vmca-ssl.crt")).returncode, 0)

    def test_a_missing_alias_is_an_error_and_no_is_no(self):
        missing = run(VECS_CLI, "entry", "delete", "--store", "machine", "--alias", "none", "-y")
        self.assertEqual((missing.returncode, "Error 4312" in missing.stderr), (4, True), missing.stderr)
        missing = run(VECS_CLI, "entry", "list", "--store", "none")
        self.assertEqual(missing.returncode, 4)
        self.write("a.cfg", "Name = a\nHostname = a.example.com\n")
        self.must("ca", "issue", self.file("a.cfg"), "--out", self.file("a.pem"), "--key-out", self.file("a.key"))
        create = (VECS_CLI, "entry", "create", "--store", "machine", "--alias", "A", "--cert", self.file("a.pem"), "--key", self.file("a.key"))
        self.assertEqual(run(*create).returncode, 0)
        self.assertEqual(run(*create).returncode, 6)
        declined = run(VECS_CLI, "entry", "delete", "--store", "machine", "--alias", "a", input="\n")
        self.assertEqual(declined.returncode, 3)
        got = run(VECS_CLI, "entry", "getcert", "--store", "machine", "--alias", "a")
        self.assertEqual(got.stdout, pki.read(self.file("a.pem")).decode() + "\n")
        got = run(VECS_CLI, "entry", "getkey", "--store", "machine", "--alias", "a", "--output", self.file("got.key"))
        self.assertEqual((got.returncode, pki.read(self.file("got.key"))), (0, pki.read(self.file("a.key"))))
        self.assertEqual(os.stat(self.file("got.key")).st_mode & 0o777, 0o600)
        listed = run(VECS_CLI, "entry", "list", "--store", "machine").stdout
        self.assertTrue(listed.startswith("Number of entries in store :\t1\nAlias :\tA\nEntry type :\tPrivate Key\nCertificate :\t-----BEGIN"), listed)
        self.assertIn("Not After", run(VECS_CLI, "entry", "list", "--store", "machine", "--text").stdout)
        other = pki.new_key(self.file("other.key"))
        mismatch = run(VECS_CLI, "entry", "create", "--store", "machine", "--alias", "b", "--cert", self.file("a.pem"), "--key", other)
        self.assertEqual(mismatch.returncode, 8, mismatch.stderr)
        self.assertFalse(os.path.exists(self.mount.at("stores/machine/b")))
        self.assertEqual(run(VECS_CLI, "entry", "delete", "--store", "machine", "--alias", "a", "-y").returncode, 0)
        self.assertFalse(os.path.exists(self.mount.at("stores/machine/A")))


class Orchestrator(AuthorityTest):
    """orchestrator-5.5-server-certificate: self-signed; its request exported; the signed reply imported; the pair live."""

    def test_the_server_certificate_gets_signed(self):
        entry = self.mount.entry("machine", "orchestrator")
        # As it is installed.
        key, own = self.file("own.key"), self.file("own.pem")
        pki.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj", "/CN=orchestrator.example.com",
                    "-addext", "subjectAltName=DNS:orchestrator.example.com", "-addext", "extendedKeyUsage=serverAuth", "-addext", "basicConstraints=critical,CA:FALSE",
                    "-days", "90", "-out", own)
        harness.put(entry + "/key.pem", pki.read(key))
        harness.put(entry + "/cert.pem", pki.read(own))
        self.write("self.cfg", "Name = orchestrator\nHostname = orchestrator.example.com\n")
        if not os.path.isdir(entry + "/next"):
            os.mkdir(entry + "/next")
        harness.put(entry + "/next/request.cfg", pki.read(self.file("self.cfg")))
        exported = self.mount.at("export", "machine", "orchestrator")
        request = pki.read(exported + "/request.csr")
        self.assertEqual(request, pki.read(exported + "/VSOcertificate.csr"))
        reply = self.file("reply.pem")
        self.must("ca", "issue", exported + "/VSOcertificate.csr", "--out", reply)
        harness.put(entry + "/next/cert.pem", pki.read(reply))
        self.assertEqual(pki.read(entry + "/cert.pem"), pki.read(reply))
        self.assertEqual(self.verifies(entry + "/cert.pem").returncode, 0)
        public = pki.openssl("pkey", "-in", entry + "/key.pem", "-pubout")
        self.assertEqual(public, pki.openssl("x509", "-in", entry + "/cert.pem", "-noout", "-pubkey"))


class OrganizationalBackup(AuthorityTest):
    """organizational-ca-backup: key and certificates in PKCS#12 with a password, restored on any other keystore."""

    def issue(self, name, mount):
        self.write(name + ".cfg", f"Name = {name}\nHostname = {name}.example.com\n")
        self.must("ca", "issue", self.file(name + ".cfg"), "--out", self.file(name + ".pem"), "--key-out", self.file(name + ".key"), mount=mount)
        return self.file(name + ".pem")

    def test_what_was_backed_up_issues_elsewhere(self):
        backup = self.file("ca.p12")
        without = run(CERTFS, "ca", "backup", "--out", backup, "--mount", self.mount.path)
        self.assertEqual((without.returncode, "certfs password set" in without.stderr), (1, True), without.stderr)
        self.assertFalse(os.path.exists(backup))
        self.assertEqual(run(CERTFS, "password", "set", self.mount.keystore, "--password-file", self.password).returncode, 0)
        wrong = self.write("wrong", "another password")
        refused = run(CERTFS, "ca", "backup", "--out", backup, "--password-file", wrong, "--mount", self.mount.path)
        self.assertEqual((refused.returncode, os.path.exists(backup)), (3, False), refused.stderr)
        first = self.issue("first", self.mount)
        self.assertIn("whole", self.must("ca", "backup", "--out", backup, "--password-file", self.password))
        self.assertEqual(os.stat(backup).st_mode & 0o777, 0o600)

        opened = run("openssl", "pkcs12", "-in", backup, "-nodes", "-passin", "pass:" + PASSWORD)
        self.assertEqual(opened.returncode, 0, opened.stderr)
        self.assertIn("PRIVATE KEY", opened.stdout)
        listed = run("keytool", "-list", "-keystore", backup, "-storepass", PASSWORD)
        self.assertEqual((listed.returncode, "PrivateKeyEntry" in listed.stdout), (0, True), listed.stdout)

        root, crl = self.file("root.pem"), self.file("last.crl")
        pki.write(root, pki.read(self.mount.at("ca", "root.pem")))
        self.must("ca", "revoke", first)
        self.must("ca", "crl", "--out", crl)
        other = harness.Mount()
        try:
            code = run(CERTFS, "ca", "restore", backup, "--password-file", wrong, "--mount", other.path).returncode
            self.assertEqual(code, 3)
            self.must("ca", "restore", backup, "--password-file", self.password, "--crl", crl, mount=other)
            self.assertEqual(pki.read(other.at("ca", "root.pem")), pki.read(root))
            second = self.issue("second", other)
            self.assertEqual(self.verifies(second, root=root).returncode, 0)
            serials = {run("openssl", "x509", "-noout", "-serial", "-in", file).stdout for file in (first, second)}
            self.assertEqual(len(serials), 2)
            # What the old authority revoked is revoked by the new one's list, too.
            listing = run("openssl", "crl", "-noout", "-text", "-in", other.at("ca", "crl.pem")).stdout
            serial = run("openssl", "x509", "-noout", "-serial", "-in", first).stdout.strip().split("=")[1]
            self.assertIn(serial, listing)
        finally:
            other.close()


if __name__ == "__main__":
    harness.main()
