"""The comparison of the models with the migrations, on each engine that the project has.

For each engine, this module runs the migrations and creates the models on scratch databases, and reads both schemas.
`db.check` and `db.revision` both use this comparison, so they cannot contradict each other.

A project has the engines that `[antarest] engines` names. Without that line, the project has the engine of the
configured database, and also the other engine if its models and its migrations run on the other engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from sqlalchemy import URL, Connection, MetaData, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..database.connection import moving
from ..database.waits import Tell, say_nothing
from ..errors.base import AntarestError, Hint
from ..errors.facts.run import ModelsNotMade, ScratchRunFailed
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import ENGINES
from ..errors.text import reason
from ..project.project import Project
from ..schema.compare import Difference, differences, without_unmodelled
from ..schema.inventory import Inventory
from ..schema.reflection import reflect
from .databases import EngineName, NoPostgres, scratch_database
from .included import called_equal, included
from .migrated import asked_or_expected, revision_texts, scratch_at, upgrade_scratch
from .runner import ScratchRunner
from .servers import ScratchServer, ScratchServers, scratch_servers

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
BOTH: tuple[EngineName, ...] = ("sqlite", "postgresql")

# Does not drop what models do not create: schemas, extensions, functions, collations, and types that are not enums.
_DROP_MODELLED = """
    DO $$ DECLARE each record; BEGIN
        FOR each IN SELECT c.oid::regclass::text AS name, c.relkind FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND n.nspname !~ '^pg_'
                AND n.nspname <> 'information_schema'
                AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.objid = c.oid AND e.deptype = 'e')
            ORDER BY c.relkind = 'S' -- that of an identity column goes with its table
        LOOP
            IF to_regclass(each.name) IS NOT NULL THEN
                EXECUTE format('DROP %s IF EXISTS %s CASCADE', CASE each.relkind WHEN 'v' THEN 'VIEW'
                    WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE'
                    ELSE 'TABLE' END, each.name);
            END IF;
        END LOOP;
        FOR each IN SELECT t.oid::regtype::text AS name FROM pg_type AS t WHERE t.typtype = 'e'
            AND t.typname <> ALL (string_to_array(current_setting('antarest.kept'), chr(10)))
            AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.objid = t.oid AND e.deptype = 'e')
        LOOP
            EXECUTE format('DROP TYPE IF EXISTS %s CASCADE', each.name);
        END LOOP;
    END $$
