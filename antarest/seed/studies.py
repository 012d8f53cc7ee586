"""Studies: raw studies and the trees of their variants, with their tags, groups and commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from antarest.seed.world import BEGIN, END, Row, World
from antarest.study.model import PublicMode, RawStudy, StudyContentStatus, StudyGroup, StudyTag, Tag
from antarest.study.variantstudy.model import CommandBlock, VariantStudy, VariantStudySnapshot

_COUNTRIES = (
    *("Austria", "Belgium", "Czechia", "Denmark", "Estonia", "Finland", "France", "Germany", "Greece", "Hungary"),
    *("Ireland", "Italy", "Latvia", "Lithuania", "Netherlands", "Norway", "Poland", "Portugal", "Romania", "Slovakia"),
    *("Slovenia", "Spain", "Sweden", "Switzerland", "Great Britain"),
)
_SCENARIOS = ("National Trends", "Distributed Energy", "Global Ambition", "Net Zero", "Delayed Transition")
_HORIZONS = (2027, 2028, 2030, 2030, 2030, 2035, 2035, 2040, 2050)
_TITLES = (
    "Adequacy {horizon}",
    "Adequacy {horizon}, {country}",
    "Winter outlook {country} {horizon}",
    "Interconnector {country} - {other} {horizon}",
    "{scenario} {horizon}",
    "{scenario} {horizon}, {country}",
    "Flexibility needs of {country} {horizon}",
    "Offshore wind in {country} {horizon}",
    "Coal exit of {country} {horizon}",
    "Hydrogen demand of {country} {horizon}",
    "Storage for {country} {horizon}",
)
_CHANGES = (
    "+{gigawatts} GW offshore wind in {country}",
    "+{gigawatts} GW solar in {country}",
    "no coal in {country}",
    "demand {percent:+d} %",
    "demand of {country} {percent:+d} %",
    "gas at {price} EUR/MWh",
    "CO2 at {price} EUR/t",
    "dry year in {country}",
    "cold spell in {country}",
    "climate year {year}",
    "link {country} - {other} out of service",
    "{gigawatts} GW of batteries in {country}",
    "reactor in {country} delayed to {horizon}",
)
_TAGS = {
    "adequacy": "#1f77b4",
    "approved": "#2ca02c",
    "baseline": "#2e4053",
    "base case": "#5d6d7e",
    "to be checked": "#d35400",
    "draft": "#95a5a6",
    "published": "#117a65",
    "stress test": "#c0392b",
    "climate": "#2980b9",
    "coal exit": "#424949",
    "demand": "#8e44ad",
    "flexibility": "#16a085",
    "hydro": "#3498db",
    "hydrogen": "#48c9b0",
    "interconnection": "#b9770e",
    "nuclear": "#f1c40f",
    "offshore": "#154360",
    "solar": "#f39c12",
    "storage": "#a569bd",
    "winter": None,
    "sensitivity": None,
    "training": None,
}
_COMMANDS = (
    ("update_area_load", 2, {"area": "{country}", "factor": 1.05}),
    ("create_renewables_cluster", 1, {"area": "{country}", "cluster": "offshore", "nominal_capacity": 1200}),
    ("create_st_storage", 3, {"area": "{country}", "storage": "battery", "injection": 500, "reservoir": 2000}),
    ("update_link", 1, {"from": "{country}", "to": "{other}", "direct": 1400, "indirect": 1400}),
    ("remove_thermal_cluster", 1, {"area": "{country}", "cluster": "coal"}),
    ("update_thermal_cluster", 2, {"area": "{country}", "cluster": "gas", "marginal_cost": 74.5}),
    ("replace_matrix", 1, {"target": "input/hydro/series/{country}/mod", "matrix": "dry year"}),
    ("update_scenario_builder", 1, {"ruleset": "default", "load": {"{country}": 12}}),
)


def add_tags(world: World) -> Iterator[tuple[str, int]]:
    """Add the tags that studies can have."""
    world.tags = list(_TAGS)
    yield from world.add(Tag, [{"label": label, "color": color} for label, color in _TAGS.items()])


@dataclass
class Studies:
    """Studies that are not inserted yet. A parent always comes before its variants."""

    world: World
    raw: list[Row] = field(default_factory=list)
    variants: list[Row] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """The rows of all studies."""
        return [*self.raw, *self.variants]

    def add(self) -> Iterator[tuple[str, int]]:
        """Insert the studies, with the rows that belong to them."""
        world = self.world
        ids = [row["id"] for row in self.rows]
        tags = [{"study_id": id_, "tag_label": tag} for id_ in ids for tag in world.some(world.tags, most=4)]
        groups = [{"study_id": id_, "group_id": group} for id_ in ids for group in world.some(world.groups, most=2)]
        commands = {row["id"]: _commands(world, row["id"]) for row in self.variants}
        snapshots = [_snapshot(world, row, commands[row["id"]]) for row in self.variants if row["path"]]
        yield from world.add(RawStudy, self.raw)
        yield from world.add(VariantStudy, self.variants)
        yield from world.add(StudyTag, tags)
        yield from world.add(StudyGroup, groups)
        yield from world.add(CommandBlock, [command for each in commands.values() for command in each])
        yield from world.add(VariantStudySnapshot, snapshots)


def draw_studies(world: World, number: int) -> Studies:
    """Return `number` random studies.

    Half of the raw studies have no variants. Each of the others has a tree of variants.
    """
    drawn = Studies(world)
    while (room := number - len(drawn.rows)) > 0:
        root = _raw(world)
        drawn.raw.append(root)
        family = [root]
        size = 0 if world.chance(0.5) else world.random.randint(1, 12)
        for _ in range(min(size, room - 1)):
            parent = family[-1] if world.chance(0.4) else world.random.choice(family)
            family.append(_variant(world, parent))
        drawn.variants += family[1:]
    return drawn


def _raw(world: World) -> Row:
    title = world.random.choice(_TITLES).format(**_words(world))
    created = world.moment(BEGIN, END - timedelta(days=30))
    workspace = world.random.choice(("default", "default", "default", "published", "archive"))
    return {
        **_study(world, title, created),
        "parent_id": None,
        "folder": f"{world.random.choice(_SCENARIOS).lower().replace(' ', '-')}/{title}" if world.chance(0.6) else None,
        "version": world.random.choice(("8.6", "8.8", "8.8", "9.2")),
        "archived": workspace == "archive",
        "workspace": workspace,
        "content_status": world.random.choices(list(StudyContentStatus), [90, 8, 2])[0],
        "missing_since": world.moment(created) if world.chance(0.02) else None,
    }


def _variant(world: World, parent: Row) -> Row:
    title = world.random.choice(_CHANGES).format(**_words(world))
    study = _study(world, title, world.moment(parent["created_at"], END))
    path = study["path"] if world.chance(0.7) else None  # some variants were never generated
    inherited = {name: parent[name] for name in ("version", "folder")}
    return {
        **study,
        **inherited,
        "path": path,
        "parent_id": parent["id"],
        "archived": False,
        "generation_task_id": None,
    }


def _study(world: World, title: str, created: datetime) -> Row:
    id_ = world.id()
    owner, name = world.owner()
    updated = world.moment(created)
    modes = world.random.choices(list(PublicMode), [60, 25, 5, 7, 3])
    return {
        "id": id_,
        "name": title,
        "author": name,
        "created_at": created,
        "updated_at": updated,
        "last_access": world.moment(updated) if world.chance(0.8) else None,
        "path": f"/data/studies/{id_}",
        "public_mode": modes[0],
        "owner_id": owner if world.chance(0.95) else None,
    }


def _words(world: World) -> dict[str, object]:
    """Return random words for the title of a study."""
    country, other = world.random.sample(_COUNTRIES, 2)
    return {
        "country": country,
        "other": other,
        "scenario": world.random.choice(_SCENARIOS),
        "horizon": world.random.choice(_HORIZONS),
        "gigawatts": world.random.randint(1, 20),
        "percent": world.random.choice((-10, -5, -3, 3, 5, 10)),
        "price": world.random.randrange(20, 180, 5),
        "year": world.random.randint(1982, 2019),
    }


def _commands(world: World, study_id: str) -> list[Row]:
    rows = []
    for index in range(world.random.randint(1, 6)):
        name, version, args = world.random.choice(_COMMANDS)
        country, other = world.random.sample(_COUNTRIES, 2)
        text = json.dumps(args).replace("{country}", country.lower()).replace("{other}", other.lower())
        row = {"id": world.id(), "study_id": study_id, "index": index}
        rows.append({**row, "command": name, "version": version, "args": text})
    return rows


def _snapshot(world: World, study: Row, commands: list[Row]) -> Row:
    executed = world.random.choice(commands)["id"] if world.chance(0.9) else None
    return {"id": study["id"], "created_at": world.moment(study["created_at"]), "last_executed_command": executed}
