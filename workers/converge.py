"""The job that makes one target follow its directories: what is due is read, planned and applied.

It works on the wanted state, not on events: however many events came, in whatever order, what is due
is compared with what the target has, and only the difference is called for.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace

import orjson

from bridge.following import followed
from bridge.plan.teams import is_renamed
from bridge.settings import TargetSettings
from bridge.store.commit import LeaseLostError
from bridge.store.departures import read_departures
from bridge.store.epoch import Stale, begin, read_stale
from bridge.store.faults import describe_error, fails_at, is_outage
from bridge.store.holders import journals_there
from bridge.store.lease import Lease, acquire
from bridge.store.listings import ListingStore, read_listings
from bridge.store.marked import note_replanned, questions, read_cursors, read_marked
from bridge.store.mirror import Command, directory_name
from bridge.store.targets import GROUP, MEMBER, TEAM, TargetStore, read_state
from bridge.store.work import Work
from bridge.targets.base import CredentialsRejectedError, RateLimitedError, TargetError
from workers import hold
from workers.acts import Act
from workers.bound import bind_teams
from workers.context import Worker
from workers.fold import QUIET_MS
from workers.listings import forget_listings
from workers.lost import look_again
from workers.marking import mark_everyone, progress_key
from workers.people import People, apply_people, plan_people, wanted_people, watch_pending
from workers.run import AT_ONCE, INTENT_MS, Run, TargetDownError, asked_until, member_object
from workers.teams import apply_teams
from workers.titles import index_groups
from workers.twins import watch_twins

SLICE_SECONDS = 20.0
LONGEST_WAIT_MS = 5000  # how long an invite or a team waits for a burst of news to end
FAILED_MS = 15_000  # until a target is tried again at which the bridge itself failed
REREAD_MS = 2000  # until a team that could not be read is tried again
FOLDING_MS = 2000  # how long after the last batch unread news still counts as being folded
_NAP = 0.02


async def converge_target(worker: Worker, ident: str) -> None:
    """Make a target follow its directories, unless another worker does."""
    await worker.store.call("DEL", worker.store.key("bell", "converge", ident))
    target = worker.target(ident)
    store = TargetStore(worker.store, ident)
    if target is None or worker.stopping.is_set() or await _asleep(worker, store):
        return
    lease = await acquire(worker.store, f"converge:{ident}", worker.name)
    if lease is None:
        return
    try:
        await _converge(worker, target, store, lease)
    except TargetDownError:
        pass
    except LeaseLostError:
        worker.log.warning("converge.lease_lost", target=target.name)
    except Exception as error:
        if not is_outage(error):
            await _tell_failure(worker, store, lease, error)
        raise
    finally:
        await lease.close()
        await worker.tell_tallies()


async def _tell_failure(worker: Worker, store: TargetStore, lease: Lease, error: Exception) -> None:
    """Let the target's state say that nothing comes of it, and why."""
    before = await store.state()
    since = before.since if before.state == "unavailable" else worker.clock()
    resumes_at = (worker.clock() + FAILED_MS) / 1000
    transaction = lease.transaction()
    transaction.add(*store.put_state(replace(
        before, state="unavailable", reason=fails_at(error), resumes_at=resumes_at, since=since,
    )))  # fmt: skip
    await lease.commit(transaction)


async def _asleep(worker: Worker, store: TargetStore) -> bool:
    if await store.paused():
        return True
    state = await store.state()
    return state.state in ("unavailable", "credentials_rejected") and state.asleep(worker.clock())


async def _converge(worker: Worker, target: TargetSettings, store: TargetStore, lease: Lease) -> None:
    run = await _begin(worker, target, store, lease)
    await _probe(run)
    going = await _replan(run)
    while going and not worker.stopping.is_set():
        await run.check_pause()
        await _recover(run)
        await hold.sample_size(run)
        run.grant_turn()
        await watch_pending(run)
        run.grant_turn()
        await watch_twins(run)
        await look_again(run)
        worked = await _try_step(run)
        await _note_state(run)
        await worker.tell_tallies()
        if not worked:
            await forget_listings(run)
            if await lease.release("release_work", store.key("work"), run.now):
                return
            await asyncio.sleep(_NAP)
        going = not run.over
    await run.commit([("RING", "converge", store.id, run.now)])


