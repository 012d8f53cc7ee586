"""Configuration files for tests, and how they are loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from antarest.core.config import AppConfig, load_config

POSTGRESQL = "postgresql://antarest:geheim@db1:5432/antarest"

Write = Callable[[str], Path]


def load(file: Path, **environ: str) -> AppConfig:
    return load_config(file, environ=environ)


def names(folder: Path, database: str, file: str = "application.yaml") -> Path:
    """Write a configuration that names an SQLite database, by which a test recognises the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    path.write_text(f"db:\n  url: sqlite:////{database}.db\n")
    return path
