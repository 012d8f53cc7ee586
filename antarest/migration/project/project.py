"""The Alembic project that a command works on: its `alembic.ini`, revision files, metadata and rollback script."""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors.base import Hint
from ..errors.baseline import Baseline
from ..errors.facts.project import InvalidProject, ProjectNotFound, UnknownRevision
from ..errors.facts.refusal import InstalledCopy
from ..errors.revision import BASE, HEAD, VersionTable
from ..errors.settings.location import INSTALLED, ROOT
from .env_options import EnvFile, Options, combined, named_table
from .history import History
from .revision_files import listed, read_history
from .settings import INI, config_of, find, import_named, read_settings, read_values

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
        ini: its `alembic.ini`; its `pyproject.toml` if it has no `alembic.ini`.
        versions: the folders with its revision files.
        is_recursive: whether the folders below `versions` are read too.
        scripts: the folder of its `env.py`; None if the settings do not name the folder.
        metadata_name: its `MetaData`, as `package.module:attribute`; empty if it is not set.
        rollback_script: the `rollback.sh` to keep in sync; None if the project has none.
        diagram: the page with the schema as a diagram, to keep in sync too; None if the project has none.
        seed_name: the function that fills a development database, as `package.module:function`.
        settings_name: the sections that the application declares for its configuration, as `package.module:attribute`;
            empty if it declares none.
        named_version_table: the version table that the settings name; None if `env.py` decides.
        search: the folders that Alembic puts at the beginning of `sys.path`.
        x_arguments: the values of `-x`, which revisions and `env.py` read with `context.get_x_argument`.
        is_moved: whether the revision files are copies in another folder.
        at_commit: the commit of the revision files, if another commit is checked out.
        deployed: the revision of the production database; empty if none is recorded.
        deployed_from: the tag or commit of the deployed revision; empty if none is recorded.
        engines: the engines that the project supports ("sqlite", "postgresql"); empty if its settings do not say.
        max_seconds: the time limit, in seconds, for an upgrade of the rows that `db.verify` inserts; None for no limit.
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
    named_version_table: VersionTable | None = None
    search: tuple[Path, ...] = ()
    x_arguments: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    max_seconds: float | None = None
    deployed: str = ""
    deployed_from: str = ""
    is_moved: bool = False
    at_commit: str = ""

    @classmethod
    def load(cls, ini: str | Path | None = None, *, or_own: bool = False) -> Project:
        """Read the settings of a project. Without `ini`, look for a project in and around the working directory.

        Args:
            ini: the `alembic.ini` or `pyproject.toml` of the project, or the folder with this file.
            or_own: whether to return the project of this code if no other project is found.

        Raises:
            ProjectNotFound: the settings file does not exist.
            InvalidProject: the settings do not say where the revisions are.
        """
        found = find(ini, Path.cwd(), os.environ)
        path = (found or (ROOT / INI if or_own else Path(INI))).absolute()
        if not path.is_file():
            raise ProjectNotFound(path)
        settings = read_settings(path)
        own = settings.own
        if or_own and not ini and INSTALLED and own.get("settings", "") == read_settings(ROOT / INI).own["settings"]:
            return cls.own()  # An installed release beside a checkout of the same application.
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
            named_version_table=named_table(own),
            search=settings.search,
            deployed=own.get("deployed", ""),
            deployed_from=own.get("deployed_from", ""),
            **read_values(path, own),
        )

    @classmethod
    def own(cls) -> Project:
        """Return the project of this code. An application uses this project in every working directory.

        Raises:
            ProjectNotFound, InvalidProject: as for `load`.
        """
        return cls.load(ROOT / INI)

    @property
    def root(self) -> Path:
        """The folder of the project."""
        return self.ini.parent

    @property
    def is_checkout(self) -> bool:
        """Whether the project is the top folder of a git working tree, and its revision files are there."""
        return (self.root / ".git").exists() and not self.is_moved

    @cached_property
    def repository(self) -> Repository | None:
        """The git repository of the project; None without a repository, or if the project is an installed copy."""
        # Imported here: most commands do not ask git.
        from .git import Repository

        return None if self._is_installed else Repository.of(self.root)

    @property
    def commit(self) -> str:
        """The commit of the revision files; empty if it is not known."""
        return self.at_commit or (self.repository.commit("HEAD") if self.repository else "")

    def refuse_unknown(self, current: Sequence[str], database: str) -> None:
        """Refuse a database at a revision without a file, and name the branch that has the file.

        Args:
            current: the current revisions of the database.
            database: the URL of the database, redacted.

        Raises:
            UnknownRevision: one of the revisions has no file here.
        """
        history = self.history
        if unknown := history.unknown(current):
            elsewhere = self.describe_location(unknown[0])
            raise UnknownRevision(unknown[0], database, history.heads, len(history), self.folder, elsewhere)

    def describe_location(self, revision: str) -> str:
        """Return a sentence that names the branch with the file of a revision; empty if no branch has it."""
        # Imported here: few commands need it.
        from .revision_search import describe_location

        if self.repository is None or not revision:
            return ""
        return describe_location(self.repository, self.versions, revision, recursive=self.is_recursive)

    def resolve(self, reference: str) -> str:
        """Return the id of the revision to which a reference refers. The reference can be a tag or a date, for example.

        Args:
            reference: `head`, `base`, an id, the beginning of an id, a branch label, a git ref, or a date.

        Raises:
            RevisionNotFound: no revision, git ref or date matches the reference.
            AmbiguousRevision, AmbiguousReference: the reference can mean more than one revision.
            MultipleHeads: the reference names a state with several heads.
        """
        if reference in (HEAD, BASE) or reference in self.history or self.repository is None:
            return self.history.resolve(reference)
        return self.references(self.repository).resolve(reference)

    def references(self, repository: Repository) -> References:
        """Return an object that finds the revisions to which git references of this checkout refer."""
        # Imported here: most references are revisions, which need no git.
        from .references import References

        return References(repository, self.history, self.versions, self.is_recursive)

    @property
    def workflow_tables(self) -> tuple[str, ...]:
        """The tables of Alembic and of this workflow in a database. They are not part of the project's schema."""
        return self.version_table.both

    @property
    def _is_installed(self) -> bool:
        return INSTALLED and self.root.resolve() == ROOT

    def refuse_installed(self) -> None:
        """Refuse to write into an installed copy, because the next release replaces its files.

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
        if self.baseline.losses:
            history = History(self.baseline.declare(history[id_]) for id_ in history.order)
        return history

    @cached_property
    def baseline(self) -> Baseline:
        """The faults of old revisions that the project accepted when it adopted the workflow."""
        return Baseline.read(self.root)

    def refuse_files_below(self) -> None:
        """Refuse a project that has no revisions, but has revision files in a subfolder that is not read.

        Raises:
            InvalidProject: a subfolder has revision files.
        """
        for folder, name in listed(self.versions, recursive=True):
            where = (
                f"there is no revision in {self.folder}, but one in {os.path.relpath(Path(folder, name), self.root)}"
            )
            raise InvalidProject(self.ini, f"{where}, and recursive_version_locations is not set", _LOOK)

    @property
    def folder(self) -> str:
        """The folders of the revisions as a text for messages, relative to the folder of the project."""
        return ", ".join(os.path.relpath(folder, self.root) for folder in self.versions)

    @cached_property
    def env(self) -> EnvFile:
        """The `env.py` of the project."""
        return EnvFile((self.scripts or self.root) / "env.py", self.ini, self.alembic_config, self.named_version_table)

    @property
    def version_table(self) -> VersionTable:
        """The table in which the database records its current revisions."""
        return self.env.version_table

    @property
    def options(self) -> Options:
        """The options that `env.py` gives to `environment.run`. The first use in a process can run `env.py`.

        Raises:
            EnvNotAdopted, InvalidProject: as for `EnvFile.options`.
        """
        return self.env.options

    @property
    def commits_each(self) -> bool:
        """Whether each revision is committed on its own, as `transaction_per_migration` in `env.py` demands."""
        return bool(self.options.get("transaction_per_migration"))

    @property
    def has_metadata(self) -> bool:
        """Whether the models are known: `[antarest]` names their metadata, or `env.py` gives it."""
        return bool(self.metadata_name) or self.options.get("target_metadata") is not None

    def metadata(self) -> MetaData:
        """Import the models and return their metadata.

        Raises:
            InvalidProject: neither `[antarest]` nor `env.py` names a metadata, or the metadata cannot be imported.
        """
        return combined(self.ini, self._target_metadata())

    def _target_metadata(self) -> Any:
        """Return the metadata of the models, or a list of metadata, as Alembic accepts it."""
        given = None if self.metadata_name else self.options.get("target_metadata")
        found = self.named("metadata", self.metadata_name) if given is None else given
        return getattr(found, "metadata", found)  # A declarative base has this attribute too.

    def settings(self) -> Sections | None:
        """Return the sections of the configuration that the application declares. None if it declares no sections.

        Raises:
            InvalidProject: `alembic.ini` names the sections, and they cannot be imported.
        """
        sections: Sections | None = self.named("settings", self.settings_name) if self.settings_name else None
        return sections

    def named(self, key: str, name: str) -> Any:
        """Import the object that `[antarest]` names with the key `key`. `name` is the value of the key.

        Raises:
            InvalidProject, PackageMissing: the object cannot be imported.
        """
        return import_named(self.ini, key, name, self.search or [self.root])

    def alembic_options(self) -> dict[str, Any]:
        """Return the options for `context.configure`: the options of `env.py`, and options that the workflow needs."""
        table = self.version_table
        return {
            "render_as_batch": True,
            **self.options,
            "target_metadata": self._target_metadata() if self.has_metadata else None,  # For its naming convention.
            "transactional_ddl": True,
            "transaction_per_migration": False,  # The workflow commits itself.
            "version_table": table.name,
            "version_table_schema": table.schema or None,
        }

    def scratch_options(self) -> dict[str, Any]:
        """Return the options for `context.configure` on a scratch database: no schema, and no `on_version_apply`."""
        return {**self.alembic_options(), "version_table_schema": None, "on_version_apply": ()}

    def alembic_config(self, **attributes: object) -> Config:
        """Return a configuration with which Alembic's commands print nothing. `env.py` gets the `attributes`."""
        silent = argparse.Namespace(quiet=True, x=list(self.x_arguments))
        return self.tell_folders(config_of(self.ini, stdout=io.StringIO(), cmd_opts=silent, attributes=attributes))

    def tell_folders(self, config: Config) -> Config:
        """Write the absolute paths of the folders into Alembic's configuration, and return the configuration."""
        values = {
            "version_locations": "\n".join(str(folder) for folder in self.versions),
            "path_separator": "newline",
            "recursive_version_locations": str(self.is_recursive).lower(),
        }
        if self.search:
            values["prepend_sys_path"] = "\n".join(map(str, self.search))  # split at newlines too
        if self.scripts:
            values["script_location"] = str(self.scripts)
        for name, value in values.items():
            config.set_main_option(name, value.replace("%", "%%"))
        return config
