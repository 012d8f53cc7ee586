"""The database commands for Invoke, made from the table of verbs. `inv --list` lists them."""

from __future__ import annotations

import atexit
import gc
import sys
from inspect import Parameter, Signature
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import Task

from antarest.migration.commands.boundary import print_error
from antarest.migration.commands.flags import HIDDEN, find_swallowed
from antarest.migration.commands.table import EVERYWHERE, VERBS, run
from antarest.migration.errors.settings import bootstrap

_NAMESPACE = "db"
bootstrap.prepare_streams()
if code := bootstrap.refuse_system():
    sys.exit(code)
atexit.register(bootstrap.finish, 0)
gc.freeze()  # The imported modules stay, so the garbage collector does not look through them again and again.


def _task(name: str) -> Task[Any]:
    """Return the task for a verb. Invoke reads the flags of a task from the signature of its function."""
    verb = VERBS[name]

    def body(_: Context, **options: Any) -> None:
        error = find_swallowed(sys.argv[1:], f"inv {_NAMESPACE}.{name}")
        if code := print_error(error) if error else run(name, **options):
            sys.exit(code)

    names = dict.fromkeys((*verb.flags, *EVERYWHERE))
    flags = {name: verb.flag(name) for name in names if verb.flag(name).help != HIDDEN}
    body.__doc__ = verb.call.__doc__
    body.__dict__["__signature__"] = Signature(
        [Parameter(each, Parameter.POSITIONAL_OR_KEYWORD) for each in ("_", *verb.words)]
        + [Parameter(each, Parameter.KEYWORD_ONLY, default=None if flags[each].value else False) for each in flags]
    )
    words = {each: verb.flag(each).help for each in (*verb.words, *flags)}
    repeated = ["x", *(each for each, flag in flags.items() if flag.repeats)]
    return Task(body, name=name, help=words, iterable=repeated, auto_shortflags=False)


namespace = Collection()
namespace.add_collection(Collection(_NAMESPACE, *map(_task, VERBS)))
