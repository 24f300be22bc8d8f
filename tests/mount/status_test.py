"""Goal: the files of status/ are what a monitor, a person and a browser take them for, through the kernel.
Method: stores with what is good and what is not, made with stock openssl; read by root and by an ordinary user; parsed by
Python's json and Prometheus' own client library, judged by tidy, and shown by headless Chromium at two widths."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import harness
import page
import pki
from harness import errno_of, put, run

USER = 61001
FILES = ("health.json", "expiry.txt", "metrics.prom", "report.html")
HOSTILE = '<script>alert("1")</script> & Söhne'


def read_as(uid, path):
    """The bytes, and what stat said before, as another user. A child of one thread: it may drop what it is."""
    script = ("import os,sys\nos.setgroups([])\nos.setgid(int(sys.argv[1]))\nos.setuid(int(sys.argv[1]))\n"
              "size=os.stat(sys.argv[2]).st_size\ndata=open(sys.argv[2],'rb').read()\n"
              "sys.stdout.buffer.write(b'%d\\n' % size + data)\n")
    done = subprocess.run(["python3", "-c", script, str(uid), path], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    size, data = done.stdout.split(b"\n", 1)
    return int(size), data


class StatusTest(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = cls.mount.entry("TRUSTED_ROOTS", "root")
        put(directory + "/cert.pem", pki.read(cls.root.cert))
        directory = cls.mount.entry("MACHINE_SSL_CERT", "__MACHINE_CERT")
        put(directory + "/key.pem", pki.read(cls.key))
        put(directory + "/cert.pem", cls.chain)
        for alias, end in (("soon", 20), ("very-soon", 3)):
            put(cls.mount.entry("machine", alias) + "/cert.pem", cls.issuing.issue(alias + ".test", cls.key, end=end) + pki.read(cls.issuing.cert))
        without = pki.SERVER.replace("subjectAltName=DNS:localhost,IP:127.0.0.1\n", "")
        put(cls.mount.entry("vpxd", "no san") + "/cert.pem", cls.issuing.issue("nameless", cls.key, without, end=300) + pki.read(cls.issuing.cert))
        put(cls.mount.entry("hvc", HOSTILE.replace("/", "")) + "/cert.pem", cls.issuing.issue("hostile.test", cls.key, end=300) + pki.read(cls.issuing.cert))
        put(cls.mount.entry("vpxd", "closed") + "/cert.pem", cls.issuing.issue("closed.test", cls.key, end=300) + pki.read(cls.issuing.cert))
        os.chmod(cls.mount.at("stores", "vpxd", "closed"), 0o750)

    def status(self, name):
        return self.mount.at("status", name)

    def text(self, name):
        return pki.read(self.status(name)).decode()

    def found(self):
        return [(each["severity"], each["id"], each["subject"]) for each in json.loads(self.text("health.json"))["findings"]]

    def metrics(self, text=None):
        from prometheus_client.parser import text_string_to_metric_families
        found = {}
        for family in text_string_to_metric_families(text or self.text("metrics.prom")):
            self.assertTrue(family.documentation and family.type in ("gauge", "counter"), family)
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                self.assertNotIn(key, found)
                found[key] = sample.value
        return found

    def test_everybody_reads_them_and_nobody_writes_them(self):
        for name in FILES:
            path = self.status(name)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o444)
            for uid in (0, USER):
                size, data = read_as(uid, path)
                self.assertEqual(size, len(data), name)
                self.assertEqual("closed" in data.decode(), uid == 0 and name != "health.json", (name, uid))
            self.assertEqual(errno_of(open, path, "w"), "EROFS")
            self.assertEqual(errno_of(os.remove, path), "EROFS")

    def test_copies_are_whole(self):
        with tempfile.TemporaryDirectory() as work:
            done = run("tar", "-C", self.mount.at("status"), "-cf", work + "/status.tar", *FILES)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(run("rsync", "-a", *[self.status(name) for name in FILES[:2]], work).returncode, 0)
            self.assertEqual(pki.read(work + "/expiry.txt").decode(), self.text("expiry.txt"))

    def test_health_names_what_is_wrong(self):
        found = self.found()
        self.assertIn(("critical", "expiring", "machine/very-soon"), found)
        self.assertIn(("warning", "expiring", "machine/soon"), found)
        self.assertIn(("warning", "leaf-without-san", "vpxd/no san"), found)
        health = json.loads(self.text("health.json"))
        self.assertEqual(health["status"], "critical")
        order = [each["severity"] for each in health["findings"]]
        self.assertEqual(order, sorted(order, key=["critical", "warning", "info"].index))
        self.assertEqual(sum(health["counts"].values()), len(order))
        for each in health["findings"]:
            self.assertTrue(each["action"], each)

    def test_health_forgets_what_was_put_right(self):
        entry = self.mount.entry("wcp", "mended")
        put(entry + "/cert.pem", self.issuing.issue("mended.test", self.key, end=2) + pki.read(self.issuing.cert))
        self.assertIn(("critical", "expiring", "wcp/mended"), self.found())
        put(entry + "/cert.pem", self.issuing.issue("mended.test", self.key, end=300) + pki.read(self.issuing.cert))
        self.assertEqual([each for each in self.found() if each[2] == "wcp/mended"], [])

    def test_expiry_is_sorted(self):
        lines = self.text("expiry.txt").splitlines()
        self.assertTrue(lines[0].startswith("# days"))
        rows = [line.split(None, 3) for line in lines[1:]]
        self.assertEqual([row[1] for row in rows], sorted(row[1] for row in rows))
        paths = [row[3] for row in rows]
        self.assertEqual(paths[:2], ["machine/very-soon", "machine/soon"])
        for path in ("TRUSTED_ROOTS/root", "MACHINE_SSL_CERT/__MACHINE_CERT", "vpxd/no san"):
            self.assertIn(path, paths)
        # Days are those of the calendar, as date(1) counts them.
        end = pki.openssl("x509", "-noout", "-enddate", "-in", self.mount.at("stores/machine/soon/cert.pem")).decode().split("=")[1].strip()
        days = run("bash", "-c", 'echo $(( $(date -ud "$1" +%s) / 86400 - $(date +%s) / 86400 ))', "-", end).stdout.strip()
        self.assertEqual(rows[1][0], days)

    def test_metrics_are_those_that_prometheus_reads(self):
        for uid in (0, USER):
            found = self.metrics(read_as(uid, self.status("metrics.prom"))[1].decode())
            end = found["certfs_certificate_not_after_seconds", (("alias", "soon"), ("kind", "leaf"), ("store", "machine"), ("subject", "CN=soon.test"))]
            text = pki.openssl("x509", "-noout", "-enddate", "-in", self.mount.at("stores/machine/soon/cert.pem")).decode().split("=")[1].strip()
            self.assertEqual(str(int(end)), run("date", "-ud", text, "+%s").stdout.strip())
            self.assertEqual(found["certfs_findings", (("id", "expiring"), ("severity", "critical"))], 1)
            version = [labels for name, labels in found if name == "certfs_build_info"]
            self.assertIn(version[0][0][1], self.text("version"))
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=self.text("metrics.prom"), capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_counters_move(self):
        def count(name, **labels):
            return self.metrics()[name, tuple(labels.items())]
        refused = count("certfs_refusals_total", errno="EINVAL")
        made = count("certfs_operations_total", operation="mkdir")
        entry = self.mount.entry("wcp", "counted")
        self.assertEqual(errno_of(put, entry + "/cert.pem", b"no certificate"), "EINVAL")
        self.assertEqual(count("certfs_refusals_total", errno="EINVAL"), refused + 1)
        self.assertEqual(count("certfs_operations_total", operation="mkdir"), made + 1)
        read = count("certfs_operations_total", operation="read")
        self.assertGreater(count("certfs_operations_total", operation="read"), read)

    def test_a_backup_that_was_read_is_known_after_a_remount(self):
        self.assertIn(("warning", "backup-never-read", "backup/keystore.cms"), self.found())
        self.assertIn(("info", "export-password-unset", "export/"), self.found())
        self.assertEqual(errno_of(pki.read, self.mount.at("backup/keystore.cms")), "ENOKEY")
        self.assertIn("backup-never-read", [each[1] for each in self.found()])
        password = pki.write(os.path.join(self.work, "password"), b"correct horse battery\n")
        self.mount.unmount()
        done = run(harness.CERTFS, "password", "set", self.mount.keystore, "--password-file", password)
        self.mount.mount()
        self.assertEqual(done.returncode, 0, done.stderr)
        before = time.time()
        self.assertGreater(len(pki.read(self.mount.at("backup/keystore.cms"))), 1000)
        self.assertEqual({"backup-never-read", "export-password-unset"} & {each[1] for each in self.found()}, set())
        self.mount.unmount()
        self.mount.mount()
        self.assertNotIn("backup-never-read", [each[1] for each in self.found()])
        self.assertGreaterEqual(self.metrics()["certfs_last_backup_timestamp_seconds", (("backup", "keystore"),)], int(before))

    def test_the_report_is_valid_html(self):
        for uid in (0, USER):
            data = read_as(uid, self.status("report.html"))[1]
            done = subprocess.run(["tidy", "-q", "-e", "-utf8"], input=data, capture_output=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))
            self.assertNotIn("<script", data.decode())

    @unittest.skipUnless(page.CHROMIUM, "there is no chromium on this machine")
    def test_the_report_fits_any_screen(self):
        html = self.text("report.html")
        for width in (390, 1280):
            measured = page.measure(html, width)
            self.assertLessEqual(measured["width"], width)
            self.assertEqual(measured["outside"], [])
            self.assertGreaterEqual(min(measured["letters"]), 12)
            self.assertEqual(measured["fetched"], 0)

    @unittest.skipUnless(page.CHROMIUM, "there is no chromium on this machine")
    def test_the_report_has_a_face(self):
        from PIL import Image
        with tempfile.TemporaryDirectory() as work:
            path = pki.write(work + "/report.html", pki.read(self.status("report.html")))
            for width in (390, 1280):
                out = f"{work}/{width}.png"
                page.screenshot(path, width, 2000, out)
                with Image.open(out) as picture:
                    self.assertEqual(picture.size[1], 2000)
                    self.assertGreaterEqual(picture.size[0], width)
                    colours = picture.convert("RGB").getcolors(1 << 24)
                # Letters, rules and badges, and neither all of it nor hardly any.
                self.assertGreater(len(colours), 50)
                ground = max(count for count, _ in colours) / (picture.size[0] * picture.size[1])
                self.assertTrue(0.2 < ground < 0.98, ground)


if __name__ == "__main__":
    harness.main()
