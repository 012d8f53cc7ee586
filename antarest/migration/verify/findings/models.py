"""Compares the models with the migrations on one engine, and tries the mapped classes."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import URL, MetaData
from sqlalchemy.exc import SQLAlchemyError

from ...branches import checks
from ...errors.text import first_line
from ...schema.compare import differences
from ...schema.inventory import Inventory
from ..clones import Clones
from . import orm
from .proof import Proof


def compare(
    proof: Proof,
    metadata: MetaData | None,
    schema: Inventory,
    clones: Clones,
    at_head: URL,
    read_schema: Callable[[URL], Inventory],
) -> None:
    """Compare the models with the schema at head. If they are the same, try the mapped classes.

    Args:
        proof: takes the findings.
        metadata: the models; None if the project does not name them.
        schema: the schema that the migrations make.
        clones: makes databases.
        at_head: a database at head, without rows.
        read_schema: reads the schema of a database.
    """
    if metadata is None:
        return
    url = clones.new()
    try:
        with clones.connected(url) as connection:
            metadata.create_all(connection)
            connection.commit()
    except SQLAlchemyError as error:
        proof.not_proved.append(f"the models: this engine cannot make their tables: {first_line(error)}")
        return
    found = differences(schema, read_schema(url))
    if unmodelled := checks.were_not_imported(found, schema):
        proof.add("V702", f"{unmodelled} of {len(schema.tables)} tables have no model")
        return
    proof.add("V701", *(each.render("the migrations", "the models") for each in found))
    if not found:
        with clones.connected(clones.copy(at_head)) as connection:
            used = orm.use_classes(connection, metadata)
        proof.add("V704", *used.faults)
        proof.not_proved += used.not_tried
