"""`bridge person`: what the directory wants of somebody against what GitBook has, why, and what happened."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    brief_moment,
    fail,
    load,
    moment,
    opened_store,
    print_json,
    print_table,
    run_async,
    unix_ms,
)
from bridge.commands.filtering import Limit, Since, Sources, Targets, Text, Until, make_filter
from bridge.commands.subjects import (
    KINDS,
    Kinds,
    States,
    group_id,
    print_timeline,
    say,
    say_title,
    standing_json,
    timeline_json,
    told_by,
    work_lines,
)
from bridge.operators.accounts import Account
from bridge.operators.desks import open_desks
from bridge.operators.filters import Filter
from bridge.operators.person import Because, PersonAnswer, read_person
from bridge.operators.timeline import OUTCOMES
from bridge.plan.members import State
from bridge.plan.people import UserView
from bridge.settings import Settings
from bridge.store.mirror import split_ref

_COLUMNS = ("", "wanted", "why", "known there")
_STATES = {State.KNOWN: "yes", State.INVITED: "invited", State.ABSENT: "no", State.UNKNOWN: "not known"}
Email = Annotated[
    str,
    typer.Argument(metavar="EMAIL", help="The address they have, or had, in any case.", show_default=False),
]


def person(
    email: Email,
    *,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Kinds = None,
    states: States = None,
    text: Text = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 50,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show what happened to somebody, what the directory wants of them, what GitBook has, and why."""
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, states=states, text=text, since=since,
        until=until, limit=limit, known_kinds=KINDS, known_states=OUTCOMES,
    )  # fmt: skip
    answer, now = run_async(_read(settings, email, wanted))
    if answer is None:
        name = email.strip()
        fail(
            f"nothing is known of {name}: no directory has told of this address, nor has any target "
            f"had a member of it. Look for a part of it with `bridge events --text {name}`, and whether "
            "events are still to be processed with `bridge status`"
        )
    if json:
        print_json(describe(answer, now))
    else:
        _print(answer, now)


async def _read(settings: Settings, email: str, wanted: Filter) -> tuple[PersonAnswer | None, int]:
    """Return the answer, and of when it is (unix ms)."""
    async with opened_store(settings) as store:
        desks, now = open_desks(settings, store), unix_ms()
        return await read_person(settings, store, desks, email, wanted, now), now


# as JSON


def describe(answer: PersonAnswer, now: int) -> dict[str, Any]:
    """Return what is known of a person as JSON shows it. `now`: unix ms."""
    person = answer.person
    return {
        "email": person.email,
        "users": [_user_json(user) for user in person.users],
        "former_users": [_user_json(user) for user in person.former],
        "accounts": [_account_json(account, answer, now) for account in answer.accounts],
        "why": [_sentence(because, answer) for because in answer.why],
        **timeline_json(answer.timeline),
    }


def _user_json(user: UserView) -> dict[str, Any]:
    directory, ident = split_ref(user.ref)
    return {
        "directory": directory,
        "id": ident,
        "email": user.email,
        "state": _life(user),
        "since": moment(user.life_at),
        "former_emails": list(user.former),
        "groups": [
            {"id": group_id(group), "name": group.name, "since": moment(user.member_at.get(group.ref))}
            for group in user.groups
        ],
    }


def _life(user: UserView) -> str:
    return "deleted" if not user.exists else "active" if user.active else "inactive"


def _account_json(account: Account, answer: PersonAnswer, now: int) -> dict[str, Any]:
    return {
        "target": account.target,
        "mode": account.mode,
        "halted": account.halted,
        "email": account.email,
        "wanted": _wanted_json(account, answer),
        "known": _known_json(account),
        "differences": list(account.differences),
        **standing_json(account.standing, now),
    }


def _wanted_json(account: Account, answer: PersonAnswer) -> dict[str, Any]:
    role = account.role
    return {
        "member": account.wanted.member and not account.wanted.excluded,
        "excluded": account.wanted.excluded,
        "why": account.why,
        "since": moment(account.wanted.since),
        "role": role.role if role else None,
        "role_why": role.why if role else None,
        "role_event": answer.joined(role.group) if role and role.group else "",
        "sso": account.sso,
        "teams": [
            {
                "team": each.title, "group": each.group.name, "group_id": group_id(each.group),
                "rule": each.why, "event": answer.joined(each.group),
            }
            for each in account.teams
        ],
    }  # fmt: skip


