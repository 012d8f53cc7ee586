"""The proof of one revision on one engine."""

from dataclasses import dataclass, field

from ...schema.inventory import Inventory
from .impact import Impact
from .kinds import Finding

_SHOWN = 12  # findings of one kind for one revision


@dataclass
class Proof:
    """The proof of one revision on one engine.

    Attributes:
        revision: the id of the revision; empty for the history as a whole.
        engine: the engine.
        findings: everything that is wrong.
        not_proved: everything that could not be tried, each with the reason.
        schema: the schema after the upgrade; None if the upgrade failed.
        impact: the effects of the upgrade on tables with rows.
        is_irreversible: whether the revision declares that it has no downgrade.
        behaviour: for the history as a whole, the results of changes to rows at head, by change.
        kept: the URLs of the databases that were kept, by "before" and "after"; "" if one could not be kept.
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
        """Add findings of one kind."""
        shown = [*found[:_SHOWN], *([f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else [])]
        self.findings += [Finding.of(id_, each, self.revision, self.engine, **more) for each in shown]

    def has(self, *ids: str) -> bool:
        """Whether there are findings of these kinds."""
        return any(each.id in ids for each in self.findings)
