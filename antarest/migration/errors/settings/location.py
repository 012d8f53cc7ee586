"""Where things are: this package, in a checkout or installed from a wheel, and the data of the user."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

# The name of this package: `antarest.migration`, or what a copy of its folder is called elsewhere.
PACKAGE: Final = __name__.removesuffix(".errors.settings.location")
# The folder of the package around it, as seen from where packages are: `antarest`.
ABOVE: Final = "/".join(PACKAGE.split(".")[:-1])

_PACKAGE: Final = Path(__file__).resolve().parents[3]
_MIRROR: Final = _PACKAGE / "_alembic"  # what a wheel carries of the checkout; made by hatch_build.py

# Whether the package comes from a wheel: there is nothing to work on then, and nothing is written.
INSTALLED: Final = _MIRROR.is_dir()
# What a text calls it, where it says what this code is or has.
KIND: Final = "release" if INSTALLED else "checkout"
# The folder that holds alembic.ini, alembic/, scripts/ and resources/.
ROOT: Final = _MIRROR if INSTALLED else _PACKAGE.parent


def create_data_folder() -> Path:
    """The user's data folder, such as `~/.local/share/antarest`. It is created where it can be, for this user only."""
    import platformdirs  # most configurations do without it

    folder = platformdirs.user_data_path("antarest", appauthor=False)
    with suppress(OSError):  # The database that would lie in it cannot be opened then, and says so.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
