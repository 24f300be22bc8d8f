"""Goal: the Debian package is right, and on a Debian 12 that has nothing else it installs, works, and goes again. Method:
the package of this build; lintian; a root made by debootstrap, or a copy of the one that CERTFS_BARE_ROOT names; there, in a
namespaces of its own, apt, the programs, mount(8) and fstab(5)."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = os.environ["CERTFS_BUILD"]
SOURCE = Path(os.environ["CERTFS_SOURCE"])
BARE_ROOT = os.environ.get("CERTFS_BARE_ROOT", "")

# In the root; $1 is the package. Whatever is left mounted or running goes with the namespaces.
INSIDE = r"""
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive
say() { echo "== $*"; }
# The negation of a command would never end the script (set -e).
refuses() { if "$@"; then echo "should have failed: $*" >&3; exit 1; fi; }
exec 3>&1
say install
apt-get -q update >/dev/null
apt-get -q -y --no-install-recommends install man-db procps "$1" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; exit 1; }

say programs
certfs --help | head -n 1
for program in certfs certool vecs-cli certificate-manager mount.certfs; do $program --version; done
man -w certfs certfs-mount vecs-cli 5 certfs.toml 8 mount.certfs >/dev/null
man certfs | grep -q 'encrypted directory'
refuses certfs init /srv/nowhere/keystore 2>/tmp/refused
grep '/srv/nowhere: No such file or directory' /tmp/refused

say user
id certfs
test "$(stat -c '%a %U %G' /var/lib/certfs)" = '710 root certfs'
install -d -o certfs -g certfs -m 700 /var/lib/certfs/web
certfs init /var/lib/certfs/web
test "$(stat -c '%a %U %G' /var/lib/certfs/web/* | sort -u)" = '600 certfs certfs'
test "$(stat -c '%a %U' /var/lib/certfs/web.key)" = '600 root'
mkdir /certs
certfs mount /var/lib/certfs/web /certs
ls /certs/stores | grep -x MACHINE_SSL_CERT
daemon="$(pgrep -x -u certfs certfs)"
grep -x "Uid:\(.$(id -u certfs)\)\{4\}" "/proc/$daemon/status"
grep -x 'CapEff:.0000000000000000' "/proc/$daemon/status"
grep -x 'CapBnd:.0000000000000000' "/proc/$daemon/status"
certfs umount /certs

say mount
certfs init /srv/keystore
certfs mount /srv/keystore /certs
ls /certs/stores | grep -x MACHINE_SSL_CERT
vecs-cli store list | grep -x MACHINE_SSL_CERT
certfs umount /certs

say mount -t certfs
mv /srv/keystore.key /etc/certfs/keystore.key
mount -t certfs /srv/keystore /certs -o keyfile=/etc/certfs/keystore.key,subtree=stores,ro
findmnt -n -o FSTYPE,OPTIONS /certs | grep '^fuse.certfs *ro,'
test -d /certs/MACHINE_SSL_CERT
umount /certs
refuses mount -t certfs /srv/keystore /certs -o keyfle=/etc/certfs/keystore.key 2>/tmp/refused
grep "keyfle=/etc/certfs/keystore.key: there is no such option; did you mean 'keyfile'?" /tmp/refused

say fstab
echo '/srv/keystore /certs certfs keyfile=/etc/certfs/keystore.key,nofail,_netdev,x-systemd.device-timeout=5 0 0' >>/etc/fstab
mount /certs
test -d /certs/stores/MACHINE_SSL_CERT
mount -a
umount /certs

say name
printf '[mount.web]\nkeystore = "/srv/keystore"\nmountpoint = "/certs"\nkeyfile = "/etc/certfs/keystore.key"\n' >>/etc/certfs/certfs.toml
mount -t certfs web /certs
certfs umount web

