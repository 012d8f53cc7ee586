"""Codes `config.E1xx` and `usage.E1xx`: mistakes in the configuration or on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from ..base import EXIT_USAGE, AntarestError, Hint

_URL_EXAMPLE = Hint("Name a database in the section db, for example", "url: sqlite:////srv/antarest/antarest.db")


class ConfigError(AntarestError, code="config.E100", exit_code=EXIT_USAGE):
    """The configuration cannot be used as it is."""

    def at(self, key: str, file: Path, **details: str) -> Self:
        """Return the same error, with the key and the file added."""
        self.message = f"{key}: {self.message}"
        self.args = (self.message,)
        self.details = {"file": str(file), **self.details, **details}
        return self


class ConfigNotFound(ConfigError, code="config.E101"):
    """The configuration file is missing or cannot be read.

    Why: the name is misspelt, the variable `ANTAREST_CONF` still names a file that was moved, or this user is not
    allowed to read it. The command never uses another file instead, because another file could name another database.

    To do: look at the path in the message. If the message says `named by ANTAREST_CONF`, correct or unset the variable.
    If the project has no such file yet, write one. The workflow does not read the database from `sqlalchemy.url`.
    `inv db.status --config=PATH` shows the database that a file names.
    """

    def __init__(self, file: str, *, reason: str, named_by: str, similar: Sequence[Path] = ()) -> None:
        self.reason, self.similar = reason, tuple(similar)
        hints = [Hint(f"A file with a similar name exists: {path}") for path in similar]
        is_new = reason == "no such file or directory" and named_by.startswith("nobody") and not similar
        super().__init__(
            f"the configuration file cannot be read ({reason})" + (f": {file}" if file else ""),
            *hints,
            Hint("Name the file", "inv db.status --config=PATH"),
            *[Hint("Or write it, with at least", "db: {url: sqlite:///app.db}")] * is_new,
            details={"named by": named_by},
        )


class ConfigEmpty(ConfigError, code="config.E102"):
    """The configuration file is empty.

    Why: the file has no lines or only comments, or a template was never filled in.

    To do: write at least `db:` with a `url:` below it; `resources/application.yaml` shows every key.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(f"the configuration file is empty: {file}", _URL_EXAMPLE)


class ConfigNotYaml(ConfigError, code="config.E103"):
    """The configuration file is not YAML.

    Why: most often, a value has `:`, `#`, `%`, `&`, `*` or `@` and no quotes, or a line is indented with a tab.

    To do: go to the line that the message names and put the value in quotes.
    """

    def __init__(self, file: Path, *, problem: str, line: int | None) -> None:
        self.line = line
        place = f"{file}, line {line}" if line else str(file)
        super().__init__(
            "the configuration file is not valid YAML",
            Hint("A value with : # % & * or @ in it needs quotes", 'url: "postgresql://..."'),
            details={"file": place, "problem": problem},
        )


class ConfigNotMapping(ConfigError, code="config.E104"):
    """The configuration file, or a section of the file, does not consist of keys with values.

    Why: a section was written as a list (`- url: ...`) or as one value (`db: sqlite:///a.db`).

    To do: write the keys below the name of the section, indented, with one `key: value` on each line.
    """

    def __init__(self, file: Path, *, section: str, found: str) -> None:
        self.section, self.found = section, found
        name = f"the section {section}" if section else "the configuration file"
        super().__init__(
            f"{name} must hold keys with values, and holds {found}", _URL_EXAMPLE, details={"file": str(file)}
        )


class DatabaseUrlMissing(ConfigError, code="config.E105"):
    """The configuration names no database.

    Why: `db.url` is missing, is empty, or is in another section.

    To do: write `url:` into the section `db`, for example `url: sqlite:////srv/antarest/antarest.db`.
    """

    def __init__(self) -> None:
        super().__init__("no database is named", _URL_EXAMPLE)


