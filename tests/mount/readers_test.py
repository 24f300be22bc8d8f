"""Goal: no reader ever sees an empty, short, long or mixed file, and every open after a successful close reads the new bytes.
Method: readers by read, mmap and sendfile while `cp` overwrites with contents of different lengths, refused writes in between."""

import mmap
import os
import signal
import subprocess
import threading
import time

import harness
import pki
from harness import errno_of, put, run


class Readers(harness.MountTest):
    def contents(self):
        """Valid files of very different lengths."""
        one = self.leaf
        return [one, self.chain, b"# " + b"x" * 3000 + b"\n" + one, b"# " + b"y" * 9000 + b"\n" + self.chain]

    def test_no_torn_reads_while_cp_overwrites(self):
        entry = self.mount.entry("machine", "torn")
        target = entry + "/cert.pem"
        contents = self.contents()
        whole = set(contents)
        put(target, contents[0])
        stop = threading.Event()
        faults, reads = [], [0, 0, 0]

        def by_read():
            with open(target, "rb") as file:
                return file.read()

        def by_mmap():
            with open(target, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
                return view[:]

        def by_sendfile():
            out = os.memfd_create("out")
            with open(target, "rb") as file:
                while os.sendfile(out, file.fileno(), None, 1 << 20):
                    pass
            with os.fdopen(out, "rb") as file:
                file.seek(0)
                return file.read()

        def reader(number, read):
            while not stop.is_set():
                try:
                    data = read()
                except (OSError, ValueError) as error:
                    faults.append(f"{read.__name__}: {error}")
                    continue
                reads[number] += 1
                if data not in whole:
                    faults.append(f"{read.__name__}: {len(data)} bytes that are no content")

        threads = [threading.Thread(target=reader, args=pair) for pair in enumerate((by_read, by_mmap, by_sendfile))]
        for thread in threads:
            thread.start()
        sources = [pki.write(os.path.join(self.work, f"content{i}"), content) for i, content in enumerate(contents)]
        bad = pki.write(os.path.join(self.work, "bad"), self.chain + b"garbage\n")
        overwrites = harness.rounds(1000)
        try:
            for i in range(overwrites):
                done = subprocess.run(["cp", sources[i % len(sources)], target], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                if i % 10 == 0:
                    self.assertNotEqual(subprocess.run(["cp", bad, target], capture_output=True).returncode, 0)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        print(f"{overwrites} overwrites against {reads} reads")
        self.assertEqual(faults[:5], [])
        self.assertGreater(min(reads), 0)

    def test_every_open_after_a_close_reads_the_new_bytes(self):
        entry = self.mount.entry("machine", "fresh")
        target = entry + "/cert.pem"
        contents = self.contents()
        stop = threading.Event()

        def looker():  # Keeps the name in the kernel's cache, where a stale one would hide.
            while not stop.is_set():
                try:
                    os.stat(target)
                except FileNotFoundError:
                    pass

        put(target, contents[0])
        thread = threading.Thread(target=looker)
        thread.start()
        try:
            for i in range(harness.rounds(2000)):
                content = contents[i % len(contents)]
                put(target, content)
                # A stat as well: make, rsync and reloaders look at size and time first.
                self.assertEqual(os.stat(target).st_size, len(content), f"sequence {i}")
                with open(target, "rb") as file:
                    self.assertEqual(file.read(), content, f"sequence {i}")
                    self.assertEqual(os.fstat(file.fileno()).st_size, len(content))
        finally:
            stop.set()
            thread.join()

    def test_an_open_file_keeps_its_bytes(self):
        entry = self.mount.entry("machine", "kept")
        put(entry + "/key.pem", pki.read(self.key))
        put(entry + "/cert.pem", self.leaf)
        held, held_key = open(entry + "/cert.pem", "rb"), open(entry + "/key.pem", "rb")
        key = pki.read(self.key)
        put(entry + "/cert.pem", self.chain)
        os.unlink(entry + "/cert.pem")
        os.unlink(entry + "/key.pem")
        with held, held_key:
            self.assertEqual((held.read(), held_key.read()), (self.leaf, key))
            self.assertEqual(os.fstat(held.fileno()).st_size, len(self.leaf))

    def test_setting_attributes_by_an_old_handle_reaches_the_live_file_and_leaves_the_old_bytes(self):
        entry = self.mount.entry("machine", "old-handle")
        put(entry + "/cert.pem", self.leaf)
        with open(entry + "/cert.pem", "rb") as held:
            put(entry + "/cert.pem", self.chain)
            os.fchmod(held.fileno(), 0o640)
            self.assertEqual(os.fstat(held.fileno()).st_size, len(self.leaf))
            self.assertEqual(held.read(), self.leaf)
            with mmap.mmap(held.fileno(), 0, prot=mmap.PROT_READ) as view:
                self.assertEqual(view[:], self.leaf)
        self.assertEqual(os.stat(entry + "/cert.pem").st_mode & 0o777, 0o640)
        self.assertEqual(pki.read(entry + "/cert.pem"), self.chain)

    def test_two_writers_one_wins_whole(self):
        entry = self.mount.entry("machine", "two")
        target = entry + "/cert.pem"
        put(target, self.leaf)
        first, second = os.open(target, os.O_WRONLY | os.O_TRUNC), os.open(target, os.O_WRONLY | os.O_TRUNC)
        os.write(first, self.chain[:400])
        os.write(second, self.leaf)
        os.write(first, self.chain[400:])
        os.close(second)
        self.assertEqual(pki.read(target), self.leaf)
        os.close(first)
        self.assertEqual(pki.read(target), self.chain)

    def test_whoever_makes_a_file_is_never_told_that_it_is_not_there(self):
        path = self.mount.entry("APPLMGMT_PASSWORD", "made-anew") + "/secret"
        put(path, b"0")
        remover = os.fork()
        if remover == 0:
            try:
                while True:
                    errno_of(os.unlink, path)
            finally:
                os._exit(0)
        answers = set()
        try:
            deadline = time.time() + 3
            while time.time() < deadline:
                answers.add(errno_of(put, path, b"made"))
        finally:
            os.kill(remover, signal.SIGKILL)
            os.waitpid(remover, 0)
        self.assertEqual(answers, {None})

    def test_nginx_serves_from_the_mount(self):
        entry = self.machine_pair()
        port = 18443
        config = os.path.join(self.work, "nginx.conf")
        pki.write(config, f"""
daemon off; master_process off; pid {self.work}/nginx.pid; error_log {self.work}/nginx.log;
events {{}}
http {{ access_log off; client_body_temp_path {self.work}/b; proxy_temp_path {self.work}/p; fastcgi_temp_path {self.work}/f;
 uwsgi_temp_path {self.work}/u; scgi_temp_path {self.work}/s;
 server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {entry}/cert.pem; ssl_certificate_key {entry}/key.pem; return 200 "served\\n"; }} }}
""".encode())
        server = subprocess.Popen(["nginx", "-c", config, "-p", self.work], stderr=subprocess.PIPE)
        try:
            root = os.path.join(self.work, "root-from-the-mount.pem")
            self.assertEqual(run("cp", self.mount.at("stores/TRUSTED_ROOTS/test-root/cert.pem"), root).returncode, 0)
            for _ in range(100):
                answer = run("curl", "-sS", "--cacert", root, "--noproxy", "*", f"https://localhost:{port}/", "--resolve", f"localhost:{port}:127.0.0.1")
                if answer.returncode == 0:
                    break
                time.sleep(0.05)
            self.assertEqual((answer.returncode, answer.stdout), (0, "served\n"), answer.stderr)
        finally:
            server.terminate()
            server.communicate()


if __name__ == "__main__":
    harness.main()
