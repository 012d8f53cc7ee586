"""Breaks migrations on purpose, and counts the damage to the database: `python -m tests.chaos --help`.

Real processes run the commands that people run, on real databases with rows in every table. They are killed, raced, cut
off, starved and locked out. The tests look at the commands and the databases only from outside. Read the modules in
this order:

    faults/       what is done to a migration: one function a fault
    trial.py      what is judged afterwards, and how it is counted
    states.py     what a database holds, and how two of them differ
    lab.py        the databases, cloned from filled ones, and what they must look like at each revision
    histories.py  the migrations: this project's own, and thirty heavy revisions (heavy.py)
    tools.py      how they are run: by our commands, or by Alembic with the env.py of its template
    processes.py  the commands as processes; statements.py kills one at a statement, threads.py is one with four threads
    servers.py    PostgreSQL servers that may be stopped and replaced
    program.py    arguments, table, exit code
"""
