"""The server: `python3 antarest/main.py`, or `antarest` where it is installed."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # A script finds its own folder first on the path, where `core` or `study` would hide packages of that name.
    # Instead: the folder above, so that the code beside it runs, whatever is installed.
    _HERE = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - pathlib is slow to import, and a signal early
    sys.path[:] = [os.path.dirname(_HERE), *(each for each in sys.path if each != _HERE)]  # noqa: PTH120

from antarest.migration.errors.settings import bootstrap


def main() -> int:
    """Launch the server as the command line says, and return the exit code."""
    code = bootstrap.prepare("antarest/main.py", "fastapi", "fastapi_offline", "pydantic", "uvicorn", always=True)
    if code:
        return code
    # What these import is known to be there only now; and --help is told without the second one.
    from antarest.web import arguments

    parser = arguments.parser("Serve the database of AntaREST over HTTP, for reading.")
    parser.add_argument("--host", type=arguments.text, help="where to listen (default: server.host, else 127.0.0.1)")
    parser.add_argument("--auto-upgrade-db", action="store_true", help="upgrade the database first, where it is older")
    settings = arguments.read(parser, sys.argv[1:])

    from antarest.web.launch import launch

    return bootstrap.finish(launch(settings))


if __name__ == "__main__":
    sys.exit(main())
