#!/usr/bin/python3
"""nginx, HAProxy, stunnel, Postfix, PostgreSQL and Java with the configurations of tools/examples.

Goal: each starts out of the mount under its own user, serves TLS that stock clients verify by the mount's roots, and serves the renewed
pair after the reload that its example names. Method: servers.py.
"""

import os
import pwd
import shutil
import signal

import harness
import pki
import servers
from harness import CERTFS, run
from servers import example, until

NGINX = """
daemon off; pid {place}/nginx.pid; error_log {place}/nginx.log notice; user www-data;
events {{}}
http {{
  access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  include {place}/certfs.conf;
}}
"""
PASSWORD = "correct horse battery"


def as_user(user, *command):
    """The words that run `command` as `user`, with his group alone."""
    entry = pwd.getpwnam(user)
    return ("setpriv", "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups", *map(str, command))


def user_of(pid):
    return pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name


class Proxies(servers.ServerTest):
    def serves(self, reload):
        self.assertTrue(until(lambda: self.curl().stdout == "hello\n"), pki.read(self.log).decode(errors="replace"))
        self.renew_and_reload(reload, self.served_serial)
        done = self.curl()
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)

    def test_nginx(self):
        self.write("certfs.conf", example("nginx/certfs.conf", {"/certs/": self.mount.path + "/", "listen 443": f"listen 127.0.0.1:{self.port}",
                                                                "127.0.0.1:8080": self.backend()}))
        config = self.write("nginx.conf", NGINX.format(place=self.place))
        self.start("nginx", "-c", config, "-p", self.place)
        self.assertEqual(os.stat(self.live + "/key.pem").st_mode & 0o777, 0o600)
        self.serves(["nginx", "-c", config, "-p", self.place, "-s", "reload"])

    def test_haproxy(self):
        config = self.write("haproxy.cfg", example("haproxy/haproxy.cfg", {"/certs/": self.mount.path + "/", "bind :443": f"bind 127.0.0.1:{self.port}",
                                                                          "127.0.0.1:8080": self.backend()}))
        self.assertEqual(run("haproxy", "-c", "-q", "-f", config).returncode, 0)
        # As Debian's unit does: a master, and a worker that is replaced at SIGUSR2.
        proxy = self.start("haproxy", "-W", "-f", config)
        self.assertTrue(until(lambda: self.served_serial() is not None), pki.read(self.log).decode(errors="replace"))
        with open(f"/proc/{proxy.pid}/task/{proxy.pid}/children") as children:
            self.assertEqual({user_of(pid) for pid in children.read().split()}, {"haproxy"})
        self.serves(["kill", "-USR2", proxy.pid])

    def test_stunnel(self):
        self.grant("stunnel4")
        config = self.write("certfs.conf", example("stunnel/certfs.conf", {
            "/certs/": self.mount.path + "/", "accept  = 443": f"accept  = 127.0.0.1:{self.port}", "127.0.0.1:8080": self.backend(),
            "foreground = no": "foreground = yes", "syslog = yes": "syslog = no"}))
        tunnel = self.start("stunnel4", config)
        self.assertTrue(until(lambda: self.served_serial() is not None), pki.read(self.log).decode(errors="replace"))
        self.assertEqual(user_of(tunnel.pid), "stunnel4")
        self.serves(["kill", "-HUP", tunnel.pid])
        # Without the grant a reload fails, and the old pair stays in use: that is why the example asks for one.
        run("setfacl", "-b", self.live + "/key.pem")
        before = self.served_serial()
        self.certfs("renew", servers.ENTRY, "--rekey", "--yes")
        tunnel.send_signal(signal.SIGHUP)
        self.assertTrue(until(lambda: b"Failed to reload" in pki.read(self.log)), pki.read(self.log).decode(errors="replace"))
        self.assertEqual(self.served_serial(), before)


POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {place}/spool
data_directory = {place}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
"""
POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
proxymap unix - - n - - proxymap
"""


class Postfix(servers.ServerTest):
    def test_postfix(self):
        configuration = os.path.join(self.place, "postfix")
        for name, owner in (("postfix", "root"), ("spool", "root"), ("data", "postfix")):
            os.mkdir(os.path.join(self.place, name))
            shutil.chown(os.path.join(self.place, name), owner)
        self.write("postfix/main.cf", POSTFIX_MAIN.format(place=self.place) + example("postfix/certfs.cf", {"/certs/": self.mount.path + "/"}))
        self.write("postfix/master.cf", POSTFIX_MASTER.format(port=self.port))
        # Makes the directories of the queue.
        run("postfix", "-c", configuration, "check")
        self.start("/usr/lib/postfix/sbin/master", "-c", configuration, "-d")
        served = lambda: self.served_serial("-starttls", "smtp")
        self.assertTrue(until(lambda: served() is not None), pki.read(self.log).decode(errors="replace"))
        self.renew_and_reload(["postfix", "-c", configuration, "reload"], served)
        # What it sends is verified by the same roots.
        said = run("postconf", "-c", configuration, "-h", "smtp_tls_CAfile").stdout.strip()
        self.assertEqual(pki.read(said), pki.read(self.bundle))


