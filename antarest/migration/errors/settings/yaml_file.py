"""Parses a configuration file: YAML with variables, in which all values stay text.

Values stay text, because the reader of each setting knows its type. A YAML parser would guess the type: `no` would be
false, `1e3` would be a number, and `2026-13-01` would raise an exception.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import yaml

from ..facts.configuration import ConfigNotYaml, InvalidValue, VariableUnset

_VARIABLE = re.compile(r"\$(?P<escape>\$?)\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)\})?")


def parse_yaml(data: bytes, file: Path) -> object:
    """Parse a YAML document, and return it as mappings, lists and texts; None if the document is empty.

    Raises:
        ConfigNotYaml: the data is not YAML. The error does not quote the text, which could hold a password.
    """
    try:
        loader = yaml.BaseLoader(data)
        node = loader.get_single_node()
        _refuse_repeated_keys(node)
        return loader.construct_document(node) if node else None
    except yaml.MarkedYAMLError as error:
        problem = re.sub(r"'.*'", "...", error.problem or "not YAML", flags=re.DOTALL)
        line = error.problem_mark.line + 1 if error.problem_mark else None
    except (yaml.YAMLError, ValueError):
        problem, line = "it holds bytes that are not text", None
    except RecursionError:
        problem, line = "it is nested too deeply", None
    # Raised outside of the except blocks: PyYAML's error quotes the text, and a traceback would show it.
    raise ConfigNotYaml(file, problem=problem, line=line)


def _refuse_repeated_keys(node: yaml.Node | None) -> None:
    """Refuse a key that occurs twice in a mapping, such as two `url`. PyYAML would silently use the second value."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            raise yaml.MarkedYAMLError(problem="a key occurs twice", problem_mark=key.start_mark)
        seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        _refuse_repeated_keys(value)


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Return the text with the value in place of each variable. The value can be in the file that `NAME_FILE` names.

    Raises:
        VariableUnset: the environment has neither NAME nor NAME_FILE, or the file cannot be read.
        InvalidValue: `${` is not followed by a name and `}`.
    """
    return _VARIABLE.sub(lambda match: _replacement(match, environ), text)


def _replacement(match: re.Match[str], environ: Mapping[str, str]) -> str:
    name = match["name"]
    if match["escape"]:
        return match[0][1:]
    if name is None:
        raise InvalidValue("written with ${NAME} for a variable, or $${ for the characters themselves")
    value = _value(name, environ)
    safe = _safe_characters(match.string, match.start())
    return value if safe is None else quote(value, safe=safe)


def _value(name: str, environ: Mapping[str, str]) -> str:
    """Return the value of a variable, or the content of the file that `NAME_FILE` names (a secret of Docker)."""
    if name in environ:
        return environ[name]
    file = environ.get(f"{name}_FILE")
    if file is None:
        raise VariableUnset(name)
    try:
        return Path(file).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "") if isinstance(error, OSError) else "it holds bytes that are not text"
        raise VariableUnset(name, file=file, reason=reason.lower()) from None


def _safe_characters(text: str, position: int) -> str | None:
    """Return the characters that stay unencoded at this position of a text; None if nothing is encoded there."""
    start = text.find("://") + len("://")
    if "://" not in text or position < start:
        return None
    path = next((index for index in range(start, len(text)) if text[index] in "/?"), len(text))
    if position < path:
        # The name and the password are before the last @. A variable after it may hold both host and port.
        return "" if "@" in text[position:path] else None
    return "/"
