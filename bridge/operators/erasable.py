"""Who it is that is to be erased, and why they may not be yet."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bridge.directory.addresses import normalise_email
from bridge.directory.events import DirectoryEvent
from bridge.plan.held import Decision
from bridge.plan.judge import removal_id
from bridge.plan.members import State
from bridge.plan.scope import is_excluded
from bridge.settings import Settings, TargetSettings
from bridge.store.journal import Journal
from bridge.store.mirror import MirrorStore, make_ref, split_ref
from bridge.store.reads import USER, ReadStore
from bridge.store.redis import Store
from bridge.store.retention import held_objects
from bridge.store.targets import MEMBER, TargetStore, target_id

_MOST_UNREAD = 2000  # events that are looked through for the person
_LOST_HOURS = 24  # see workers.lost


class NotErasedError(Exception):
    """A person cannot be erased; the text says why and what to do."""


class UnknownPersonError(NotErasedError):
    """Nothing is kept under an address."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is to be erased. `users`: ids by directory (of the journal); `emails`: addresses of nobody else.

    `shared`: addresses they had which somebody else has, or had, as well; those stay.
    """

    email: str
    emails: frozenset[str]
    users: Mapping[str, frozenset[str]] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()

    @property
    def refs(self) -> set[str]:
        """Return the references of their users."""
        return {make_ref(directory, uid) for directory, uids in self.users.items() for uid in uids}


async def find_subject(store: Store, email: str) -> Subject:
    """Return who has, or had, an address, by all directories."""
    address = normalise_email(email) or ""
    refs = set(await store.call("SMEMBERS", store.key("address", address)))
    users: dict[str, set[str]] = {}
    for ref in refs:
        directory, uid = split_ref(ref)
        users.setdefault(directory, set()).add(uid)
    found = {each for directory, uids in users.items() for each in await _addresses(store, directory, uids)}
    shared = {
        each
        for each in sorted(found - {address})
        if set(await store.call("SMEMBERS", store.key("address", each))) - refs
    }
    ids = {directory: frozenset(uids) for directory, uids in users.items()}
    return Subject(address, frozenset({address, *found} - shared), ids, frozenset(shared))


async def _addresses(store: Store, directory: str, users: Collection[str]) -> set[str]:
    part = await MirrorStore(store).part(directory, users, (), ())
    return {email for user in part.users.values() for email in user.addresses}


def tells_of(event: DirectoryEvent, uids: Collection[str], emails: Collection[str]) -> bool:
    """Tell whether an event is about them, or names them among a group's members."""
    if event.user and (event.user.id in uids or normalise_email(event.user.email) in emails):
        return True
    return bool(event.group and set(event.group.members or ()) & set(uids))


# why not


async def hindrances(settings: Settings, store: Store, subject: Subject, now: int) -> list[str]:
    """Return why a person may not be erased now (unix ms), each with the way out; nothing when they may."""
    found: list[str] = []
    for directory, uids in sorted(subject.users.items()):
        found += await _in_directory(store, directory, uids, subject.email)
    for journal in sorted(await Journal(store).directories()):
        found += await _unread(store, journal, subject)
    for target in settings.targets:
        found += await _at_target(TargetStore(store, target_id(target)), target, subject, now)
    return found


async def _in_directory(store: Store, directory: str, uids: Collection[str], email: str) -> list[str]:
    part, found = await MirrorStore(store).part(directory, uids, (), ()), list[str]()
    for uid in sorted(uids):
        if (user := part.users.get(uid)) and user.active:
            other = f", where the address is {user.email} now" if user.email != email else ""
            found.append(
                f"still active in the directory {directory}{other}: they have to be deactivated or deleted "
                "there first (of a directory that is gone for good: bridge directory forget)"
            )
    names = [USER + uid for uid in sorted(uids)]
    waiting = await store.call("ZMSCORE", ReadStore(store, directory).list_key, *names)
    if any(score is not None for score in waiting):
        found.append(
            f"still to be read from the directory {directory}: try again when bridge status shows none"
        )
    return found


async def _unread(store: Store, journal: str, subject: Subject) -> list[str]:
    """Events that are not processed yet may be about them: those could not be taken away."""
    cursor = await Journal(store).cursor(journal)
    rows = await Journal(store).read(journal, cursor, _MOST_UNREAD)
    uids = subject.users.get(journal, frozenset())
    about = any(event is None or tells_of(event, uids, subject.emails) for _, event in rows)
    if about or len(rows) >= _MOST_UNREAD:
        return [f"events of {journal} are not processed yet: try again when bridge status shows none pending"]
    return []


async def _at_target(target: TargetStore, settings: TargetSettings, subject: Subject, now: int) -> list[str]:
    """Whom the configuration excludes is never removed, so nothing is lost when the bridge forgets them.

    That an invite was revoked is known only by somebody's word, who rejected to wait for it.
    """
    found, name = list[str](), settings.name
    emails = [email for email in subject.emails if not is_excluded(settings.members, email)]
    decided = await target.decisions([removal_id(email) for email in emails])
    for email, binding in sorted((await target.members(emails)).items()):
        if binding.state is State.INVITED and not _stays(decided.get(removal_id(email)), now):
            found.append(
                f"{email} is invited to {name} still: revoke the invite there, then bridge reject it"
            )
        elif binding.state is State.KNOWN:
            found.append(f"{email} is a member of {name} still: see bridge plan and bridge parked")
    return found + await _under_way(target, name, subject)


def _stays(decision: Decision | None, now: int) -> bool:
    """Tell whether somebody rejected to remove them, or to wait for it, and that has not ended (unix ms)."""
    return decision is not None and not decision.approved and not 0 < decision.until * 1000 <= now


async def _under_way(target: TargetStore, name: str, subject: Subject) -> list[str]:
    found = list[str]()
    names = [MEMBER + email for email in sorted(subject.emails)]
    due, lost, calls = await target.store.calls([
        ("ZMSCORE", target.key("work"), *names), ("ZMSCORE", target.key("lost"), *names),
        ("HMGET", target.key("inflight"), *names),
    ])  # fmt: skip
    if any(each is not None for each in (*due, *calls)):
        found.append(f"something is to be done about them at {name}: see bridge queue")
    if any(each is not None for each in lost):
        found.append(
            f"a call about them at {name} had no clear end: whether it takes effect after all is watched for "
            f"{_LOST_HOURS} hours: try again then"
        )
    if set(names) & await held_objects(target):
        found.append(f"a change about them is held at {name}: decide first, see bridge parked")
    return found
