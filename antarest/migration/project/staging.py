"""New revision files are made in a separate folder, and moved to the other revisions when they are complete.

So a command that fails or is killed leaves the revisions as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors.base import Hint
from ..errors.facts.configuration import UsageError
from ..errors.facts.project import InvalidProject
from ..errors.revision import Revision
from ..errors.settings import whole_file
from ..errors.settings.whole_file import unfinished_folder, write_whole
from . import rollback_script
from .project import Project
from .revision_files import parse_revision, write_files


@dataclass(frozen=True)
class Staging:
    """A folder beside the revisions, in which a new revision file is made.

    Attributes:
        project: the project as Alembic sees it. The revisions of this project include those in `folder`.
        folder: the path of the folder.
    """

    project: Project
    folder: Path
    _home: Project
    _replaced: Revision | None = None

    def put(self, made: Path) -> Path:
        """Move a new file to the folder of revisions, and update `rollback.sh`.

        Args:
            made: the new file, in the staging folder.

        Returns:
            The path of the file in the project.

        Raises:
            InvalidProject: the file would be in a subfolder, in which Alembic does not look for revisions.
            UsageError: another revision has a file of that name.
        """
        self.require_found(made)
        content, old = made.read_bytes(), self._replaced
        path = self._folder_for(content, made) / made.relative_to(self.folder)
        if path.exists() and not (old and path.samefile(old.path)):
            hint = Hint("Give it another message", 'inv db.revision --message="..."')
            raise UsageError(f"there is a revision file {path.name} already", hint)
        if old:
            write_whole(old.path, content)  # At each moment there is one file: the old one or the new one.
            path.parent.mkdir(parents=True, exist_ok=True)
            old.path.replace(path)
        else:
            write_whole(path, content)
        rollback_script.sync(Project.load(self._home.ini))  # Load it again: the history has changed.
        return path

    def _folder_for(self, content: bytes, made: Path) -> Path:
        """Return the folder for a new revision file.

        If the new file replaces another file, this is the folder of the other file. If not, and the project has only
        one folder of revisions, it is this folder. If the project has several folders, it is the folder of the revision
        that the new one follows.
        """
        if self._replaced:
            return self._replaced.path.parent
        down = parse_revision(content, made).down if len(self._home.versions) > 1 else ()
        return self._home.history[down[0]].path.parent if down else self._home.versions[0]

    def require_found(self, made: Path) -> None:
        """Refuse a new file in a subfolder, if the settings of the project do not let Alembic look there.

        Raises:
            InvalidProject: Alembic would not find the file.
        """
        if made.parent != self.folder and not self._home.is_recursive:
            reason = "file_template puts revisions into subfolders, where Alembic does not look for them"
            fix = Hint("Write into [alembic]", "recursive_version_locations = true")
            raise InvalidProject(self._home.ini, reason, fix)


@contextmanager
def staging(home: Project, *, replaced: Revision | None = None, alone: bool = False) -> Iterator[Staging]:
    """Make a folder for a new revision file, and delete it after the block.

    Args:
        home: the project.
        replaced: a revision that the new file replaces. The project that Alembic sees does not have this revision.
        alone: True if Alembic's command has no option for the folder of the new file. In this case, the project that
            Alembic sees has only one folder.
    """
    with unfinished_folder(home.versions[0].parent) as folder:
        versions: tuple[Path, ...] = (*home.versions, folder)
        if replaced or alone:
            others = [home.history[id_].path for id_ in home.history.order if not replaced or id_ != replaced.id]
            write_files(folder, [(path.name, path.read_bytes()) for path in others])
            versions = (folder,)
        yield Staging(replace(home, versions=versions, is_moved=True), folder, home, replaced)


def delete_left(project: Project) -> list[Path]:
    """Delete the unfinished files that killed commands have left beside a project's files, and return their paths."""
    files = [project.ini, *project.versions, *filter(None, [project.rollback_script, project.diagram])]
    return whole_file.delete_left([*project.versions, *(file.parent for file in files)])
