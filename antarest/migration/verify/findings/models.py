"""Tries the mapped classes on a database at head.

To try a class, this module inserts, loads, changes and deletes an object through the ORM, as the application does. On
PostgreSQL it uses a role that owns nothing and has the rights that `db.grant` gives. Every change is rolled back.
"""

from __future__ import annotations

import datetime as dt
import decimal
import secrets
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Dialect, Enum, MetaData, Table, TypeDecorator, text
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.orm import Mapper, Session, attributes, configure_mappers, mapperlib

from ...database import grants
from ...errors.text import described, first_line, reason
from ...schema.inventory import Inventory

_DAY = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - naive, like the values of a column without a time zone
_VALUES: dict[type, Callable[[int], Any]] = {
    str: lambda number: f"v{number}",
    int: lambda number: number,
    bool: lambda number: bool(number % 2),
    float: lambda number: number + 0.5,
    decimal.Decimal: decimal.Decimal,
    dt.datetime: lambda number: _DAY + dt.timedelta(days=number),
    dt.date: lambda number: (_DAY + dt.timedelta(days=number)).date(),
    dt.time: lambda number: dt.time(number % 24),
    dt.timedelta: lambda number: dt.timedelta(hours=number),
    bytes: lambda number: bytes([number % 256]),
    uuid.UUID: lambda number: uuid.UUID(int=number),
    dict: lambda number: {"number": number},
    list: lambda number: [number],
}


class _NotMadeError(Exception):
    """The proof could not create an object of this class. The database is not the cause."""


@dataclass
class OrmUse:
    """The results of trying the classes.

    Attributes:
        faults: a line for each class that does not work.
        not_tried: a line for each class of which no object could be created, with the reason.
    """

    faults: list[str] = field(default_factory=list)
    not_tried: list[str] = field(default_factory=list)


def unreadable_defaults(connection: Connection, metadata: MetaData, schema: Inventory) -> list[str]:
    """Return descriptions of the defaults that the column type of the model cannot load, such as an unknown label."""
    found = []
    for name, table in metadata.tables.items():
        migrated = {column.name: column for column in schema.tables[name].columns} if name in schema.tables else {}
        for column in table.columns:
            default = migrated[column.name].default if column.name in migrated else None
            if not default or not isinstance(column.type, Enum):
                continue
            with suppress(SQLAlchemyError), connection.begin():
                value = connection.execute(
                    text(f"SELECT CAST({default.replace(':', chr(92) + ':')} AS VARCHAR)")
                ).scalar()
                read = column.type.dialect_impl(connection.dialect).result_processor(connection.dialect, None)
                try:
                    _ = read(value) if read else None
                except LookupError as error:
                    found.append(f"{name}.{column.name}: its default cannot be loaded: {first_line(error)}")
    return found


def unreadable_labels(
    metadata: MetaData, dialect: Dialect, stored: Callable[[str, str], Iterable[str]]
) -> Iterator[tuple[str, str, str]]:
    """Yield the table, the column and the text for each stored text that the enum of a model cannot load.

    Args:
        metadata: the models.
        dialect: the dialect of the database.
        stored: a function from the names of a table and a column to the texts that the column can contain.
    """
    for name, table in metadata.tables.items():
        for column in table.columns:
            if not isinstance(column.type, Enum):
                continue
            read = column.type.dialect_impl(dialect).result_processor(dialect, None)
            for text_ in stored(name, column.name) if read else ():
                try:
                    _ = read(text_) if read else None
                except LookupError:
                    yield name, column.name, text_


def use_classes(connection: Connection, metadata: MetaData, skipped: Collection[str]) -> OrmUse:
    """Try every class that is mapped to the tables of the metadata.

    Args:
        connection: a connection to a database at head; every change is rolled back.
        metadata: the models.
        skipped: the tables that differ from the models. Classes that need one of these tables are not tried.
    """
    result = OrmUse()
    try:
        configure_mappers()
    except SQLAlchemyError as error:
        result.faults.append(f"the classes cannot be mapped: {error}")
        return result
    for mapper in sorted(_mappers(metadata), key=lambda each: each.class_.__name__):
        if not _needed(mapper).isdisjoint(skipped):
            continue
        transaction = connection.begin()
        try:
            _use_plain_role(connection, metadata)
            _use(connection, mapper)
        except _NotMadeError as error:
            result.not_tried.append(f"{mapper.class_.__name__} through the ORM: {error}")
        except (IntegrityError, DataError) as error:
            result.not_tried.append(f"{mapper.class_.__name__} through the ORM: {reason(error)}")
        except (SQLAlchemyError, LookupError) as error:
            result.faults.append(f"{mapper.class_.__name__}: {reason(error)}")
        except Exception as error:  # noqa: BLE001 - a class may raise anything, for example in a validator
            result.not_tried.append(f"{mapper.class_.__name__} through the ORM: {described(error)}")
        finally:
            transaction.rollback()
    return result


def _needed(mapper: Mapper[Any]) -> set[str]:
    """Return the tables of a class, and all tables to which these refer, directly or through other tables."""
    found: set[str] = set()
    waiting = [each for each in mapper.tables if isinstance(each, Table)]
    while waiting:
        table = waiting.pop()
        if table.name not in found:
            found.add(table.name)
            waiting += [key.column.table for key in table.foreign_keys]
    return found


