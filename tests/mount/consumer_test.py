#!/usr/bin/python3
"""export/ read by the programs that it is for: Java, HAProxy, curl, OpenSSL, GnuTLS, Python.

Goal: each of them takes its certificates from the mounted path itself. Method: a TLS server or client of each kind
on the loopback device, with certificates of a small CA and one of them revoked.
"""

import os
import re
import socket
import ssl
import subprocess
import threading
import time
import unittest

import harness
import pki
from harness import put, run

PASSWORD = "correct horse battery"

JAVA = """
import java.io.FileInputStream;
import java.net.InetAddress;
import java.security.KeyStore;
import javax.net.ssl.*;

public class Trusting {
  public static void main(String[] arguments) throws Exception {
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(new FileInputStream(arguments[0]), "changeit".toCharArray());
    TrustManagerFactory managers = TrustManagerFactory.getInstance("PKIX");
    managers.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("localhost", Integer.parseInt(arguments[1]));
    socket.startHandshake();
    System.out.println("trusts " + socket.getSession().getPeerPrincipal());
  }
}
"""

HAPROXY = """
global
  maxconn 16
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend tls
  bind 127.0.0.1:{port} ssl crt {combined}
  http-request return status 200 content-type text/plain string "from haproxy"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    """Waits until somebody listens there."""
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("nobody listens")


class TlsServer:
    """Answers each TLS connection with one line, in a thread."""

    def __init__(self, combined):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(combined)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = context
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(connection, server_side=True) as tls:
                    tls.settimeout(5)
                    tls.recv(4096)
                    tls.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello\n")
            except OSError:
                pass

    def close(self):
        # A thread that waits in accept(2) is not woken by close(2).
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class ConsumerTest(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.password = pki.write(os.path.join(cls.work, "password"), PASSWORD.encode())
        assert run(harness.CERTFS, "password", "set", cls.mount.keystore, "--password-file", cls.password).returncode == 0
        cls.trust_root()
        # An intermediate in TRUSTED_ROOTS is an anchor as well: HAProxy serves it all the same.
        put(cls.mount.entry("TRUSTED_ROOTS", "other root") + "/cert.pem", pki.read(pki.Authority(cls.work, "Other Root").cert))
        cls.revoked_key = pki.new_key(os.path.join(cls.work, "revoked.key"))
        revoked = cls.issuing.issue("localhost", cls.revoked_key)
        for alias, key, leaf in (("good", cls.key, cls.leaf), ("revoked", cls.revoked_key, revoked)):
            entry = cls.mount.entry("machine", alias)
            put(entry + "/key.pem", pki.read(key))
            put(entry + "/cert.pem", leaf + pki.read(cls.issuing.cert))
        put(cls.mount.entry("TRUSTED_ROOTS", "issuing") + "/cert.pem", pki.read(cls.issuing.cert))
        cls.issuing.revoke(revoked)
        for name, authority in (("root", cls.root), ("issuing", cls.issuing)):
            put(cls.mount.entry("TRUSTED_ROOTS_CRLS", name) + "/crl.pem", authority.crl())
        cls.good = TlsServer(cls.mount.at("export/machine/good/combined.pem"))
        cls.bad = TlsServer(cls.mount.at("export/machine/revoked/combined.pem"))
        cls.addClassCleanup(cls.good.close)
        cls.addClassCleanup(cls.bad.close)
        cls.bundle = cls.mount.at("export/TRUSTED_ROOTS/ca-bundle.pem")
        cls.hashed = cls.mount.at("export/TRUSTED_ROOTS/hashed")

    def test_keytool_lists_every_root_and_every_key(self):
        listed = run("keytool", "-list", "-keystore", self.mount.at("export/TRUSTED_ROOTS/truststore.p12"), "-storepass", "changeit")
        self.assertEqual(listed.returncode, 0, listed.stdout)
        self.assertEqual(len(re.findall("trustedCertEntry", listed.stdout)), 3)
        for alias in ("test-root", "other root", "issuing"):
            self.assertIn(alias + ",", listed.stdout)
        for path, names in (("machine/store.p12", ("good", "revoked")),
                            ("vmo-server.vmokeystore", ("machine/good", "machine/revoked")), ("machine/good/keystore.p12", ("good",))):
            listed = run("keytool", "-list", "-keystore", self.mount.at("export", path), "-storepass", PASSWORD)
            self.assertEqual(listed.returncode, 0, listed.stdout)
            self.assertEqual(len(re.findall("PrivateKeyEntry", listed.stdout)), len(names), listed.stdout)
            for name in names:
                self.assertIn(name + ",", listed.stdout)

    def test_java_trusts_by_the_trust_store(self):
        program = pki.write(os.path.join(self.work, "Trusting.java"), JAVA.encode())
        done = run("java", program, self.mount.at("export/TRUSTED_ROOTS/truststore.p12"), self.good.port)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "trusts CN=localhost"), done.stderr)

    def test_haproxy_starts_with_combined_pem(self):
        port = free_port()
        config = pki.write(os.path.join(self.work, "haproxy.cfg"),
                           HAPROXY.format(port=port, combined=self.mount.at("export/machine/good/combined.pem")).encode())
        proxy = subprocess.Popen(["haproxy", "-db", "-f", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(port)
            done = run("curl", "-sS", "--cacert", self.bundle, f"https://localhost:{port}/")
            self.assertEqual((done.returncode, done.stdout), (0, "from haproxy"), done.stderr)
        finally:
            proxy.terminate()
            proxy.wait()

    def test_curl_verifies_by_bundle_and_by_directory(self):
        url = f"https://localhost:{self.good.port}/"
        for how in (("--cacert", self.bundle), ("--capath", self.hashed)):
            # Nothing but what is named: the system's own anchors would not know this root anyway.
            done = run("curl", "-sS", *how, url)
            self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        self.assertEqual(run("curl", "-sS", "--cacert", self.mount.at("export/TRUSTED_ROOTS/other root/cert.der"), url).returncode, 77)
        other = run("curl", "-sS", "--cacert", self.mount.at("export/TRUSTED_ROOTS/other root/fullchain.pem"), url)
        self.assertEqual(other.returncode, 60, other.stderr)

    def test_the_crls_in_the_directory_revoke(self):
        for server, words in ((self.good, "Verify return code: 0 (ok)"), (self.bad, "certificate revoked")):
            done = run("openssl", "s_client", "-connect", f"localhost:{server.port}", "-CApath", self.hashed, "-crl_check_all",
                       "-verify_return_error", "-verify_hostname", "localhost", input="\n")
            self.assertIn(words, done.stdout + done.stderr)
        # curl takes the CRLs of one file.
        lists = pki.write(os.path.join(self.work, "crls.pem"), b"".join(
            pki.read(os.path.join(self.hashed, name)) for name in os.listdir(self.hashed) if ".r" in name))
        for server, code in ((self.good, 0), (self.bad, 60)):
            done = run("curl", "-sS", "--capath", self.hashed, "--crlfile", lists, f"https://localhost:{server.port}/")
            self.assertEqual(done.returncode, code, done.stderr)

    def test_gnutls_reads_them(self):
        done = run("gnutls-cli", "--x509cafile", self.bundle, "-p", self.good.port, "localhost", input="")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        listed = run("certtool", "--p12-info", "--inder", "--infile", self.mount.at("export/machine/good/keystore.p12"), "--password", PASSWORD)
        self.assertIn("BEGIN", listed.stdout + listed.stderr)
        info = run("certtool", "--certificate-info", "--infile", self.mount.at("export/machine/good/fullchain.pem"))
        self.assertIn("CN=localhost", info.stdout)

    def test_python_reads_them(self):
        for source in ({"cafile": self.bundle}, {"capath": self.hashed}):
            context = ssl.create_default_context(**source)
            with socket.create_connection(("127.0.0.1", self.good.port)) as plain:
                with context.wrap_socket(plain, server_hostname="localhost") as tls:
                    self.assertEqual(tls.getpeercert()["issuer"], ((("commonName", "Test Issuing CA"),),))
        context = ssl.create_default_context(capath=self.hashed)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        with socket.create_connection(("127.0.0.1", self.bad.port)) as plain:
            with self.assertRaisesRegex(ssl.SSLCertVerificationError, "revoked"):
                context.wrap_socket(plain, server_hostname="localhost")


if __name__ == "__main__":
    harness.main()