async def _begin(worker: Worker, target: TargetSettings, store: TargetStore, lease: Lease) -> Run:
    """Begin a slice, with what is kept of lists that were not read to the end, or not used up."""
    names = await followed(worker.settings, target, store)
    kept = ListingStore(store)
    state, listings, pages = await worker.store.calls(
        [("GET", store.key("state")), ("HGETALL", kept.key), ("HGETALL", kept.pages_key)]
    )
    return Run(
        worker, target, store, worker.client(target), lease, names, state=read_state(state),
        ends=time.monotonic() + SLICE_SECONDS, listings=read_listings(listings),
        pages={name: int(number) for name, number in pages.items()},
    )  # fmt: skip


# the target's health


async def _probe(run: Run) -> None:
    """After an outage ask once whether the target is well; then all that backed off is due."""
    if run.state.state not in ("unavailable", "credentials_rejected"):
        return
    run.target.token.refresh()  # a file may hold a new one
    try:
        await run.read(run.client.ping())
    except TargetError as error:
        until = error.until if isinstance(error, RateLimitedError) else asked_until(error)
        await run.down(_down_state(run.state.state, error), error.message, until)
    run.state = run.health()
    work = run.store.key("work")
    later = await run.worker.store.call("ZRANGEBYSCORE", work, f"({run.now}", "+inf")
    refused = {name for name, waiting in (await run.store.waiting(later)).items() if waiting.refused}
    rush = [("ZADD", work, "XX", run.now, each) for each in later if each not in refused]
    await run.commit([run.store.put_state(run.state), *rush])


def _down_state(before: str, error: TargetError) -> str:
    """Return what a probe's answer shows; that too many calls were made shows nothing new."""
    if isinstance(error, CredentialsRejectedError):
        return "credentials_rejected"
    return before if isinstance(error, RateLimitedError) else "unavailable"


async def _note_state(run: Run) -> None:
    limited = run.limited_until * 1000 > run.now
    reason = "the target's rate limit is used up" if limited else None
    state = run.health("rate_limited", reason, run.limited_until) if limited else run.health()
    if state != run.state:
        run.state = state
        await run.commit([run.store.put_state(state)])


# work left behind


async def _recover(run: Run) -> None:
    """Take up the calls of workers that are gone: the target is read before they are planned again.

    A call may still reach the target until its time-out has passed, so what it is about waits that long.
    """
    run.held_back = {}
    commands: list[Command] = []
    patience = int(run.target.timeout * 1000) + INTENT_MS + 1000
    for name, intent in (await run.store.intents()).items():
        here = intent.worker == run.worker.name
        if here and (run.store.id, name) in run.worker.calling:
            run.held_back[name] = run.now + 1000
        elif intent.at > run.now + INTENT_MS:  # by a wrong clock: so it counts from now on
            commands += run.store.intend([name], replace(intent, at=run.now))
            run.held_back[name] = run.now + patience + 1
        elif here or run.now - intent.at > patience:
            commands += [*run.store.lose([name], intent.at, intent.team), *run.note_changed([name])]
            commands += [*run.store.mark([name], run.now), run.store.ended([name])]
        else:
            run.held_back[name] = intent.at + patience + 1
    await run.commit(commands)


# the configuration is an input too


