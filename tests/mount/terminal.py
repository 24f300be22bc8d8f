"""A program at a terminal of its own, which is asked and answers."""

import os
import pty
import select


def converse(answers, *command):
    """Runs `command` at a terminal; sends each answer when its question, a text, is shown. Returns exit code and what was shown."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(command[0], command, dict(os.environ, LC_ALL="C", NO_COLOR="1"))
    shown, seen, answers = b"", 0, list(answers)
    while True:
        ready, _, _ = select.select([terminal], [], [], 120)
        try:
            got = os.read(terminal, 4096) if ready else b""
        except OSError:  # The terminal has no process any more.
            got = b""
        if not got:
            break
        shown += got
        while answers and (at := shown.find(answers[0][0].encode(), seen)) >= 0:
            question, answer = answers.pop(0)
            seen = at + len(question.encode())
            os.write(terminal, answer.encode() if answer in ("\x03", "\x04") else answer.encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), shown.decode().replace("\r\n", "\n")
