"""The server: `python3 antarest/main.py`, or `antarest` if the package is installed."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Python puts the folder of a script first on the path, where `core` or `study` would hide packages of that name.
    # The folder above takes its place, so that this checkout runs and not an installed copy.
    _HERE = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - pathlib is slow to import, and a signal may come early
    sys.path[:] = [os.path.dirname(_HERE), *(each for each in sys.path if each != _HERE)]  # noqa: PTH120

from antarest.migration.errors.settings import bootstrap


def main() -> int:
    """Launch the server with the options of the command line, and return the exit code."""
    code = bootstrap.prepare(
        "antarest/main.py", "fastapi", "fastapi_offline", "pydantic", "uvicorn", extra="server", always=True
    )
    if code:
        return code
    # Imported after the check above; the second one, which is slow, after --help.
    from antarest.web import arguments

    parser = arguments.parser("Serve the database of AntaREST over HTTP, for reading.")
    parser.add_argument(
        "--host", type=arguments.text, help="the address to listen on (default: server.host, else 127.0.0.1)"
    )
    parser.add_argument("--auto-upgrade-db", action="store_true", help="upgrade the database first, where it is older")
    settings = arguments.read(parser, sys.argv[1:])

    from antarest.web.launch import launch

    return bootstrap.finish(launch(settings))


if __name__ == "__main__":
    sys.exit(main())
