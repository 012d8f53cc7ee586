#!/usr/bin/env bash
# Roll the database back by one revision: from the head of this checkout to the revision before it.
#
# usage: scripts/rollback.sh [--dry-run] [--yes] [--allow-data-loss] [--config=PATH] [--sql]
#
#   --dry-run          show the plan (revisions, what is dropped, how many rows that loses) and change nothing
#   --yes              answer questions with yes; this never permits a loss of data
#   --allow-data-loss  agree to the losses that the plan names
#   --config=PATH      the configuration that names the database (else $ANTAREST_CONF, else application.yaml)
#   --sql              print the SQL from HEAD to REVISION instead, for a DBA, and change nothing (PostgreSQL)
#
# Exit codes: 0 done or nothing to do, 1 refused or failed (the message says what state the database is in),
# 2 usage or configuration, 3 database unreachable (retry), 4 database locked (retry), 5 done, but it could not be
# reported, 130 interrupted, 143 terminated.
#
# Generated from the revision files; do not edit. Write it again with: inv db.rollback-script
set -euo pipefail

REVISION=79c8a2f1e05d
HEAD=d56b40e9c7a3

self=$(readlink -f -- "${BASH_SOURCE[0]}")
root=$(CDPATH='' cd -- "$(dirname -- "$self")/.." && pwd -P)
python=$root/.venv/bin/python3 packages=$root
case $root in
    */antarest/_alembic)  # installed from a wheel, in <environment>/lib/python3.x/site-packages
        packages=${root%/antarest/_alembic}
        python=${packages%/lib*/python*}/bin/python3
        ;;
esac
[ -x "$python" ] || python=python3
# The packages of this Python come before those of PYTHONPATH, and -P leaves out the working directory.
export MORE="${PYTHONPATH:-}" PYTHONPATH=$packages
exec "$python" -P -c 'import os, runpy, sys
sys.path += filter(None, os.environ.pop("MORE").split(":"))
runpy.run_module("antarest.migration", run_name="__main__", alter_sys=True)' \
    rollback "$@" --project="$root/alembic.ini" --to="$REVISION" --head="$HEAD"
