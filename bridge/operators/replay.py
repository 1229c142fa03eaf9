"""Looking again at everyone and every group that some events told of.

No event is ever repeated as a command: an old one says how things were then. What is wanted now is worked out
afresh, the target is read, and what has drifted apart is mended, under the guard as always.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bridge.following import followed
from bridge.operators.desks import Desk
from bridge.operators.events import DEAD_LETTER, PENDING, PROCESSED, REFUSED, TOO_OLD, EventLog, LoggedEvent
from bridge.operators.filters import Filter
from bridge.operators.pages import MOST_SCANNED, split_id
from bridge.plan.members import want
from bridge.plan.reading import must_read
from bridge.settings import Settings, TargetSettings
from bridge.store.audit import Deed
from bridge.store.commit import Transaction
from bridge.store.dead_letters import fold_again
from bridge.store.mirror import Command, MirrorStore, directory_name, make_ref, split_ref
from bridge.store.targets import GROUP, MEMBER, TEAM

ACTION = "replayed"
AT_ONCE = 200  # objects in one transaction: more would keep the receivers waiting
_KEPT = frozenset({PENDING, PROCESSED, TOO_OLD, DEAD_LETTER})


@dataclass(slots=True)
class Told:
    """Whom and what some events told of. `users`, `groups`: refs; `whole`: groups whose members count, too.

    `dead`: ids of dead letters, which tell of nobody yet; `refused`: ids of what cannot be looked at again,
    since it was not kept; `unknown`: ids of nothing.
    """

    events: int = 0
    users: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    dead: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, event: LoggedEvent) -> None:
        """Add one event: one about a group alone tells of all its members."""
        self.events += 1
        if event.state == DEAD_LETTER:
            self.dead.append(event.id)
            return
        if event.user:
            self.users.add(make_ref(event.directory, event.user.id))
        if event.group:
            self.groups.add(make_ref(event.directory, event.group.id))
        if event.group and not event.user:
            self.whole.add(make_ref(event.directory, event.group.id))


@dataclass(frozen=True, slots=True)
class Subjects:
    """Whom to look at again: e-mails and refs of groups, by the configured name of their directory."""

    events: int
    people: Mapping[str, Collection[str]]
    groups: Mapping[str, Collection[str]]

    @property
    def all_people(self) -> set[str]:
        """Return the e-mails of all directories."""
        return {email for emails in self.people.values() for email in emails}

    @property
    def all_groups(self) -> set[str]:
        """Return the refs of all directories."""
        return {ref for refs in self.groups.values() for ref in refs}


# which events


async def told_by(log: EventLog, idents: Iterable[str]) -> Told:
    """Return whom these events told of. Raises ValueError for what is no id, or one of STORE_ERRORS."""
    told = Told()
    for ident in dict.fromkeys(idents):
        event = await log.find(ident)
        if event is None:
            told.unknown.append(ident)
        elif event.state == REFUSED:
            told.refused.append(ident)
        else:
            told.add(event)
    return told


async def told_within(log: EventLog, wanted: Filter) -> Told:
    """Return whom all wanted events told of, however many there are. Raises one of STORE_ERRORS."""
    told, more = Told(), True
    wanted = replace(wanted, states=_KEPT, limit=MOST_SCANNED)
    while more:
        page = await log.page(wanted)
        for event in page.rows:
            told.add(event)
        wanted, more = replace(wanted, after=page.more), bool(page.more)
    return told


async def subjects_of(log: EventLog, told: Told) -> Subjects:
    """Return who they are now: everyone by all addresses they have or had. Raises one of STORE_ERRORS."""
    mirror = MirrorStore(log.store)
    people: dict[str, set[str]] = defaultdict(set)
    groups: dict[str, set[str]] = defaultdict(set)
    users: dict[str, list[str]] = defaultdict(list)
    for ref in sorted(told.users):
        users[split_ref(ref)[0]].append(split_ref(ref)[1])
    for directory, idents in users.items():
        for some in _slices(idents):
            known = await mirror.part(directory, some, (), ())
            for user in known.users.values():
                people[directory_name(directory)].update(user.addresses)
    for ref in told.whole:
        people[directory_name(split_ref(ref)[0])].update(await mirror.members_of(ref))
    for ref in told.groups:
        groups[directory_name(split_ref(ref)[0])].add(ref)
    return Subjects(told.events, people, groups)


def _slices(names: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(names)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


# folding dead letters


async def fold_dead_letters(log: EventLog, told: Told, deed: Deed) -> int:
    """Have those that could not be folded tried again; how many that is. `deed`: as in `look_again`.

    Raises one of STORE_ERRORS.
    """
    count = 0
    for ident in told.dead:
        directory, row = split_id(ident)
        what = f"the event {ident} tried again, which could not be processed"
        count += await fold_again(log.store, directory, row, replace(deed, action=ACTION, what=what))
    return count


# looking at them again


async def look_again(
    settings: Settings, desks: Mapping[str, Desk], subjects: Subjects, deed: Deed
) -> list[str]:
    """Have them looked at again at each target that follows them; return the names of those targets.

    `deed`: who (`by`), when (`at`, unix ms) and why, with what was asked for in `detail`. It is written down
    with the first objects of each target, so no crash leaves a look without it. Raises one of STORE_ERRORS.
    """
    looked = []
    for target in settings.targets:
        desk = desks.get(target.name)
        if desk is None:
            continue
        names = await followed(settings, target, desk.target)
        looking = _Looking(desk, target, names, replace(deed, action=ACTION, target=target.name))
        if await looking.run(_within(subjects.people, names), _within(subjects.groups, names)):
            looked.append(target.name)
    return looked


def _within(found: Mapping[str, Collection[str]], names: Collection[str]) -> list[str]:
    return sorted({each for name in names for each in found.get(name, ())})


@dataclass(slots=True)
class _Looking:
    """What is written for one target. `names`: of the directories it follows."""

    desk: Desk
    settings: TargetSettings
    names: Collection[str]
    deed: Deed
    told: bool = False

    async def run(self, emails: Collection[str], refs: Collection[str]) -> bool:
        """Mark them, a slice at a time; False when there is nobody the target follows."""
        what = f"{len(emails)} address(es) and {len(refs)} group(s) looked at again"
        self.deed = replace(self.deed, what=what)
        for some in _slices(refs):
            await self._commit(*await self._groups(some))
        for some in _slices(emails):
            await self._commit([MEMBER + email for email in some], await self._unsure(some))
        return self.told

    async def _unsure(self, emails: Collection[str]) -> list[str]:
        """Return those people whom the worker then reads at the target before it plans anything."""
        persons = await MirrorStore(self.desk.target.store).people(emails, self.names)
        known = await self.desk.target.members(emails)
        wanted = [want(person, self.settings) for person in persons]
        return [MEMBER + each.email for each in wanted if must_read(each, known.get(each.email), True)]

    async def _groups(self, refs: Collection[str]) -> tuple[list[str], list[str]]:
        """Return groups and their teams, and those teams that are there to be read."""
        mapped, teams = await self.desk.target.titles_of_groups(refs), await self.desk.target.teams()
        titles = sorted({title for each in mapped.values() for title in each if title in teams})
        objects = [*(GROUP + ref for ref in refs), *(TEAM + title for title in titles)]
        return objects, [TEAM + title for title in titles if teams[title].id]

    async def _commit(self, objects: Collection[str], unsure: Collection[str]) -> None:
        """Mark objects; the target is read before those that are `unsure` are planned."""
        target, deed, transaction = self.desk.target, self.deed, Transaction(self.desk.target.store)
        if not self.told:
            transaction.add(*self.desk.audit.write(deed))
        transaction.add_all(target.doubt(unsure))
        transaction.add_all(target.mark(objects, deed.at))
        transaction.add_all(self._rows(each for each in objects if not each.startswith(GROUP)))
        transaction.add("RING", "converge", target.id, deed.at)
        await transaction.run()
        self.told = True

    def _rows(self, objects: Iterable[str]) -> list[Command]:
        row = {"at": self.deed.at, "kind": "", "change": "look again", "outcome": ACTION, "reason": ""}
        row |= {"by": self.deed.by, "why": self.deed.why}
        return [self.desk.history.record(row | {"object": name}) for name in objects]
