"""What is known, waiting and decided of one target, by what it is and not by its name in the config."""

import hashlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from bridge.plan.accounts import Account
from bridge.plan.held import Decision, Held
from bridge.plan.making import Making
from bridge.plan.members import MemberBinding, State
from bridge.plan.reading import Inviting
from bridge.plan.teams import TeamBinding
from bridge.settings import TargetSettings
from bridge.store.mirror import Command
from bridge.store.redis import Store
from bridge.store.work import LONGEST_REST_MS, WorkList

MEMBER, TEAM, GROUP = "m:", "t:", "g:"
TEAM_ID = "i:"  # a team by its id, where its title may be another one by the time it is looked at
GATHERING = "gathering"  # zset: e-mail -> when the wave of their removal is, or was, to be judged (unix ms)
LOOK_FIRST = 10_000  # ms after a call without a clear end (gateways wait 10 to 30 s); see `rest_after`
MOST_LOOKS = 21  # they take a day: a call that has not taken effect by then never will
FORGET_ASKED = 172_800_000  # ms: that day, by a clock that was a day off
LISTS = ("work", "pending", "twins", "lost")  # what is looked at again at its time, soon
_SLICE = 500
REFS_OF_USERS = ("holders", "first_holders", "admin_for")  # what a binding tells of directory users
# fields of a binding that most do not have, and their rows of the first data neither
_RARE = {"first_holders": (), "kept_role": None, "role_group": None, "admin_for": ()}


def rest_after(looks: int) -> int | None:
    """Return for how many ms nobody looks for a call without a clear end, None when it is given up.

    `looks`: how often it was looked for. They are counted, since a clock that was wrong may be set meanwhile.
    """
    return None if looks >= MOST_LOOKS else min(LOOK_FIRST << looks, LONGEST_REST_MS)


def target_id(target: TargetSettings) -> str:
    """Return what a target is known as in Redis: kind, organisation and address, whatever its name."""
    digest = hashlib.blake2b(target.api_url.encode(), digest_size=4).hexdigest()
    return f"{target.kind}-{target.organization}-{digest}"


@dataclass(frozen=True, slots=True)
class Cause:
    """What last touched an object: an event, by its id `{directory}/{stream id}`, of a sender's delivery."""

    event: str = ""
    delivery: str = ""


@dataclass(frozen=True, slots=True)
class TargetState:
    """How a target is doing. `resumes_at`: unix seconds, 0 for none.

    `since`: when it came into this state, unix ms; 0 where that is not known, or it was never in another.
    Since the last change that was made: `failures`: calls without an answer; `downs`: how often it was
    given up for a while; `refused`: objects it said no to, `refusing`: so many that it is to blame.
    """

    state: str = "ok"
    reason: str | None = None
    resumes_at: float = 0.0
    failures: int = 0
    downs: int = 0
    refused: tuple[str, ...] = ()
    refusing: bool = False
    since: int = 0

    def asleep(self, now: int) -> bool:
        """Tell whether nothing is to be called yet. `now`: unix ms.

        A time further ahead than any wait was written by a wrong clock, and counts as over.
        """
        return now < self.resumes_at * 1000 <= now + LONGEST_REST_MS


@dataclass(frozen=True, slots=True)
class Pause:
    """Who wants a target left alone, since when (unix ms), and why."""

    by: str
    at: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An object that backs off: how often it was tried, since when (unix ms), and why.

    `refused`: the target said no to it and to many others, so a target that is well again changes nothing.
    """

    attempts: int = 0
    since: int = 0
    reason: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that was begun and whose end is not written down yet. `at`: unix ms.

    `team`: id of the team that it changes, "" for none.
    """

    change: str
    fence: int
    at: int
    worker: str
    team: str = ""


@dataclass(slots=True)
class Counts:
    """A target at a glance.

    `unclear`: people, and teams by id and by title, of whom a call had no clear end: it may yet take effect.
    """

    due: int = 0
    running: int = 0
    waiting: int = 0
    parked: int = 0
    dead: int = 0
    members: int = 0
    watched: int = 0
    no_sso: int = 0
    unclear: int = 0


