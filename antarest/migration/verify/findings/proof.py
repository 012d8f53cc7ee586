"""What was proved of one revision on one engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...schema.inventory import Inventory
from .impact import Impact
from .kinds import Finding

_SHOWN = 12  # findings of one kind for one revision


@dataclass
class Proof:
    """What was proved of one revision on one engine.

    Attributes:
        revision: which.
        engine: on which.
        findings: what is wrong.
        not_proved: what could not be tried, each with the reason.
        schema: the schema after its upgrade, where that ran.
        impact: what the upgrade did on tables with rows.
        is_irreversible: whether the revision says that there is no way back.
        behaviour: at head, what comes of what is done to its rows.
        kept: the databases that were kept to look at, by what they are; "" where they could not be.
    """

    revision: str
    engine: str
    findings: list[Finding] = field(default_factory=list)
    not_proved: list[str] = field(default_factory=list)
    schema: Inventory | None = None
    impact: Impact = field(default_factory=Impact)
    is_irreversible: bool = False
    behaviour: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def add(self, id_: str, *found: str, **more: str) -> None:
        """Note findings of one kind."""
        shown = [*found[:_SHOWN], *([f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else [])]
        self.findings += [Finding.of(id_, each, self.revision, self.engine, **more) for each in shown]

    def has(self, *ids: str) -> bool:
        """Whether there are findings of these kinds."""
        return any(each.id in ids for each in self.findings)
