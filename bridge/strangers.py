"""Who in a team at a target is a stranger: named by no directory that counts for the target."""

from collections.abc import Collection, Mapping

from bridge.store.mirror import MirrorStore
from bridge.store.targets import TargetStore


async def find_strangers(
    target: TargetStore, names: Collection[str], members: Mapping[str, str | None]
) -> set[str]:
    """Return the ids of those members for whom no directory of these configured names has, or had, a user.

    `members`: their addresses by id. Who is bound was named by one. A member without an address cannot be
    known, and so is a stranger. Raises one of STORE_ERRORS.
    """
    emails = {email for email in members.values() if email}
    known = set(await target.members(emails))
    persons = await MirrorStore(target.store).people(sorted(emails - known), names)
    known |= {person.email for person in persons if person.users or person.former}
    return {ident for ident, email in members.items() if email not in known}
