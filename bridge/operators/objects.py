"""What people call the objects of a work list, which begin with what they are."""

from bridge.store.mirror import split_ref
from bridge.store.targets import GROUP, MEMBER, TEAM

KINDS = {MEMBER: "member", TEAM: "team", GROUP: "group"}


def kind_of(name: str) -> str:
    """Return "member", "team" or "group", "" for none of them."""
    return KINDS.get(name[:2], "")


def plain_name(name: str) -> str:
    """Return the e-mail, the team's title, or a group's directory and id (`okta/00g1`)."""
    if name.startswith(GROUP):
        return "/".join(split_ref(name.removeprefix(GROUP)))
    return name[2:] if kind_of(name) else name
