"""Reading back from Okta what its event hooks left open: whom, when, how often, and what comes of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.directories.okta import Okta
from bridge.directory.events import make_stamp
from bridge.directory.users import User, decode_user, encode_user
from bridge.store.lease import acquire
from bridge.store.reads import ReadState, ReadStore
from tests.directories.fake_okta import TOKEN, FakeOkta, running_okta
from tests.workers.world import HOUR, MINUTE, SECOND, World
from workers import readback
from workers.readback import LOOK_AFTER_MS, SETTLE_MS, read_directory, ring_for_reads


class Hooks:
    """A world whose directory "okta" speaks through event hooks, and the Okta behind them."""

    def __init__(self, world: World, okta: FakeOkta, **source: Any) -> None:
        self.world, self.okta = world, okta
        self.configure(api_url=okta.url, api_token=TOKEN, **source)

    def configure(self, **source: Any) -> None:
        """Start a new worker with other keys of the source."""
        table = {"name": "okta", "kind": "okta-event-hooks", "secrets": ["okta-secret"]}
        self.world.sources = [table | source]
        self.world.configure()

    @property
    def reads(self) -> ReadStore:
        """What is to be read."""
        return ReadStore(self.world.store, "okta")

    async def tell(
        self, name: str, user: str = "", active: bool | None = None, group: str = "", **more: Any
    ) -> None:
        """Append a thin event: ids, whether someone is active, and nothing else."""
        who = (f"00u{user}", None, active) if user else None
        await self.world.tell(name, who, (group, more.pop("title", None)) if group else None, **more)

    async def read(self, sleep: int = SETTLE_MS) -> None:
        """Fold, let the burst end, and let one job read."""
        await self.world.fold()
        self.world.sleep(sleep)
        await read_directory(self.world.worker, "okta")

    async def greet(self) -> None:
        """Let the worker look at Okta as it does when it starts."""
        await read_directory(self.world.worker, "okta")

    async def settle(self) -> None:
        """Read, and do what follows from it."""
        await self.read()
        await self.world.settle()

    async def user(self, name: str) -> User:
        """The mirror's user."""
        await self.world.fold()
        return decode_user(
            orjson.loads(
                await self.world.store.call("HGET", self.world.store.key("users", "okta"), f"00u{name}")
            )
        )

    async def waiting(self) -> list[str]:
        """What is to be read."""
        return list(await self.world.store.call("ZRANGE", self.reads.list_key, 0, -1))

    async def state(self) -> ReadState:
        """How the API is doing."""
        return await self.reads.state()


@pytest.fixture
async def hooks(world: World) -> AsyncIterator[Hooks]:
    """Okta with an API, and nobody in it."""
    async with running_okta(FakeOkta(clock=lambda: world.now / 1000)) as okta:
        yield Hooks(world, okta)
        for worker in world.workers:
            for reader in worker.readers.values():
                await reader.close()


# what comes of it


async def test_a_joiner_becomes_a_member_by_their_address(hooks: Hooks, world: World) -> None:
    """Not by their login; the group's name is read as well. Until then nobody is invited."""
    hooks.okta.hire("ana")
    hooks.okta.group("00gw", "Writers")
    await hooks.tell("user.created", "ana", active=False)
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.tell("group.user_added", "ana", group="00gw")
    await world.turn()
    assert world.members() == {}
    await hooks.settle()
    assert world.members() == {"ana": "read"}
    assert world.teams() == {"Writers": {"ana"}}
    assert await hooks.waiting() == []
    assert hooks.okta.reads() == ["/groups/00gw", "/users/00uana"]
    assert await world.worker.mirror.unresolved(["okta"]) == 0


async def test_a_changed_address_is_seen_behind_an_empty_event(hooks: Hooks, world: World) -> None:
    """The new one becomes a member, and the old one's removal is held, as for every sender."""
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.settle()
    hooks.okta.hire("ana", email="ana.ng@acme.test")
    await hooks.tell("user.updated", "ana")
    await hooks.settle()
    assert set(world.members()) == {"ana", "ana.ng"}
    assert set(await world.parked()) == {"m:ana"}


async def test_a_leaver_does_not_wait_for_a_reading(hooks: Hooks, world: World) -> None:
    """What the event says is enough, whether or not Okta answers."""
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.settle()
    hooks.okta.fault = 503
    await hooks.tell("user.updated", "ana", active=False)
    await world.turn()
    assert world.members() == {}
    hooks.okta.fault = None
    await hooks.settle()
    assert world.members() == {}  # nor is there anything left to read
    assert hooks.okta.reads() == ["/users/00uana"]


