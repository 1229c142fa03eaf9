"""What targets still work with: as long as that is so, the mirror remembers it."""

from collections.abc import Collection, Mapping
from typing import Any

from bridge.plan.guard import parked_id
from bridge.store.mirror import Command
from bridge.store.redis import Store
from bridge.store.retention import held_objects
from bridge.store.targets import MEMBER, TargetStore

_NOTED = ("unknown", "inflight", "dead", "waiting")  # hashes by object


class Concern:
    """The concern of some targets for people, groups and teams."""

    def __init__(self, store: Store, targets: Collection[TargetStore]) -> None:
        """`targets`: whose concern it is."""
        self._store = store
        self._targets = targets

    async def objects(self, objects: Collection[str]) -> set[str]:
        """Return those objects that are due, under way, in doubt, held, decided, planned or given up."""
        names = sorted(objects)
        found: set[str] = set()
        for target in self._targets if names else ():
            found |= set(names) & await held_objects(target)
            found |= _said(await self._store.calls(_by_object(target, names)), names)
            people = [name for name in names if name.startswith(MEMBER)]
            if people:
                found |= _said(await self._store.calls(_by_person(target, people)), people)
        return found

    async def addresses(self, holders: Mapping[str, str]) -> set[str]:
        """Return those addresses that someone has at a target, or is invited by, and got for this user.

        `holders`: address -> the ref of a user who has, or had, it. Where a target knows whose an address
        is and it is somebody else's, the user is of no concern.
        """
        found: set[str] = set()
        for target in self._targets if holders else ():
            bindings = await target.members(holders)
            found |= {
                email
                for email, each in bindings.items()
                if not each.holders or holders[email] in each.holders
            }
        return found

    async def has_teams(self, ref: str) -> bool:
        """Tell whether a target has teams for a group: it has not heard yet that the group is gone."""
        for target in self._targets:
            if await target.titles_of_groups([ref]):
                return True
        return False

    async def inside(self, places: Mapping[str, Collection[str]]) -> set[tuple[str, str]]:
        """Return who is in a team of which group at a target.

        `places`: ref of a group -> addresses of people; returns pairs of these.
        """
        found: set[tuple[str, str]] = set()
        for target in self._targets if places else ():
            titles, teams = await target.titles_of_groups(places), await target.teams()
            bindings = await target.members({email for emails in places.values() for email in emails})
            for ref, names in titles.items():
                idents = {teams[title].id for title in names if title in teams}
                found |= {
                    (ref, email)
                    for email in places[ref]
                    if email in bindings and idents & bindings[email].teams.keys()
                }
        return found


def _by_object(target: TargetStore, names: list[str]) -> list[Command]:
    return [
        *(("ZMSCORE", target.key(what), *names) for what in ("work", "looks")),
        ("SMISMEMBER", target.key("planned"), *names),
        *(("HMGET", target.key(what), *names) for what in _NOTED),
    ]


def _by_person(target: TargetStore, names: list[str]) -> list[Command]:
    emails = [name.removeprefix(MEMBER) for name in names]
    return [
        ("HMGET", target.key("inviting"), *emails),
        ("ZMSCORE", target.key("pending"), *emails),
        *(
            ("HMGET", target.key("decision"), *(parked_id(kind, email) for email in emails))
            for kind in ("remove", "invite", "grant")
        ),
    ]


def _said(answers: list[Any], names: list[str]) -> set[str]:
    """Return the names that any of the answers, each as long as the names, has something for."""
    return {name for row in answers for name, each in zip(names, row, strict=True) if each not in (None, 0)}