def _mappers(metadata: MetaData) -> Iterator[Mapper[Any]]:
    """Yield the mappers of the classes whose tables all belong to this metadata, except abstract base classes."""
    for registry in mapperlib._all_registries():  # noqa: SLF001 - SQLAlchemy has no public list of them
        for mapper in registry.mappers:
            is_base = mapper.polymorphic_on is not None and mapper.polymorphic_identity is None
            if not is_base and all(isinstance(each, Table) and each.metadata is metadata for each in mapper.tables):
                yield mapper


def _use_plain_role(connection: Connection, metadata: MetaData) -> None:
    """Switch to a new role that owns nothing (PostgreSQL). The rollback of the transaction removes the role."""
    if connection.dialect.name != "postgresql":
        return
    role = f"antarest_user_{secrets.token_hex(8)}"
    connection.execute(text(f'CREATE ROLE "{role}" NOLOGIN'))
    grants.grant(connection, grants.missing_grants(connection, metadata, role))
    connection.execute(text(f'SET LOCAL ROLE "{role}"'))


def _use(connection: Connection, mapper: Mapper[Any]) -> None:
    with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
        made = _Maker(session).make(mapper)
        identity = mapper.primary_key_from_instance(made)
        session.expunge_all()
        loaded = _get(session, mapper, identity)
        if changeable := next(_changeable(mapper), None):
            value = _value(mapper.columns[changeable], 2)
            setattr(loaded, changeable, value)
            session.flush()
            session.expunge_all()
            loaded = _get(session, mapper, identity)
        session.delete(loaded)
        session.flush()
        session.expunge_all()
        if session.get(mapper.class_, identity) is not None:
            raise StatementError("it still exists after the delete", None, None, ValueError())


def _get(session: Session, mapper: Mapper[Any], identity: tuple[Any, ...]) -> Any:
    loaded = session.get(mapper.class_, identity)
    if type(loaded) is not mapper.class_:
        found = "not found" if loaded is None else f"found as a {type(loaded).__name__}"
        raise StatementError(f"the inserted object is {found}", None, None, ValueError())
    return loaded


class _Maker:
    """Makes objects to try their classes. For each object, it also makes the objects to which the object refers."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._making: list[Mapper[Any]] = []
        self._number = 0

    def make(self, mapper: Mapper[Any]) -> Any:
        """Insert and return a new object. The constructor is not called, because its arguments are not known."""
        if mapper in self._making:
            raise _NotMadeError(f"{mapper.class_.__name__} must refer to another object of its class")
        self._making.append(mapper)
        self._number += 1
        made = mapper.class_manager.new_instance()
        for prop in mapper.column_attrs:
            columns = [each for each in prop.columns if isinstance(each, Column)]
            if columns and not any(_fills_itself(each, mapper) for each in columns):
                attributes.set_attribute(made, prop.key, self._value(columns[0]))
        if mapper.polymorphic_on is not None and mapper.polymorphic_on in mapper.c.values():
            key = mapper.get_property_by_column(mapper.polymorphic_on).key
            attributes.set_attribute(made, key, mapper.polymorphic_identity)  # as the constructor does
        self._session.add(made)
        self._session.flush()
        self._making.pop()
        return made

    def _value(self, column: Column[Any]) -> Any:
        for key in column.foreign_keys:
            table = key.column.table
            parents = [each for each in _mappers(table.metadata) if table in each.tables]
            if not parents:
                raise _NotMadeError(f"{column} refers to {table.name}, which no class is mapped to")
            chosen = min(parents, key=lambda each: (each in self._making, len(each.tables), each.class_.__name__))
            return getattr(self.make(chosen), chosen.get_property_by_column(key.column).key)
        return _value(column, self._number)


def _fills_itself(column: Column[Any], mapper: Mapper[Any]) -> bool:
    table = column.table
    # SQLAlchemy has the public name since 2.0.4.
    is_generated = column is getattr(table, "autoincrement_column", getattr(table, "_autoincrement_column", None))
    has_default = column.default is not None or column.server_default is not None or column.computed is not None
    may_be_null = bool(column.nullable and not column.primary_key)
    return is_generated or has_default or may_be_null or column is mapper.polymorphic_on


def _changeable(mapper: Mapper[Any]) -> Iterator[str]:
    """Yield the attributes whose value can be changed: their columns are not keys, not unique and not computed."""
    for prop in mapper.column_attrs:
        column = prop.columns[0]
        if not isinstance(column, Column) or column is mapper.polymorphic_on:
            continue
        if not (column.primary_key or column.foreign_keys or column.unique or column.computed):
            yield prop.key


def _value(column: Column[Any], number: int) -> Any:
    kind = column.type
    if isinstance(kind, TypeDecorator) and type(kind).process_bind_param is TypeDecorator.process_bind_param:
        kind = kind.impl_instance  # It passes values on as they are, as SQLModel's type for text does.
    if isinstance(kind, Enum):
        names = list(kind.enum_class) if kind.enum_class else kind.enums
        return names[(number - 1) % len(names)]
    try:
        made = _VALUES[kind.python_type](number)
    except (KeyError, NotImplementedError):
        raise _NotMadeError(f"no value is known for {column}, {kind!r}") from None
    length = getattr(kind, "length", None)
    return made[-length:] if length and isinstance(made, str | bytes) else made
