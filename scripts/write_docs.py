"""Write the pages that come from the code: the keys of the configuration, the errors, and the findings of a proof.

usage: python scripts/write_docs.py [--check]

--check writes nothing. It ends with exit code 1 if a file differs from the content that this program would write.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

import antarest
from antarest.core.config import SECTIONS
from antarest.migration.branches.generated import with_block
from antarest.migration.errors.base import AntarestError
from antarest.migration.errors.facts.configuration import DatabaseUrlMissing, InvalidValue
from antarest.migration.errors.settings.config import known_sections
from antarest.migration.verify.findings.kinds import KINDS

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 120

FAMILIES = {  # of the errors, by the beginning of their codes
    "usage.E1": "The command line",
    "config.E1": "The configuration",
    "app.E1": "Starting the application",
    "app.E4": "Requests that are refused",
    "app.E5": "Requests without an answer",
    "db.E2": "The project and its revisions",
    "db.E3": "Connecting to the database",
    "db.E4": "Waiting for others",
    "db.E5": "Data that would be lost",
    "db.E6": "Runs that failed",
    "db.E7": "Operations that were refused",
    "db.E8": "Checks",
    "db.E9": "Backups and restores",
}
_OVER_HTTP = ("app.E4", "app.E5")


# ---- the configuration


@dataclass(frozen=True)
class Setting:
    """A key of the configuration file.

    Attributes:
        section: the name of the section with the key; empty for the top level.
        name: the name of the key.
        expected: the form that a value must have.
        default: the value if the file does not have the key; None if there is no default value.
        required: whether the file must have the key.
        meaning: what the setting does.
        example: an example of a value.
    """

    section: str
    name: str
    expected: str
    default: str | None
    required: bool
    meaning: str
    example: str


def settings() -> list[Setting]:
    """Return every key of the configuration. The texts come from the docstrings of the configuration's classes."""
    return [setting for section, cls in known_sections(SECTIONS).items() for setting in _settings_of(section, cls)]


def _settings_of(section: str, cls: type) -> Iterator[Setting]:
    meanings = _arguments(cls)
    for each in fields(cls):
        if "reader" in each.metadata:
            default = None if each.default in (MISSING, None) else str(each.default)
            if isinstance(each.default, bool):
                default = str(each.default).lower()
            yield Setting(
                section,
                each.name,
                expected=_expected(each.metadata["reader"]),
                default=default,
                required=each.default is MISSING,
                meaning=meanings[each.name],
                example=each.metadata.get("example", default or ""),
            )


def _expected(reader: Callable[[str, Path], object]) -> str:
    """Return the expected form of a value, from the error of its reader."""
    try:
        reader("", ROOT)
    except InvalidValue as refused:
        return refused.expected
    except DatabaseUrlMissing:
        return "a database URL"
    raise AssertionError("a reader takes an empty value")


def _arguments(cls: type) -> dict[str, str]:
    """Return a mapping from the name of each argument to its text below `Args:` in the docstring of a class."""
    section = inspect.cleandoc(cls.__doc__ or "").partition("Args:\n")[2]
    parts = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in parts}


def configuration() -> str:
    """Return the tables of `docs/configuration.md`, one for each section."""
    lines = []
    for section in dict.fromkeys(setting.section for setting in settings()):
        lines += [f"### {f'`{section}`' if section else 'At the top'}", ""]
        lines += ["| key | value | default | meaning | example |", "|---|---|---|---|---|"]
        for each in settings():
            if each.section == section:
                default = "required" if each.required else f"`{each.default}`" if each.default else "none"
                meaning = each.meaning[0].upper() + each.meaning[1:]
                lines.append(f"| `{each.name}` | {each.expected} | {default} | {meaning} | `{each.example}` |")
        lines.append("")
    return "\n".join(lines)


_HEAD = """\
# The default configuration, which is used where no other one is named (see docs/configuration.md). It shows every key.
# ${VARIABLE} in a value is taken from the environment; $${...} is the text itself.
# Written from the code by: make docs
"""
_DEVELOPMENT = {
    "environment": "development",
    "db.url": "sqlite:///../antarest.db",
    "server.host": "127.0.0.1",
    "server.port": "8080",
}


