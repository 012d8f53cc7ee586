"""The tests: `unit` tests single modules, and `integration` tests migrations and commands as users run them."""

from __future__ import annotations

import os
import sys

# Nearly half of what a short command takes is to compile our modules; the Python of a user keeps what it has compiled.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False