@dataclass(slots=True)
class TargetStore:
    """The keys of one target. Reads are methods; writes are commands, to be put into a transaction."""

    store: Store
    id: str

    def key(self, what: str) -> str:
        """Return the target's key for something."""
        return self.store.key(what, self.id)

    # the work list

    @property
    def work(self) -> WorkList:
        """Return the people, groups and teams to look at."""
        return WorkList(self.store, self.key("work"), self.key("workv"))

    def mark(self, objects: Iterable[str], now: int, news: int = 0) -> list[Command]:
        """Put objects on the work list, due now; what is due earlier stays so. `news`: see `Work.news`."""
        return self.work.mark(objects, now, news)

    async def causes(self, objects: Collection[str]) -> dict[str, Cause]:
        """Return the event that last touched each object."""
        return {name: _cause(row) for name, row in (await self._fields("cause", objects)).items()}

    def put_causes(self, causes: Mapping[str, str]) -> Command:
        """Write which event last touched each object, as `cause_row` makes it."""
        return ("HSET", self.key("cause"), *(word for pair in (causes or {"": ""}).items() for word in pair))

    async def counts(self, now: int) -> Counts:
        """Return the target at a glance."""
        return read_counts(await self.store.calls(self.count_commands(now)))

    def count_commands(self, now: int) -> list[Command]:
        """Return the commands whose answers `read_counts` reads."""
        work, later = self.key("work"), f"({now}"
        return [
            ("ZCOUNT", work, "-inf", now), ("ZCOUNT", work, later, "+inf"),
            ("ZCOUNT", self.key(GATHERING), later, "+inf"), ("HLEN", self.key("inflight")),
            ("HLEN", self.key("parked")), ("HLEN", self.key("dead")), ("HLEN", self.key("binding")),
            ("ZCARD", self.key("pending")), ("SCARD", self.key("no_sso")),
            ("ZCARD", self.key("lost")), ("ZCARD", self.key("twins")),
        ]  # fmt: skip

    # what is known of members and teams

    async def members(self, emails: Collection[str]) -> dict[str, MemberBinding]:
        """Return the bindings of those people who are known; the others are unknown."""
        rows = await self._fields("binding", emails)
        return {email: _member(row) for email, row in rows.items()}

    async def known_members(self) -> AsyncIterator[list[str]]:
        """Walk the addresses of all who are known at the target, in slices."""
        cursor, first = 0, True
        while first or cursor:
            cursor, rows = await self.store.call("HSCAN", self.key("binding"), cursor, "COUNT", _SLICE)
            cursor, first = int(cursor), False
            yield list(rows)

    def put_member(self, email: str, binding: MemberBinding) -> Command:
        """Write a binding; an absent one is forgotten, since only a reading shows absence."""
        if binding.state not in (State.KNOWN, State.INVITED):
            return ("HDEL", self.key("binding"), email)
        row = asdict(binding) | {"teams": dict(binding.teams)}
        row = {name: value for name, value in row.items() if name not in _RARE or value != _RARE[name]}
        return ("HSET", self.key("binding"), email, orjson.dumps(row))

    async def inviting(self, emails: Collection[str]) -> dict[str, Inviting]:
        """Return of whom an invite had no clear end yet."""
        return {email: _inviting(row) for email, row in (await self._fields("inviting", emails)).items()}

    def invite(self, email: str, inviting: Inviting) -> Command:
        """Note that an invite begins."""
        row = f"{int(inviting.kept)}:{inviting.since}"
        if inviting.kept:
            row += ":" + orjson.dumps([inviting.kept_role, inviting.first_holders]).decode()
        return ("HSET", self.key("inviting"), email, row)

    def invited(self, email: str) -> Command:
        """Note that their invite has ended; while a try of it may still take effect, it is remembered."""
        return ("DROP", self.key("inviting"), email, self.key("lost"), MEMBER + email)

    async def unknown(self, objects: Collection[str]) -> dict[str, str]:
        """Return the objects at whose end a call was not clear, with the count to forget them by."""
        return await self._fields("unknown", objects)

    def doubt(self, objects: Iterable[str]) -> list[Command]:
        """Note that the target must be read before these are planned again."""
        return [("HINCRBY", self.key("unknown"), each, 1) for each in objects]

    def lose(self, objects: Iterable[str], now: int, team: str = "") -> list[Command]:
        """Note that a call about these has no clear end: the target must be read, now and later again.

        `team`: id of the team that it was to change, "" for none.
        """
        names = list(objects)
        return [*self.doubt(names), *self.watch(names, now, team)]

    def watch(self, objects: Iterable[str], now: int, team: str = "") -> list[Command]:
        """Note that a try of a call about these may take effect late: the target must be read again later.

        What a call about a team does to people, the team shows.
        """
        names = [TEAM_ID + team] if team else list(objects)
        names = [name for name in names if not name.startswith(MEMBER)] or names
        looks = [("ZADD", self.key("lost"), now + LOOK_FIRST, name) for name in names]
        return [*looks, *(("HDEL", self.key("lost_looks"), name) for name in names)]

    async def lost_due(self, now: int, most: int) -> dict[str, int]:
        """Return at which objects it is time to look again, and how often each was looked at already."""
        names = await self.store.call("ZRANGEBYSCORE", self.key("lost"), "-inf", now, "LIMIT", 0, most)
        looks = await self._fields("lost_looks", names)
        return {name: int(looks.get(name, 0)) for name in names}

    async def lost_of(self, objects: Collection[str]) -> set[str]:
        """Return those of these objects about which a call without a clear end may still take effect."""
        names = list(objects)
        scores = await self.store.call("ZMSCORE", self.key("lost"), *names) if names else []
        return {name for name, score in zip(names, scores, strict=True) if score is not None}

    def watch_lost(self, name: str, look: int | None, looks: int = 0) -> list[Command]:
        """Say when to look at it next (unix ms), after so many looks; None for never again."""
        if look is None:
            over = [("ZREM", self.key("lost"), name), ("HDEL", self.key("lost_looks"), name)]
            return [*over, ("HDEL", self.key("inviting"), name.removeprefix(MEMBER))]
        return [("ZADD", self.key("lost"), look, name), ("HSET", self.key("lost_looks"), name, looks)]

    async def bring_forward(self, objects: Collection[str], now: int) -> list[Command]:
        """Have objects looked at now, but for those that are given up; what there is to be done stays so."""
        names = list(objects)
        if not names:
            return []
        scores, dead = await self.store.calls(
            [("ZMSCORE", self.key("work"), *names), ("HMGET", self.key("dead"), *names)]
        )
        rows = zip(names, scores, dead, strict=True)
        alive = {name: score for name, score, given_up in rows if given_up is None}
        idle = [name for name, score in alive.items() if score is None]
        sooner = [("ZADD", self.key("work"), "LT", now, name) for name in alive.keys() - idle]
        return [*self.mark(idle, now), *sooner]

    def ask(self, team: str, emails: Iterable[str], now: int) -> list[Command]:
        """Note that a call is to put people into a team: who is found there later may be there by it."""
        words = [word for email in emails for word in (now, f"{team} {email}")]
        key = self.key("asked")
        over = ("ZREMRANGEBYSCORE", key, "-inf", f"({now - FORGET_ASKED}")
        return [("ZADD", key, "GT", *words), over, ("PEXPIRE", key, FORGET_ASKED)] if words else []

    async def asked(self, team: str, emails: Collection[str]) -> set[str]:
        """Return those of these people whom calls were to put into a team, as far as that is remembered."""
        names = list(emails)
        if not names:
            return set()
        rows = await self.store.call("ZMSCORE", self.key("asked"), *(f"{team} {email}" for email in names))
        return {email for email, at in zip(names, rows, strict=True) if at is not None}

    def look(self, name: str, at: int) -> Command:
        """Have an object looked at again at a time (unix ms) that may be far ahead: no news tells of it."""
        return ("ZADD", self.key("looks"), at, name)

    def trust(self, name: str, count: str) -> Command:
        """Note that the target was read for it, unless it came into doubt again meanwhile."""
        return ("FORGET", self.key("unknown"), name, count)

    async def teams(self) -> dict[str, TeamBinding]:
        """Return all team bindings by the titles they should have."""
        rows = await self.store.call("HGETALL", self.key("teams"))
        return {title: _team(orjson.loads(row)) for title, row in rows.items()}

    def put_team(self, title: str, team: TeamBinding | None) -> Command:
        """Write a team's binding, or forget it."""
        if team is None:
            return ("HDEL", self.key("teams"), title)
        return ("HSET", self.key("teams"), title, orjson.dumps(asdict(team)))

    async def makings(self, titles: Collection[str]) -> dict[str, Making]:
        """Return the calls that were to make teams of these titles and had no clear end."""
        rows = await self._fields("makings", titles)
        return {title: _making(orjson.loads(row)) for title, row in rows.items()}

    async def all_makings(self) -> dict[str, Making]:
        """Return all such calls."""
        return {title: _making(row) for title, row in (await self._all("makings")).items()}

    async def twins_due(self, now: int, most: int) -> list[str]:
        """Return the titles of which to look whether a team is there twice."""
        rows = await self.store.call("ZRANGEBYSCORE", self.key("twins"), "-inf", now, "LIMIT", 0, most)
        return list(rows)

    def put_making(self, title: str, making: Making | None, look: int) -> list[Command]:
        """Write which calls have no clear end, and when to look (unix ms); None: all have one."""
        if making is None:
            return [("HDEL", self.key("makings"), title), ("ZREM", self.key("twins"), title)]
        row = orjson.dumps(asdict(making))
        return [("HSET", self.key("makings"), title, row), ("ZADD", self.key("twins"), look, title)]

    async def titles_of_groups(self, refs: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the titles that groups were last mapped to."""
        rows = await self._fields("titles", refs)
        return {ref: tuple(orjson.loads(row)) for ref, row in rows.items()}

    def put_titles(self, ref: str, titles: tuple[str, ...]) -> Command:
        """Write which titles a group maps to."""
        if not titles:
            return ("HDEL", self.key("titles"), ref)
        return ("HSET", self.key("titles"), ref, orjson.dumps(titles))

    def roster_key(self, team: str) -> str:
        """Return the set of people who are known to be in a team."""
        return self.store.key("roster", self.id, team)

    # intents

    async def intents(self) -> dict[str, Intent]:
        """Return all calls whose end is not written down."""
        rows = await self.store.call("HGETALL", self.key("inflight"))
        return {name: Intent(**orjson.loads(row)) for name, row in rows.items()}

    def intend(self, objects: Iterable[str], intent: Intent) -> list[Command]:
        """Write down that a call about these objects begins."""
        row = orjson.dumps(asdict(intent))
        return [("HSET", self.key("inflight"), each, row) for each in objects]

    def ended(self, objects: Iterable[str]) -> Command:
        """Write down that their call has ended."""
        return ("HDEL", self.key("inflight"), *objects)

    # what is held, decided, given up, waiting

    async def parked(self) -> dict[str, Held]:
        """Return what waits for a person, by id."""
        return {ident: _held(row) for ident, row in (await self._all("parked")).items()}

    async def parked_of(self, idents: Collection[str]) -> dict[str, Held]:
        """Return those of these ids that wait for a person."""
        rows = await self._fields("parked", idents)
        return {ident: _held(orjson.loads(row)) for ident, row in rows.items()}

    def park(self, held: Held) -> Command:
        """Hold a change until a person decides."""
        return ("HSET", self.key("parked"), held.id, orjson.dumps(asdict(held)))

    def unpark(self, ident: str) -> list[Command]:
        """Its cause is gone: neither the change nor a decision about it is needed."""
        return [("HDEL", self.key("parked"), ident), ("HDEL", self.key("decision"), ident)]

    async def decisions(self, idents: Collection[str]) -> dict[str, Decision]:
        """Return what was decided about these ids."""
        rows = await self._fields("decision", idents)
        return {ident: _decision(orjson.loads(row)) for ident, row in rows.items()}

    def decide(self, ident: str, decision: Decision) -> Command:
        """Write down what a person decided."""
        return ("HSET", self.key("decision"), ident, orjson.dumps(asdict(decision)))

    async def dead(self) -> dict[str, Held]:
        """Return what is given up, by object."""
        return {name: _held(row) for name, row in (await self._all("dead")).items()}

    async def dead_of(self, objects: Collection[str]) -> dict[str, Held]:
        """Return those of these objects that are given up."""
        return {name: _held(orjson.loads(row)) for name, row in (await self._fields("dead", objects)).items()}

    def bury(self, held: Held) -> Command:
        """Give an object up until there is news of it."""
        return ("HSET", self.key("dead"), held.object, orjson.dumps(asdict(held)))

    async def waiting(self, objects: Collection[str]) -> dict[str, Waiting]:
        """Return how these objects back off."""
        rows = await self._fields("waiting", objects)
        return {name: Waiting(**orjson.loads(row)) for name, row in rows.items()}

    def wait(self, name: str, waiting: Waiting) -> Command:
        """Write down that an object backs off."""
        return ("HSET", self.key("waiting"), name, orjson.dumps(asdict(waiting)))

    def revive(self, name: str) -> list[Command]:
        """An object is neither given up nor backing off any more."""
        return [("HDEL", self.key("dead"), name), ("HDEL", self.key("waiting"), name)]

    # the target as a whole

    async def state(self) -> TargetState:
        """Return how the target is doing."""
        return read_state(await self.store.call("GET", self.key("state")))

    def put_state(self, state: TargetState) -> Command:
        """Write how the target is doing."""
        return ("SET", self.key("state"), orjson.dumps(asdict(state)))

    async def paused(self) -> Pause | None:
        """Return who paused the target, None when it is not paused."""
        return read_pause(await self.store.call("GET", self.key("pause")))

    def pause(self, pause: Pause) -> Command:
        """Have the target left alone until it is resumed, whatever happens meanwhile."""
        return ("SET", self.key("pause"), orjson.dumps(asdict(pause)))

    def resume(self) -> Command:
        """Go on."""
        return ("DEL", self.key("pause"))

    async def _fields(self, what: str, names: Collection[str]) -> dict[str, str]:
        names = list(names)
        if not names:
            return {}
        rows = await self.store.call("HMGET", self.key(what), *names)
        return {name: row for name, row in zip(names, rows, strict=True) if row}

    async def _all(self, what: str) -> dict[str, Any]:
        rows = await self.store.call("HGETALL", self.key(what))
        return {name: orjson.loads(row) for name, row in rows.items()}


def cause_row(event: str, delivery: str) -> str:
    """Return a cause as it is kept: a fold writes one for each event, so it is no `Cause`."""
    return f"{event} {delivery}"


def _cause(row: str) -> Cause:
    event, _, delivery = row.rpartition(" ")  # a directory's id may hold blanks
    return Cause(event, delivery)


def read_counts(answers: Sequence[int]) -> Counts:
    """Return a target at a glance."""
    due, waiting, gathering, running, parked, dead, members, watched, no_sso, lost, twins = answers
    due = max(0, due + gathering - running)  # who gathers is due, and on the list for later
    waiting = max(0, waiting - gathering)
    return Counts(due, running, waiting, parked, dead, members, watched, no_sso, lost + twins)


def read_state(row: str | None) -> TargetState:
    """Return how a target is doing, from what is kept of it."""
    told = orjson.loads(row) if row else {}
    return TargetState(**told | {"refused": tuple(told.get("refused", ()))})


def read_pause(row: str | None) -> Pause | None:
    """Return who paused a target, from what is kept of it."""
    return Pause(**orjson.loads(row)) if row else None


def _member(row: str) -> MemberBinding:
    read = orjson.loads(row)
    refs = {name: tuple(read[name]) for name in (*REFS_OF_USERS, "named_by") if name in read}
    others = tuple(Account(**each) for each in read.get("others", ()))
    return MemberBinding(**read | refs | {"state": State(read["state"]), "others": others})


def _inviting(row: str) -> Inviting:
    kept, _, rest = row.partition(":")
    since, _, moved = rest.partition(":")  # the first data had no third part
    kept_role, firsts = orjson.loads(moved) if moved else (None, ())
    return Inviting(kept == "1", int(since or 0), kept_role, tuple(firsts))


def _making(row: dict[str, Any]) -> Making:
    row.pop("last", None)  # of the first data: when the last call began; looks are counted instead
    return Making(**row | {"members": tuple(row["members"])})


def _team(row: dict[str, Any]) -> TeamBinding:
    row.pop("creating", None)  # of the first data: a title's makings tell more
    return TeamBinding(**row | {"groups": tuple(row["groups"])})


def _held(row: dict[str, Any]) -> Held:
    return Held(**row | {"emails": tuple(row["emails"])})


def _decision(row: dict[str, Any]) -> Decision:
    row.pop("emails", None)  # of the first data: one decision named all whom it was about
    return Decision(**row)
