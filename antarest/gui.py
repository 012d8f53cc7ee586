"""The local desktop application: `python3 antarest/gui.py`, or `antarest-desktop` if the package is installed."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts the folder of a script first on the path, where `core` or `study` would hide packages of that name.
    # The folder above takes its place, so that this checkout runs and not an installed copy.
    _HERE = Path(__file__).resolve().parent
    sys.path[:] = [str(_HERE.parent), *(each for each in sys.path if each != str(_HERE))]

from antarest.migration.errors.settings import bootstrap


def main() -> int:
    """Start the desktop application with the options of the command line, and return the exit code."""
    packages = ("fastapi", "fastapi_offline", "jinja2", "platformdirs", "pydantic", "uvicorn")
    code = bootstrap.prepare("antarest/gui.py", *packages, extra="desktop", always=True)
    if code:
        return code
    from antarest.desktop import program  # imported after the check above
    from antarest.web import arguments

    parser = arguments.parser("Upgrade the database, and show it in the browser of this computer.")
    parser.add_argument(
        "--no-browser", action="store_true", help="do not open a browser; the address is printed in any case"
    )
    found = parser.parse_args()
    return bootstrap.finish(program.launch(arguments.read(parser, sys.argv[1:]), browser=not found.no_browser))


if __name__ == "__main__":
    sys.exit(main())