@pytest.mark.parametrize(("provision_on", "members"), [("activate", {}), ("create", {"ana": "read"})])
async def test_a_pre_hire_in_a_group(
    hooks: Hooks, world: World, provision_on: str, members: dict[str, str]
) -> None:
    """Staged people cost no seat, also where only a membership tells of them; unless they are to."""
    hooks.configure(api_url=hooks.okta.url, api_token=TOKEN, provision_on=provision_on)
    hooks.okta.hire("ana", "STAGED")
    await hooks.tell("group.user_added", "ana", group="00gw", title="Writers")
    await hooks.settle()
    assert members == world.members()
    hooks.okta.hire("ana", "PROVISIONED")
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.settle()
    assert world.members() == {"ana": "read"}


async def test_what_a_lost_event_would_have_said_is_found_by_the_next(hooks: Hooks, world: World) -> None:
    """Hooks are lost after two tries: a status read is as good as an event about it."""
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.settle()
    hooks.okta.hire("ana", "SUSPENDED")
    await hooks.tell("user.updated", "ana")
    await hooks.settle()
    assert world.members() == {}


async def test_news_after_the_reading_counts_as_newer(hooks: Hooks, world: World) -> None:
    """Also when it is folded before what was read, since that is as old as its call."""
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    await world.fold()
    world.sleep(SETTLE_MS)
    asked = world.now

    async def dawdle(path: str) -> None:
        world.sleep(5 * SECOND * (path == "/users/00uana"))

    hooks.okta.on_call = dawdle
    await read_directory(world.worker, "okta")
    await hooks.tell("user.updated", "ana", active=False, at=asked + 1)
    user = await hooks.user("ana")
    assert not user.active
    assert user.email_at == make_stamp(asked, 0, False)


async def test_a_renamed_group_is_read(hooks: Hooks, world: World) -> None:
    """group.profile.update names what changed, not for certain the new name."""
    hooks.okta.hire("ana")
    hooks.okta.group("00gw", "Authors")
    await hooks.tell("group.created", group="00gw", title="Writers")
    await hooks.tell("group.user_added", "ana", group="00gw", title="Writers")
    await hooks.settle()
    assert "/groups/00gw" not in hooks.okta.reads()
    await hooks.tell("group.updated", group="00gw", title="Writers")
    await hooks.settle()
    assert world.teams() == {"Authors": {"ana"}}


# whom, and how often


async def test_someone_who_leaves_before_being_read_is_not_read(hooks: Hooks, world: World) -> None:
    """An answer that is not quite fresh could only bring them back; a pre-hire is read before they start."""
    await hooks.greet()
    hooks.okta.hire("ana")
    await hooks.tell("user.created", "ana", active=False)
    await world.fold()
    assert await hooks.waiting() == ["u:00uana"]
    await hooks.tell("user.updated", "ana", active=True)
    await world.fold()
    assert await hooks.waiting() == ["u:00uana"]
    await hooks.tell("user.updated", "ana", active=False)
    await hooks.read()
    assert (await hooks.waiting(), hooks.okta.reads()) == ([], [])
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.tell("user.updated", "ana", active=False, at=world.now - MINUTE)  # late, and overtaken
    await hooks.read()
    assert hooks.okta.reads() == ["/users/00uana"]


async def test_many_events_about_one_user_are_one_reading(hooks: Hooks, world: World) -> None:
    """And what it brought is not read back again."""
    hooks.okta.hire("ana")
    for _ in range(20):
        await hooks.tell("user.updated", "ana")
        await world.fold()
    await hooks.read()
    await hooks.read()
    assert hooks.okta.reads() == ["/users/00uana"]


async def test_known_people_are_not_read_when_they_change_groups(hooks: Hooks) -> None:
    """A reorganisation of thousands costs no call."""
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.read()
    for group in ("00ga", "00gb"):
        await hooks.tell("group.user_added", "ana", group=group, title=group)
        await hooks.tell("group.user_removed", "ana", group=group, title=group)
    await hooks.read()
    assert hooks.okta.reads() == ["/users/00uana"]


async def test_neither_deleted_people_nor_applications_are_read(hooks: Hooks, world: World) -> None:
    """A deletion is all there is to say; applications are no groups of the API."""
    await hooks.greet()
    await hooks.tell("user.updated", "ana", active=True)
    await world.fold()
    assert await hooks.waiting() == ["u:00uana"]
    await hooks.tell("user.deleted", "ana")
    await hooks.tell("group.deleted", group="00gw")
    await hooks.tell("group.user_added", "bo", group="0oa1")
    await hooks.read()
    assert await hooks.waiting() == ["u:00ubo"]