"""


@dataclass(frozen=True)
class Comparison:
    """The comparison of the models with the migrations on one engine.

    Attributes:
        engine: the engine on which both schemas were created.
        migrated: the schema that the migrations create.
        found: the differences between the two schemas.
        not_compared: the objects that only the migrations create, because models cannot describe them, such as views.
        called_equal: the differences that do not count, because a function of `env.py` (such as the value of
            `compare_type`) answers that there is no difference.
    """

    engine: EngineName
    migrated: Inventory
    found: Sequence[Difference]
    not_compared: Sequence[Difference] = ()
    called_equal: Sequence[Difference] = ()

    @classmethod
    def of(cls, project: Project, at_head: URL, migrated: Inventory, models: Inventory) -> Comparison:
        """Return the comparison of the models with a database at head, without the objects that `env.py` excludes."""
        # On SQLite, a constraint has no name if its model gives none. The migrations can give it a name.
        found = [each for each in differences(migrated, models) if each.aspect != "name" or each.after is not None]
        equal = called_equal(project.env.path, project.scratch_options(), project.metadata(), found, at_head)
        different = included(project, [each for each in found if each not in equal], migrated)
        engine: EngineName = "sqlite" if at_head.get_backend_name() == "sqlite" else "postgresql"
        return cls(engine, migrated, *without_unmodelled(different, models), equal)

    @property
    def name(self) -> str:
        """The name of the engine in messages, such as "SQLite"."""
        return ENGINES[self.engine]


@dataclass
class Bench:
    """The scratch databases in which one command compares the models with the migrations.

    These databases exist until the command ends.

    Attributes:
        engines: the engines to compare on, the most important one first.
        required: the engines on which the comparison must not fail.
        skipped: for each engine without a comparison, the reason.
        at_head: for each compared engine, the scratch database that has run the migrations.
    """

    project: Project
    engines: Sequence[EngineName]
    required: Sequence[EngineName]
    _stack: ExitStack
    _servers: ScratchServers
    skipped: dict[EngineName, str] = field(default_factory=dict)
    at_head: dict[EngineName, URL] = field(default_factory=dict)
    _models: dict[EngineName, Inventory] = field(default_factory=dict)

    def compare(self) -> list[Comparison]:
        """Compare the models with the migrations on each engine.

        Raises:
            ScratchRunFailed: a revision fails on a required engine.
            ModelsNotMade: the models cannot be created on a required engine.
            NoPostgres: a required engine is PostgreSQL, and there is no server.
        """
        found = []
        for engine in self.engines:
            try:
                found.append(self._on_sqlite() if engine == "sqlite" else self._servers.run(self._on_postgresql))
            except (ScratchRunFailed, ModelsNotMade, NoPostgres) as error:
                cause = error.__cause__ if isinstance(error, NoPostgres) else None
                known = cause if isinstance(cause, AntarestError) else error
                if engine in self.required:
                    if self.project.engines == (engine,):  # The project has said that it needs this engine.
                        known.hints = tuple(each for each in known.hints if not each.command.startswith("engines ="))
                    raise known from error
                self.skipped[engine] = f"{_in_short(known)}{self._how_to_say(engine)}"
        return found

    def compare_again(self, project: Project) -> list[Comparison]:
        """Compare after a revision was added, on the engines on which `compare()` has worked.

        Raises:
            ScratchRunFailed: the new revision fails.
        """
        heads, found = project.history.heads, []
        for engine, models in self._models.items():
            try:
                if engine == "sqlite":
                    with scratch_at(project, heads) as connection:
                        migrated = reflect(connection, exclude=project.workflow_tables)
                        again = Comparison.of(project, connection.engine.url, migrated, models)
                else:
                    migrated = self._servers.retry(self.at_head[engine], lambda: self._upgraded(project))
                    again = Comparison.of(project, self.at_head[engine], migrated, models)
            except ScratchRunFailed as error:
                if engine not in self.required and not project.engines:
                    other = next(each for each in self.engines if each != engine)
                    why = f"If the project is not for {ENGINES[engine]}, say so in [antarest]"
                    error.fixes = (*error.fixes, Hint(why, f"engines = {other}"))
                raise
            found.append(again)
        return found

    def _upgraded(self, project: Project) -> Inventory:
        """Run the new revisions on the PostgreSQL database in `at_head`, and return its schema."""
        with moving(self.at_head["postgresql"]) as connection:
            ScratchRunner.of(project).upgrade(connection, project.history.heads)
            return reflect(connection, exclude=project.workflow_tables)

    def _how_to_say(self, engine: EngineName) -> str:
        """Return a hint on how the project can name its engines; empty if the project names them."""
        others = [each for each in self.engines if each != engine]
        return "" if self.project.engines else f" (engines = {others[0]} in [antarest] says that it need not)"

    def _on_sqlite(self) -> Comparison:
        project = self.project
        connection = self._stack.enter_context(scratch_at(project, project.history.heads))
        migrated = reflect(connection, exclude=project.workflow_tables)
        with scratch_database("sqlite") as url, moving(url) as empty:
            models = self._make_models(empty, "sqlite")
        return self._keep("sqlite", connection.engine.url, migrated, models)

    def _on_postgresql(self, server: ScratchServer) -> Comparison:
        project = self.project
        with ExitStack() as attempt:
            url = attempt.enter_context(server.new())
            with server.connected(url) as connection:
                upgrade_scratch(project, connection, project.history.heads)
                migrated = reflect(connection, exclude=project.workflow_tables)
            models = self._models_on(server, url)
            self._stack.enter_context(attempt.pop_all())
        return self._keep("postgresql", url, migrated, models)

    def _models_on(self, server: ScratchServer, migrated: URL) -> Inventory:
        """Create the tables of the models on a server, and return their schema.

        The models may need schemas, extensions or functions that the migrations create.
        """
        try:
            with server.database() as empty:
                return self._make_models(empty, "postgresql")
        except ModelsNotMade:
            with server.new(template=migrated) as url, server.connected(url) as connection:
                with connection.begin():
                    kept = {"names": "\n".join(_made_by_hand(self.project.metadata()))}
                    connection.execute(text("SELECT set_config('antarest.kept', :names, true)"), kept)
                    connection.execute(text(_DROP_MODELLED))
                    for schema in sorted(_schemas(self.project.metadata())):
                        quoted = connection.dialect.identifier_preparer.quote(schema)
                        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {quoted}"))
                return self._make_models(connection, "postgresql")

    def _make_models(self, connection: Connection, engine: EngineName) -> Inventory:
        metadata = self.project.metadata()
        try:
            with _keeping_rules(metadata), connection.begin():
                metadata.create_all(connection, checkfirst=engine != "sqlite")  # On SQLite the database is empty.
        except SQLAlchemyError as error:
            by_server = engine == "postgresql" and isinstance(error, DBAPIError)
            raise ModelsNotMade(
                ENGINES[engine], reason(error), self.project.metadata_name, by_server=by_server
            ) from error
        return reflect(connection, exclude=self.project.workflow_tables)

    def _keep(self, engine: EngineName, url: URL, migrated: Inventory, models: Inventory) -> Comparison:
        self.at_head[engine], self._models[engine] = url, models
        return Comparison.of(self.project, url, migrated, models)


def engines_of(project: Project, db: DbConfig | None) -> tuple[list[EngineName], list[EngineName]]:
    """Return the engines of a project, the most important one first, and a second list with the required engines.

    Args:
        project: the Alembic project.
        db: the settings of the configured database; None if no database is configured.
    """
    if project.engines:
        named = [each for each in BOTH if each in project.engines]
        return named, named
    configured = db.migration_url.get_backend_name() if db else "sqlite"
    ordered = sorted(BOTH, key=lambda each: each != configured)
    return ordered, ordered[:1]


@contextmanager
def bench(
    project: Project,
    db: DbConfig | None,
    note: Tell = say_nothing,
    *,
    only_first: bool = False,
) -> Iterator[Bench]:
    """Provide scratch databases for comparisons. They are dropped at the end of the `with` block.

    Args:
        project: the Alembic project.
        db: the settings of the configured database, in which nothing is changed.
        note: called with a line before a scratch database is made on the server of the configured database.
        only_first: whether only the most important engine is required, even if the project names both.
    """
    engines, required = engines_of(project, db)
    asked = asked_or_expected(project, db) if "postgresql" in engines else None
    with scratch_servers(asked, revision_texts(project), note) as servers, ExitStack() as stack:
        yield Bench(project, engines, required[:1] if only_first else required, stack, servers)


@contextmanager
def connected_at_head(project: Project, db: DbConfig | None) -> Iterator[Connection]:
    """Open a connection, without a transaction, to a scratch database at head on the project's most important engine.

    Args:
        project: the Alembic project.
        db: the settings of the configured database, in which nothing is changed.

    Raises:
        ScratchRunFailed: a revision fails on the scratch database.
        NoPostgres: the engine is PostgreSQL, and there is no server.
    """
    heads, (engines, _) = project.history.heads, engines_of(project, db)
    if engines[0] == "sqlite":
        with scratch_at(project, heads) as connection:
            yield connection
        return

    def migrate(server: ScratchServer) -> tuple[ScratchServer, URL]:
        with ExitStack() as attempt:
            url = attempt.enter_context(server.new())
            with server.connected(url) as connection:
                upgrade_scratch(project, connection, heads)
            stack.enter_context(attempt.pop_all())
        return server, url

    with scratch_servers(asked_or_expected(project, db), revision_texts(project)) as servers, ExitStack() as stack:
        server, url = servers.run(migrate)
        with server.connected(url) as connection:
            yield connection


@contextmanager
def _keeping_rules(metadata: MetaData) -> Iterator[None]:
    """Restore the `_create_rule` of each constraint after the `with` block, because SQLAlchemy may change it."""
    rules = [(each, each._create_rule) for table in metadata.tables.values() for each in table.constraints]  # noqa: SLF001
    try:
        yield
    finally:
        for each, rule in rules:
            each._create_rule = rule  # noqa: SLF001


def _made_by_hand(metadata: MetaData) -> set[str]:
    """Return the names of the enum types that the models use and do not create (`create_type=False`)."""
    kinds = [column.type.dialect_impl(_DIALECT) for table in metadata.tables.values() for column in table.columns]
    kinds = [getattr(each, "impl", each) for each in kinds]
    kinds = [getattr(each, "item_type", each) for each in kinds]
    return {str(getattr(each, "name", "")) for each in kinds if getattr(each, "create_type", True) is False}


def _schemas(metadata: MetaData) -> set[str]:
    return {table.schema for table in metadata.tables.values() if table.schema}


def _in_short(error: AntarestError) -> str:
    if isinstance(error, NoPostgres):
        return "; ".join([error.message, *(f"{kind}: {why}" for kind, why in error.reasons.items())])
    return error.message
