"""Goal: a package opens where its signer is trusted, and by nobody's mistake anywhere else; stock openssl reads ours, and we read what it signs; nothing leaves the directory.
Method: packages made by certfs and by `openssl cms`, changed, foreign, expired, revoked and hostile ones; the question at a terminal of its own; users who may little."""

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile

import harness
import pki
from harness import CERTFS, put, run
from terminal import converse

MANAGER = os.path.join(os.path.dirname(CERTFS), "certificate-manager")
USER = 61004
RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
PEER = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectAltName=DNS:peer\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"


def as_user(*command):
    return run("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command, stdin=subprocess.DEVNULL, start_new_session=True)


def tree(directory):
    """Everything below `directory`: its bytes, or None for a directory."""
    found = {}
    for at, directories, files in os.walk(directory):
        for name in directories:
            found[os.path.relpath(os.path.join(at, name), directory)] = None
        for name in files:
            found[os.path.relpath(os.path.join(at, name), directory)] = pki.read(os.path.join(at, name))
    return found


def staged_in(directory):
    """What an import under way has there."""
    return [name for name in os.listdir(directory) if name.startswith(".certfs")]


def tar_of(*members):
    """A tar of (name, content) and of ready-made TarInfo."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


class PackageTest(harness.MountTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine_pair()
        os.chmod(cls.work, 0o755)
        cls.site = os.path.join(cls.work, "site")
        os.makedirs(os.path.join(cls.site, "sub", "empty"))
        pki.write(os.path.join(cls.site, "index.html"), b"<p>hello</p>\n")
        pki.write(os.path.join(cls.site, "sub", "grüße"), b"umlaut\r\nand lines\n")
        pki.write(os.path.join(cls.site, "sub", "secret"), b"s")
        os.chmod(os.path.join(cls.site, "sub", "secret"), 0o600)
        cls.package = cls.at("site.package")
        made = cls.certfs("create", cls.site, "-o", cls.package)
        if made.returncode:
            raise RuntimeError(made.stderr)
        # Somebody else's authority, of which this mount knows nothing.
        cls.foreign = pki.Authority(cls.work, "Foreign Root")
        cls.stranger = pki.new_key(cls.at("stranger.key"))
        cls.stranger_cert = pki.write(cls.at("stranger.pem"), cls.foreign.issue("stranger", cls.stranger, PEER))

    @classmethod
    def at(cls, *parts):
        return os.path.join(cls.work, *parts)

    @classmethod
    def certfs(cls, *arguments, **options):
        """Without a terminal."""
        mount = [] if arguments[0] == "help" else ["--mount", cls.mount.path]
        return run(CERTFS, "package", arguments[0], *mount, *arguments[1:], stdin=subprocess.DEVNULL, start_new_session=True, **options)

    def ends(self, code, words, *arguments):
        done = self.certfs(*arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(words, done.stdout + done.stderr)
        return done

    def out(self, name=None):
        """A directory that is not there yet."""
        return self.at("out-" + (name or self.id().rsplit(".", 1)[1]))

    def signed(self, name, content, cert, key, *more):
        """What `openssl cms -sign` makes of `content`."""
        path = self.at(name)
        pki.openssl("cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", cert, "-inkey", key, "-in", pki.write(path + ".tar", content), "-out", path, *more)
        return path

    def trusted(self, name, content, *more):
        leaf = pki.write(self.at("leaf.pem"), self.leaf)
        return self.signed(name, content, leaf, self.key, "-certfile", self.issuing.cert, *more)

    def of_stranger(self, name="foreign.package", certfile=True):
        more = ["-certfile", self.foreign.cert] if certfile else []
        return self.signed(name, tar_of(("hello", b"from far away")), self.stranger_cert, self.stranger, *more)

    def refused_untouched(self, package, words, code=1, *more):
        """The package is refused, with that reason, and nothing is made, not even for who takes anybody's."""
        before = sorted(os.listdir(self.work))
        for options in ((), ("--accept-untrusted",)):
            self.ends(code, words, "import", package, self.out(), *options, *more)
            self.assertFalse(os.path.lexists(self.out()))
        self.assertEqual(sorted(os.listdir(self.work)), before)

    def publish_revocation(self, cert):
        """Has the issuing CA revoke `cert`, and the mount know it; returns the CRL's file."""
        entry = self.mount.entry("TRUSTED_ROOTS", "issuing")
        put(entry + "/cert.pem", pki.read(self.issuing.cert))
        self.addCleanup(run, "rm", "-r", entry)
        self.issuing.revoke(pki.read(cert))
        crl = pki.write(self.at("issuing.crl"), self.issuing.crl())
        put(self.mount.entry("TRUSTED_ROOTS_CRLS", "issuing") + "/crl.pem", pki.read(crl))
        return crl

    # --- Round trips

    def test_stock_openssl_gives_the_tar(self):
        bundle = self.mount.at("export", "TRUSTED_ROOTS", "ca-bundle.pem")
        content = pki.openssl("cms", "-verify", "-inform", "DER", "-in", self.package, "-CAfile", bundle, "-purpose", "any")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            names = archive.getnames()
        self.assertEqual(sorted(names), ["site", "site/index.html", "site/sub", "site/sub/empty", "site/sub/grüße", "site/sub/secret"])
        unpacked = self.out()
        os.mkdir(unpacked)
        done = subprocess.run(["tar", "-x", "-C", unpacked], input=content, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(tree(os.path.join(unpacked, "site")), tree(self.site))

    def test_import_gives_back_what_was_packed(self):
        done = self.ends(0, "3 files of ", "import", self.package, self.out())
        self.assertIn("signed by CN=localhost", done.stdout)
        self.assertEqual(tree(os.path.join(self.out(), "site")), tree(self.site))
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.out(), "site/sub/secret")).st_mode), 0o600)
        source = os.stat(os.path.join(self.site, "index.html"))
        self.assertEqual(os.stat(os.path.join(self.out(), "site/index.html")).st_mtime_ns, source.st_mtime_ns)
        self.assertEqual(staged_in(os.path.dirname(self.out())), [])

    def test_verify_and_list(self):
        done = self.ends(0, "accepted", "verify", self.package)
        for words in ("subject     CN=localhost", "issuer      CN=Test Issuing CA", "CN=Test Root (CA, self-signed)", "ECDSA with SHA256"):
            self.assertIn(words, done.stdout)
        report = json.loads(self.ends(0, "", "verify", self.package, "--json").stdout)
        self.assertTrue(report["accepted"] and report["signer"]["trusted"])
        self.assertEqual([each["subject"] for each in report["signer"]["chain"]], ["CN=localhost", "CN=Test Issuing CA", "CN=Test Root"])
        self.assertEqual(report["sha256"], run("sha256sum", self.package).stdout.split()[0])
        listed = self.ends(0, "signed by CN=localhost: trusted", "list", self.package).stdout
        self.assertRegex(listed, r"-rw-------  +1 \S+Z site/sub/secret\n")
        self.assertRegex(listed, r"drwxr-xr-x  +0 \S+Z site/sub/empty/\n")
        items = {each["name"]: each for each in json.loads(self.ends(0, "", "list", self.package, "--json").stdout)["items"]}
        self.assertEqual((items["site/sub/secret"]["mode"], items["site/sub/secret"]["size"], items["site/sub"]["kind"]), ("0600", 1, "directory"))

    def test_what_openssl_signed(self):
        for more in ((), ("-nosmimecap",), ("-md", "sha512"), ("-cades",)):
            package = self.trusted("stock.package", tar_of(("a/b", b"hello"), ("grüße", b"x")), *more)
            self.ends(0, "accepted", "verify", package)
            out = self.out("stock" + "".join(more))
            self.ends(0, "", "import", package, out)
            self.assertEqual(tree(out), {"a": None, "a/b": b"hello", "grüße": b"x"})

    def test_every_kind_of_key_signs(self):
        kinds = {"rsa": RSA, "p384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
                 "p521": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521")}
        for name, kind in kinds.items():
            key = pki.new_key(self.at(name + ".key"), *kind)
            entry = self.mount.entry("machine", name)
            put(entry + "/key.pem", pki.read(key))
            put(entry + "/cert.pem", self.issuing.issue("localhost", key) + pki.read(self.issuing.cert))
            package = self.at(name + ".package")
            self.ends(0, "signed by CN=localhost", "create", self.site, "-o", package, "--sign-with", "machine/" + name)
            self.ends(0, "accepted", "verify", package)
            pki.openssl("cms", "-verify", "-inform", "DER", "-in", package, "-CAfile", self.root.cert, "-purpose", "any", "-out", os.devnull)

    # --- What is refused

    def test_tampered(self):
        whole = pki.read(self.package)
        at = whole.index(b"<p>hello")
        changed = pki.write(self.at("changed.package"), whole[:at] + b"<q>" + whole[at + 3:])
        self.refused_untouched(changed, "message-changed")
        self.ends(1, "message-changed", "verify", changed)
        self.ends(1, "message-changed", "list", changed)
        at = len(whole) - 5  # In the signature.
        self.refused_untouched(pki.write(changed, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:]), "signature-invalid")
        for size in (0, 1, 20, 100, len(whole) // 2, len(whole) - 1):
            self.refused_untouched(pki.write(changed, whole[:size]), "changed.package")
        self.refused_untouched(pki.write(changed, whole + b"\n"), "bytes follow its end")

    def test_flipped_bits(self):
        """A bit that is another one is refused, or it is none of what was signed: then what comes out is what went in."""
        whole = pki.read(self.package)
        self.ends(0, "", "import", self.package, self.out("good"))
        good = tree(self.out("good"))
        count = 8 * len(whole) if os.environ.get("CERTFS_SOAK") else max(20, int(80 * harness.ROUNDS))
        bits = range(0, 8 * len(whole), max(1, 8 * len(whole) // count) | 1)
        if part := os.environ.get("CERTFS_BITS"):
            first, last = map(int, part.split("-"))
            bits = [bit for bit in bits if first <= bit <= last]
        refused = 0
        for bit in bits:
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            done = self.certfs("import", pki.write(self.at("flipped.package"), bytes(flipped)), self.out())
            if done.returncode:
                self.assertFalse(os.path.exists(self.out()), bit)
                self.assertIn(done.returncode, (1, 5, 6), (bit, done.stderr))
                refused += 1
            else:
                self.assertEqual(tree(self.out()), good, bit)
                shutil.rmtree(self.out())
        print(f"{len(bits)} of {8 * len(whole)} bits: {refused} refused, {len(bits) - refused} unaffected", flush=True)
        self.assertGreater(refused, 0)

    def test_other_files(self):
        self.refused_untouched(pki.write(self.at("text"), b"hello"), "is no package")
        pem = self.at("pem")
        pki.openssl("cms", "-cmsout", "-inform", "DER", "-in", self.package, "-outform", "PEM", "-out", pem)
        self.refused_untouched(pem, "openssl cms -cmsout -inform PEM")
        streamed = self.trusted("streamed", tar_of(("a", b"x")), "-stream")
        self.refused_untouched(streamed, "DER")
        self.refused_untouched(self.trusted("noattr", tar_of(("a", b"x")), "-noattr"), "without signed attributes")
        self.refused_untouched(self.trusted("nocerts", tar_of(("a", b"x")), "-nocerts"), "")
        second = self.trusted("second", tar_of(("a", b"x")), "-signer", self.stranger_cert, "-inkey", self.stranger)
        self.refused_untouched(second, "several have signed it")
        foreign = self.at("enveloped")
        pki.openssl("cms", "-encrypt", "-binary", "-outform", "DER", "-aes256", "-in", self.package, "-out", foreign, self.stranger_cert)
        self.refused_untouched(foreign, "openssl cms -decrypt")
        self.refused_untouched(self.at("none"), "No such file or directory", 2)
        os.mkfifo(self.at("fifo"))
        self.refused_untouched(self.at("fifo"), "not a plain file", 2)

    def test_expired_signer(self):
        key = pki.new_key(self.at("expired.key"))
        cert = pki.write(self.at("expired.pem"), self.issuing.issue("expired", key, PEER, start=-20, end=-2))
        package = self.signed("expired.package", tar_of(("a", b"x")), cert, key, "-certfile", self.issuing.cert)
        self.refused_untouched(package, "expired")
        self.ends(1, "refused: expired", "verify", package)
        for start, words in ((0.5, "valid-tomorrow"), (3, "not-yet-valid")):
            early = pki.write(self.at("early.pem"), self.issuing.issue("early", key, PEER, start=start))
            self.refused_untouched(self.signed("early.package", tar_of(("a", b"x")), early, key, "-certfile", self.issuing.cert), words)
        # Whoever is not trusted besides is refused for it as well.
        cert = pki.write(self.at("expired.pem"), self.foreign.issue("expired", key, PEER, start=-20, end=-2))
        self.refused_untouched(self.signed("expired.package", tar_of(("a", b"x")), cert, key), "expired")

    def test_revoked_signer(self):
        key = pki.new_key(self.at("revoked.key"))
        cert = pki.write(self.at("revoked.pem"), self.issuing.issue("revoked", key, PEER))
        package = self.signed("revoked.package", tar_of(("a", b"x")), cert, key, "-certfile", self.issuing.cert)
        self.ends(0, "accepted", "verify", package)
        crl = self.publish_revocation(cert)
        self.refused_untouched(package, "revoked")
        self.ends(1, "refused: revoked", "verify", package)
        # The same by files, without the mount's.
        self.ends(0, "accepted", "verify", package, "--roots", self.root.cert)
        self.ends(1, "refused: revoked", "verify", package, "--roots", self.root.cert, "--crl", crl)

    def test_hostile_tars(self):
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        hard = tarfile.TarInfo("hard")
        hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/passwd"
        device = tarfile.TarInfo("device")
        device.type, device.devmajor, device.devminor = tarfile.CHRTYPE, 1, 3
        setuid = tarfile.TarInfo("setuid")
        setuid.mode = 0o4755
        cases = [(tar_of(("../evil", b"x")), "../evil: a path that leads out of the package"),
                 (tar_of(("/etc/evil", b"x")), "/etc/evil: an absolute path"),
                 (tar_of(("a/../../evil", b"x")), "a/../../evil: a path that leads out"),
                 (tar_of(link, ("link/evil", b"x")), "link: a symbolic link"), (tar_of(hard), "hard: a hard link"),
                 (tar_of(device), "device: a device"), (tar_of(setuid), "setuid: a mode"),
                 (tar_of(("a", b"x"), ("a", b"y")), "a: it stands in there twice"),
                 (tar_of(("a\x1b[2J", b"x")), "control characters"), (b"no tar", "no tar"), (tar_of(), "holds nothing")]
        for content, words in cases:
            self.refused_untouched(self.trusted("hostile.package", content), words)

    def test_bombs(self):
        bomb = tarfile.TarInfo("bomb")
        bomb.size = 1 << 40
        for content in (bomb.tobuf(tarfile.GNU_FORMAT) + b"x" * 512, tar_of(("a", b"x" * 4096)).replace(b"00000010000\0", b"77777777777\0")):
            self.refused_untouched(self.trusted("bomb.package", content), "" if b"77777777777" in content else "unpacks to more than")
        # A sparse file of a terabyte in some bytes, as GNU tar makes it.
        holes = self.at("holes")
        with open(holes, "wb") as file:
            file.truncate(1 << 40)
        sparse = subprocess.run(["tar", "-c", "-S", "--format=pax", "-C", self.work, "holes"], capture_output=True, check=True).stdout
        os.unlink(holes)
        self.assertLess(len(sparse), 1 << 16)
        self.refused_untouched(self.trusted("bomb.package", sparse), "holes")
        # And whatever is larger than it may be.
        self.refused_untouched(self.trusted("big.package", tar_of(("a", bytes(3 << 20)))), "--max-size allows more", 1, "--max-size", "2M")
        self.ends(0, "", "import", self.at("big.package"), self.out(), "--max-size", "4M")

    def test_memory_does_not_grow_with_a_package(self):
        # What this process has counts for its children, too, and so it never holds such a file.
        leaf = pki.write(self.at("leaf.pem"), self.leaf)
        peaks = []
        for size in (1, 96):
            large, package = self.at("large"), self.at("large.package")
            with open(large, "wb") as file:
                file.truncate(size << 20)
            self.assertEqual(run("tar", "-c", "-f", large + ".tar", "-C", self.work, "large").returncode, 0)
            pki.openssl("cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", leaf, "-inkey", self.key, "-in", large + ".tar", "-out", package)
            process = subprocess.Popen([CERTFS, "package", "import", "--mount", self.mount.path, package, self.out(str(size)), "--roots", self.issuing.cert],
                                       stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0)
            self.assertEqual(os.path.getsize(os.path.join(self.out(str(size)), "large")), size << 20)
            peaks.append(usage.ru_maxrss)
        self.assertLess(peaks[1] - peaks[0], 16 << 10, f"KiB, of {peaks}")

    # --- Whom nobody here trusts

    def test_without_a_terminal_a_foreign_signer_is_refused(self):
        package = self.of_stranger()
        done = self.ends(6, "there is no terminal to ask on", "import", package, self.out())
        self.assertIn("subject     CN=stranger", done.stderr)
        self.assertIn("issuer      CN=Foreign Root", done.stderr)
        self.assertFalse(os.path.lexists(self.out()))
        self.ends(6, "not trusted", "verify", package)
        self.assertFalse(json.loads(self.ends(6, "", "verify", package, "--json").stdout)["accepted"])
        self.ends(0, "not trusted", "list", package)
        self.ends(0, "taken all the same", "import", package, self.out(), "--accept-untrusted")
        self.assertEqual(tree(self.out()), {"hello": b"from far away"})
        # By trust that is named.
        self.ends(0, "accepted", "verify", package, "--roots", self.foreign.cert)

    def ask(self, package, *answers, code, directory=None):
        question = "[c] cancel? "
        end, shown = converse([(question, answer) for answer in answers], CERTFS, "package", "import", "--mount", self.mount.path, package, directory or self.out())
        self.assertEqual(end, code, shown)
        for words in ("does not reach", "subject     CN=stranger", "issuer      CN=Foreign Root", "SHA-256     ", "valid       "):
            self.assertIn(words, shown)
        fingerprint = pki.openssl("x509", "-in", self.stranger_cert, "-noout", "-fingerprint", "-sha256").decode().split("=")[1].strip()
        self.assertIn(fingerprint, shown)
        return shown

    def test_the_question(self):
        package = self.of_stranger()
        roots = self.mount.at("stores", "TRUSTED_ROOTS")
        before = sorted(os.listdir(roots))
        for answer in ("c", "cancel", "\x04"):
            self.assertIn("nothing was imported", self.ask(package, answer, code=1))
            self.assertFalse(os.path.lexists(self.out()))
        shown = self.ask(package, "yes", "", "i", code=0)
        self.assertEqual(shown.count("Answer i, t or c."), 2)
        self.assertEqual(tree(self.out()), {"hello": b"from far away"})
        self.ask(package, "import anyway", code=0, directory=self.out("again"))
        self.assertEqual(sorted(os.listdir(roots)), before)
        # For good: whom that trusts is said before.
        shown = self.ask(package, "t", code=0, directory=self.out("trusted"))
        self.assertIn("[i] import anyway, [t] trust this certificate: CN=Foreign Root (CA), and all that it issues, [c] cancel? ", shown)
        self.addCleanup(run, "rm", "-r", os.path.join(roots, "Foreign Root"))
        self.assertIn("trusted for good: TRUSTED_ROOTS/Foreign Root", shown)
        self.assertEqual(pki.openssl("x509", "-in", os.path.join(roots, "Foreign Root", "cert.pem")), pki.openssl("x509", "-in", self.foreign.cert))
        self.ends(0, "accepted", "verify", package)
        self.ends(0, "", "import", package, self.out("now"))

    def test_what_is_no_authority_is_not_trusted_for_good(self):
        roots = self.mount.at("stores", "TRUSTED_ROOTS")
        before = sorted(os.listdir(roots))
        shown = self.ask(self.of_stranger("alone.package", certfile=False), "t", "trust this certificate", "c", code=1)
        self.assertEqual(shown.count("It cannot be trusted for good: CN=stranger is no CA certificate"), 1)
        self.assertIn("that of its issuer, CN=Foreign Root, does not come along", shown)
        # It is no choice.
        self.assertIn("[i] import anyway, [c] cancel? ", shown)
        self.assertNotIn("[t]", shown)
        self.assertEqual(shown.count("Answer i or c."), 2)
        self.assertEqual(sorted(os.listdir(roots)), before)

    # --- The directory

    def test_a_directory_that_is_there(self):
        os.makedirs(os.path.join(self.out(), "site"))
        mine = pki.write(os.path.join(self.out(), "site", "index.html"), b"mine")
        before = tree(self.out())
        done = self.ends(1, "1 thing is in the way; --replace", "import", self.package, self.out())
        self.assertIn("\n  site/index.html: a file is there", done.stderr)
        self.assertEqual(tree(self.out()), before)
        self.ends(0, "1 took the place of others", "import", self.package, self.out(), "--replace")
        self.assertEqual(tree(os.path.join(self.out(), "site")), tree(self.site))
        self.assertEqual(pki.read(mine), b"<p>hello</p>\n")
        self.ends(1, "No such file", "import", self.package, self.at("no", "such"))

    def test_a_failure_on_the_way_takes_everything_back(self):
        # A filesystem of its own inside, into which nothing can be renamed.
        inner = os.path.join(self.out(), "z")
        os.makedirs(inner)
        pki.write(os.path.join(self.out(), "b"), b"mine")
        self.assertEqual(run("mount", "-t", "tmpfs", "tmpfs", inner).returncode, 0)
        self.addCleanup(run, "umount", inner)
        before = tree(self.out())
        package = self.trusted("across.package", tar_of(("a", b"1"), ("b", b"2"), ("c/d", b"3"), ("z/e", b"4")))
        self.ends(1, "z/e: Invalid cross-device link", "import", package, self.out(), "--replace")
        self.assertEqual(tree(self.out()), before)

    def test_an_interruption_takes_everything_back(self):
        large, package = self.at("zeros"), self.at("zeros.package")
        with open(large, "wb") as file:
            file.truncate(160 << 20)
        self.ends(0, "", "create", large, "-o", package)
        os.unlink(large)
        os.mkdir(self.out())
        pki.write(os.path.join(self.out(), "mine"), b"mine")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for _ in range(10):
                process = subprocess.Popen([CERTFS, "package", "import", "--mount", self.mount.path, package, self.out()],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                while process.poll() is None and not staged_in(self.out()):
                    pass
                process.send_signal(number)
                _, words = process.communicate()
                if process.returncode != 0:
                    break
                os.unlink(os.path.join(self.out(), "zeros"))  # It was faster.
            self.assertEqual(process.returncode, 1)
            self.assertIn("interrupted; nothing was imported", words)
            self.assertEqual((tree(self.out()), staged_in(self.out())), ({"mine": b"mine"}, []))
        os.unlink(package)

    def test_create_refuses(self):
        odd = self.at("odd")
        os.mkdir(odd)
        os.symlink("/etc/passwd", os.path.join(odd, "link"))
        new = self.at("new.package")
        self.ends(1, "odd/link: a symbolic link", "create", odd, "-o", new)
        self.ends(2, "none: No such file", "create", self.at("none"), "-o", new)
        self.ends(2, "machine/none", "create", self.site, "-o", new, "--sign-with", "machine/none")
        self.ends(2, "STORE/ALIAS", "create", self.site, "-o", new, "--sign-with", "nonsense")
        self.ends(2, "", "create", self.site, "-o", new, "--encrypt-to", self.at("none"))
        self.assertFalse(os.path.lexists(new))
        self.ends(1, "--force replaces it", "create", self.site, "-o", self.package)
        before = pki.read(self.package)
        self.ends(0, "", "create", self.site, "-o", self.package, "--force")
        self.assertNotEqual(pki.read(self.package), before)
        self.assertFalse([name for name in os.listdir(self.work) if name.startswith(".")])

    def test_create_refuses_a_revoked_signer(self):
        entry, _, cert = self.recipient("revoked-here", store="machine")
        package = self.at("late.package")
        self.ends(0, "", "create", self.site, "-o", package, "--sign-with", "machine/revoked-here")
        self.publish_revocation(cert)
        self.ends(1, "machine/revoked-here: revoked", "create", self.site, "-o", package, "--sign-with", "machine/revoked-here", "--force")
        self.ends(1, "refused: revoked", "verify", package)

    def test_help(self):
        for command in ("create", "verify", "list", "import"):
            done = run(CERTFS, "package", command, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn("certfs package " + command, done.stdout)
        self.assertEqual(run(CERTFS, "package").returncode, 2)

    # --- Encrypted

    def recipient(self, name, *kind, store="data-encipherment"):
        """An entry with a pair, and its files."""
        key = pki.new_key(self.at(name + ".key"), *kind)
        cert = pki.write(self.at(name + ".pem"), self.issuing.issue("localhost", key))
        entry = self.mount.entry(store, name)
        put(entry + "/key.pem", pki.read(key))
        put(entry + "/cert.pem", pki.read(cert))
        return entry, key, cert

    def test_encrypted_round_trip(self):
        _, ec_key, ec_cert = self.recipient("ec")
        _, rsa_key, rsa_cert = self.recipient("rsa-to", *RSA)
        package = self.at("sealed.package")
        self.ends(0, "encrypted to 3 certificates", "create", self.site, "-o", package, "--encrypt-to", "data-encipherment/ec", "--encrypt-to", rsa_cert,
                  "--encrypt-to", self.stranger_cert)
        self.assertNotIn(b"hello", pki.read(package))
        # Stock openssl, for each.
        for key, cert in ((ec_key, ec_cert), (rsa_key, rsa_cert), (self.stranger, self.stranger_cert)):
            inner = self.at("inner.package")
            pki.openssl("cms", "-decrypt", "-binary", "-inform", "DER", "-in", package, "-inkey", key, "-recip", cert, "-out", inner)
            content = pki.openssl("cms", "-verify", "-inform", "DER", "-in", inner, "-CAfile", self.root.cert, "-purpose", "any")
            self.assertIn(b"<p>hello</p>", content)
        # The mount's key, found by itself; named; and a file.
        done = self.ends(0, "accepted", "verify", package)
        self.assertRegex(done.stdout, "opened with data-encipherment/(ec|rsa-to)")
        for key in ("data-encipherment/ec", "data-encipherment/rsa-to", ec_key, self.stranger):
            self.ends(0, "opened with " + key, "verify", package, "--decrypt-with", key)
        self.ends(0, "", "import", package, self.out())
        self.assertEqual(tree(os.path.join(self.out(), "site")), tree(self.site))
        self.assertTrue(json.loads(self.ends(0, "", "list", package, "--json").stdout)["encrypted"])
        # Nobody else's.
        self.ends(3, "not encrypted for this key", "verify", package, "--decrypt-with", "MACHINE_SSL_CERT/__MACHINE_CERT")
        self.ends(2, "none/none", "verify", package, "--decrypt-with", "none/none")
        for_others = self.at("others.package")
        self.ends(0, "", "create", self.site, "-o", for_others, "--encrypt-to", self.stranger_cert)
        self.ends(3, "no entry of the mount has a key", "import", for_others, self.out("others"))
        whole = bytearray(pki.read(package))
        whole[len(whole) // 2] ^= 1
        self.refused_untouched_named(pki.write(self.at("sealed-changed"), bytes(whole)))

    def refused_untouched_named(self, package):
        self.ends(1, "", "import", package, self.out("never"), "--accept-untrusted")
        self.assertFalse(os.path.lexists(self.out("never")))

    def test_packages_are_named_before_a_key_goes(self):
        entry, key, cert = self.recipient("ledger")
        package = self.at("kept.package")
        self.ends(0, "", "create", self.site, "-o", package, "--encrypt-to", "data-encipherment/ledger")
        digest = run("sha256sum", package).stdout.split()[0]
        spki = pki.openssl("x509", "-in", cert, "-noout", "-pubkey")
        der = pki.openssl("pkey", "-pubin", "-outform", "DER", input=spki)
        alias = run("sha256sum", pki.write(self.at("spki"), der)).stdout.split()[0] + "-" + digest[:32]
        record = self.mount.at("stores", "PACKAGES", alias, "secret")
        self.assertEqual({name: json.loads(pki.read(record))[name] for name in ("package", "sha256")}, {"package": "kept.package", "sha256": digest})
        # By the file of a certificate whose key is here as well; not for a stranger's.
        self.ends(0, "", "create", self.site, "-o", self.at("second.package"), "--encrypt-to", cert, "--encrypt-to", self.stranger_cert)
        self.assertEqual(len(os.listdir(self.mount.at("stores", "PACKAGES"))) >= 2, True)
        warning = "2 packages are encrypted to the key of data-encipherment/ledger, and cannot be opened without it:"

        def warned(*command):
            done = run(*command, stdin=subprocess.DEVNULL, start_new_session=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stderr

        # The same key says nothing; another one does, before it is replaced.
        bundle = pki.write(self.at("same.pem"), pki.read(key) + pki.read(cert))
        self.assertNotIn("warning", warned(CERTFS, "import", "--mount", self.mount.path, bundle, "data-encipherment/ledger"))
        other = pki.new_key(self.at("other.key"))
        bundle = pki.write(self.at("other.pem"), pki.read(other) + self.issuing.issue("localhost", other))
        for more in (("--dry-run",), ()):
            said = warned(CERTFS, "import", "--mount", self.mount.path, bundle, "data-encipherment/ledger", *more)
            self.assertIn(warning, said)
            self.assertIn("  kept.package, ", said)
            self.assertIn("SHA-256 " + digest, said)
            self.assertIn("  second.package, ", said)
        # What BACKUP_STORE keeps of it still opens them.
        self.ends(0, "opened with BACKUP_STORE/bkp_ledger", "verify", package)
        self.assertNotIn("warning", warned(CERTFS, "revert", "--mount", self.mount.path, "data-encipherment/ledger"))
        self.ends(0, "opened with data-encipherment/ledger", "verify", package)
        # And away again.
        self.assertIn(warning, warned(CERTFS, "revert", "--mount", self.mount.path, "data-encipherment/ledger"))

    def authority(self):
        """A mount to make an authority in, its entry, what to ask for, and what runs a command that succeeds and returns what that says."""
        mount = harness.Mount()
        self.addCleanup(mount.close)
        config = pki.write(os.path.join(mount.directory, "web.cfg"), b"Name = web\nHostname = web.example.com\n")

        def done(*command):
            ended = run(*command, stdin=subprocess.DEVNULL, start_new_session=True)
            self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
            return ended.stderr

        return mount, "MACHINE_SSL_CERT/__MACHINE_CERT", config, done

    def test_the_authoritys_tools_name_them_as_well(self):
        mount, entry, config, done = self.authority()
        machine_ssl = (MANAGER, "--mount", mount.path, "--operation", "machine-ssl", "--config", config)
        done(CERTFS, "ca", "init", "--mount", mount.path)
        self.assertNotIn("warning", done(*machine_ssl, "--yes"))
        done(CERTFS, "package", "create", "--mount", mount.path, self.site, "-o", os.path.join(mount.directory, "kept.package"), "--encrypt-to", entry)
        warning = "1 package is encrypted to the key of " + entry
        self.assertIn(warning, done(*machine_ssl, "--dry-run"))
        self.assertIn(warning, done(CERTFS, "renew", "--mount", mount.path, entry, "--rekey", "--dry-run"))
        self.assertNotIn("warning", done(CERTFS, "renew", "--mount", mount.path, entry, "--yes"))
        self.assertIn(warning, done(CERTFS, "renew", "--mount", mount.path, entry, "--rekey", "--yes"))
        self.assertNotIn(warning, done(*machine_ssl, "--dry-run"))
        # The last copy of that key is what BACKUP_STORE keeps, and the next change displaces, whatever key that brings.
        kept = "1 package is encrypted to the key of BACKUP_STORE/bkp___MACHINE_CERT, the state before the last change, which this change displaces"
        package = os.path.join(mount.directory, "kept.package")
        verify = (CERTFS, "package", "verify", "--mount", mount.path, package, "--decrypt-with", "BACKUP_STORE/bkp___MACHINE_CERT")
        done(*verify)
        self.assertIn(kept, done(*machine_ssl, "--dry-run"))
        self.assertIn(kept, done(CERTFS, "renew", "--mount", mount.path, entry, "--dry-run"))
        self.assertIn(kept, done(CERTFS, "ca", "replace-root", "--mount", mount.path, "--dry-run"))
        self.assertIn(kept, done(MANAGER, "--mount", mount.path, "--operation", "root-new", "--dry-run"))
        # What puts it back does not.
        self.assertNotIn("warning", done(CERTFS, "revert", "--mount", mount.path, entry))
        self.assertIn(warning, done(CERTFS, "revert", "--mount", mount.path, entry))
        self.assertIn(kept, done(CERTFS, "renew", "--mount", mount.path, entry, "--rekey", "--yes"))
        self.assertEqual(run(*verify).returncode, 3)
        self.assertNotIn("warning", done(CERTFS, "renew", "--mount", mount.path, entry, "--rekey", "--dry-run"))

    def test_whoever_replaces_the_root_names_them_as_well(self):
        mount, entry, config, done = self.authority()
        replace_root = (CERTFS, "ca", "replace-root", "--mount", mount.path)
        manage = (MANAGER, "--mount", mount.path, "--operation")
        done(CERTFS, "ca", "init", "--mount", mount.path)
        done(*manage, "machine-ssl", "--config", config, "--yes")
        done(CERTFS, "package", "create", "--mount", mount.path, self.site, "-o", os.path.join(mount.directory, "kept.package"), "--encrypt-to", entry)
        warning = "1 package is encrypted to the key of " + entry + ", and cannot be opened without it:\n  kept.package, "
        # The same keys say nothing.
        for command in ((*replace_root, "--dry-run"), (*manage, "root-new", "--dry-run")):
            self.assertNotIn("warning", done(*command))
        for command in ((*replace_root, "--rekey", "--dry-run"), (*replace_root, "--rekey", "--dry-run", "--json"), (*manage, "root-new", "--rekey", "--dry-run"),
                        (*manage, "reset-all", "--dry-run"), (*manage, "revert", "--dry-run")):
            self.assertEqual(done(*command).count(warning), 1, command)
        # Before the question.
        end, shown = converse([("replace the root? [y/N] ", "n")], *replace_root, "--rekey")
        self.assertEqual(end, 1, shown)
        self.assertLess(shown.index(warning), shown.index("replace the root? "))
        self.assertIn(warning, done(*replace_root, "--rekey", "--yes"))

    # --- Users

    def test_an_ordinary_user(self):
        home = self.at("home")
        os.mkdir(home)
        os.chown(home, USER, USER)
        package = os.path.join(home, "my.package")
        theirs = os.path.join(home, "theirs.package")
        pki.write(theirs, pki.read(self.of_stranger()))
        command = lambda *arguments: as_user(CERTFS, "package", arguments[0], "--mount", self.mount.path, *arguments[1:])
        done = command("verify", self.package)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = command("import", self.package, os.path.join(home, "site"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.stat(os.path.join(home, "site", "site", "index.html")).st_uid, USER)
        # The kernel decides whose key signs.
        done = command("create", self.site + "/index.html", "-o", package)
        self.assertEqual((done.returncode, os.path.exists(package)), (1, False), done.stderr)
        self.assertIn("key.pem: Permission denied", done.stderr)
        entry, _, _ = self.recipient("mine", store="machine")
        for name in ("key.pem", "cert.pem"):
            os.chown(os.path.join(entry, name), USER, USER)
        # Of the ledger as well: it is the daemon's user who may make a store.
        done = command("create", self.site + "/index.html", "-o", package, "--sign-with", "machine/mine", "--encrypt-to", "machine/mine")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("could not be put on record", done.stderr)
        self.assertIn("PACKAGES", done.stderr)
        done = command("verify", package)
        self.assertIn("opened with machine/mine", done.stdout)
        # Whoever may not read the record learns that there is one.
        self.ends(0, "", "create", self.site, "-o", self.at("roots.package"), "--encrypt-to", "machine/mine")
        other = pki.new_key(os.path.join(home, "other.key"))
        bundle = pki.write(os.path.join(home, "other.pem"), pki.read(other) + self.issuing.issue("localhost", other))
        done = as_user(CERTFS, "import", "--mount", self.mount.path, "--dry-run", bundle, "machine/mine")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "1 package is encrypted to the key of machine/mine, and cannot be opened without it:\n  PACKAGES/[0-9a-f]{64}-[0-9a-f]{32}, which cannot be read here\n")
        # What they may not write cannot be trusted for good.
        question = "[c] cancel? "
        end, shown = converse([(question, "t"), (question, "c")], "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", CERTFS, "package", "import",
                              "--mount", self.mount.path, theirs, os.path.join(home, "no"))
        self.assertEqual(end, 1, shown)
        self.assertIn("It cannot be trusted for good: ", shown)
        self.assertIn("Permission denied", shown)


if __name__ == "__main__":
    harness.main()
