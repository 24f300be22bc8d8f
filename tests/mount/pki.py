"""A small public-key infrastructure made with the stock openssl command line, at chosen dates.

Goal: tests judge certfs by objects that somebody else made. Method: `openssl ca` with explicit start and end dates.
"""

import datetime
import os
import subprocess

CONFIG = """
[ca]
default_ca = demo
[demo]
dir = {dir}
database = {dir}/index.txt
serial = {dir}/serial
new_certs_dir = {dir}
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
default_crl_days = 30
crlnumber = {dir}/crlnumber
[any]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unused
"""

SERVER = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n" \
         "subjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, **kwargs).stdout


def stamp(days):
    """ASN.1 time `days` from now."""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return when.strftime("%Y%m%d%H%M%SZ")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


class Authority:
    """A CA in a directory of its own; `self.cert` and `self.key` are paths of PEM files."""

    def __init__(self, directory, name, parent=None, extensions=CA):
        self.dir = os.path.join(directory, "ca-" + name.replace(" ", "-"))
        os.mkdir(self.dir)
        self.name = name
        self.parent = parent
        for file, text in (("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "01\n"),
                           ("ca.cnf", CONFIG.format(dir=self.dir))):
            write(os.path.join(self.dir, file), text.encode())
        self.config = os.path.join(self.dir, "ca.cnf")
        self.key = new_key(os.path.join(self.dir, "ca.key"))
        self.cert = os.path.join(self.dir, "ca.pem")
        # Nothing outlives its issuer, however long it takes to make them all.
        self.days = parent.days - 365 if parent else 1825
        if parent:
            write(self.cert, parent.issue(name, self.key, extensions, end=self.days))
        else:
            self.sign(name, self.key, extensions, self.cert, "-selfsign", end=self.days)

    def sign(self, name, key, extensions, out, *more, digest="sha256", start=-1, end=365):
        request = os.path.join(self.dir, "request.pem")
        write(os.path.join(self.dir, "ext.cnf"), extensions.encode())
        openssl("req", "-new", "-config", self.config, "-key", key, "-subj", "/CN=" + name, "-out", request)
        cert = [] if "-selfsign" in more else ["-cert", self.cert]
        openssl("ca", "-batch", "-notext", "-config", self.config, "-keyfile", self.key, *cert, "-md", digest,
                "-startdate", stamp(start), "-enddate", stamp(end), "-extfile", os.path.join(self.dir, "ext.cnf"),
                "-in", request, "-out", out, *more)

    def issue(self, name, key, extensions=SERVER, **options):
        """Returns the PEM of a certificate for `key`."""
        out = os.path.join(self.dir, "issued.pem")
        self.sign(name, key, extensions, out, **options)
        return read(out)

    def revoke(self, pem):
        path = write(os.path.join(self.dir, "revoked.pem"), pem)
        openssl("ca", "-config", self.config, "-keyfile", self.key, "-cert", self.cert, "-revoke", path)

    def crl(self):
        return openssl("ca", "-gencrl", "-config", self.config, "-keyfile", self.key, "-cert", self.cert)


def new_key(path, *algorithm):
    algorithm = algorithm or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    openssl("genpkey", *algorithm, "-out", path)
    return path
