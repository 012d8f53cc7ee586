"""People, bots, groups, and their roles in the groups."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from antarest.login.model import Bot, Group, Identity, Role, RoleType, User, UserLdap
from antarest.seed.world import Row, World

_GROUPS = (
    "Adequacy",
    "Long-term planning",
    "Interconnections",
    "Market design",
    "Flexibility",
    "Nuclear fleet",
    "Offshore wind",
    "Gas and hydrogen",
    "Demand forecasts",
    "Hydro reservoirs",
    "Winter outlook",
    "Research",
)
# No hash begins like this, so no password matches.
_NO_PASSWORD = "!"  # noqa: S105


def add_accounts(world: World, people: int) -> Iterator[tuple[str, int]]:
    """Add identities and groups: an administrator, people with and without LDAP, and one bot for about eight people."""
    admin = User(name="admin", password_hash=_NO_PASSWORD)
    others = [_person(world, number) for number in range(2, people + 1)]
    yield from world.add_objects([admin, *others])
    world.people = [(person.id, person.name) for person in (*others, admin)]
    yield from world.add_objects([_bot(world) for _ in range(1 + people // 8)])
    groups = [{"id": world.id(), "name": name} for name in _GROUPS]
    world.groups = [group["id"] for group in groups]
    yield from world.add(Group, groups)
    yield from world.add(Role, _roles(world, admin.id))


def _person(world: World, number: int) -> Identity:
    first, last = world.faker.first_name(), world.faker.last_name()
    name = f"{first} {last}"
    if number % 4 == 0:
        return User(name=name, password_hash=_NO_PASSWORD)
    login = f"{_plain(first[0])}{_plain(last)}{number}"
    return UserLdap(name=name, external_id=login, firstname=first, lastname=last)


def _bot(world: World) -> Identity:
    owner, name = world.owner()
    return Bot(name=f"nightly run of {name}", owner_id=owner, is_author=world.chance(0.7))


def _roles(world: World, admin: int) -> list[Row]:
    roles: list[Row] = [{"identity_id": admin, "group_id": group, "type": RoleType.ADMIN} for group in world.groups]
    kinds, weights = list(RoleType), [1, 4, 3, 5]
    for identity, _ in world.people:
        groups = world.some(world.groups, most=4) if identity != admin else []
        drawn = world.random.choices(kinds, weights, k=len(groups))
        roles += [{"identity_id": identity, "group_id": g, "type": kind} for g, kind in zip(groups, drawn, strict=True)]
    return roles


def _plain(name: str) -> str:
    """Return a name in the form of a login: lower case, without accents."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(filter(str.isalpha, plain)).lower()
