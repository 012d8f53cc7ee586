"""The baseline: faults in the old revisions of a project, which the project accepts when it adopts the workflow.

The baseline is one file. A fault of a revision is accepted only as long as the file of the revision stays the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .base import Hint
from .facts.project import InvalidProject
from .revision import Revision
from .settings.whole_file import content_of
from .text import described

FILE_NAME = "antarest-baseline.json"
"""The name of the file, beside the settings of the project."""

REASON = "accepted when the project was adopted"
"""The reason that messages show for a loss that the baseline accepts."""


@dataclass(frozen=True)
class Baseline:
    """The accepted faults in the old revisions of a project.

    Attributes:
        digests: a mapping from the id of each revision to the hash of its file.
        findings: the accepted findings of the proof, each as a tuple of kind, revision, engine and text.
        losses: for each revision, a mapping from the direction to the losses that the revision does not declare.
        drift: the accepted differences between the models and the migrations.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[tuple[str, str, str, str]] = ()
    losses: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    drift: Sequence[str] = ()

    @classmethod
    def read(cls, folder: Path) -> Baseline:
        """Read the baseline file in the folder of a project. Without this file, no fault is accepted.

        Raises:
            InvalidProject: the file exists, but is not a baseline.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            return cls()
        try:
            found: Any = json.loads(path.read_text(encoding="utf-8"))
            findings = [tuple(each) for each in found["findings"]]
            return cls(dict(found["digests"]), findings, dict(found["losses"]), list(found["drift"]))
        except (ValueError, TypeError, KeyError) as error:
            hint = Hint("Bring it back as it was committed, or delete it")
            raise InvalidProject(path, described(error), hint) from error

    def as_json(self) -> str:
        """Return the content of the baseline file."""
        content = {
            "digests": dict(self.digests),
            "findings": [list(each) for each in self.findings],
            "losses": self.losses,
            "drift": list(self.drift),
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    def accepts(self, finding: tuple[str, str, str, str], path: Path | None) -> bool:
        """Return whether the baseline accepts a finding.

        Args:
            finding: the kind, the revision, the engine and the text of the finding.
            path: the file of the revision; None if the finding is about the whole history.
        """
        return finding in self.findings and (path is None or self.digests.get(finding[1]) == digest_of(path))

    def declare(self, revision: Revision) -> Revision:
        """Return the revision as if its file declared the losses that the baseline accepts."""
        losses = self.losses.get(revision.id)
        if not losses or self.digests.get(revision.id) != digest_of(revision.path):
            return revision
        accepted = {name: dict.fromkeys(items, REASON) for name, items in losses.items()}
        names = {*accepted, *revision.lossy}
        lossy = {name: {**accepted.get(name, {}), **revision.lossy.get(name, {})} for name in names}
        values = {each.name: getattr(revision, each.name) for each in fields(Revision)}
        return Revision(**{**values, "lossy": lossy})


def digest_of(path: Path) -> str:
    """Return the hash of a revision file."""
    return f"sha256:{hashlib.sha256(content_of(path)).hexdigest()}"
