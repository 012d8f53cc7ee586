#!/usr/bin/env bash
# Write a revision from the difference between the models and the migrations: the old name of `inv db.revision`.
#
# usage: scripts/create_db_migration.sh MESSAGE
#
# Exit codes: 0 done or nothing to do, 1 refused, failed, or something is left to be written by hand, 2 usage or
# configuration, 130 interrupted, 143 terminated.
set -euo pipefail

self=$(readlink -f -- "${BASH_SOURCE[0]}")
root=$(CDPATH='' cd -- "$(dirname -- "$self")/.." && pwd)
python=$root/.venv/bin/python3
[ -x "$python" ] || python=python3
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
# If the message is not quoted, all arguments together are the message.
exec "$python" -m antarest.migration revision --message="$*" --project="$root/alembic.ini"
