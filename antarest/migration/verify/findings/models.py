"""The models against the migrations, on one engine: the same tables, and classes that can be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import URL, MetaData
from sqlalchemy.exc import SQLAlchemyError

from ...branches import checks
from ...schema.compare import differences
from ...schema.inventory import Inventory
from ..clones import Clones
from . import orm

if TYPE_CHECKING:
    from .proof import Proof


def compare(
    proof: Proof,
    metadata: MetaData | None,
    schema: Inventory,
    clones: Clones,
    at_head: URL,
    look: Callable[[URL], Inventory],
) -> None:
    """Compare the models with the schema at head; where they are the same, use the classes.

    Args:
        proof: where the findings go.
        metadata: the models; None where nobody says where they are.
        schema: what the migrations make.
        clones: to make databases.
        at_head: an empty database at head.
        look: reads the schema of a database.
    """
    if metadata is None:
        return
    url = clones.new()
    try:
        with clones.connected(url) as connection:
            metadata.create_all(connection)
            connection.commit()
    except SQLAlchemyError as error:
        proof.not_proved.append(f"the models: this engine cannot have them: {str(error).partition(chr(10))[0]}")
        return
    found = differences(schema, look(url))
    if unmodelled := checks.were_not_imported(found, schema):
        proof.add("V702", f"{unmodelled} of {len(schema.tables)} tables have no model")
        return
    proof.add("V701", *(each.render("the migrations", "the models") for each in found))
    if not found:
        with clones.connected(clones.of(at_head)) as connection:
            used = orm.use_classes(connection, metadata)
        proof.add("V704", *used.faults)
        proof.not_proved += used.not_tried