class UnknownKey(ConfigError, code="config.E106"):
    """The configuration file has an unknown key; most often such a key is misspelt.

    Why: the key is misspelt, stands in another section, or was removed by a newer release. The command refuses the key,
    because the person who wrote it expects an effect.

    To do: use the similar key that the message names, or delete the line. `docs/configuration.md` has every key.
    """

    def __init__(self, file: Path, *, key: str, nearest: str, known: Sequence[str]) -> None:
        self.nearest = nearest
        hint = Hint(f"The nearest key is {nearest}") if nearest else Hint(f"The keys are: {', '.join(known)}")
        super().__init__(f"unknown key {key}", hint, details={"file": str(file)})


class VariableUnset(ConfigError, code="config.E107"):
    """A value names an environment variable that is not set, or whose file cannot be read.

    Why: the file has `${NAME}`, and the environment of this command has neither NAME nor NAME_FILE. A service does not
    see the variables that a shell exports, and `sudo` drops them. Or NAME_FILE names a file that does not exist, or
    that this user is not allowed to read.

    To do: set the variable where the command is started (`export NAME=...`, `Environment=` in a unit, `env_file` in a
    compose file), or set `NAME_FILE` to the path of a file with the value. Write `$${NAME}` for the text `${NAME}`.
    """

    def __init__(self, name: str, *, file: str = "", reason: str = "") -> None:
        self.name, self.reason = name, reason
        fact = f"the environment variable {name} is not set"
        hints = [Hint("Set it", f"export {name}=..."), Hint("Where ${...} is meant as text, write $${...}")]
        if reason:
            fact = f"the file that {name}_FILE names cannot be read ({reason}): {file}"
            hints = [Hint("Who may read it?", shlex.join(["ls", "-l", file]))]
        super().__init__(fact, *hints)


class InvalidValue(ConfigError, code="config.E108"):
    """A value has the wrong type, or is out of range.

    Why: a number has a unit or a decimal point, a word stands where a number must be, or a number is out of range.

    To do: write a value of the kind that the message asks for. `docs/configuration.md` has the range of each key.
    """

    def __init__(self, expected: str) -> None:
        self.expected = expected
        super().__init__(f"must be {expected}")


class UnsupportedUrl(ConfigError, code="config.E109"):
    """The URL names an engine or a driver that is not supported.

    Why: the scheme is that of another engine (`mysql://`), or names another driver (`postgresql+asyncpg://`).

    To do: write `postgresql://...` or `sqlite:///...`, without a driver.
    """

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        engine, _, driver = scheme.lower().partition("+")
        is_other_driver = engine in ("sqlite", "postgresql", "postgres") and "cipher" not in driver
        without = Hint("Write the same URL without the driver, for migrations are synchronous", f"url: {engine}://...")
        super().__init__(
            f"{scheme} is not supported",
            *([without] if is_other_driver else []),
            Hint("PostgreSQL: postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
            _URL_EXAMPLE,
            details={"supported": "PostgreSQL through psycopg2, SQLite"},
        )


class UnreadableUrl(ConfigError, code="config.E110"):
    """The URL cannot be read, or can be read in two ways.

    Why: a password or a name contains `@`, `:`, `/`, `?`, `#` or `%`, and is not percent-encoded. So it is not clear
    where the password or name ends.

    To do: take the password from a variable, as in `postgresql://user:${DB_PASSWORD}@host/database`. A variable can
    contain any character. Or percent-encode the password (`@` is `%40`).
    """

    def __init__(self, url: str, *hints: Hint, reason: str) -> None:
        super().__init__(f"the database URL cannot be used: {reason}", *hints, details={"url": url})


class UsageError(ConfigError, code="usage.E101"):
    """The command line is wrong.

    Why: a flag is misspelt or has no value (`--to=$UNSET`). Or a flag stands before the task (`inv --config=F
    db.status`), where Invoke reads it as one of its own options.

    To do: copy the command that the message shows, or look at `inv db.VERB --help`.
    """
