"""`python -m antarest.migration VERB ...`: the commands of the workflow, for a host without Invoke."""

from antarest.migration.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