async def test_other_senders_are_not_read_back(hooks: Hooks, world: World) -> None:
    """What they say is all there is."""
    world.sources = [{"name": "okta", "kind": "okta-workflows", "secrets": ["okta-secret"]}]
    world.configure()
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.read()
    assert (await hooks.waiting(), hooks.okta.calls) == ([], [])


async def test_an_event_during_the_reading_is_read_once_more(hooks: Hooks, world: World) -> None:
    """The answer may be older than it."""
    await hooks.greet()
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)

    async def change(_: str) -> None:
        hooks.okta.on_call = None
        await hooks.tell("user.updated", "ana")
        await world.fold()

    hooks.okta.on_call = change
    await hooks.read()
    assert (await hooks.waiting(), len(hooks.okta.reads())) == ([], 2)


async def test_without_a_token_it_waits_to_be_read(hooks: Hooks, world: World) -> None:
    """Nothing is called; once there is a token, whom the events left open is read."""
    hooks.configure()
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.read()
    assert await ring_for_reads(world.worker) == 0
    assert (await hooks.waiting(), hooks.okta.calls) == (["u:00uana"], [])
    hooks.configure(api_url=hooks.okta.url, api_token=TOKEN)
    assert await ring_for_reads(world.worker) == 1
    await hooks.settle()
    assert world.members() == {"ana": "read"}


async def test_a_new_token_reads_whom_nobody_knows(hooks: Hooks, world: World) -> None:
    """Those of whom an id is all that was told, also by an older version that noted nothing."""
    hooks.okta.hire("ana")
    world.sources = [{"name": "okta", "kind": "okta-workflows", "secrets": ["okta-secret"]}]
    world.configure()
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.tell("user.updated", active=True, user="bo")
    await world.tell("user.updated", ("other-id", None, True))
    await world.fold()
    hooks.configure(api_url=hooks.okta.url, api_token=TOKEN)
    await hooks.settle()
    assert world.members() == {"ana": "read"}
    assert {"/users/00uana", "/users/00ubo"} == set(hooks.okta.reads())


# Okta's limits and faults


async def test_the_rate_limit_is_kept(hooks: Hooks, world: World) -> None:
    """Twelve people at eight calls a minute: no 429, nothing in between, all of them in the end."""
    names = [f"p{number:02}" for number in range(12)]
    hooks.okta.limit = 8
    for name in names:
        hooks.okta.hire(name)
        await hooks.tell("user.updated", name, active=True)
    await hooks.read()
    before = len(hooks.okta.calls)
    assert 0 < len(hooks.okta.reads()) < 8
    state = await hooks.state()
    assert (state.state, state.asleep(world.now)) == ("rate_limited", True)
    assert await ring_for_reads(world.worker) == 0
    await hooks.read(sleep=SECOND)
    assert before == len(hooks.okta.calls)
    for _ in range(4):
        await hooks.read(sleep=MINUTE)
    await world.settle()
    assert set(names) == set(world.members())
    assert (hooks.okta.statuses(429), (await hooks.state()).state) == (0, "ok")


async def test_a_503_that_says_when_is_left_alone_until_then(hooks: Hooks, world: World) -> None:
    """Not even a probe is sent before."""
    await hooks.greet()
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    hooks.okta.fault, hooks.okta.more_headers = 503, {"retry-after": "120"}
    await hooks.read()
    state, calls = await hooks.state(), len(hooks.okta.calls)
    assert (state.state, state.reason) == ("unavailable", "Okta answered 503")
    assert 118 < state.resumes_at - world.now / 1000 <= 120
    hooks.okta.fault, hooks.okta.more_headers = None, {}
    await hooks.read(100 * SECOND)
    assert (len(hooks.okta.calls), await ring_for_reads(world.worker)) == (calls, 0)
    await hooks.read(30 * SECOND)
    await world.settle()
    assert (set(world.members()), (await hooks.state()).state) == ({"ana"}, "ok")


async def test_okta_down_loses_nothing(hooks: Hooks, world: World) -> None:
    """It rests after a few failures, probes at least every 15 s, and goes on by itself."""
    await hooks.greet()
    for name in ("ana", "bo", "cy", "di"):
        hooks.okta.hire(name)
        await hooks.tell("user.updated", name, active=True)
    hooks.okta.fault = 503
    await hooks.read()
    assert hooks.okta.statuses(503) == readback.FAILURES_IN_A_ROW
    for _ in range(8):
        state = await hooks.state()
        assert state.state == "unavailable"
        assert state.resumes_at * 1000 - world.now <= 15 * SECOND
        assert await ring_for_reads(world.worker) == 0
        await hooks.read(15 * SECOND)
    hooks.okta.fault = None
    for _ in range(3):
        await hooks.read(15 * SECOND)
    await world.settle()
    assert set(world.members()) == {"ana", "bo", "cy", "di"}
    assert (await hooks.state()).state == "ok"


