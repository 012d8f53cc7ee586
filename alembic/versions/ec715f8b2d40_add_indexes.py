"""add indexes

One for each foreign key that no primary key begins with, and for what the lists of the application filter by.

Revision ID: ec715f8b2d40
Revises: 03a6d9c7e5f1
Create Date: 2024-02-27 10:18:23.619057

"""

from alembic import op

revision = "ec715f8b2d40"
down_revision = "03a6d9c7e5f1"
branch_labels = None
depends_on = None

lossy = {"upgrade": {"users_ldap.external_id": "of accounts that share one, all but the oldest get their own id added"}}

COLUMNS = (
    ("bots", "owner_id"),
    ("roles", "group_id"),
    ("configdata", "owner_id"),
    ("file_download", "owner_id"),
    ("study", "name"),
    ("study", "folder"),
    ("study", "owner_id"),
    ("study", "parent_id"),
    ("rawstudy", "missing_since"),
    ("group_metadata", "study_id"),
    ("study_tag", "tag_label"),
    ("commandblock", "study_id"),
    ("taskjob", "status"),
    ("taskjob", "creation_date"),
    ("taskjob", "owner_id"),
    ("taskjob", "ref_id"),
    ("taskjoblog", "task_id"),
    ("job_result", "study_id"),
    ("job_result", "owner_id"),
    ("launcherjoblog", "job_id"),
    ("dataset", "owner_id"),
    ("dataset_matrices", "matrix_id"),
    ("matrix_dataset_group", "group_id"),
)


def upgrade() -> None:
    # Two sign-ins at the same time could create two accounts for one person; the oldest is the one that was found.
    op.execute(
        "UPDATE users_ldap SET external_id = substr(external_id, 1, 240) || '#' || id"
        " WHERE EXISTS (SELECT 1 FROM users_ldap AS older"
        " WHERE older.external_id = users_ldap.external_id AND older.id < users_ldap.id)"
    )
    op.create_index(op.f("ix_users_ldap_external_id"), "users_ldap", ["external_id"], unique=True)
    for table, column in COLUMNS:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def downgrade() -> None:
    for table, column in reversed(COLUMNS):
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
    op.drop_index(op.f("ix_users_ldap_external_id"), table_name="users_ldap")
