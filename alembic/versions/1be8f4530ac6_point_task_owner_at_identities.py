"""point task owner at identities

Bots and people of the directory start tasks as well, not only those with a password here.

Revision ID: 1be8f4530ac6
Revises: 6a93d7e2f05b
Create Date: 2023-01-24 09:29:32.968115

"""

import sqlalchemy as sa
from alembic import op

revision = "1be8f4530ac6"
down_revision = "6a93d7e2f05b"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"taskjob.owner_id": "only rows of users could own a task"}}

taskjob = sa.table("taskjob", sa.column("owner_id", sa.Integer()))
users = sa.table("users", sa.column("id", sa.Integer()))


def upgrade() -> None:
    with op.batch_alter_table("taskjob") as batch:
        batch.drop_constraint(op.f("fk_taskjob_owner_id_users"), type_="foreignkey")
        batch.create_foreign_key(op.f("fk_taskjob_owner_id_identities"), "identities", ["owner_id"], ["id"])


def downgrade() -> None:
    op.execute(taskjob.update().where(taskjob.c.owner_id.not_in(sa.select(users.c.id))).values(owner_id=None))
    with op.batch_alter_table("taskjob") as batch:
        batch.drop_constraint(op.f("fk_taskjob_owner_id_identities"), type_="foreignkey")
        batch.create_foreign_key(op.f("fk_taskjob_owner_id_users"), "users", ["owner_id"], ["id"])
