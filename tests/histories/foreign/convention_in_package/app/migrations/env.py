from alembic import context
from app.db.models import metadata

context.configure(target_metadata=metadata)
