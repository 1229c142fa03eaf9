"""Whether what is stored of a person can be believed: nobody loses anything because data is missing. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bridge.plan.members import MemberBinding, Wanted
from bridge.plan.people import Person

MISSING = (
    "what the directory told of them is missing from the bridge's data: load the directory again, or approve "
    "if they have left"
)
UNTOLD = "nothing was told of them since; approve only what you know to be so"


def is_over(reason: str, wanted: Wanted) -> bool:
    """Tell whether a change was held for a doubt that there is no more."""
    return not wanted.doubt and (reason == MISSING or reason.endswith(UNTOLD))


def believe(_email: str) -> str:
    """Have no doubt about the data as a whole."""
    return ""


def doubted(
    wanted: Mapping[str, Wanted],
    persons: Mapping[str, Person],
    bindings: Mapping[str, MemberBinding],
    counts: Callable[[str], bool],
    untold: Callable[[str], str] = believe,
) -> dict[str, Wanted]:
    """Return what is wanted of people, with a doubt about those of whom it may not be so; by e-mail.

    A user whom a binding names was in the mirror once, and stays there as long as the binding does, deleted
    or not. `counts`: tells of a user's ref whether its directory is one that the target follows and nobody
    had forgotten; `untold`: of an e-mail, why the data may not act for them, "" where they may.
    """
    found = {}
    for email, each in wanted.items():
        if text := untold(email):
            found[email] = replace(each, doubt=text, frozen=True)
        elif _is_missing(persons[email], bindings.get(email), counts):
            found[email] = replace(each, doubt=MISSING, frozen=False)
        else:
            found[email] = replace(each, doubt="", frozen=False)
    return found


def _is_missing(person: Person, binding: MemberBinding | None, counts: Callable[[str], bool]) -> bool:
    users = (*person.users, *person.former)
    if any(user.incomplete for user in users):
        return True
    there = {user.ref for user in users}
    return any(ref not in there and counts(ref) for ref in (binding.holders if binding else ()))