@pytest.mark.parametrize("fault", [401, 403, "html"])
async def test_a_rejected_token_keeps_everything(hooks: Hooks, world: World, fault: Any) -> None:
    """Nobody is taken for gone; it goes on once the token works."""
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.settle()
    hooks.okta.fault = fault
    for name in ("ana", "bo"):
        await hooks.tell("user.updated", name)
    await hooks.settle()
    assert (await hooks.state()).state == "credentials_rejected"
    assert world.members() == {"ana": "read"}
    hooks.okta.fault = None
    hooks.okta.hire("bo")
    await hooks.read(15 * SECOND)
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}


async def test_a_new_token_needs_no_restart(hooks: Hooks, world: World, tmp_path: Path) -> None:
    """Its file is read again before each probe."""
    file = tmp_path / "token"
    file.write_text("old")
    hooks.configure(api_url=hooks.okta.url, api_token=f"file:{file}")
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.read()
    assert (await hooks.state()).reason == "Okta does not take the token (401): E0000011"
    file.write_text(TOKEN)
    await hooks.read(15 * SECOND)
    assert (await hooks.user("ana")).email == "ana@acme.test"


async def test_one_who_may_not_be_read_holds_nobody_up(hooks: Hooks, world: World) -> None:
    """The token reads others, so it is about this one: tried again, later and later."""
    for name in ("ana", "bo"):
        hooks.okta.hire(name)
        await hooks.tell("user.updated", name, active=True)
    hooks.okta.hidden = {"00uana"}
    await hooks.settle()
    assert world.members() == {"bo": "read"}
    assert (await hooks.waiting(), (await hooks.state()).state) == (["u:00uana"], "ok")
    hooks.okta.hidden = set()
    await hooks.read(10 * MINUTE)
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}


