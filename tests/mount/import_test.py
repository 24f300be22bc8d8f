"""Goal: `certfs import` brings in what people have their keys in, entry by entry, whole or not at all, and says what it did.
Method: files made by openssl and keytool; wrong passwords, damaged and foreign files; the entries compared with the sources."""

import json
import os
import stat

import harness
import pki
from harness import CERTFS, put, run


class Import(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.trust_root()
        cls.others = os.path.join(cls.work, "others.pem")
        pki.write(cls.others, pki.read(cls.issuing.cert) + pki.read(cls.root.cert))
        cls.leaf_file = pki.write(os.path.join(cls.work, "leaf.pem"), cls.leaf)
        cls.password = pki.write(os.path.join(cls.work, "password"), b"geheim\n")
        os.chmod(cls.password, 0o600)
        cls.p12 = cls.export("web.p12", cls.key, cls.leaf_file, "web")

    @classmethod
    def export(cls, file, key, cert, name, *options):
        path = os.path.join(cls.work, file)
        pki.openssl("pkcs12", "-export", "-inkey", key, "-in", cert, "-certfile", cls.others, "-name", name,
                    "-passout", "pass:geheim", "-out", path, *options)
        return path

    def several(self):
        """Three keys with a name each, put together by keytool."""
        path = os.path.join(self.work, "several.p12")
        for i, name in enumerate(("web one", "mail", "Dot.Com") if not os.path.exists(path) else ()):
            key = pki.new_key(os.path.join(self.work, f"several{i}.key"))
            cert = pki.write(os.path.join(self.work, f"several{i}.pem"), self.issuing.issue("localhost", key))
            source = self.export(f"several{i}.p12", key, cert, name)
            made = run("keytool", "-importkeystore", "-srckeystore", source, "-srcstorepass", "geheim",
                       "-destkeystore", path, "-deststoretype", "PKCS12", "-deststorepass", "geheim")
            self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        return path

    def command(self, *arguments, **options):
        return run(CERTFS, "import", "--mount", self.mount.path, *arguments, start_new_session=True, **options)

    def imported(self, *arguments):
        done = self.command(*arguments, "--password-file", self.password)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def refused(self, code, words, *arguments):
        done = self.command(*arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(words, done.stderr)
        return done

    def same_key(self, path, key):
        self.assertEqual(pki.openssl("pkey", "-in", path, "-outform", "DER"), pki.openssl("pkey", "-in", key, "-outform", "DER"))

    def test_a_new_entry(self):
        said = self.imported(self.p12, "machine/new")
        self.assertIn("machine/new: new: EC P-256 key, 2 certificates, CN=localhost", said)
        self.assertIn('not imported: certificate "Test Root"', said)
        self.assertIn("1 of 1 imported", said)
        entry = self.mount.at("stores/machine/new")
        self.same_key(entry + "/key.pem", self.key)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)
        self.assertEqual(sorted(os.listdir(entry)), ["cert.pem", "key.pem"])
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/key.pem").st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(entry + "/cert.pem").st_mode), 0o644)
        self.assertEqual(stat.S_IMODE(os.stat(entry).st_mode), 0o755)

    def test_an_entry_is_replaced_with_what_it_was_granted(self):
        entry = self.mount.entry("machine", "replaced")
        old = pki.new_key(os.path.join(self.work, "old.key"))
        put(entry + "/key.pem", pki.read(old))
        put(entry + "/cert.pem", self.issuing.issue("localhost", old))
        os.chown(entry + "/key.pem", 0, 65534)
        os.chmod(entry + "/key.pem", 0o640)
        said = self.imported(self.p12, "machine/Replaced")
        self.assertIn("machine/replaced: replaces what is there", said)
        self.assertIn("machine/replaced: imported; what it held before is in BACKUP_STORE", said)
        self.same_key(entry + "/key.pem", self.key)
        status = os.stat(entry + "/key.pem")
        self.assertEqual((status.st_gid, stat.S_IMODE(status.st_mode)), (65534, 0o640))
        self.assertEqual(pki.read(self.mount.at("stores/BACKUP_STORE/bkp_replaced/key.pem")), pki.read(old))
        self.assertFalse(os.path.exists(entry + "/next"))

    def test_a_dry_run_changes_nothing(self):
        said = self.imported(self.p12, "machine/dry", "--dry-run")
        self.assertIn("machine/dry: new", said)
        self.assertNotIn("imported\n", said.replace("not imported", ""))
        self.assertFalse(os.path.exists(self.mount.at("stores/machine/dry")))

    def test_as_json(self):
        plan = json.loads(self.imported(self.p12, "machine/json", "--dry-run", "--json"))
        self.assertFalse(plan["done"] or plan["entries"][0]["imported"] or plan["entries"][0]["replaces"])
        self.assertFalse(os.path.exists(self.mount.at("stores/machine/json")))
        done = json.loads(self.imported(self.p12, "machine/json", "--json"))
        self.assertEqual((done["done"], done["entries"][0]["entry"], done["entries"][0]["imported"]), (True, "machine/json", True))
        self.assertIsNone(done["entries"][0]["error"])
        self.assertTrue(os.path.exists(self.mount.at("stores/machine/json/key.pem")))

    def test_several_keys(self):
        file = self.several()
        store = self.mount.at("stores/several")
        os.mkdir(store)
        said = self.imported(file, "several")
        self.assertIn("3 of 3 imported", said)
        aliases = sorted(os.listdir(store), key=str.lower)
        self.assertEqual([alias.lower() for alias in aliases], ["dot.com", "mail", "web one"])
        for alias in aliases:
            certificate = pki.openssl("x509", "-in", os.path.join(store, alias, "cert.pem"), "-pubkey", "-noout")
            self.assertEqual(certificate, pki.openssl("pkey", "-in", os.path.join(store, alias, "key.pem"), "-pubout"))
        # Again: replaced, each in its place.
        self.assertEqual(self.imported(file, "several").count("replaces what is there"), 3)

    def test_one_of_several_keys(self):
        file = self.several()
        arguments = (file, "machine/one", "--password-file", self.password)
        done = self.refused(2, "--name", *arguments)
        self.assertIn('"web one" (EC P-256 key, 2 certificates, CN=localhost)', done.stderr)
        self.refused(1, 'nothing in it is called "x"', *arguments, "--name", "x")
        self.imported(file, "machine/one", "--name", "web one")
        self.same_key(self.mount.at("stores/machine/one/key.pem"), os.path.join(self.work, "several0.key"))

    def test_keys_of_one_name(self):
        key = pki.new_key(os.path.join(self.work, "second.key"))
        second = self.issuing.issue("localhost", key)
        file = pki.write(os.path.join(self.work, "same.pem"), self.leaf + second + pki.read(self.key) + pki.read(key))
        said = self.imported(file, "vpxd")
        self.assertIn("vpxd/localhost: imported\nvpxd/localhost-2: imported\n", said)
        self.assertEqual(pki.read(self.mount.at("stores/vpxd/localhost-2/cert.pem")), second)

    def test_names_that_are_no_alias(self):
        file = self.export("odd.p12", self.key, self.leaf_file, " ../mail@home ")
        self.imported(file, "hvc")
        self.assertEqual(os.listdir(self.mount.at("stores/hvc")), ["-mail-home"])

    def test_passwords(self):
        wrong = pki.write(os.path.join(self.work, "wrong"), b"falsch")
        os.chmod(wrong, 0o600)
        self.refused(3, "the password is wrong, or the file is damaged", self.p12, "machine/p", "--password-file", wrong)
        self.refused(1, "use --password-file", self.p12, "machine/p")
        self.assertFalse(os.path.exists(self.mount.at("stores/machine/p")))

    def test_pem(self):
        bundle = pki.write(os.path.join(self.work, "bundle.pem"), b"# ours\n" + pki.read(self.others) + self.leaf + pki.read(self.key))
        self.imported(bundle, "wcp/plain")
        self.assertEqual(pki.read(self.mount.at("stores/wcp/plain/cert.pem")), self.chain)
        self.same_key(self.mount.at("stores/wcp/plain/key.pem"), self.key)
        for name, options in (("pkcs8", ("pkcs8", "-topk8", "-v2", "aes256")), ("traditional", ("ec", "-aes256"))):
            encrypted = pki.openssl(*options, "-in", self.key, "-passout", "pass:geheim")
            self.assertIn(b"ENCRYPTED", encrypted)
            bundle = pki.write(os.path.join(self.work, name + ".pem"), self.leaf + encrypted)
            self.refused(1, "use --password-file", bundle, "wcp/" + name)
            self.imported(bundle, "wcp/" + name)
            self.same_key(self.mount.at("stores/wcp", name, "key.pem"), self.key)
        self.imported(self.key, "wcp/alone")
        self.assertEqual(os.listdir(self.mount.at("stores/wcp/alone")), ["key.pem"])

    def test_from_a_pipe(self):
        with open(self.p12, "rb") as file:
            done = run(CERTFS, "import", "-", "wcp/pipe", "--mount", self.mount.path, "--password-file", self.password, stdin=file)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.same_key(self.mount.at("stores/wcp/pipe/key.pem"), self.key)

    def test_trusted_roots(self):
        other = pki.Authority(self.work, "Other Root")
        bundle = pki.write(os.path.join(self.work, "roots.pem"), pki.read(other.cert) + self.root.crl())
        said = self.imported(bundle, "TRUSTED_ROOTS")
        self.assertIn("TRUSTED_ROOTS/Other Root: imported", said)
        self.assertIn("TRUSTED_ROOTS_CRLS takes it", said)
        self.assertEqual(pki.read(self.mount.at("stores/TRUSTED_ROOTS/Other Root/cert.pem")), pki.read(other.cert))
        der = os.path.join(self.work, "other.der")
        pki.openssl("x509", "-in", other.cert, "-outform", "DER", "-out", der)
        self.imported(der, "TRUSTED_ROOTS/der")
        self.refused(1, "holds nothing for machine", der, "machine/der")
        # The key stays out, its chain is no anchor, the root behind it is one.
        said = self.imported(self.p12, "TRUSTED_ROOTS")
        self.assertIn('not imported: key "web": TRUSTED_ROOTS holds no keys', said)
        self.assertTrue(os.path.exists(self.mount.at("stores/TRUSTED_ROOTS/Test Root/cert.pem")))

    def test_revocation_lists(self):
        crl = pki.write(os.path.join(self.work, "crl.pem"), self.root.crl())
        self.assertIn("TRUSTED_ROOTS_CRLS/Test Root: imported", self.imported(crl, "TRUSTED_ROOT_CRLS"))
        self.assertTrue(os.path.exists(self.mount.at("stores/TRUSTED_ROOTS_CRLS/Test Root/crl.pem")))

    def test_a_java_trust_store(self):
        store = os.path.join(self.work, "trust.p12")
        for name in ("Java One", "Java Two"):
            authority = pki.Authority(self.work, name)
            made = run("keytool", "-importcert", "-noprompt", "-alias", name, "-file", authority.cert, "-keystore", store,
                       "-storetype", "PKCS12", "-storepass", "geheim")
            self.assertEqual(made.returncode, 0, made.stdout)
        self.assertIn("2 of 2 imported", self.imported(store, "TRUSTED_ROOTS"))
        self.assertIn("java two", [name.lower() for name in os.listdir(self.mount.at("stores/TRUSTED_ROOTS"))])

    def test_a_java_keystore_is_explained(self):
        store = os.path.join(self.work, "store.jks")
        made = run("keytool", "-importkeystore", "-srckeystore", self.p12, "-srcstorepass", "geheim", "-destkeystore", store,
                   "-deststoretype", "JKS", "-deststorepass", "geheim")
        self.assertEqual(made.returncode, 0, made.stdout)
        done = self.refused(1, "of type JKS", store, "machine/jks")
        # What it says is what to do.
        line = next(line.strip() for line in done.stderr.splitlines() if line.strip().startswith("keytool"))
        ran = run("sh", "-c", line + " -srcstorepass geheim -deststorepass geheim")
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.imported(store + ".p12", "machine/jks")
        self.same_key(self.mount.at("stores/machine/jks/key.pem"), self.key)

    def test_what_the_mount_refuses_leaves_nothing(self):
        key = pki.new_key(os.path.join(self.work, "expired.key"))
        cert = pki.write(os.path.join(self.work, "expired.pem"), self.issuing.issue("localhost", key, start=-30, end=-1))
        file = self.export("expired.p12", key, cert, "expired")
        done = self.refused(1, "not imported", file, "machine/expired", "--password-file", self.password)
        self.assertIn("expired", done.stderr.split("Key has expired", 1)[1])
        self.assertIn("0 of 1 imported", done.stdout)
        self.assertFalse(os.path.exists(self.mount.at("stores/machine/expired")))
        entry = self.mount.entry("machine", "staged")
        os.mkdir(entry + "/next")
        put(entry + "/next/key.pem", pki.read(key))
        self.refused(1, "a replacement is staged there", self.p12, "machine/staged", "--password-file", self.password)
        self.assertEqual(os.listdir(entry + "/next"), ["key.pem"])

    def test_part_of_a_file(self):
        """What is refused does not keep the others out."""
        os.mkdir(self.mount.at("stores/part"))
        key = pki.new_key(os.path.join(self.work, "part.key"))
        cert = self.issuing.issue("expired.example", key, start=-30, end=-1)
        file = pki.write(os.path.join(self.work, "part.pem"), cert + pki.read(key) + self.leaf + pki.read(self.key))
        done = self.refused(1, "part/expired.example: not imported", file, "part")
        self.assertIn("1 of 2 imported", done.stdout)
        self.assertEqual(os.listdir(self.mount.at("stores/part")), ["localhost"])

    def test_wrong_usage_and_damage(self):
        self.refused(2, "No such file", os.path.join(self.work, "none.p12"), "machine/x")
        self.refused(2, "takes neither keys nor certificates", self.key, "BACKUP_STORE/x")
        self.refused(2, "takes neither keys nor certificates", self.key, "APPLMGMT_PASSWORD/x")
        self.refused(2, "a/b/c", self.key, "a/b/c")
        self.refused(1, "no such store", self.key, "nowhere/x")
        self.assertEqual(self.command(self.key).returncode, 2)
        damaged = pki.write(os.path.join(self.work, "damaged.p12"), pki.read(self.p12)[:-7])
        self.refused(1, "not PKCS#12, or damaged", damaged, "machine/x", "--password-file", self.password)
        nothing = pki.write(os.path.join(self.work, "nothing"), b"hello\n")
        self.refused(1, "neither PKCS#12, nor PEM", nothing, "machine/x")
        torn = pki.write(os.path.join(self.work, "torn.pem"), pki.read(self.key)[:100])
        self.refused(1, "torn.pem", torn, "machine/x")
        self.assertFalse(os.path.exists(self.mount.at("stores/machine/x")))

    def test_who_may_not_write_is_told(self):
        done = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", CERTFS, "import", "-", "machine/nobody", "--mount",
                   self.mount.path, input=pki.read(self.key).decode())
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("Permission denied", done.stderr)

    def test_an_older_refusal_is_not_the_reason_of_a_new_one(self):
        entry = self.mount.entry("machine", "older")
        with self.assertRaises(OSError):
            put(entry + "/key.pem", b"garbage")
        self.assertIn("stores/machine/older/key.pem", self.mount.why())
        os.mkdir(entry + "/next")
        put(entry + "/next/key.pem", pki.read(self.key))
        done = self.refused(1, "a replacement is staged", self.p12, "machine/older", "--password-file", self.password)
        self.assertNotIn("pid", done.stderr)

    def test_without_status(self):
        """Where only the stores are mounted, the system's words are all there is."""
        mount = harness.Mount(options=("-o", "subtree=stores"))
        self.addCleanup(mount.close)
        done = run(CERTFS, "import", "--mount", mount.path, self.p12, "machine/web", "--password-file", self.password)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.exists(mount.at("machine/web/key.pem")))


if __name__ == "__main__":
    harness.main()
