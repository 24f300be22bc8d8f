"""Sessions at a shell, as files: `$ COMMAND` lines, each followed by what it prints and, unless it is 0, by `[exit N]`.

What is on stderr has `! ` in front. What differs from run to run is written as the test names it: `<server.crt>` for the content of a file,
`<sha1 of server.crt>` for its fingerprint, `<mount>` for the mountpoint.
"""

import os
import re
import subprocess

import pki


class Transcript:
    def __init__(self, path, cwd, environment, words):
        """`words` are pairs: what a run prints, and what the file has for it; the first that fits counts."""
        self.path, self.cwd, self.environment, self.words = path, cwd, environment, words

    def commands(self):
        return [line[2:] for line in pki.read(self.path).decode().splitlines() if line.startswith("$ ")]

    def run(self, command):
        done = subprocess.run(["bash", "-c", command], cwd=self.cwd, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=300, start_new_session=True)  # Without a terminal to ask on.
        shown = done.stdout
        if shown and not shown.endswith("\n"):
            shown += "\n"
        shown += "".join("! " + line + "\n" for line in done.stderr.splitlines())
        return f"$ {command}\n{self.named(shown)}" + (f"[exit {done.returncode}]\n" if done.returncode else "")

    def named(self, text):
        for printed, word in self.words:
            text = text.replace(printed, word)
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>", text)
        return re.sub(r"pid \d+", "pid <n>", text)

    def check(self, test):
        """Runs each command of the file; all that they print is what the file has."""
        expected = pki.read(self.path).decode()
        comments = "".join(line + "\n" for line in expected.splitlines() if line.startswith("# "))
        seen = comments + "".join(self.run(command) for command in self.commands())
        expected = comments + "".join(line + "\n" for line in expected.split("\n")[:-1] if not line.startswith("# "))
        test.maxDiff = None
        test.assertEqual(seen, expected, os.path.basename(self.path))
