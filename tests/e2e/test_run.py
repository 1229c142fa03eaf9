"""`bridge run` from the outside: applies, survives, ends."""

import json
from collections.abc import Callable

from bridge.sandbox import Sandbox
from tests.e2e.place import Place, event, group, user

MakePlace = Callable[..., Place]


async def test_a_joiner_a_mover_and_a_leaver_are_applied(make_place: MakePlace, sandbox: Sandbox) -> None:
    """Events sent as a flow sends them end in members and teams, and SIGTERM ends it with 0."""
    place = make_place()
    place.start()
    await place.ready()
    ana = user("ana")
    await place.send(event("group.user_added", ana, group("Writers")), event("user.created", user("bo")))
    await place.until_members("ana", "bo")
    assert {"Writers": {"ana@acme.test"}} == sandbox.teams()
    await place.send(
        event("group.user_removed", ana, group("Writers")), event("group.user_added", ana, group("Docs"))
    )
    await place.until(lambda: sandbox.teams().get("Docs") == {"ana@acme.test"}, "not in the new team")
    await place.send(event("user.updated", user("ana", active=False)), event("user.deleted", user("bo")))
    await place.until_members()
    assert {"run": 0} == place.stop()


async def test_a_second_run_on_the_same_data_is_refused(make_place: MakePlace) -> None:
    """Two bridges on one folder would ruin it: the second says so and ends."""
    place = make_place()
    place.start()
    await place.ready()
    other = make_place()
    other.start(name="second")
    assert 1 == other.processes.pop("second").wait(20)
    assert "in use by another" in (place.folder / "second.log").read_text(encoding="utf-8")


async def test_it_goes_on_where_it_was(make_place: MakePlace, sandbox: Sandbox) -> None:
    """What was accepted before a clean stop is applied after the next start, if it was not before."""
    place = make_place()
    place.start()
    await place.ready()
    sandbox.inject(always="503")
    await place.send(event("user.created", user("ana")))
    await place.until(lambda: sandbox.calls, "nothing was tried")
    assert {"run": 0} == place.stop()
    sandbox.heal()
    place.start()
    await place.until_members("ana")


async def test_nothing_is_lost_by_kill_9_of_everything(make_place: MakePlace) -> None:
    """Events answered 200 are applied although receiver, worker and Valkey were killed at once."""
    place = make_place()
    place.start()
    await place.ready()
    names = [f"p{number}" for number in range(40)]
    await place.send(*(event("user.created", user(name)) for name in names))
    place.kill()
    place.start()
    await place.until_members(*names)


async def test_nothing_is_lost_by_kill_9_of_a_worker(make_place: MakePlace, sandbox: Sandbox) -> None:
    """A worker killed in the middle of its calls is followed by another, which finishes the work."""
    with_valkey = make_place()
    with_valkey.start()
    await with_valkey.ready()
    place = make_place(redis=f"unix://{with_valkey.folder}/data/valkey.sock")
    place.rewrite('data_dir = "data"', 'data_dir = "data"\nprefix = "other"')
    place.start("serve")
    place.start("worker", "first")
    await place.ready()
    sandbox.inject(latency=0.3)
    names = [f"p{number}" for number in range(30)]
    await place.send(*(event("group.user_added", user(name), group(f"Team {name}")) for name in names))
    await place.until(sandbox.team_list, "no team yet")
    place.kill("first")
    assert len(sandbox.team_list()) < len(names), "the worker was done before it was killed"
    place.start("worker", "second")
    await place.until(lambda: len(sandbox.teams()) == len(names), "not all teams are there")
    await place.until_members(*names)
    assert len(names) == len(sandbox.team_list())
    assert {0} == set(place.stop().values())


async def test_logs_hold_no_secret_and_no_address(make_place: MakePlace) -> None:
    """Ids are in the logs, but neither secrets nor e-mail addresses, and each line is JSON."""
    place = make_place()
    place.start()
    await place.ready()
    await place.send(event("group.user_added", user("ana"), group("Writers")))
    await place.until_members("ana")
    place.stop()
    log = place.log()
    for forbidden in ("ana@acme.test", "flow-secret-of-the-tests", place.sandbox.token):
        assert forbidden not in log
    assert all(json.loads(line)["event"] for line in log.splitlines())
