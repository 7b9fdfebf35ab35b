"""Runs a command as the terminal's own foreground process group: Ctrl-C then stops it and not `make` as well, which would
report the stop as an error. Without a terminal the command simply takes this process's place."""

from __future__ import annotations

import os
import signal
import sys


def take_terminal() -> None:
    """From here on the terminal's keys send their signals to this process alone."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    # The shell waits for make and would not notice that we are suspended: the terminal would hang.
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)


if sys.stdin.isatty() and os.getpgrp() == os.tcgetpgrp(sys.stdin.fileno()) != os.getpid():
    take_terminal()
os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - what the Makefile says is what runs
