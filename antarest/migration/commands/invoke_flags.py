"""Flags that must be refused: those that Invoke takes for itself without a message, and those without a value.

Otherwise a command would work on another database than the one that the user named.
"""

import re
from collections.abc import Mapping, Sequence

from ..errors.base import Hint
from ..errors.facts.configuration import UsageError
from ..errors.settings.commands import spelled

# Invoke takes the long ones before the task, and the short ones anywhere, also several in one word.
_LONG = re.compile(r"--(?P<flag>config|debug)=?(?P<value>.*)")
_SHORT = re.compile(r"-[ehlpwRV]*(?P<flag>[df])=?(?P<value>.*)")


def find_swallowed(words: Sequence[str], command: str) -> UsageError | None:
    """Find a flag that Invoke takes for itself.

    Args:
        words: the command line.
        command: the task, as it is called, for example `inv db.status`.

    Returns:
        The error, with the right spelling; None where there is no such flag.
    """
    namespace = command.rpartition(" ")[2].partition(".")[0]
    task = next((index for index, word in enumerate(words) if word.startswith(f"{namespace}.")), len(words))
    for index, word in enumerate(words):
        found = _SHORT.fullmatch(word) or (_LONG.fullmatch(word) if index < task else None)
        if found is None:
            continue
        right = f"{command} --debug"
        if found["flag"] in {"f", "config"}:
            behind = words[index + 1] if index + 1 < len(words) and index + 1 != task else "PATH"
            right = f"{command} --config={found['value'] or behind}"
        flag = ("--" if word.startswith("--") else "-") + found["flag"]
        return UsageError(f"{flag} is taken by Invoke here, not by the task", hints=[Hint("Write it so", right)])
    return None


def refuse_empty(options: Mapping[str, object], verb: str) -> None:
    """Refuse `--to=$UNSET`: the user did not mean to leave the flag out.

    Raises:
        UsageError: a flag has no value.
    """
    for name, value in options.items():
        if value == "":
            hint = Hint("Give it one, or leave it out", f"inv db.{verb} --help")
            raise UsageError(f"{spelled(name)} has no value", hints=[hint])
