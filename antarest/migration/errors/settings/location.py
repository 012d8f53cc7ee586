"""The folders of this package, in a checkout or in an installation from a wheel, and the user's data folder."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

# The name of this package: `antarest.migration`, or the name of a copy of its folder.
PACKAGE: Final = __name__.removesuffix(".errors.settings.location")
# The path of the package that contains this one, relative to the folder of packages: `antarest`.
ABOVE: Final = "/".join(PACKAGE.split(".")[:-1])

_PACKAGE: Final = Path(__file__).resolve().parents[3]
_MIRROR: Final = _PACKAGE / "_alembic"  # the files of the checkout in a wheel; made by hatch_build.py

# Whether the package was installed from a wheel. If so, the package writes no revision files.
INSTALLED: Final = _MIRROR.is_dir()
# The word for this code in messages.
KIND: Final = "release" if INSTALLED else "checkout"
# The folder that holds alembic.ini, alembic/, scripts/ and resources/.
ROOT: Final = _MIRROR if INSTALLED else _PACKAGE.parent


def data_folder() -> Path:
    """Return the user's data folder, such as `~/.local/share/antarest`."""
    place = "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    return Path(os.environ.get("XDG_DATA_HOME", "").strip() or Path.home() / place) / "antarest"


def create_data_folder() -> Path:
    """Create the user's data folder, which only this user can read, and return its path."""
    folder = data_folder()
    with suppress(OSError):  # Opening the database in it will report the failure.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