def _known_json(account: Account) -> dict[str, Any] | None:
    known = account.known
    if known is None:
        return None
    return {
        "state": known.state, "id": known.id, "role": known.role, "sso": known.sso,
        "other_accounts": [account.id for account in known.others],
        "invited_by_bridge": known.ours, "role_kept": known.kept,
        "teams": [{"team": team.title, "id": team.id, "how": team.how} for team in account.known_teams],
    }  # fmt: skip


def _sentence(because: Because, answer: PersonAnswer) -> str:
    whose = "" if because.email == answer.person.email else f"{because.email}: "
    text = whose + (f"{because.what} {moment(because.at)}" if because.at else because.what.rpartition(" ")[0])
    text += f": {because.reason}" if because.reason else ""
    text += f" (until {moment(because.until)})" if because.until else ""
    event = told_by(because.event, answer.events)
    return f"{text}, told by {event}" if event else text


# as text


def _print(answer: PersonAnswer, now: int) -> None:
    person = answer.person
    say_title(person.email)
    for user in person.users:
        _print_user(user)
    for user in person.former:
        say(f"a former address of {user.email or 'nobody with an address'}:", 2)
        _print_user(user)
    if not (person.users or person.former):
        say("No directory knows the address now.")
    for account in answer.accounts:
        _print_account(account, answer, now)
    if answer.why:
        say_title("Why")
    for because in answer.why:
        say(f"- {_sentence(because, answer)}", 2)
    print_timeline(answer.timeline)


def _print_user(user: UserView) -> None:
    since = f" since {brief_moment(user.life_at)}" if user.life_at else ""
    say(f"user {'/'.join(split_ref(user.ref))}: {_life(user)}{since}", 2)
    if user.former:
        say(f"  had the address {', '.join(user.former)}", 4)
    if user.groups:
        names = (f"{group.name or group.id} ({group_id(group)})" for group in user.groups)
        say(f"  in {', '.join(names)}", 4)


def _print_account(account: Account, answer: PersonAnswer, now: int) -> None:
    whose = "" if account.email == answer.person.email else f", {account.email}"
    say_title(f"{account.target} ({account.mode}){whose}")
    if account.halted:
        say(f"nothing is done there now: {account.halted}", 2)
    print_table("", _COLUMNS, _rows(account, answer))
    for change in account.differences:
        say(f"to do: {change}", 2)
    for line in work_lines(account.standing, now):
        say(line, 2)


def _rows(account: Account, answer: PersonAnswer) -> Iterator[tuple[str, str, str, str]]:
    known, role = account.known, account.role
    there = "yes" if account.wanted.member and not account.wanted.excluded else "no"
    accounts = f", {len(known.accounts)} accounts" if known and known.others else ""
    yield "member", there, account.why, _STATES[known.state if known else State.ABSENT] + accounts
    if role or known:
        event = answer.joined(role.group) if role and role.group else ""
        why = ", ".join(filter(None, [role.why if role else "", event and f"event {event}"]))
        yield "role", role.role if role else "", why, known.role if known else ""
        yield "SSO", _yes(account.sso) if role else "", "", _yes(known.sso) if known else ""
    yield from _team_rows(account, answer)


def _yes(so: bool) -> str:
    return "yes" if so else "no"


def _team_rows(account: Account, answer: PersonAnswer) -> Iterator[tuple[str, str, str, str]]:
    how = {team.title: "yes, by the bridge" if team.how == "given" else "yes, found there"
           for team in account.known_teams}  # fmt: skip
    wanted = {reason.title for reason in account.teams}
    for title in sorted(wanted | how.keys()):
        reasons = [reason for reason in account.teams if reason.title == title]
        why = "; ".join(_why_team(reason.why, group_id(reason.group), reason.group.name or "",
                                  answer.joined(reason.group)) for reason in reasons)  # fmt: skip
        yield f"team {title}", _yes(title in wanted), why, how.get(title, "no")


def _why_team(rule: str, ident: str, name: str, event: str) -> str:
    text = f"in {name} ({ident}), {rule}"
    return f"{text}, event {event}" if event else text