class PostgreSql(servers.ServerTest):
    def psql(self, *more, mode="verify-full"):
        return run("psql", " ".join((f"host=localhost hostaddr=127.0.0.1 port={self.port} user=pg dbname=postgres sslmode={mode}", *more)), "-Atc",
                   "select ssl from pg_stat_ssl where pid = pg_backend_pid()")

    def test_postgresql(self):
        versions = sorted(os.listdir("/usr/lib/postgresql"), key=int)
        programs = f"/usr/lib/postgresql/{versions[-1]}/bin"
        self.grant("postgres")
        self.assertEqual(os.stat(self.live + "/key.pem").st_mode & 0o777, 0o640)
        home = os.path.join(self.place, "postgres")
        os.mkdir(home)
        shutil.chown(home, "postgres", "postgres")
        data = home + "/main"
        made = run(*as_user("postgres", programs + "/initdb", "-D", data, "-U", "pg", "-A", "trust", "--no-sync", "--no-instructions"))
        self.assertEqual(made.returncode, 0, made.stderr)
        # As Debian's clusters have it: a directory of settings that is read last.
        settings = os.path.join(self.place, "conf.d")
        os.mkdir(settings)
        pki.write(settings + "/certfs.conf", example("postgresql/certfs.conf", {"/certs/": self.mount.path + "/"}).encode())
        with open(data + "/postgresql.conf", "a") as file:
            file.write(f"unix_socket_directories = '{home}'\nfsync = off\ninclude_dir = '{settings}'\n")
        server = self.start(*as_user("postgres", programs + "/postgres", "-D", data, "-p", self.port, "-h", "127.0.0.1"))
        self.addCleanup(lambda: server.poll() is None and server.send_signal(signal.SIGINT))
        roots = "sslrootcert=" + self.bundle
        self.assertTrue(until(lambda: self.psql(roots).stdout == "t\n"), pki.read(self.log).decode(errors="replace"))
        self.renew_and_reload(as_user("postgres", programs + "/pg_ctl", "reload", "-s", "-D", data),
                              lambda: self.served_serial("-starttls", "postgres"))
        done = self.psql(roots)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "t\n", ""))
        # The client did look: by other roots, and by another name, it refuses.
        other = self.psql("sslrootcert=" + self.root.cert)
        self.assertIn("certificate verify failed", other.stderr)
        named = run("psql", f"host=elsewhere hostaddr=127.0.0.1 port={self.port} user=pg dbname=postgres sslmode=verify-full {roots}", "-c", "select 1")
        self.assertIn('does not match host name "elsewhere"', named.stderr)


class Java(servers.ServerTest):
    def test_java(self):
        self.grant("daemon")
        password = self.write("export-password", PASSWORD + "\n")
        shutil.chown(password, "daemon")
        os.chmod(password, 0o600)
        done = run(CERTFS, "password", "set", self.mount.keystore, "--password-file", password)
        self.assertEqual(done.returncode, 0, done.stderr)
        server = self.write("TlsServer.java", example("java/TlsServer.java", {}))
        client = self.write("TlsClient.java", example("java/TlsClient.java", {}))
        keystore, roots = self.mount.at("export", servers.ENTRY, "keystore.p12"), self.mount.at("export/TRUSTED_ROOTS/truststore.p12")
        # A single JVM: setpriv becomes it, so that the signal meets it.
        process = self.start(*as_user("daemon", "java", server, self.port, keystore, roots, password))
        self.assertTrue(until(lambda: self.served_serial() is not None), pki.read(self.log).decode(errors="replace"))
        self.assertEqual(user_of(process.pid), "daemon")
        self.renew_and_reload(["kill", "-HUP", process.pid], self.served_serial)
        shown = run("java", client, f"https://localhost:{self.port}/", roots)
        self.assertEqual((shown.returncode, shown.stdout), (0, f"serial {self.live_serial():x}\nhello\n"), shown.stderr)
        # The two options of the client's comment, and what they are for: without them nothing is trusted.
        trusting = ("-Djavax.net.ssl.trustStore=" + roots, "-Djavax.net.ssl.trustStorePassword=changeit")
        program = self.write("Plain.java", 'public class Plain { public static void main(String[] a) throws Exception { System.out.print(new String('
                             'new java.net.URL(a[0]).openStream().readAllBytes())); } }')
        for options, words in ((trusting, "hello\n"), ((), "")):
            self.assertEqual(run("java", *options, program, f"https://localhost:{self.port}/").stdout, words)


if __name__ == "__main__":
    harness.main()