def application_yaml() -> str:
    """Return the default configuration, which shows every key."""
    lines, section = [_HEAD], ""
    for each in settings():
        if each.section != section:
            section = each.section
            lines += ["", f"{section}:"]
        value = _DEVELOPMENT.get(f"{section}.{each.name}".lstrip("."))
        indent = "  " if section else ""
        line = f"{indent}{each.name}: {value}" if value else f"{indent}# {each.name}: {each.example}"
        comment = textwrap.wrap(f"# {each.meaning.rstrip('.')}", WIDTH - len(indent), subsequent_indent="# ")
        if len(comment) == 1 and len(f"{line}  {comment[0]}") <= WIDTH:
            lines.append(f"{line}  {comment[0]}")
        else:
            lines += [*(f"{indent}{part}" for part in comment), line]
    return "\n".join(lines) + "\n"


# ---- the errors


def error_classes() -> list[type[AntarestError]]:
    """Return the errors that are raised, sorted by code, without the base classes."""
    for module in pkgutil.walk_packages(antarest.__path__, "antarest."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return sorted(_raised(AntarestError), key=lambda cls: (list(FAMILIES).index(family(cls)), cls.code))


def _raised(cls: type[AntarestError]) -> set[type[AntarestError]]:
    below = {found for sub in cls.__subclasses__() for found in _raised(sub)}
    is_family = "code" not in vars(cls) or (cls.code.endswith("00") and bool(below)) or cls is AntarestError
    return below if is_family or not cls.__module__.startswith("antarest.") else below | {cls}


def family(cls: type[AntarestError]) -> str:
    """Return the beginning of an error's code, which all errors of the same group share, such as `db.E2`."""
    return cls.code[: cls.code.index(".E") + 3]


def explanation(cls: type[AntarestError]) -> dict[str, str]:
    """Return the parts of an error's docstring: `what`, the first line, and the paragraphs `Why:` and `To do:`."""
    paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    found = {"what": paragraphs[0]}
    for paragraph in paragraphs[1:]:
        label, _, text = paragraph.partition(": ")
        if label in ("Why", "To do"):
            found[label] = " ".join(text.split())
    return found


def errors() -> str:
    """Return the content of `docs/errors.md`: what each code means, its reason, and the next steps."""
    lines, last = [], ""
    for cls in error_classes():
        if family(cls) != last:
            last = family(cls)
            lines += [f"## {FAMILIES[last]}", ""]
        said = explanation(cls)
        status = f"HTTP status {getattr(cls, 'status', 0)}" if last in _OVER_HTTP else f"Exit code {cls.exit_code}"
        lines += [f"### {cls.code}", "", f"**{said['what']}** {status}.", ""]
        lines += [f"*{label}:* {said[label]}\n" for label in ("Why", "To do") if label in said]
    return "\n".join(lines)


# ---- the findings of a proof

_PROVED = {  # by the first digit of the ids
    "1": "The graph",
    "2": "The file",
    "3": "The way up",
    "4": "The way down",
    "5": "Rows",
    "6": "Both engines",
    "7": "The models",
    "8": "Impact",
    "9": "Changed revisions",
}


def findings() -> str:
    """Return the content of `docs/verify.md`: the title of each kind of finding, its reason, and the next steps."""
    lines, last = [], ""
    for kind in KINDS.values():
        if kind.id[1] != last:
            last = kind.id[1]
            lines += [f"## {_PROVED[last]}", ""]
        title = kind.title[0].upper() + kind.title[1:]
        note = " This is a note: it does not make the command fail." if kind.severity == "note" else ""
        lines += [
            f"### {kind.id}",
            "",
            f"**{title}.**{note}",
            "",
            f"*Why:* {kind.why}",
            "",
            f"*To do:* {kind.fix}",
            "",
        ]
    return "\n".join(lines)


# ---- writing


def pages() -> dict[Path, str]:
    """Return a mapping from the path of each generated file to the content that the file should have."""
    found = {ROOT / "resources" / "application.yaml": application_yaml()}
    for name, content in (("configuration", configuration()), ("errors", errors()), ("verify", findings())):
        path = ROOT / "docs" / f"{name}.md"
        found[path] = with_block(path.read_text(encoding="utf-8"), name, content)
    return found


def main(arguments: list[str]) -> int:
    """Write the files whose content differs. With --check, only list these files. Return the exit code."""
    stale = {path: text for path, text in pages().items() if path.read_text(encoding="utf-8") != text}
    for path, text in stale.items():
        name = path.relative_to(ROOT)
        if arguments == ["--check"]:
            print(f"{name} is not as the code has it\n    make docs")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if stale and arguments == ["--check"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
