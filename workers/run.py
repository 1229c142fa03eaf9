"""One convergence of one target: what its parts share, and how they call the target."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from bridge.plan.changes import Remove
from bridge.plan.held import Held
from bridge.plan.members import MemberBinding
from bridge.plan.teams import TeamBinding
from bridge.settings import TargetSettings
from bridge.store.commit import LeaseLostError, Transaction
from bridge.store.epoch import Stale, stale_doubt
from bridge.store.history import History
from bridge.store.holders import counting
from bridge.store.lease import Lease
from bridge.store.listings import Listing, ListingStore
from bridge.store.mirror import Command
from bridge.store.tally import Tally
from bridge.store.targets import MEMBER, TEAM, Cause, Intent, TargetState, TargetStore, Waiting
from bridge.store.work import Work
from bridge.targets.base import (
    CredentialsRejectedError,
    NoAnswerError,
    RateLimitedError,
    RefusedError,
    TargetError,
    UnavailableError,
    UnconfirmedError,
)
from bridge.targets.gitbook import Call, GitBook, address_doubt
from workers.acts import DEAD, DONE, FAILED, PROVEN, Act, outcome_of
from workers.backoff import BACKOFF_MOST, backoff_ms
from workers.context import Worker
from workers.tallies import began

R = TypeVar("R")
FAILURES_IN_A_ROW = 5  # opens the breaker
AT_ONCE = 3000  # objects in one step
INTENT_MS = 500  # how far behind an attempt its intent may be
MOST_DELIVERIES = 10  # in one log line
REFUSALS_IN_A_ROW = 10  # likewise: so many objects cannot all be wrong
_BACKOFF_FIRST = 1.0  # seconds
_UNCONFIRMED_MOST = 3600.0  # seconds: each look at what the target does not do costs two calls
_PROBE_MOST = 15.0


class TargetDownError(Exception):
    """Nothing can be done at the target now; its state has been written."""


class UnfinishedError(TargetError):
    """A list is to be read on in another slice; what was read of it is kept. `wait`: ms until then."""

    def __init__(self, what: str, wait: int = 0) -> None:
        """`what`: the list, in words."""
        super().__init__(f"the {what} are not read to the end yet")
        self.wait = wait


class PausedError(TargetDownError):
    """A person wants the target left alone."""


@dataclass(slots=True)
class Run:
    """A convergence while its lease is held.

    `names`: configured names of the directories it follows; `journals`: those of directories that are
    there; `stale`: why the data may not act by themselves; `later`: objects of this step that are not
    done as a whole, and when to look again (unix ms); `outdated`: those of them whose plan does not hold
    any more, so nothing else is done about them in this step; `buried`: objects given up in this step;
    `held_back`: objects that a call of an earlier worker may still change, and until when; `refused`,
    `refusing`, `failures`, `downs`: see TargetState; `tripped`: which changes were refused so often that
    this step makes no more of them, and why; `known_now`: people whose invite or reading in this step has
    made them known; `retried`: objects looked at once more after a 404 or 409, each with what was asked;
    `ends`: of its slice, by the monotonic clock; `tried`: its slice has made a call that changes something;
    `turn`: one page may still be read though the slice has ended; `listings`: long lists of which something
    is kept, `pages`: how many pages lists have, both by name; `seen`: the organisation has shown a list;
    `about`: objects of the call under way, `intent`: what is written of it, `sent`: tries of it so far;
    `works`: what this step is about, by object; `trying`: the same, while it is not known yet what is to be
    done; `at_once`: objects of the next step at most; `changed`: what its calls have changed, and when
    (unix ms).
    """

    worker: Worker
    target: TargetSettings
    store: TargetStore
    client: GitBook
    lease: Lease
    names: set[str]
    journals: set[str] = field(default_factory=set)
    stale: Stale | None = None
    state: TargetState = field(default_factory=TargetState)
    later: dict[str, int] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)
    buried: set[str] = field(default_factory=set)
    held_back: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    refusing: bool = False
    tripped: dict[str, str] = field(default_factory=dict)
    causes: dict[str, Cause] = field(default_factory=dict)
    waits: dict[str, Waiting] = field(default_factory=dict)
    known_now: dict[str, MemberBinding] = field(default_factory=dict)
    retried: set[tuple[str, str]] = field(default_factory=set)
    limited_until: float = 0.0
    failures: int = 0
    downs: int = 0
    ends: float = math.inf
    tried: bool = False
    turn: bool = True
    seen: bool = False
    listings: dict[str, Listing] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    last_call: Call | None = None
    about: tuple[str, ...] = ()
    intent: Intent | None = None
    sent: int = 0
    works: dict[str, Work] = field(default_factory=dict)
    trying: list[Work] = field(default_factory=list)
    at_once: int = AT_ONCE
    changed: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let the client ask for the lease before each call, and tell us of each."""
        self.failures, self.downs = self.state.failures, self.state.downs
        self.refused, self.refusing = list(self.state.refused), self.state.refusing
        if self.state.state == "rate_limited" and self.state.asleep(self.now):
            self.limited_until = self.state.resumes_at
        self.client.before_call = self._may_call
        self.client.after_call = self._called

    async def _may_call(self) -> None:
        """Look before each attempt, and write down when it was: who takes over waits for the last one."""
        await self.check_pause()
        if self.intent and self.now - self.intent.at >= INTENT_MS:
            self.intent = replace(self.intent, at=self.now)
            await self.commit(self.store.intend(self.about, self.intent))
        self.lease.check()

    async def check_pause(self) -> None:
        """Raise PausedError when the target is to be left alone."""
        if await self.store.paused():
            raise PausedError(self.target.name)

    def _called(self, call: Call) -> None:
        self.last_call = call
        self.sent += call.method != "GET"
        self.tally.call(call.kind, call.status, call.seconds)
        self.worker.log.info(
            "target.call", target=self.target.name, kind=call.kind, method=call.method, path=call.path,
            status=call.status, milliseconds=round(call.seconds * 1000), deliveries=self.deliveries,
        )  # fmt: skip

    @property
    def deliveries(self) -> list[str]:
        """Return the deliveries behind the call under way, or else behind this step; some of many."""
        objects = self.about or self.causes
        found = {self.causes[each].delivery for each in objects if each in self.causes}
        return sorted(found - {""})[:MOST_DELIVERIES]

    @property
    def now(self) -> int:
        """Return the time in unix milliseconds."""
        return self.worker.clock()

    @property
    def counts(self) -> Callable[[str], bool]:
        """Return what tells of a user's ref whether the mirror must have them, if they ever were there."""
        return counting(self.names, self.journals)

    def untold(self, email: str) -> str:
        """Return why the data may not act for somebody, "" when they may."""
        return stale_doubt(self.stale, self.causes.get(MEMBER + email, Cause()).event)

    @property
    def over(self) -> bool:
        """True when the slice has ended, or the process is to end."""
        return self.worker.stopping.is_set() or time.monotonic() >= self.ends

    @property
    def spent(self) -> bool:
        """True when no further call that changes something may begin.

        One may in each slice, however long reading took: else what was read for it would be read for ever.
        """
        return self.worker.stopping.is_set() or (self.over and self.tried)

    def grant_turn(self) -> None:
        """Let one more page be read even if the slice has ended: whoever reads comes on in each slice."""
        self.turn = True

    def take_turn(self, what: str) -> None:
        """Begin to read a page of a list. Raises UnfinishedError when that has to wait for another slice."""
        if self.over and (self.worker.stopping.is_set() or not self.turn):
            raise UnfinishedError(what)
        self.turn = False

    @property
    def tally(self) -> Tally:
        """Return where this target's calls are counted."""
        return self.worker.tallies.of(self.store.id)

    @property
    def past(self) -> History:
        """Return the target's history."""
        return History(self.store, self.worker.settings.retention)

    @property
    def dry(self) -> bool:
        """True when nothing may be written at the target."""
        return self.target.mode == "dry-run"

    async def commit(self, commands: Iterable[Command]) -> None:
        """Run commands in one transaction while the lease is ours. Raises LeaseLostError."""
        transaction = self.lease.transaction()
        transaction.add_all(commands)
        if len(transaction):
            await self.lease.commit(transaction)

    # calls

    async def attempt(
        self,
        objects: Sequence[str],
        act: Act,
        call: Callable[[], Awaitable[R]],
        done: Callable[[R], Iterable[Command]],
        with_intent: Iterable[Command] = (),
        undone: Iterable[Command] = (),
        team: str = "",
    ) -> R | None:
        """Make one call that changes the target: write the intent, call, write the end.

        `done` gives what to write when it succeeded, `undone` is written when it surely changed nothing,
        `with_intent` before it begins; `team`: id of the team that it changes. Returns None when it must be
        done later; what is to be looked at again is in `later` then. Raises RefusedError (the intent has
        ended), TargetDownError or LeaseLostError.
        """
        if self.spent or act.kind in self.tripped:
            self.look_again(objects, self.now)
            return None
        self.tried = True
        intent = Intent(act.text, self.lease.fence, self.now, self.worker.name, team)
        changed = self.note_changed(objects)
        await self.commit([*self.store.intend(objects, intent), *changed, *with_intent])
        self.about, self.intent, self.sent = tuple(objects), intent, 0
        try:
            try:
                result = await asyncio.shield(self._begin(objects, call))
            finally:
                self.about, self.intent = (), None  # what is called next is not this call
        except TargetError as error:
            await self._failed(objects, act, error, undone, team)
            return None
        except PausedError:  # between two tries, perhaps
            await self._settle(objects, self.store.lose(objects, self.now, team), team)
            raise
        except LeaseLostError:  # likewise
            await self._leave_in_doubt(objects, team)
            raise
        outcome, at = outcome_of(result), self.now
        late = self.store.watch(objects, at, team) if self.sent > 1 else []  # of the tries before
        ended = [*late, *done(result), *self._well(objects), *self._records(objects, act, outcome)]
        await self._settle(objects, ended, team)
        if outcome == DONE:
            self._count_changed(objects, act, at)
        self.failures, self.downs, self.refused, self.refusing = 0, 0, [], False
        return result

    def doubt(self, objects: Collection[str]) -> list[Command]:
        """Return the commands that let these be read anew: also from a list that is kept."""
        return [*self.store.doubt(objects), *self.note_changed(objects)]

    def note_changed(self, objects: Collection[str]) -> list[Command]:
        """Return the commands that let what is kept of long lists no longer tell of these objects."""
        kept, commands = ListingStore(self.store), list[Command]()
        for name, listing in list(self.listings.items()):
            if listing.about in objects or not listing.alive(self.now):
                commands += kept.drop(name)
                del self.listings[name]
            else:
                commands += kept.note_changed(listing, objects)
        return commands

    def _count_changed(self, objects: Sequence[str], act: Act, at: int) -> None:
        """Note that a call has changed these (unix ms); a leaver who is removed is counted at once."""
        self.changed |= dict.fromkeys(objects, at)
        if act.kind == Remove.verb and act.since:
            self.tally.removals.add((at - act.since) / 1000)

    def _measure(self) -> None:
        """Count how long the changes took of what is not to be looked at again."""
        for name, at in self.changed.items():
            work = self.works.get(name)
            begin = began(work, self.waits.get(name)) if work and name not in self.later else 0
            if begin:
                self.tally.changes.add((at - begin) / 1000)
        self.changed = {}

    def _begin(self, objects: Sequence[str], call: Callable[[], Awaitable[R]]) -> asyncio.Future[R]:
        """Begin a call; what it is about counts as under way until it ends, even if nobody waits for it."""
        names = {(self.store.id, each) for each in objects}
        self.worker.calling |= names
        task = asyncio.ensure_future(call())
        task.add_done_callback(lambda _: self.worker.calling.difference_update(names))
        return task

    def _well(self, objects: Sequence[str]) -> list[Command]:
        """Return the commands that end the waiting of these; who still waits for another change does so."""
        alive = [each for each in objects if each not in self.buried]
        told = {"waiting": [each for each in alive if each not in self.later], "dead": alive}
        return [("HDEL", self.store.key(what), *names) for what, names in told.items() if names]

    async def _settle(self, objects: Sequence[str], commands: Iterable[Command], team: str) -> None:
        """Write a call's end; if somebody else works here now, only let them know of the doubt."""
        try:
            await self.commit([self.store.ended(objects), *commands])
        except LeaseLostError:
            await self._leave_in_doubt(objects, team)
            raise

    async def _leave_in_doubt(self, objects: Sequence[str], team: str) -> None:
        """Let whoever works here now read these at the target: all that is left to do without the lease."""
        transaction = Transaction(self.worker.store)
        transaction.add_all(self.store.lose(objects, self.now, team))
        transaction.add_all(self.store.mark(objects, self.now))
        await transaction.run()

    async def _failed(
        self, objects: Sequence[str], act: Act, error: TargetError, undone: Iterable[Command], team: str
    ) -> None:
        doubts = self.store.doubt(objects) if isinstance(error, RefusedError) else []
        doubts += self.store.lose(objects, self.now, team) if error.unclear else []
        ends = () if error.unclear else undone
        records = self._records(objects, act, FAILED, error.message)
        await self._settle(objects, [*doubts, *ends, *records], team)
        if isinstance(error, RefusedError):
            raise error
        await self.fault(objects, error)

    async def fault(self, objects: Iterable[str], error: TargetError) -> None:
        """Decide when to look again at objects after a fault that is not about them.

        Raises TargetDownError when the target as a whole cannot be used.
        """
        if isinstance(error, UnfinishedError):
            self.look_again(objects, self.now + error.wait)
            return
        if isinstance(error, RateLimitedError):
            self.limited_until = max(self.limited_until, error.until)
            self.look_again(objects, math.ceil(error.until * 1000))
            return
        if isinstance(error, CredentialsRejectedError):
            await self.down("credentials_rejected", error.message)
        if isinstance(error, UnconfirmedError):  # the target is well, and the next one may do what it is told
            await self.back_off(list(objects), error.message, most=_UNCONFIRMED_MOST)
            return
        self.failures += 1
        await self.back_off(list(objects), error.message)
        until = asked_until(error)
        if until or self.failures >= FAILURES_IN_A_ROW:
            await self.down("unavailable", error.message, until)
        if isinstance(error, NoAnswerError):
            await self._is_there(error)

    async def _is_there(self, error: NoAnswerError) -> None:
        """Ask at once whether the target answers anything, after a call that had no answer at all.

        Until it does it counts as unavailable: while every call times out, a few failures take minutes.
        Raises TargetDownError when it does not.
        """
        before, self.state = self.state, self.health("unavailable", error.message, self.now / 1000)
        await self.commit([self.store.put_state(self.state)])
        try:
            await self.client.ping()
        except RateLimitedError as limited:
            self.limited_until = max(self.limited_until, limited.until)
        except RefusedError:
            pass  # an answer, too; what it means is seen when something is asked for
        except TargetError as fault:
            rejected = isinstance(fault, CredentialsRejectedError)
            state = "credentials_rejected" if rejected else "unavailable"
            await self.down(state, fault.message, asked_until(fault))
        self.state = before
        await self.commit([self.store.put_state(before)])

    def look_again(self, objects: Iterable[str], at: int) -> None:
        """Have objects of this step looked at again at a time (unix ms), or before, for another reason.

        The first of several reasons counts: what waits for long does not keep from what can be done soon.
        """
        for each in objects:
            self.later[each] = min(at, self.later.get(each, at))

    async def back_off(
        self,
        objects: Collection[str],
        reason: str,
        refused: bool = False,
        most: float = BACKOFF_MOST,
        at: int | None = None,
    ) -> None:
        """Look at objects again later, the longer the more often it was, and after `most` seconds at most.

        `at`: when, unix ms, where that is the same for all of them.
        """
        for each in objects:
            before = self.waits.get(each, Waiting(0, self.now))
            self.waits[each] = replace(before, attempts=before.attempts + 1, reason=reason, refused=refused)
            again = at or self.now + backoff_ms(_BACKOFF_FIRST, before.attempts, most)
            self.look_again([each], again)
        await self.commit([self.store.wait(each, self.waits[each]) for each in objects])

    def health(self, state: str = "ok", reason: str | None = None, resumes_at: float = 0.0) -> TargetState:
        """Return how the target is doing, with what is remembered for the next run."""
        refused, before = tuple(self.refused), self.state
        since = before.since if state == before.state else self.now
        return TargetState(
            state, reason, resumes_at, self.failures, self.downs, refused, self.refusing, since
        )

    async def down(self, state: str, reason: str, until: float = 0.0) -> None:
        """Stop until a probe finds the target well. Raises TargetDownError.

        `until`: no probe before (unix seconds), since the target has asked for that.
        """
        self.downs += 1
        self._measure()
        resumes_at = max(until, self.now / 1000 + min(_PROBE_MOST, 2.0 ** min(self.downs - 1, 4)))
        self.failures = 0
        self.state = self.health(state, reason, resumes_at)
        await self.commit([self.store.put_state(self.state)])
        self.worker.log.warning("target.down", target=self.target.name, state=state, reason=reason)
        raise TargetDownError(reason)

    async def bury(self, name: str, act: Act, reason: str, asked: bool = True) -> None:
        """Give an object up until there is news of it. `asked`: the target has refused it."""
        attempts = self.waits.get(name, Waiting()).attempts + 1
        held = Held(name, name, act.text, reason, self.now, attempts, kind=act.kind)
        self.buried.add(name)
        self.refused += [name] if asked and name not in self.refused else []
        await self.commit([self.store.bury(held), self.note(name, act, DEAD, reason)])
        self.worker.log.warning("object.dead", target=self.target.name, object=name, reason=reason)
        if asked and len(self.refused) >= (1 if self.refusing else REFUSALS_IN_A_ROW):
            await self._unbury(act.kind, reason)

    async def _unbury(self, kind: str, reason: str) -> None:
        """So many refusals without a success are the target's fault: keep the objects as work.

        They back off; other kinds of change still have their turn in this step, then the target rests.
        Those given up in an earlier step had left the work list: they are put back.
        """
        names, self.refused, self.refusing = self.refused, [], True
        self.tripped[kind] = reason
        self.buried -= set(names)
        await self.back_off(names, reason, refused=True)
        work = self.store.key("work")
        await self.commit([
            *(("HDEL", self.store.key("dead"), name) for name in names),
            *(("ZADD", work, self.later[name], name) for name in names),
            self.store.work.new_marks(names),
        ])  # fmt: skip

    def _records(self, objects: Sequence[str], act: Act, outcome: str, reason: str = "") -> list[Command]:
        """Return the commands that write a call's end into the history of all that it was about."""
        call = self.last_call or Call("", "", "", 0, 0.0)
        told = {"status": call.status, "milliseconds": round(call.seconds * 1000)}
        causes = [self.causes[each] for each in objects if each in self.causes]
        commands: list[Command] = []
        for name in objects:
            here = act.each.get(name, act)
            cause = self.causes.get(name) or next(iter(causes), Cause())
            row = self.row(name, here, outcome, reason, cause) | told
            proven = outcome == DONE and act.kind in PROVEN
            commands += self.past.prove(row) if proven else [self.past.record(row)]
        return commands

    def note(self, name: str, act: Act, outcome: str, reason: str = "") -> Command:
        """Return the command that writes into an object's history what was decided about it."""
        return self.past.record(self.row(name, act, outcome, reason, self.causes.get(name, Cause())))

    def row(self, name: str, act: Act, outcome: str, reason: str, cause: Cause) -> dict[str, Any]:
        """Return a row of the history."""
        return {
            "at": self.now, "object": name, "kind": act.kind, "change": act.text, "outcome": outcome,
            "reason": reason, "why": act.why, "since": act.since, "event": cause.event,
            "delivery": cause.delivery, **act.told,
        }  # fmt: skip

    # reading

    async def read(self, call: Awaitable[R]) -> R:
        """Make one call that reads a list of the organisation.

        A list that answers 403 or 404 means that the organisation cannot be seen with this token.
        Raises TargetError, of a refusal only CredentialsRejectedError.
        """
        try:
            return await call
        except RefusedError as error:
            if error.status in (403, 404):
                what = f"the organisation {self.target.organization}"
                doubt = address_doubt(self.target.api_url)
                reason = f"{what} cannot be seen with this token ({error.status})"
                raise CredentialsRejectedError(doubt or reason) from None
            raise UnavailableError(error.message) from None

    # ending a step

    async def finish(self, works: Iterable[Work]) -> None:
        """Take what is done off the work list; what is not is due again at its time.

        Raises TargetDownError after too many refusals in a row.
        """
        commands: list[Command] = []
        for work in works:
            if work.object in self.later:
                commands.append(self.store.work.defer(work, self.later[work.object]))
                continue
            commands.append(self.store.work.clear(work))
            commands.append(("HDEL", self.store.key("waiting"), work.object))
            if work.object not in self.buried:
                commands.append(("HDEL", self.store.key("dead"), work.object))
        await self.commit(commands)
        self._measure()
        reasons = [*self.tripped.values()]
        self.drop_step()
        if reasons and self.refusing:
            await self.down("unavailable", f"one object after another fails: {reasons[0]}")

    def drop_step(self) -> None:
        """Forget what was found out in this step."""
        self.later, self.buried, self.tripped, self.outdated = {}, set(), {}, set()


def asked_until(error: TargetError) -> float:
    """Return until when the target as a whole asks to be left alone (unix seconds), 0: it does not.

    A 503 that names a time says so of the service, whatever was called (RFC 9110, 10.2.3).
    """
    return error.until if isinstance(error, UnavailableError) else 0.0


def member_object(email: str) -> str:
    """Return the work list's name of a person."""
    return MEMBER + email


def team_object(title: str) -> str:
    """Return the work list's name of a team."""
    return TEAM + title


def leave_teams(run: Run, email: str, binding: MemberBinding, teams: dict[str, TeamBinding]) -> list[Command]:
    """Return the commands that forget that someone is in any team; empty teams are looked at again."""
    commands: list[Command] = [("SREM", run.store.roster_key(ident), email) for ident in binding.teams]
    orphaned = [team_object(t) for t, team in teams.items() if team.id in binding.teams and not team.groups]
    return commands + run.store.mark(orphaned, run.now)
