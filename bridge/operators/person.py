"""One person: who they are, what each target should have and has of them, why, and what happened."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.directory.addresses import normalise_email
from bridge.directory.events import EventName
from bridge.operators.accounts import Account, read_accounts
from bridge.operators.desks import Desk
from bridge.operators.events import EventLog, LoggedEvent
from bridge.operators.filters import Filter
from bridge.operators.timeline import Past, Timeline, make_timeline, newest_event, read_past
from bridge.plan.changes import Remove
from bridge.plan.people import GroupView, Person, UserView
from bridge.settings import Settings
from bridge.store.history import Row
from bridge.store.journal import Journal
from bridge.store.mirror import MirrorStore, directory_name, make_ref
from bridge.store.redis import Store
from bridge.store.targets import MEMBER
from bridge.store.told import USER

MOST_ADDRESSES = 20  # of one person that are looked at
_REMOVED = {"done": "removed from {} at", "gone": "found to be in {} no more at"}


@dataclass(frozen=True, slots=True)
class Because:
    """An answer to "why": what is so of an address, for what reason.

    `what`: in words that end before a time; `at`: that time, `until`: when it ends, unix ms, 0 where that is
    not known; `event`: the id of the one that told it, "" where none is known.
    """

    email: str
    what: str
    at: int
    reason: str
    event: str = ""
    until: int = 0


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """All that is known behind one address.

    `person`: who has the address, and who had it before; `accounts`: of all their addresses, by target;
    `events`: those that the answer speaks of, by id.
    """

    person: Person
    accounts: Sequence[Account]
    why: Sequence[Because]
    timeline: Timeline
    events: Mapping[str, LoggedEvent] = field(default_factory=dict)

    def joined(self, group: GroupView) -> str:
        """Return the id of the newest event that put them into a group, "" where none is known."""
        users = {user.ref for user in _users(self.person)}
        return newest_event(
            self.events,
            lambda event: (
                event.kind == EventName.USER_ADDED
                and group_ref(event) == group.ref
                and user_ref(event) in users
            ),
        )


async def read_person(
    settings: Settings, store: Store, desks: Mapping[str, Desk], email: str, wanted: Filter, now: int
) -> PersonAnswer | None:
    """Return what is known behind an address, in any case, present or former; None when nothing is.

    It asks Redis alone, not the targets. `wanted`: of the timeline, its targets also of the accounts.
    `now`: unix ms. Raises one of STORE_ERRORS.
    """
    names = {directory_name(each) for each in await Journal(store).directories()}
    persons = await _read_persons(MirrorStore(store), normalise_email(email) or "", names)
    person, chosen = persons[0], [desk for name, desk in desks.items() if wanted.admits(target=name)]
    found = [each for desk in chosen for each in await read_accounts(settings, desk, persons, now)]
    past = await read_past(
        EventLog(settings, store),
        chosen,
        {USER: [user.ref for user in _users(person)]},
        [MEMBER + each.email for each in persons],
        {each.standing.event for each in found if each.standing.event},
        lambda event: _is_about(event, person),
    )
    accounts = [each for each in found if each.email == person.email or not each.empty or _rows(each, past)]
    if not (_users(person) or past.calls or any(not each.empty for each in accounts)):
        return None
    why = [because for account in accounts for because in _why(account, past)]
    return PersonAnswer(person, accounts, why, make_timeline(past, wanted), past.events)


async def _read_persons(mirror: MirrorStore, email: str, names: Collection[str]) -> list[Person]:
    """Return the person of an address, then those of their other addresses."""
    [person] = await mirror.people([email], names)
    others = {each for user in _users(person) for each in (user.email, *user.former) if each}
    return [person, *await mirror.people(sorted(others - {email})[: MOST_ADDRESSES - 1], names)]


def _users(person: Person) -> tuple[UserView, ...]:
    return (*person.users, *person.former)


def user_ref(event: LoggedEvent) -> str:
    """Return the ref of the user that an event is about, "" for none."""
    return make_ref(event.directory, event.user.id) if event.user else ""


def group_ref(event: LoggedEvent) -> str:
    """Return the ref of the group that an event is about, "" for none."""
    return make_ref(event.directory, event.group.id) if event.group else ""


# why


def _rows(account: Account, past: Past) -> list[Row]:
    """Return the history of an account, the newest first."""
    name = MEMBER + account.email
    rows = [row for target, _, row in past.calls if target == account.target and row["object"] == name]
    return rows[::-1]


def _why(account: Account, past: Past) -> list[Because]:
    """Return why somebody is gone, held, kept, given up or no member."""
    here, standing = account.target, account.standing
    found = _gone(account, past)
    left = _told(past, 0 if account.wanted.member else account.wanted.since, standing.event)

    def say(what: str, at: int, reason: str, event: str = "", until: int = 0) -> None:
        found.append(Because(account.email, what, at, reason, event, until))

    for held in standing.parked:
        what = f"held at {here} ({held.change}, bridge approve {held.id}) since"
        say(what, held.since, held.reason, left)
    for about, decision in standing.decided:
        word = "approved" if decision.approved else "rejected"
        what = f"{about or 'what was held'} {word} at {here} by {decision.by} at"
        say(what, decision.at, decision.why, until=int(decision.until * 1000))
    if dead := standing.dead:
        what = f"given up at {here} ({dead.change}, bridge retry {dead.id}) since"
        say(what, dead.since, dead.reason, left)
    if waiting := standing.waiting:
        what = f"tried in vain at {here} {waiting.attempts} time(s) since"
        say(what, waiting.since, waiting.reason, left)
    if not (found or account.wanted.member or account.known):
        say(f"no member of {here} since", account.wanted.since, account.why, left)
    return found


def _gone(account: Account, past: Past) -> list[Because]:
    """Return why somebody was removed who is not there now."""
    removed = (row for row in _rows(account, past) if row.get("kind") == Remove.verb)
    row = next((row for row in removed if row["outcome"] in _REMOVED), None)
    if row is None or account.known:
        return []
    event = _told(past, row.get("since", 0), row.get("event", ""))
    reason, what = row.get("why") or row.get("reason", ""), _REMOVED[row["outcome"]]
    return [Because(account.email, what.format(account.target), row["at"], reason, event)]


def _told(past: Past, since: int, cause: str) -> str:
    """Return the id of the event that told what a change was made for, "" where it is not known.

    `since`: unix ms, when that happened by the directory's word, 0: not known. `cause`: the newest event
    behind the change: it may be a later one, or one about somebody else in the same moment.
    """
    told = newest_event(past.events, lambda event: bool(since) and event.happened_at == since)
    return told or ("" if cause in past.others else cause)


def _is_about(event: LoggedEvent, person: Person) -> bool:
    """Tell whether an event is about a person, or about a group as a whole that they were named in."""
    users = _users(person)
    if event.user:
        return user_ref(event) in {user.ref for user in users}
    return group_ref(event) in {group.ref for user in users for group in user.named}
