"""For rules and claims of other pages: patches that break them, and the tests that must fail."""

from __future__ import annotations

from tests.mutations.patch import Patch

_WORKFLOW = "antarest/migration"
_LAYOUTS = "unit/migration/project/test_alembic_layouts.py"

RULES = (
    Patch(
        "rooms: one imports from a later one",
        f"{_WORKFLOW}/workflow/plan.py",
        "from ..project.project import Project\n",
        "from ..project.project import Project\n\nif TYPE_CHECKING:\n    from ..branches import sync\n",
        ["unit/test_architecture.py::test_the_project_keeps_the_rules"],
    ),
    Patch(
        "imports: two modules import each other",
        f"{_WORKFLOW}/run/request.py",
        "from ..project.project import Project\n",
        "from ..project.project import Project\n\ndef late():\n    from . import segments\n",
        ["unit/test_architecture.py::test_no_modules_import_each_other_in_a_circle"],
    ),
    Patch(
        "exit codes: a locked database has another one",
        f"{_WORKFLOW}/errors/base.py",
        "EXIT_LOCKED = 4",
        "EXIT_LOCKED = 5",
        [
            "integration/commands/test_exit_codes.py::test_a_code_means_what_the_tables_say[4 locked]",
            "integration/commands/test_exit_codes.py::test_the_tables_name_every_code",
        ],
    ),
    Patch(
        "copied folder: it imports from antarest",
        f"{_WORKFLOW}/errors/base.py",
        "from .settings.commands import spell",
        "from antarest.migration.errors.settings.commands import spell",
        ["integration/project/test_copied.py::test_a_copy_of_the_folder_shows_and_upgrades_a_database"],
    ),
    Patch(
        "copied folder: it does not know its name",
        f"{_WORKFLOW}/errors/settings/location.py",
        '= __name__.removesuffix(".errors.settings.location")',
        '= "antarest.migration"',
        [
            "integration/project/test_copied.py::test_a_copy_of_the_folder_writes_a_rollback_script_that_calls_it",
            "integration/project/test_copied.py::test_the_hints_of_a_copy_name_it",
        ],
    ),
    Patch(
        "rollback.sh: it runs although it is out of date",
        f"{_WORKFLOW}/project/rollback_script.py",
        "if head != written_for:",
        "if False:",
        ["integration/project/test_rollback_script.py::test_it_refuses_when_another_head_has_overtaken_it"],
    ),
    Patch(
        "layouts: folders below are not read",
        f"{_WORKFLOW}/project/settings.py",
        '_is_true(config, "recursive_version_locations")',
        "False",
        [
            f"{_LAYOUTS}::test_a_layout_is_read_as_alembic_reads_it[recursive]",
            "integration/project/test_layouts.py::test_a_project_goes_up_and_down_in_every_layout[recursive]",
        ],
    ),
    Patch(
        "layouts: one folder of several is read",
        f"{_WORKFLOW}/project/settings.py",
        "for each in named)",
        "for each in named[:1])",
        [f"{_LAYOUTS}::test_a_layout_is_read_as_alembic_reads_it[path_separator = space]"],
    ),
    Patch(
        "layouts: a file in two folders counts twice",
        f"{_WORKFLOW}/project/revision_files.py",
        "if path in seen:",
        "if False:",
        [f"{_LAYOUTS}::test_a_layout_is_read_as_alembic_reads_it[overlapping folders]"],
    ),
    Patch(
        "layouts: compiled revisions are not refused",
        f"{_WORKFLOW}/project/settings.py",
        'if _is_true(config, "sourceless"):',
        "if False:",
        [f"{_LAYOUTS}::test_settings_that_are_read_otherwise_are_refused[compiled files]"],
    ),
    Patch(
        "db.check: a check that was not made is called a success",
        f"{_WORKFLOW}/branches/checks.py",
        'return Check(claim, skipped="[antarest] rollback_script is not set")',
        "return Check(claim)",
        ["integration/writing/test_check.py::test_check_and_status_claim_nothing_that_they_did_not_check"],
    ),
    Patch(
        "operations: a plan does not know those that move data",
        f"{_WORKFLOW}/run/operations.py",
        '@Operations.register_operation("backfill")\n',
        "",
        ["integration/losses/test_operations.py::test_a_plan_knows_them"],
    ),
    Patch(
        "The right database: settings and env.py may name different version tables",
        "antarest/migration/project/env_options.py",
        "if there and there != self.version_table:",
        "if not there and self.version_table is None:",
        [
            "unit/migration/project/test_env_options.py::test_settings_that_repeat_the_version_table_are_held_against_env_py"
        ],
    ),
    Patch(
        "The options of env.py: connections are opened to ask for them",
        "antarest/migration/project/env_options.py",
        "if threading.get_ident() == thread:",
        "if threading.get_ident() != thread:",
        ["unit/migration/project/test_env_options.py::test_an_env_py_that_does_something_else_is_refused"],
    ),
    Patch(
        "The right project: an empty database beside another project is migrated",
        "antarest/migration/workflow/others.py",
        "if others and not current:",
        "if others and current:",
        ["integration/project/test_which_project.py::test_an_empty_database_beside_another_project_is_refused"],
    ),
    Patch(
        "The baseline: it also accepts what a file that was edited since does",
        "antarest/migration/errors/baseline.py",
        "self.digests.get(finding[1]) == digest_of(path)",
        "self.digests.get(finding[1]) != digest_of(path.parent)",
        ["integration/verify/test_baseline.py::test_gates_are_green_on_the_day_of_adoption_and_red_for_what_comes"],
    ),
)