async def test_one_whom_the_bridge_fails_at_holds_nobody_up(
    hooks: Hooks, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours counts as no answer, with its place: tried again, later and later."""
    honest = Okta.user

    async def user(self: Okta, ident: str) -> Any:
        if ident == "00uana":
            raise KeyError(ident)
        return await honest(self, ident)

    for name in ("ana", "bo"):
        hooks.okta.hire(name)
        await hooks.tell("user.updated", name, active=True)
    with monkeypatch.context() as patch:
        patch.setattr(Okta, "user", user)
        await hooks.settle()
        assert world.members() == {"bo": "read"}
        assert (await hooks.waiting(), (await hooks.state()).state) == (["u:00uana"], "ok")
        for _ in range(6):
            await hooks.read(10 * MINUTE)
        state = await hooks.state()
        assert state.state == "unavailable"
        assert state.reason
        assert "the bridge fails at it: KeyError at test_readback.py:" in state.reason
    await hooks.read(10 * MINUTE)
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}


async def test_an_id_that_okta_refuses_is_let_go(hooks: Hooks) -> None:
    """Asking again would not help."""
    await hooks.greet()
    await hooks.tell("user.updated", "ana", active=True)
    hooks.okta.fault = 400
    await hooks.read()
    assert await hooks.waiting() == []


# who is not there


async def test_someone_who_is_not_there_is_inactive_in_the_end(hooks: Hooks, world: World) -> None:
    """Looked for three times, and only while others are found; being found again brings them back."""
    for name in ("ana", "bo"):
        hooks.okta.hire(name)
        await hooks.tell("user.updated", name, active=True)
    await hooks.settle()
    gone = hooks.okta.users.pop("00uana")
    await hooks.tell("user.updated", "ana")
    for _ in range(3):
        assert set(world.members()) == {"ana", "bo"}
        await hooks.read(10 * SECOND)
        await world.turn()
    await world.settle()
    assert world.members() == {"bo": "read"}
    assert hooks.okta.reads("/users/00uana").count("/users/00uana") == 1 + readback.MISSING_TRIES
    hooks.okta.users["00uana"] = gone
    await hooks.tell("user.updated", "ana")
    await hooks.settle()
    assert set(world.members()) == {"ana", "bo"}


async def test_an_organisation_of_strangers_takes_nobody_away(hooks: Hooks, world: World) -> None:
    """Where nobody is found at all, the address or the token is wrong: it says so, and waits."""
    names = ("ana", "bo", "cy")
    for name in names:
        hooks.okta.hire(name)
        await hooks.tell("user.updated", name, active=True)
    await hooks.settle()
    here, hooks.okta.users = hooks.okta.users, {}
    hooks.okta.hire("stranger")
    await hooks.tell("user.updated", "ana")
    for _ in range(10):
        await hooks.read(20 * SECOND)
        await world.turn()
    assert set(names) == set(world.members())
    state = await hooks.state()
    assert state.state == "credentials_rejected"
    assert "knows nobody whom its events name" in str(state.reason)
    hooks.okta.users = here
    await hooks.read(20 * SECOND)
    assert (await hooks.state()).state == "ok"


async def test_nobody_to_vouch_changes_nothing(hooks: Hooks, world: World) -> None:
    """With one user of Okta's in all, that they are missing proves nothing: what the events say stays."""
    await world.store.call("HSET", hooks.reads.key("users"), "4711", orjson.dumps(encode_user(User())))
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    await hooks.settle()
    hooks.okta.users = {}
    await hooks.tell("user.updated", "ana")
    for _ in range(4):
        await hooks.read(10 * SECOND)
    await world.settle()
    assert world.members() == {"ana": "read"}
    assert (await hooks.waiting(), (await hooks.state()).state) == ([], "ok")
    assert "/users/4711" not in hooks.okta.reads()


async def test_a_group_that_is_not_there_stays_as_told(hooks: Hooks) -> None:
    """Its deletion is an event of its own."""
    await hooks.tell("group.updated", group="00gw")
    await hooks.read()
    assert (await hooks.waiting(), hooks.okta.reads()) == ([], ["/groups/00gw"])


# one at a time, and never forgotten


async def test_one_worker_reads_at_a_time(hooks: Hooks, world: World) -> None:
    """Whoever holds the lease."""
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)
    lease = await acquire(world.store, "readback:okta", "somebody")
    assert lease
    await hooks.read()
    assert await ring_for_reads(world.worker) == 0
    assert hooks.okta.reads() == []
    await lease.close()
    assert await ring_for_reads(world.worker) == 1
    await hooks.read()
    assert hooks.okta.reads() == ["/users/00uana"]


async def test_a_worker_that_is_to_end_begins_nothing(hooks: Hooks, world: World) -> None:
    """The next one does."""
    await hooks.tell("user.updated", "ana", active=True)
    world.worker.stopping.set()
    await hooks.read()
    assert hooks.okta.calls == []


async def test_a_crash_before_the_mark_is_cleared_reads_again(
    hooks: Hooks, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is in the journal twice then, which changes nothing."""
    hooks.okta.hire("ana")
    await hooks.tell("user.updated", "ana", active=True)

    async def crash(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(readback.ReadRun, "well", crash)
        patch.setattr(ReadStore, "read", lambda *_: [])
        await world.fold()
        world.sleep(SETTLE_MS)
        with pytest.raises(KeyboardInterrupt):
            await read_directory(world.worker, "okta")
    await hooks.settle()
    assert len(hooks.okta.reads()) >= 1
    assert (await hooks.waiting(), world.members()) == ([], {"ana": "read"})


async def test_the_token_is_used_now_and_then(hooks: Hooks, world: World) -> None:
    """At the start, and after half a day: Okta revokes one that rests for 30 days, and people should know."""
    assert await ring_for_reads(world.worker) == 1
    await hooks.greet()
    assert await ring_for_reads(world.worker) == 0
    assert [("/users", 200), ("/groups", 200)] == hooks.okta.calls
    world.sleep(HOUR)
    assert await ring_for_reads(world.worker) == 0
    world.sleep(LOOK_AFTER_MS)
    hooks.okta.token = "another"
    assert await ring_for_reads(world.worker) == 1
    await read_directory(world.worker, "okta")
    assert (await hooks.state()).state == "credentials_rejected"


async def test_nothing_personal_is_logged(
    hooks: Hooks, world: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """No address, no id, no token; whatever Okta answers."""
    hooks.okta.hire("ana")
    for fault in (None, 400, 403, 503, 401):
        hooks.okta.fault = fault
        await hooks.tell("user.updated", "ana", active=True)
        await hooks.read(20 * SECOND)
    said = caplog.text + "".join(capsys.readouterr())
    assert "directory.call" in said
    for word in ("acme.test", "00uana", TOKEN):
        assert word not in said
