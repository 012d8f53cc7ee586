"""For each finding of `docs/verify.md`: a patch that hides the finding, and the history whose test must fail."""

from __future__ import annotations

from collections.abc import Iterator

from antarest.migration.verify.findings.kinds import KINDS
from tests.mutations.patch import Patch
from tests.support.projects.verify import EXPECTED, FOREIGN, WITHOUT_HISTORY

_TEST = "integration/verify/test_verify_findings.py::test_a_fault_is_found_where_it_is"
_FOREIGN = "integration/verify/test_verify_findings.py::test_the_history_of_another_project_has_exactly_its_faults"
_ELSEWHERE = {
    "V105": "integration/verify/test_verify_since.py::test_a_revision_that_was_removed",
    "V309": "integration/scratch/test_snapshot_uses.py::test_a_snapshot_that_makes_another_database_is_found",
    "V901": "integration/verify/test_verify_since.py::test_a_revision_that_was_changed_after_it_was_applied",
}


def _patches() -> Iterator[Patch]:
    for id_ in KINDS:
        history = next((name for name, findings in EXPECTED.items() if id_ in {each[0] for each in findings}), "")
        test = _TEST
        if not history:
            known = ((name, each.errors | each.notes) for name, each in FOREIGN.items())
            history = next((name for name, findings in known if id_ in {each[0] for each in findings}), "")
            test = _FOREIGN
        assert history or id_ in WITHOUT_HISTORY
        yield Patch(
            f"{id_} is not reported",
            "antarest/migration/verify/findings/finding.py",
            "sorted(dict.fromkeys(findings),",
            f'sorted(dict.fromkeys(each for each in findings if each.id != "{id_}"),',
            [f"{test}[{history}]" if history else _ELSEWHERE[id_]],
        )


FINDINGS = tuple(_patches())