say remove
units=/etc/systemd/system
mkdir -p $units/multi-user.target.wants $units/timers.target.wants
enabled="multi-user.target.wants/certfs@web.service multi-user.target.wants/certfs-watch@web.service timers.target.wants/certfs-renew.timer"
for unit in $enabled; do ln -s /lib/systemd/system/$(basename $unit) $units/$unit; done
ln -s /lib/systemd/system/other@web.service $units/multi-user.target.wants
mount -t certfs web /certs
apt-get -q -y remove certfs >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; exit 1; }
refuses test -e /usr/bin/certfs
refuses test -L /usr/sbin/mount.certfs
test -e /etc/certfs/certfs.toml
for unit in $enabled; do refuses test -L $units/$unit; done
test -L $units/multi-user.target.wants/other@web.service
grep 'still mounted, until umount(8): /certs' /tmp/apt.log
test -d /certs/stores/MACHINE_SSL_CERT
umount /certs
apt-get -q -y purge certfs >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; exit 1; }
refuses test -e /etc/certfs/certfs.toml
test -e /srv/keystore/keystore.hdr
test "$(stat -c %U /var/lib/certfs/web/keystore.hdr)" = certfs
say done
"""


def output(*command, timeout=1200, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, **options)


def mirror():
    """The mirror of Debian that this machine uses itself."""
    for file in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if not file.is_file():
            continue
        found = re.search(r"^(?:deb(?: \[[^]]*\])? |URIs: *)(\S+/debian/?)(?: |$)", file.read_text(), re.M)
        if found:
            return found.group(1)
    return "http://deb.debian.org/debian"


@unittest.skipUnless(os.geteuid() == 0, "a root can only be made by root")
class DebianTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        packed = output(SOURCE / "tools/package-debian", "--no-build", BUILD)
        if packed.returncode:
            raise RuntimeError(packed.stdout + packed.stderr)
        cls.package = Path(packed.stdout.split()[-1])

    def test_lintian_finds_no_error(self):
        found = output("lintian", "--allow-root", "--fail-on", "error", self.package)
        print(found.stdout)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)
        self.assertNotRegex(found.stdout, r"(?m)^E:")

    def test_what_the_package_says(self):
        fields = output("dpkg-deb", "--field", self.package).stdout
        for words in ("Package: certfs", "fuse3", "libfuse3-3", "libssl3", "libarchive13", "liblmdb0", "libsystemd0", "systemd-sysusers", "Section: "):
            self.assertIn(words, fields)
        files = output("dpkg-deb", "--contents", self.package).stdout
        self.assertIn("./usr/sbin/mount.certfs -> ../bin/certfs", files)
        self.assertIn("./etc/certfs/certfs.toml", files)
        self.assertIn("./usr/lib/sysusers.d/certfs.conf", files)
        self.assertRegex(files, r"(?m)^drwx------ root/root .* \./var/lib/certfs/$")
        control = output("dpkg-deb", "--info", self.package, "conffiles").stdout
        self.assertEqual(control, "/etc/certfs/certfs.toml\n")
        self.assertNotIn("certfs-documentation", files)

    @unittest.skipUnless(os.path.exists("/dev/fuse"), "there is no /dev/fuse")
    def test_a_bare_debian(self):
        root = Path(tempfile.mkdtemp(prefix="certfs-bare-"))
        try:
            if BARE_ROOT:
                made = output("cp", "-a", BARE_ROOT + "/.", root)
            else:
                made = output("debootstrap", "--variant=minbase", "bookworm", root, mirror())
            self.assertEqual(made.returncode, 0, made.stdout[-2000:] + made.stderr)
            root.chmod(0o755)  # As / is: the daemon has another user than root.
            shutil.copy(self.package, root / "tmp")
            shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
            (root / "tmp/inside").write_text(INSIDE)
            script = ('set -e; mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; '
                      'exec chroot "$1" sh /tmp/inside "/tmp/$2"')
            # With the first process go all others, however the test ends.
            ran = output("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
                         "sh", "-c", script, "sh", root, self.package.name)
            print(ran.stdout)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            self.assertTrue(ran.stdout.endswith("== done\n"), ran.stdout)
        finally:
            self.assertNotIn(str(root), Path("/proc/self/mountinfo").read_text(), "nothing may be mounted where it is deleted")
            shutil.rmtree(root)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
