"""The encrypted filesystems that a user would pick instead, where their Debian packages are installed, and tmpfs: mounted
over /dev/shm, filled with a small store, and ended again."""

import contextlib
import os
import shutil
import subprocess
import time

PASSWORD = "a password of the benchmark\n"
STOP_SECONDS = 30
QUIET = {"CRYFS_FRONTEND": "noninteractive", "CRYFS_NO_UPDATE_CHECK": "true"}


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, input=PASSWORD * 2, timeout=120,
                          env=dict(os.environ, LC_ALL="C", **QUIET))
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")


# How each is made and mounted: from the encrypted directory, the mountpoint and the file of the password. The work that
# their key derivation does is made small where that can be had: it is not what is compared.
def mount_gocryptfs(encrypted, mountpoint, password):
    run("gocryptfs", "-q", "-init", "-scryptn", "10", "-passfile", password, encrypted)
    run("gocryptfs", "-q", "-passfile", password, encrypted, mountpoint)


def mount_cryfs(encrypted, mountpoint, _):
    run("cryfs", encrypted, mountpoint)


def mount_encfs(encrypted, mountpoint, password):
    run("encfs", "--standard", f"--extpass=cat {password}", encrypted, mountpoint)


OTHERS = {"gocryptfs": mount_gocryptfs, "CryFS": mount_cryfs, "EncFS": mount_encfs}


def unmount(mountpoint):
    end = time.monotonic() + STOP_SECONDS
    while os.path.ismount(mountpoint) and time.monotonic() < end:
        if subprocess.run(["fusermount3", "-u", mountpoint], capture_output=True, check=False).returncode:
            time.sleep(0.1)
    if os.path.ismount(mountpoint):
        subprocess.run(["umount", "-l", mountpoint], capture_output=True, check=False)


@contextlib.contextmanager
def mounted(name, directory):
    """The mountpoint of one that is installed."""
    encrypted, mountpoint = (os.path.join(directory, f"{name}-{part}") for part in ("encrypted", "mount"))
    password = os.path.join(directory, f"{name}-password")
    for path in (encrypted, mountpoint):
        os.makedirs(path)
    with open(password, "w", encoding="ascii") as file:
        file.write(PASSWORD)
    try:
        OTHERS[name](encrypted, mountpoint, password)
        yield mountpoint
    finally:
        unmount(mountpoint)


def installed():
    return [name for name in OTHERS if shutil.which(name.lower())]


def fill(tree, entries, certificate, key):
    """A store of the shape of ours; returns its directory."""
    store = os.path.join(tree, "stores/machine")
    for index in range(entries):
        entry = os.path.join(store, f"e{index:06}")
        os.makedirs(entry)
        shutil.copyfile(certificate, os.path.join(entry, "cert.pem"))
        shutil.copyfile(key, os.path.join(entry, "key.pem"))
    return store
