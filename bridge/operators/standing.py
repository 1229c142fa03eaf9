"""What is the matter with some objects of a target now: due, under way, waiting, held, given up, decided."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.plan.changes import AdoptTeam
from bridge.plan.held import Decision, Held
from bridge.plan.judge import (
    adoption_id,
    deletion_id,
    grant_id,
    invite_id,
    leaving_id,
    removal_id,
    role_id,
    team_id,
)
from bridge.store.targets import MEMBER, Cause, Intent, TargetStore, Waiting


@dataclass(frozen=True, slots=True)
class Standing:
    """One person or team of a target. Times are unix ms, 0 for none.

    `work`: when it is, or was, to be looked at; `running`: the call under way; `decided`: what people
    decided and what still stands, by what it is about (of a person: "" for the membership, or the team);
    `doubt`: a call about it had no clear end; `planned`: in dry-run mode, something would be done;
    `event`: the id of the newest event behind it.
    """

    work: int = 0
    running: Intent | None = None
    waiting: Waiting | None = None
    parked: tuple[Held, ...] = ()
    dead: Held | None = None
    decided: tuple[tuple[str, Decision], ...] = ()
    doubt: bool = False
    planned: bool = False
    event: str = ""

    def states(self, now: int) -> list[str]:
        """Return what it is at `now`: running, due, waiting, parked, dead; nothing where all is done."""
        found = {
            "running": self.running,
            "due": self.work and self.work <= now and not self.running,
            "waiting": self.work > now,
            "parked": self.parked,
            "dead": self.dead,
        }
        return [state for state, so in found.items() if so]


def member_idents(email: str, teams: Mapping[str, str], wanted: Iterable[str] = ()) -> dict[str, str]:
    """Return the ids under which something about a person may be held: id -> what it is about.

    `teams`: those they are in, id -> title; `wanted`: titles of those they are to get into.
    """
    whole = dict.fromkeys((removal_id(email), invite_id(email), role_id(email)), "")
    whole[grant_id(email)] = "admin role"
    losses = {team_id(ident): f"team {title}" for ident, title in teams.items()}
    leaving = {leaving_id(team_id(ident), email): f"team {title}" for ident, title in teams.items()}
    return whole | losses | leaving | {adoption_id(title): f"team {title}" for title in sorted(wanted)}


def team_idents(title: str, team: str | None) -> dict[str, str]:
    """Return the ids under which something about a team may be held. `team`: its id at the target."""
    return {deletion_id(title): "", adoption_id(title): ""} | ({team_id(team): ""} if team else {})


async def read_standings(
    target: TargetStore, objects: Mapping[str, Mapping[str, str]], now: int
) -> dict[str, Standing]:
    """Read how objects of the work list stand: object -> the ids of what may be held about it.

    Raises one of STORE_ERRORS.
    """
    names = sorted(objects)
    if not names:
        return {}
    idents = sorted({ident for each in objects.values() for ident in each})
    work, planned = await target.store.calls([
        ("ZMSCORE", target.key("work"), *names), ("SMISMEMBER", target.key("planned"), *names),
    ])  # fmt: skip
    running, waiting, dead = await target.intents(), await target.waiting(names), await target.dead_of(names)
    doubts, causes = await target.unknown(names), await target.causes(names)
    parked, decided = await target.parked_of(idents), await target.decisions(idents)
    return {
        name: Standing(
            int(float(score)) if score else 0,
            running.get(name),
            waiting.get(name),
            _about(name, objects[name], parked),
            dead.get(name),
            _standing(objects[name], parked, decided, now),
            name in doubts,
            bool(plan),
            causes.get(name, Cause()).event,
        )
        for name, score, plan in zip(names, work, planned, strict=True)
    }


def _about(name: str, idents: Mapping[str, str], parked: Mapping[str, Held]) -> tuple[Held, ...]:
    """Return what is held about an object; a team's losses only about those whom they name.

    The adoption of a team is about everyone who is to get into it.
    """
    held, email = [parked[ident] for ident in idents if ident in parked], name.removeprefix(MEMBER)
    return tuple(
        each for each in held if each.object == name or email in each.emails or each.kind == AdoptTeam.verb
    )


def _standing(
    idents: Mapping[str, str], parked: Mapping[str, Held], decided: Mapping[str, Decision], now: int
) -> tuple[tuple[str, Decision], ...]:
    """Return decisions that have not ended. Whether they still answer the news, the guard alone tells."""
    return tuple(
        (about, decided[ident])
        for ident, about in idents.items()
        if ident in decided and decided[ident].stands(decided[ident].token, now)
    )
