"""How a program begins and ends, before and after anything of it can be relied on."""

from __future__ import annotations

import subprocess
import sys
from signal import SIGINT, SIGTERM, Signals

import pytest

# At exit, Python's handlers are in place for a moment longer; what arrives then arrives after the last word.
AT_THE_END = """
import atexit, os, sys
from antarest import bootstrap

bootstrap.prepare("antarest/main.py")
atexit.register(os.kill, os.getpid(), {sent})
sys.exit(bootstrap.finish(7))
"""


@pytest.mark.parametrize("sent", [SIGINT, SIGTERM], ids=lambda each: each.name)
def test_a_signal_after_the_last_word_changes_nothing(sent: Signals) -> None:
    done = subprocess.run([sys.executable, "-c", AT_THE_END.format(sent=int(sent))], check=False)
    assert done.returncode == 7
