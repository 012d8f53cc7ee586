"""Which Alembic project is worked on: its `alembic.ini`, its revision files, its metadata and its rollback script."""

from __future__ import annotations

import argparse
import importlib
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors.base import Hint
from ..errors.facts.project import InvalidProject, ProjectNotFound, UnknownRevision
from ..errors.facts.refusal import InstalledCopy, PackageMissing
from ..errors.revision import BASE, HEAD, workflow_tables
from ..errors.settings.location import INSTALLED, ROOT
from ..errors.text import described
from .history import History
from .revision_files import listed, read_history
from .settings import SECTION, TOML, config_of, names_project, read_settings, read_values, search_paths

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import MetaData

    from ..errors.settings.config import Sections
    from .git import Repository
    from .references import References

_LOOK = Hint("Fix it, then look again", "inv db.history")


@dataclass(frozen=True)
class Project:
    """An Alembic project on disk.

    Attributes:
        ini: its `alembic.ini`; its `pyproject.toml` if it has no other settings.
        versions: the folders with its revision files.
        is_recursive: whether the folders below those count too.
        scripts: the folder of its `env.py`; None if no settings name it.
        metadata_name: its `MetaData`, as `package.module:attribute`; empty if it is not set.
        rollback_script: the `rollback.sh` to keep in sync; None if the project has none.
        diagram: the page with the schema as a diagram, to keep in sync too; None if the project has none.
        seed_name: the function that fills a development database, as `package.module:function`.
        settings_name: the declared sections of the application's configuration, as `package.module:attribute`;
            empty if it declares none.
        version_table: the table in which the database records its current revision.
        is_moved: whether its revision files are copies in another folder.
        at_commit: the commit of these files, if it is not the one that is checked out.
        deployed: the revision of production; empty if none is recorded.
        deployed_from: the tag or commit of that revision; empty if it was recorded without one.
        engines: the engines that it is for ("sqlite", "postgresql"); empty if it does not say.
        max_seconds: the time limit of an upgrade on the rows of `db.verify`; None if there is no limit.
    """

    ini: Path
    versions: tuple[Path, ...]
    is_recursive: bool = False
    scripts: Path | None = None
    metadata_name: str = ""
    rollback_script: Path | None = None
    diagram: Path | None = None
    seed_name: str = ""
    settings_name: str = ""
    version_table: str = "alembic_version"
    engines: tuple[str, ...] = ()
    max_seconds: float | None = None
    deployed: str = ""
    deployed_from: str = ""
    is_moved: bool = False
    at_commit: str = ""

    @classmethod
    def load(cls, ini: str | Path | None = None) -> Project:
        """Read a project's settings: the named file, else the one in this folder, else our own.

        Args:
            ini: its `alembic.ini`, or a `pyproject.toml` with `[tool.alembic]`.

        Raises:
            ProjectNotFound: there is no such file.
            InvalidProject: it does not say where the revisions are.
        """
        path = (Path(ini) if ini else _here()).absolute()
        if not path.is_file():
            raise ProjectNotFound(path)
        settings = read_settings(path)
        own = settings.own
        script, diagram = own.get("rollback_script"), own.get("diagram")
        return cls(
            ini=path,
            versions=settings.versions,
            is_recursive=settings.is_recursive,
            scripts=settings.scripts,
            metadata_name=own.get("metadata", ""),
            rollback_script=path.parent / script if script else None,
            diagram=path.parent / diagram if diagram else None,
            seed_name=own.get("seed", ""),
            settings_name=own.get("settings", ""),
            version_table=own.get("version_table", "alembic_version"),
            deployed=own.get("deployed", ""),
            deployed_from=own.get("deployed_from", ""),
            **read_values(path, own),
        )

    @classmethod
    def own(cls) -> Project:
        """The project of this code. An application works with it, in whatever folder it is started.

        Raises:
            ProjectNotFound, InvalidProject: as for `load`.
        """
        return cls.load(ROOT / "alembic.ini")

    @property
    def root(self) -> Path:
        """The folder of the project."""
        return self.ini.parent

    @property
    def is_checkout(self) -> bool:
        """Whether people work on it here. An installed copy is not under version control."""
        return (self.root / ".git").exists() and not self.is_moved

    @cached_property
    def repository(self) -> Repository | None:
        """The git repository of the project. None if there is none, or if the project is installed."""
        # Imported here: most commands do not ask git.
        from .git import Repository

        return None if self._is_installed else Repository.of(self.root)

    @property
    def commit(self) -> str:
        """The commit of its revisions. It is empty if it is not known."""
        return self.at_commit or (self.repository.commit("HEAD") if self.repository else "")

    def is_on_main(self, name: str) -> bool:
        """Whether the last common commit with main has a revision file of that name. False without such a commit."""
        repository = self.repository
        if repository is None or not (base := repository.main):
            return False
        there = repository.objects(base, self.versions, recursive=self.is_recursive)
        return any(Path(path).name == name for path in there)

    def refuse_unknown(self, current: Sequence[str], database: str) -> None:
        """Refuse a database at a revision without a file, and name the branch that has the file.

        Args:
            current: the revisions that it is at.
            database: its URL, redacted.

        Raises:
            UnknownRevision: one of them has no file here.
        """
        history = self.history
        if unknown := history.unknown(current):
            elsewhere = self.describe_location(unknown[0])
            raise UnknownRevision(unknown[0], database, history.heads, len(history), self.folder, elsewhere)

    def describe_location(self, revision: str) -> str:
        """Say in a sentence which branch has the file of a revision. It is empty if none is found."""
        # Imported here: few commands need it.
        from .revision_search import describe_location

        if self.repository is None or not revision:
            return ""
        return describe_location(self.repository, self.versions, revision, recursive=self.is_recursive)

    def resolve(self, reference: str) -> str:
        """Resolve a reference: a revision, or the head of a tag, a branch, a commit or a date.

        Args:
            reference: `head`, `base`, a revision, the beginning of its id, or a branch label; also a git ref or a date.

        Raises:
            RevisionNotFound: it stands for nothing.
            AmbiguousRevision, AmbiguousReference: it stands for more than one revision.
            MultipleHeads: it stands for a state with several heads.
        """
        if reference in (HEAD, BASE) or reference in self.history or self.repository is None:
            return self.history.resolve(reference)
        return self.references(self.repository).resolve(reference)

    def references(self, repository: Repository) -> References:
        """The references of this checkout in its repository."""
        # Imported here: most references are revisions, which need no git.
        from .references import References

        return References(repository, self.history, self.versions, self.is_recursive)

    @property
    def workflow_tables(self) -> tuple[str, str]:
        """The tables that Alembic and this workflow keep in a database. They do not belong to the schema."""
        return workflow_tables(self.version_table)

    @property
    def _is_installed(self) -> bool:
        return INSTALLED and self.root.resolve() == ROOT

    def refuse_installed(self) -> None:
        """Refuse to write into an installed copy: the next release replaces it.

        Raises:
            InstalledCopy: the project is installed.
        """
        if self._is_installed:
            raise InstalledCopy(self.root)

    @cached_property
    def history(self) -> History:
        """The revision graph, read from the files once.

        Raises:
            InvalidProject: the folder of the revision files does not exist.
            MigrationError: a file cannot be read, or the files do not make a graph.
        """
        for folder in self.versions:
            if not folder.is_dir():  # An upgrade would find nothing to do, and succeed.
                raise InvalidProject(self.ini, f"there is no folder {folder}, where its revisions should be", _LOOK)
        history = read_history(self.versions, recursive=self.is_recursive)
        if not len(history):
            self.refuse_files_below()
        return history

    def refuse_files_below(self) -> None:
        """Refuse a project without revisions if folders below have revision files, which are not read.

        Raises:
            InvalidProject: there are such files.
        """
        for folder, name in listed(self.versions, recursive=True):
            where = (
                f"there is no revision in {self.folder}, but one in {os.path.relpath(Path(folder, name), self.root)}"
            )
            raise InvalidProject(self.ini, f"{where}, and recursive_version_locations is not set", _LOOK)

    @property
    def folder(self) -> str:
        """The revision folders as they are shown, relative to the project."""
        return ", ".join(os.path.relpath(folder, self.root) for folder in self.versions)

    def metadata(self) -> MetaData:
        """Import the models and return their metadata.

        Raises:
            InvalidProject: `alembic.ini` does not name one, or it cannot be imported.
        """
        found: Any = self.named("metadata", self.metadata_name)
        metadata: MetaData = getattr(found, "metadata", found)  # A declarative base has one too.
        return metadata

    def settings(self) -> Sections | None:
        """The sections of the configuration that the application declares. None if it declares none.

        Raises:
            InvalidProject: `alembic.ini` names them, and they cannot be imported.
        """
        sections: Sections | None = self.named("settings", self.settings_name) if self.settings_name else None
        return sections

    def named(self, key: str, name: str) -> Any:
        """Import an object that `alembic.ini` names.

        Args:
            key: the key in the section `[antarest]`.
            name: its value, as `package.module:attribute`.

        Raises:
            InvalidProject: nothing is named, or it cannot be imported.
            PackageMissing: it needs a package that is not installed.
        """
        module, _, attribute = name.partition(":")
        if not module or not attribute:
            raise InvalidProject(
                self.ini,
                f"[{SECTION}] {key} is not named",
                Hint("Name it in the file", f"[{SECTION}] {key} = package.module:attribute"),
            )
        try:
            return getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:  # Whatever a module of the application raises, or `sys.exit(0)`.
            missing = (getattr(error, "name", "") or "").partition(".")[0]
            if isinstance(error, ModuleNotFoundError) and missing != module.partition(".")[0]:
                raise PackageMissing(missing, f"[{SECTION}] {key} = {name}") from error
            why = str(error) if isinstance(error, (ImportError, AttributeError)) else described(error)
            reason = f"[{SECTION}] {key} = {name}: {why}"
            raise InvalidProject(self.ini, reason, Hint("Fix it, then look again", "inv db.check")) from error

    def alembic_options(self) -> dict[str, Any]:
        """The options of Alembic's migration context. They are the same wherever revisions run."""
        return {
            "target_metadata": self.metadata() if self.metadata_name else None,  # For its naming convention.
            "render_as_batch": True,
            "transactional_ddl": True,
            "version_table": self.version_table,
        }

    def alembic_config(self, **attributes: object) -> Config:
        """A configuration for Alembic's commands. They print nothing, and `env.py` gets the `attributes`."""
        silent = argparse.Namespace(quiet=True, x=None)
        return self.tell_folders(config_of(self.ini, stdout=io.StringIO(), cmd_opts=silent, attributes=attributes))

    def tell_folders(self, config: Config) -> Config:
        """Tell Alembic where the scripts and revisions are, wherever it is started, and return its configuration."""
        paths = search_paths(config)
        values = {
            "version_locations": "\n".join(str(folder) for folder in self.versions),
            "path_separator": "newline",
            "recursive_version_locations": str(self.is_recursive).lower(),
        }
        if paths:
            values["prepend_sys_path"] = "\n".join(str(self.root / each) for each in paths)  # split at newlines too
        if self.scripts:
            values["script_location"] = str(self.scripts)
        for name, value in values.items():
            config.set_main_option(name, value.replace("%", "%%"))
        return config

    def refuse_others(self, folders: Iterable[str | Path]) -> None:
        """Refuse if Alembic, as it was started, reads the revisions of other folders than this workflow.

        Args:
            folders: the folders that Alembic reads.

        Raises:
            InvalidProject: Alembic reads others, because of another section of the file, or another working directory.
        """
        theirs = [Path(each).resolve() for each in folders]
        if theirs != [each.resolve() for each in self.versions]:
            where = ", ".join(map(str, theirs))
            reason = f"Alembic reads the revisions of {where}, and this workflow those of {self.folder}"
            raise InvalidProject(self.ini, reason, Hint("Start it in the folder of the project", "alembic history"))


def _here() -> Path:
    """The settings in this folder, else our own."""
    if Path("alembic.ini").is_file():
        return Path("alembic.ini")
    return Path(TOML) if names_project(Path(TOML)) else ROOT / "alembic.ini"
