"""Several accounts with one address: all of them are the person's, who has one wish and many ids.

GitBook keeps addresses as they were typed, so that `dup@acme.test` and `Dup@acme.test` may be two members.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.settings import Role
from bridge.targets.base import RemoteMember


@dataclass(frozen=True, slots=True)
class Account:
    """One account at the target, by its id there."""

    id: str
    role: Role
    sso: bool


def accounts(remote: RemoteMember | None) -> tuple[RemoteMember, ...]:
    """Return all accounts that were found for an address."""
    return (remote, *remote.others) if remote else ()


def accounts_of(remote: RemoteMember, first: str | None) -> tuple[RemoteMember, tuple[Account, ...]]:
    """Return the account that stands for a person, and the others, in order of their ids.

    `first`: the id of the account that stood for them so far; it goes on doing so while it is there.
    """
    everyone = accounts(remote)
    chosen = next((each for each in everyone if each.id == first), remote)
    return chosen, _sorted(Account(each.id, each.role, each.sso) for each in everyone if each is not chosen)


def _sorted(accounts: Iterable[Account]) -> tuple[Account, ...]:
    return tuple(sorted(accounts, key=lambda account: account.id))
