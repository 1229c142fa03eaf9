"""A title is free as soon as nobody needs it, whatever became of a renaming: real processes, real time."""

from collections.abc import Callable

from bridge.sandbox import Sandbox
from tests.e2e.place import Place, event, user


def named(ident: str, name: str) -> dict[str, str]:
    """A group by its id and name."""
    return {"id": ident, "name": name}


def emails(*names: str) -> set[str]:
    """Their addresses."""
    return {f"{name}@acme.test" for name in names}


async def test_a_title_of_a_group_that_was_renamed_in_vain_and_deleted(
    make_place: Callable[..., Place], sandbox: Sandbox
) -> None:
    """The group that gets the name has the team and its people; nobody is kept in another team meanwhile."""
    place = make_place()
    place.start()
    await place.ready()
    joins = [("u1", "g1", "Alpha"), ("u2", "g3", "Other"), ("u3", "g3", "Other")]
    for name, ident, title in joins:
        await place.send(event("group.user_added", user(name), named(ident, title)))
    first = {"Alpha": emails("u1"), "Other": emails("u2", "u3")}
    await place.until(lambda: sandbox.teams() == first, "the teams are not there")
    sandbox.inject(next=[{"match": "PATCH .*/teams/", "fault": "400", "times": 99}])
    await place.send(event("group.updated", where=named("g1", "Beta")))
    await place.until(lambda: bool(sandbox.calls_like("PATCH .*/teams/")), "nothing was renamed")
    await place.send(event("group.deleted", where={"id": "g1"}))
    await place.send(event("group.created", where=named("g2", "Alpha")))
    for name in ("u1", "u2"):
        await place.send(event("group.user_added", {"id": f"00u{name}"}, {"id": "g2"}))
    await place.send(event("group.user_removed", {"id": "00uu2"}, {"id": "g3"}))
    last = {"Alpha": emails("u1", "u2"), "Other": emails("u3")}
    await place.until(lambda: sandbox.teams() == last, "the teams do not follow")
    await place.until(place.settled, "something is still to be done")
    row = (await place.status())["targets"]["docs"]
    assert (row["state"], row["dead"], row["waits"]) == ("ok", 0, [])
