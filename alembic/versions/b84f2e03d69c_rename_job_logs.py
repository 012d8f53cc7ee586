"""rename job logs

Tasks have logs too: the name of the table says whose these are. What carries the old name in its own is renamed with
it, as if the table had been created under the new name.

Revision ID: b84f2e03d69c
Revises: 9e5c1d70ba36
Create Date: 2023-11-14 11:24:02.738619

"""

from alembic import op

revision = "b84f2e03d69c"
down_revision = "9e5c1d70ba36"
branch_labels = None
depends_on = None

moves = {"joblog": "launcherjoblog"}

LOG_TYPES = ("BEFORE", "AFTER")


def upgrade() -> None:
    rename("joblog", "launcherjoblog")


def downgrade() -> None:
    rename("launcherjoblog", "joblog")


def rename(old: str, new: str) -> None:
    """Rename the table and what is named after it."""
    op.rename_table(old, new)
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT pk_{old} TO pk_{new}")
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT fk_{old}_job_id_job_result TO fk_{new}_job_id_job_result")
        op.execute(f"ALTER SEQUENCE {old}_id_seq RENAME TO {new}_id_seq")
        return
    with op.batch_alter_table(new) as batch:
        batch.drop_constraint(op.f(f"ck_{old}_joblogtype"), type_="check")
        batch.drop_constraint(op.f(f"fk_{old}_job_id_job_result"), type_="foreignkey")
        batch.drop_constraint(op.f(f"pk_{old}"), type_="primary")
        batch.create_primary_key(op.f(f"pk_{new}"), ["id"])
        batch.create_foreign_key(op.f(f"fk_{new}_job_id_job_result"), "job_result", ["job_id"], ["id"])
        batch.create_check_constraint(op.f(f"ck_{new}_joblogtype"), f"log_type IN {LOG_TYPES}")
