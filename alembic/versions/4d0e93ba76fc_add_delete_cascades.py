"""add delete cascades

What belongs to a row goes with it; what outlives an account forgets its owner. The foreign keys keep their names.

Revision ID: 4d0e93ba76fc
Revises: ec715f8b2d40
Create Date: 2024-04-16 15:02:48.987134

"""

from alembic import op

revision = "4d0e93ba76fc"
down_revision = "ec715f8b2d40"
branch_labels = None
depends_on = None

# Table, column, the table that it refers to (by its id), and what happens when the row there is deleted.
ACTIONS = (
    ("users", "id", "identities", "CASCADE"),
    ("users_ldap", "id", "identities", "CASCADE"),
    ("bots", "id", "identities", "CASCADE"),
    ("roles", "identity_id", "identities", "CASCADE"),
    ("roles", "group_id", "groups", "CASCADE"),
    ("configdata", "owner_id", "identities", "SET NULL"),
    ("file_download", "owner_id", "identities", "SET NULL"),
    ("study", "owner_id", "identities", "SET NULL"),
    ("rawstudy", "id", "study", "CASCADE"),
    ("group_metadata", "group_id", "groups", "CASCADE"),
    ("group_metadata", "study_id", "study", "CASCADE"),
    ("variantstudy", "id", "study", "CASCADE"),
    ("commandblock", "study_id", "variantstudy", "CASCADE"),
    ("variant_study_snapshot", "id", "variantstudy", "CASCADE"),
    ("taskjob", "owner_id", "identities", "SET NULL"),
    ("taskjob", "ref_id", "study", "CASCADE"),
    ("taskjoblog", "task_id", "taskjob", "CASCADE"),
    ("job_result", "study_id", "study", "CASCADE"),
    ("job_result", "owner_id", "identities", "SET NULL"),
    ("launcherjoblog", "job_id", "job_result", "CASCADE"),
    ("dataset", "owner_id", "identities", "SET NULL"),
    ("dataset_matrices", "dataset_id", "dataset", "CASCADE"),
    ("matrix_dataset_group", "dataset_id", "dataset", "CASCADE"),
    ("matrix_dataset_group", "group_id", "groups", "CASCADE"),
)


def upgrade() -> None:
    for table, column, referred, action in ACTIONS:
        replace_foreign_key(table, column, referred, action)


def downgrade() -> None:
    for table, column, referred, _ in reversed(ACTIONS):
        replace_foreign_key(table, column, referred, None)


def replace_foreign_key(table: str, column: str, referred: str, action: str | None) -> None:
    """Make the same foreign key again, with this action on delete."""
    name = op.f(f"fk_{table}_{column}_{referred}")
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(name, type_="foreignkey")
        batch.create_foreign_key(name, referred, [column], ["id"], ondelete=action)
