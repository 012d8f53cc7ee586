"""The text of a configuration file: YAML whose scalars all stay text, and variables in them.

Values stay text because YAML's guesses (`no` is false, `1e3` a number, `2026-13-01` an exception) help nobody here:
each setting knows its own type.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import yaml

from ..facts.configuration import ConfigNotYaml, InvalidValue, VariableUnset

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"\$(?P<escape>\$?)\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)\})?")


def parse_yaml(data: bytes, file: Path) -> object:
    """The document in the data: mappings, lists and texts, or None when there is none.

    Raises:
        ConfigNotYaml: it is not YAML. The error quotes nothing of the text, which may hold a password.
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
    # Outside of the except blocks: PyYAML's error quotes the text, and a traceback would show it.
    raise ConfigNotYaml(file, problem=problem, line=line)


def _refuse_repeated_keys(node: yaml.Node | None) -> None:
    """PyYAML quietly takes the last of two equal keys, and so the database of the last `url`."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            raise yaml.MarkedYAMLError(problem="a key occurs twice", problem_mark=key.start_mark)
        seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        _refuse_repeated_keys(value)


def expand(text: str, environ: Mapping[str, str]) -> str:
    """The text with its variables replaced, each by its value or by what is in the file that `NAME_FILE` names.

    Raises:
        VariableUnset: the environment has neither for one of them, or the file cannot be read.
        InvalidValue: `${` is followed by something else than a name and `}`.
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
    """The variable, or what is in the file that `NAME_FILE` names: a secret of Docker, Kubernetes or systemd."""
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
    """What a variable at this position of a text keeps unquoted; None where it is taken as it is."""
    start = text.find("://") + len("://")
    if "://" not in text or position < start:
        return None
    path = next((index for index in range(start, len(text)) if text[index] in "/?"), len(text))
    if position < path:
        # Name and password stand before the last @; host and port after it, where a variable may hold both.
        return "" if "@" in text[position:path] else None
    return "/"
