"""The tests: `unit` for one module each, `integration` for the migrations and the commands as users run them."""

from __future__ import annotations

import os
import sys

# Nearly half of what a short command takes is to compile our modules; the Python of a user keeps what it has compiled.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False
