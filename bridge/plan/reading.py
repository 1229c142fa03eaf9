"""What must be read at the target before a plan is made, and what a reading shows. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from bridge.plan.accounts import accounts, accounts_of
from bridge.plan.members import MemberBinding, State, Wanted
from bridge.plan.people import Person
from bridge.plan.scope import is_address
from bridge.settings import Role
from bridge.targets.base import RemoteMember


@dataclass(frozen=True, slots=True)
class Inviting:
    """An invite that has no clear end yet.

    `kept`, `kept_role`, `first_holders`: see `MemberBinding`; `since`: when they came, unix ms, 0: unknown.
    """

    kept: bool = False
    since: int = 0
    kept_role: Role | None = None
    first_holders: tuple[str, ...] = ()


def must_read(wanted: Wanted, binding: MemberBinding | None, doubt: bool) -> bool:
    """Nobody is invited unless read as absent, nor removed unless read just before."""
    if wanted.excluded:
        return False
    if wanted.member:
        return is_address(wanted.email) and (binding is None or doubt)
    return wanted.admitted or doubt or (binding is not None and binding.admitted)


def bound(
    before: MemberBinding | None, remote: RemoteMember | None, inviting: Inviting | None, now: int
) -> MemberBinding:
    """Return what is known after a reading at `now` (unix ms).

    Someone found whom the bridge did not invite keeps the role they have until a rule names it.
    `inviting`: an invite of theirs that had no clear end.
    """
    if remote is None:
        waits = before is not None and before.state is State.INVITED
        return before if waits and before else MemberBinding(State.ABSENT)
    first, others = accounts_of(remote, before.id if before else None)
    if before is None or before.state is State.ABSENT:
        found = _found(first, inviting if before is None else None, now)
        return replace(found, others=others, role_before=_highest(found, remote)).with_role(first.role, now)
    same = before.id in (None, first.id)
    teams = before.teams if same else {}
    known = replace(
        before, state=State.KNOWN, id=first.id, sso=first.sso, teams=teams, joined=first.joined, others=others
    )
    return known.with_role(first.role, now)


def _highest(found: MemberBinding, remote: RemoteMember) -> Role | None:
    """Return the role somebody had before, which was an admin's if one of their accounts is one's."""
    admin = any(each.role == "admin" for each in remote.others)
    return "admin" if admin and found.role_before else found.role_before


def hidden_accounts(before: MemberBinding | None, remote: RemoteMember | None) -> list[str]:
    """Return the ids of accounts that are known and were not found: they are asked for by their ids.

    Whoever was found without having several is not: another id for their one account is a new account.
    """
    if before is None or (remote and not before.others):
        return []
    listed = {each.id for each in accounts(remote)}
    return [account.id for account in before.accounts if account.id not in listed]


def _found(remote: RemoteMember, inviting: Inviting | None, now: int) -> MemberBinding:
    """Return what is known of somebody who was unknown: invited by a call without a clear end, or there."""
    here = MemberBinding(State.KNOWN, remote.id, remote.role, remote.sso, joined=remote.joined)
    if inviting is not None:
        return replace(
            here, ours=True, kept=inviting.kept, admitted=True, first_holders=inviting.first_holders,
            kept_role=inviting.kept_role,
        )  # fmt: skip
    return replace(here, kept=True, role_before=remote.role, adopted=now)


def may_have_left(before: MemberBinding, after: MemberBinding) -> bool:
    """Tell whether someone who is a member as before may have been none meanwhile, and so be in no team.

    Of several accounts the first may be gone: which of them was in which team is to be read.
    """
    if after.state is not State.KNOWN:
        return False
    lost_first = bool(before.others and before.teams) and before.id != after.id
    return lost_first or (bool(after.teams) and before.joined != after.joined)


def has_left(before: MemberBinding | None, after: MemberBinding) -> bool:
    """Tell whether a reading shows that somebody who was a member is none any more, or was none meanwhile."""
    if before is None or before.state is not State.KNOWN:
        return False
    return after.state is State.ABSENT or bool(before.joined and before.joined != after.joined)


def is_gone(before: MemberBinding | None, after: MemberBinding) -> bool:
    """Tell whether a reading shows that somebody who was a member is none."""
    return before is not None and before.state is State.KNOWN and after.state is State.ABSENT


def former_addresses(persons: Iterable[Person]) -> list[tuple[str, str]]:
    """Return (address, former address) of everyone who has had another one."""
    return [
        (person.email, address)
        for person in persons
        for user in person.users
        for address in user.former
        if address != person.email
    ]


def before_moving(
    former: Collection[tuple[str, str]], wanted: Mapping[str, Wanted], bindings: Mapping[str, MemberBinding]
) -> dict[str, MemberBinding]:
    """Return for people whose address is new the binding of the one that they had themselves."""
    return {
        email: bindings[address]
        for email, address in former
        if address in bindings and set(bindings[address].holders) & set(wanted[email].holders)
    }
