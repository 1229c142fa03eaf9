"""Who left by the directory's word and still is a member, or may be: whom an auditor asks about first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridge.following import followed
from bridge.operators.desks import Desk
from bridge.operators.standing import Standing, read_standings
from bridge.plan.judge import removal_id
from bridge.plan.members import Wanted, want
from bridge.settings import Settings, TargetSettings
from bridge.store.mirror import MirrorStore
from bridge.store.targets import MEMBER

EXCEPTED, PARKED, DEAD, WAITING, PAUSED, DRY_RUN, DUE = STATES = (
    "excepted", "parked", "dead", "waiting", "paused", "dry-run", "due",
)  # fmt: skip
_SLICE = 500


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody who has to go. Times in unix ms, 0 for unknown or none.

    `left_at`: by the directory's word; `state`: why they are still there, one of STATES, `reason` in words;
    `held_since`: since when a person has had to decide. `by`, `said`, `decided_at`: who rejected the removal,
    or has approved it, with their words, and when; `until`: when their exception ends.
    """

    email: str
    target: str
    left_at: int
    state: str
    reason: str = ""
    held_since: int = 0
    by: str = ""
    said: str = ""
    decided_at: int = 0
    until: int = 0


async def read_leavers(settings: Settings, desk: Desk, now: int) -> list[Leaver]:
    """Return a target's, in order of their addresses. `now`: unix ms. Raises one of STORE_ERRORS.

    Those the guard has judged are written down, and so is what people have decided. Who left just now is not
    yet: so whoever is to be looked at counts as well, if the directory says that they are to be no member.
    """
    target = next(each for each in settings.targets if each.name == desk.name)
    noted = await _noted(desk)
    wanted = await _leaving(settings, target, desk, noted)
    standings = await read_standings(
        desk.target, {MEMBER + email: {removal_id(email): ""} for email in wanted}, now
    )
    paused = await desk.target.paused() is not None
    return [
        _leaver(target, wanted[email], noted.get(email, 0), standings[MEMBER + email], paused)
        for email in sorted(wanted)
    ]


async def _noted(desk: Desk) -> dict[str, int]:
    """Return since when people are to go, of those whom the guard has judged."""
    rows = await desk.target.store.call("HGETALL", desk.target.key("leaving"))
    return {email: int(at) for email, at in rows.items()}


async def _leaving(
    settings: Settings, target: TargetSettings, desk: Desk, noted: Mapping[str, int]
) -> dict[str, Wanted]:
    """Return what is wanted of all who are to go."""
    work, planned = await desk.target.store.calls([
        ("ZRANGE", desk.target.key("work"), 0, -1), ("SMEMBERS", desk.target.key("planned")),
    ])  # fmt: skip
    asked = {name.removeprefix(MEMBER) for name in (*work, *planned) if name.startswith(MEMBER)}
    asked |= await _excepted(desk)
    bindings = await desk.target.members(sorted(asked | noted.keys()))
    mirror, names = MirrorStore(desk.target.store), await followed(settings, target, desk.target)
    found = {}
    emails = sorted(bindings.keys() | noted.keys())
    for start in range(0, len(emails), _SLICE):
        for person in await mirror.people(emails[start : start + _SLICE], names):
            wanted, binding = want(person, target), bindings.get(person.email)
            ours = wanted.admitted or (binding is not None and binding.admitted)
            if ours and not (wanted.member or wanted.excluded):
                found[person.email] = wanted
    return found


async def _excepted(desk: Desk) -> set[str]:
    """Return those members of whom somebody has rejected the removal. (A decision tells no address.)"""
    store, target = desk.target.store, desk.target
    decided = await target.decisions(await store.call("HKEYS", target.key("decision")))
    rejected = {ident for ident, decision in decided.items() if not decision.approved}
    members = await store.call("HKEYS", target.key("binding")) if rejected else []
    return {email for email in members if removal_id(email) in rejected}


def _leaver(target: TargetSettings, wanted: Wanted, noted: int, standing: Standing, paused: bool) -> Leaver:
    held = next(iter(standing.parked), None)
    state, reason = _state(target, wanted, standing, paused)
    leaver = Leaver(
        wanted.email, target.name, noted or wanted.since, state, reason, held.since if held else 0
    )
    said = next((each for _, each in standing.decided if each.token == wanted.token), None)
    if said is None:
        return leaver
    state = leaver.state if said.approved else EXCEPTED
    until = int(said.until * 1000)
    return replace(leaver, state=state, by=said.by, said=said.why, decided_at=said.at, until=until)


def _state(target: TargetSettings, wanted: Wanted, standing: Standing, paused: bool) -> tuple[str, str]:
    """Return why somebody is still there, and in words."""
    for state, held in ((DEAD, standing.dead), (PARKED, next(iter(standing.parked), None))):
        if held:
            return state, held.reason
    if standing.waiting:
        return WAITING, standing.waiting.reason
    if paused:
        return PAUSED, wanted.why_not
    return DRY_RUN if target.mode == "dry-run" else DUE, wanted.why_not