def plan_hash(target: TargetSettings, names: set[str]) -> str:
    """Return a hash of all in the configuration that shapes a plan."""
    shape = target.model_dump(mode="json", exclude={"name", "token", "timeout", "api_url", "organization"})
    entries = [target.members.parse_group(entry) for entry in target.members.groups]
    text = orjson.dumps([shape, sorted(names), entries], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


async def _replan(run: Run) -> bool:
    """Mark everyone and everything when the rules are not those of the last plan; False: there is more to do.

    So is what a directory told while nobody marked it for this target: it was not in the configuration, or
    did not follow the directory. Whom the target knows is marked, too: what their directory was called may
    be forgotten.
    """
    departures = await read_departures(run.worker.store)
    run.names = await followed(run.worker.settings, run.target, run.store)
    wanted, key = plan_hash(run.target, run.names), run.store.key("plan")
    cursors = await read_cursors(run.worker.store)
    asked = [("GET", run.worker.store.key(what)) for what in ("epoch", "beat", "stale")]
    epoch, beat, text, planned, *kept = await run.worker.store.calls(
        [*asked, ("GET", key), *questions(run.store)]
    )
    run.stale = read_stale(text) or await _replaced(run, epoch or "", int(beat or 0))
    told = read_marked(kept)
    run.journals = journals_there(cursors, told, departures)
    changed, behind = planned != wanted, told.behind(cursors, run.names)
    if not (changed or behind):
        return True
    names = run.store.key("followed")
    if changed:
        before = set(await run.worker.store.call("SMEMBERS", names))
        behind = [each for each in sorted(cursors) if directory_name(each) in run.names | before]
    marked = await mark_everyone(run, wanted, {each: cursors[each] for each in behind})
    if marked is None:
        return False
    here = {each: cursor for each, cursor in marked.items() if directory_name(each) in run.names}
    transaction = run.lease.transaction()
    departures.require(transaction)
    transaction.add_all([*note_replanned(run.store, here), ("DEL", progress_key(run))])
    if changed:
        transaction.add_all([
            ("DEL", names), *(("SADD", names, name) for name in sorted(run.names)),
            ("DEL", run.store.key("planned")), ("SET", key, wanted),
        ])  # fmt: skip
    if not await transaction.run():  # the lease is lost, or what is forgotten has changed: plan anew
        raise LeaseLostError(run.lease.key)
    run.worker.log.info("target.replanned", target=run.target.name, changed=changed, directories=len(marked))
    return True


async def _replaced(run: Run, epoch: str, beat: int) -> Stale | None:
    """Return why the data may not act if they were replaced just now, so that nobody has noted it yet."""
    store, known = run.worker.store, run.worker.known
    if known is None or known.goes_on(epoch, beat):
        return None
    run.worker.known = await begin(store, known)
    return read_stale(await store.call("GET", store.key("stale")))


# one step


async def _try_step(run: Run) -> bool:
    """Make a step; one that fails is halved until the object that it fails for stands alone.

    That one is given up, and the others go on. Returns what `_step` does; raises what is no fault of an
    object.
    """
    run.trying = []
    try:
        worked = await _step(run)
    except (LeaseLostError, TargetDownError, TargetError):
        raise
    except Exception as error:
        if is_outage(error) or not run.trying:
            raise
        await _after_failure(run, error)
        return True
    run.at_once = min(AT_ONCE, 2 * run.at_once)
    return worked


async def _after_failure(run: Run, error: Exception) -> None:
    """Make the next step half as large, or give up the one object of this one.

    Raises TargetDownError after too many of them in a row: then it is not theirs.
    """
    alone = len(run.trying) == 1
    run.worker.log.warning(
        "converge.step_failed", target=run.target.name, objects=len(run.trying),
        error=describe_error(error), exc_info=error if alone else None,
    )  # fmt: skip
    run.drop_step()
    if not alone:
        run.at_once = len(run.trying) // 2
        return
    [work] = run.trying
    run.causes = await run.store.causes([work.object])
    await run.bury(work.object, Act("look", "work out what is to be done"), fails_at(error))
    await run.finish([work])


async def _step(run: Run) -> bool:
    """Work off what is due; False when there was nothing, or it waits for news to end."""
    works = await run.store.work.due(run.now, run.at_once)
    for work in works:
        if work.object in run.held_back:
            await run.commit([run.store.work.defer(work, run.held_back[work.object])])
    works = run.trying = [work for work in works if work.object not in run.held_back]
    groups = [work for work in works if work.object.startswith(GROUP)]
    if groups:
        await index_groups(run, groups)
        return True
    people = await wanted_people(run, [work for work in works if work.object.startswith(MEMBER)])
    if groups := await _groups_of(run, people):
        await index_groups(run, groups)
        return True
    if await _busy(run):
        works = _ready(run, people, works)
    if not works:
        return False
    await _work(run, people, works)
    return True


async def _groups_of(run: Run, people: People) -> list[Work]:
    """Return the work about groups of these people that is not due yet, or is behind too much else.

    It comes before theirs: by the title alone nobody is let into a team that was there before its group.
    """
    users = [user for person in people.persons.values() for user in person.users]
    refs = {group.ref for user in users for group in user.named}
    return await run.store.work.among([GROUP + ref for ref in sorted(refs)])


def _ready(run: Run, people: People, works: Sequence[Work]) -> list[Work]:
    """While news comes in, only removals go at once, and what has waited long enough."""
    ready = []
    for work in works:
        wanted = people.wanted.get(work.object[2:]) if work.object.startswith(MEMBER) else None
        leaving = wanted is not None and not wanted.member
        if leaving or run.now - work.due >= LONGEST_WAIT_MS:
            ready.append(work)
    kept = {work.object[2:] for work in ready if work.object.startswith(MEMBER)}
    for email in people.wanted.keys() - kept:
        del people.wanted[email], people.persons[email]
    return ready


async def _busy(run: Run) -> bool:
    """Tell whether a burst of news is under way: unread news, or more than one batch, the last one just now.

    Folding one batch may take longer than `QUIET_MS` on a busy machine; what nobody folds holds nothing up.
    """
    news = await run.worker.store.call("HGETALL", run.store.key("news"))
    last, start = int(news.get("last", 0)), int(news.get("start", 0))
    if abs(run.now - last) <= QUIET_MS and start != last:  # abs: a time to come is a wrong clock's
        return True
    accepted, folded = await run.worker.journal.counters()
    return accepted > folded and abs(run.now - last) <= FOLDING_MS


async def _work(run: Run, people: People, works: Sequence[Work]) -> None:
    run.causes = await run.store.causes([work.object for work in works])
    run.waits = await run.store.waiting([work.object for work in works])
    run.works = {work.object: work for work in works}
    teams = [work for work in works if work.object.startswith(TEAM)]
    run.grant_turn()
    try:
        await plan_people(run, people)
        if run.dry:
            await _record_plan(run, people, teams)
        else:
            await apply_people(run, people)
            await _reread_teams(run, people, teams)
            await apply_teams(run, people, teams)
    except TargetError as error:
        await run.fault([work.object for work in works], error)
    if people.unread_because:
        await run.fault([member_object(email) for email in people.unread], people.unread_because)
    await run.finish(works)


async def _reread_teams(run: Run, people: People, works: Sequence[Work]) -> None:
    """Read teams again at whose last call the end was not clear, also when nobody is to join them now."""
    doubts = await run.worker.store.call("HKEYS", run.store.key("unknown"))
    names = sorted(each for each in doubts if each.startswith(TEAM) and each not in run.held_back)
    if not names:
        return
    await bind_teams(run, people, await run.store.teams(), [name[2:] for name in names])
    left, due = await run.store.unknown(names), {work.object for work in works}
    again = run.now + REREAD_MS
    run.look_again(left.keys() & due, again)
    await run.commit(run.store.mark(sorted(left.keys() - due), again))


async def _record_plan(run: Run, people: People, teams: Sequence[Work]) -> None:
    """In dry-run mode nothing is called that writes: note for whom `bridge plan` has something to show."""
    key = run.store.key("planned")
    bindings = await run.store.teams()
    commands: list[Command] = []
    for email, plan in people.plans.items():
        commands.append(("SREM" if plan.empty else "SADD", key, MEMBER + email))
    for work in teams:
        team = bindings.get(work.object[2:])
        renamed = team and is_renamed(team, work.object[2:])
        unneeded = team and team.id and team.made and not team.groups
        commands.append(("SADD" if renamed or unneeded else "SREM", key, work.object))
    await run.commit(commands)
