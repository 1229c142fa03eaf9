"""Telling people: a real receiver on loopback, a real Valkey, and a clock that is turned."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from bridge.alerts import sending
from bridge.alerts.conditions import STUCK_AFTER, WELL_AFTER
from bridge.alerts.ledger import BACKOFF_MOST
from bridge.alerts.reading import REFUSED_WINDOW
from bridge.plan.held import Held
from bridge.settings import Settings
from bridge.store.alerts import AlertStore
from bridge.store.commit import Transaction
from bridge.store.front import FrontNews, FrontStore, Refusals
from bridge.store.redis import Store
from bridge.store.targets import Pause, TargetState
from tests.alerts.receiver import Receiver, running
from tests.workers.crash import Crash
from tests.workers.world import DAY, HOUR, MINUTE, SECOND, World
from workers import alerts
from workers.alerts import EVERY_MS, ring_for_alerts, tell

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPS, CHAT = "ops", "chat"


class Watch:
    """A world whose people are told: "ops" by Standard Webhooks, "chat" as in Slack."""

    def __init__(self, world: World, ops: Receiver, chat: Receiver, patch: pytest.MonkeyPatch) -> None:
        self.world, self.ops, self.chat = world, ops, chat
        self.alerts: dict[str, dict[str, Any]] = {
            OPS: {"kind": "standard-webhooks", "url": ops.url, "secret": KEY},
            CHAT: {"kind": "slack", "url": chat.url},
        }
        self._plain: Callable[[], Settings] = world._settings
        patch.setattr(world, "_settings", self._settings)
        self.configure()

    def _settings(self) -> Settings:
        plain = self._plain()
        return type(plain).model_validate(
            {
                **{name: getattr(plain, name) for name in type(plain).model_fields},
                "alerts": [{"name": name, **keys} for name, keys in self.alerts.items()],
            }
        )

    def configure(self, **changes: dict[str, Any]) -> None:
        """Change keys of the alerts, by their names, and start a new worker."""
        for name, keys in changes.items():
            self.alerts[name] |= keys
        self.world.configure()

    async def look(self, *names: str) -> None:
        """Let one worker look after receivers, all by default, and time pass."""
        for name in names or (OPS, CHAT):
            await tell(self.world.worker, name)
        self.world.sleep(EVERY_MS)

    async def run(self, *commands: Any) -> None:
        """Write what another part of the bridge would."""
        transaction = Transaction(self.world.store)
        transaction.add_all(commands)
        await transaction.run()

    async def park(self, *names: str) -> None:
        """Hold somebody's removal."""
        await self.run(*(self.world.docs.park(held(name, self.world.now)) for name in names))

    async def unpark(self, *names: str) -> None:
        """Let go of it."""
        await self.run(*(command for name in names for command in self.world.docs.unpark(f"id-{name}")))

    async def state(self, state: str = "ok") -> None:
        """Say how the target is doing."""
        await self.run(self.world.docs.put_state(TargetState(state)))

    async def refuse(self, count: int = 1) -> None:
        """Turn requests away."""
        refused = Refusals(count, self.world.now, "no secret matches")
        await FrontStore(self.world.store).tell({"okta": FrontNews(refused=refused)})

    async def deliver(self) -> None:
        """Store a delivery."""
        await FrontStore(self.world.store).tell({"okta": FrontNews(delivered=self.world.now)})


def held(name: str, since: int) -> Held:
    """A removal that waits."""
    return Held(f"id-{name}", f"m:{name}@acme.test", f"remove {name}@acme.test", "too many", since)


@pytest.fixture
async def watch(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    """Two receivers that are well."""
    monkeypatch.setattr(sending, "wait_random_exponential", lambda **_: lambda _state: 0.0)
    async with running(Receiver()) as ops, running(Receiver()) as chat:
        yield Watch(world, ops, chat, monkeypatch)


# said once, and once more when it is over


async def test_what_is_held_is_said_once_and_once_when_it_is_over(watch: Watch) -> None:
    """However often somebody looks."""
    for _ in range(3):
        await watch.look()
    await watch.park("ana", "ben")
    for _ in range(3):
        await watch.look()
    await watch.unpark("ana")
    await watch.look()
    assert watch.ops.types() == ["bridge.parked"]
    await watch.unpark("ben")
    for _ in range(3):
        await watch.look()
    assert watch.ops.types() == ["bridge.parked", "bridge.parked.over"]
    assert [text.partition(" since")[0] for text in watch.chat.texts()] == [
        "docs: 2 changes are held for approval", "docs: nothing is held for approval any more",
    ]  # fmt: skip


async def test_new_items_are_told_in_one_message(watch: Watch) -> None:
    """What was told before is not told again; what comes back is."""
    await watch.park("ana")
    await watch.look()
    await watch.park("ben", "cleo")
    await watch.look()
    await watch.unpark("ana")
    await watch.look()
    await watch.park("ana")
    await watch.look()
    told = [(each.json["data"]["phase"], each.json["data"]["new"]) for each in watch.ops.got]
    assert told == [("new", 1), ("more", 2), ("more", 1)]
    assert watch.chat.texts()[1] == "docs: 2 more held for approval, 3 in all: see `bridge parked`"


async def test_what_is_given_up_is_said(watch: Watch) -> None:
    """As what is held is."""
    await watch.run(watch.world.docs.bury(held("ana", watch.world.now)))
    await watch.look()
    await watch.run(("DEL", watch.world.docs.key("dead")))
    await watch.look()
    assert watch.ops.types() == ["bridge.dead", "bridge.dead.over"]


async def test_rejected_credentials_are_said_at_once(watch: Watch) -> None:
    """They count as taken only after a while: a target that rejects every second call is told once."""
    await watch.state("credentials_rejected")
    await watch.look()
    for state in ("ok", "credentials_rejected", "unavailable") * 5:
        await watch.state(state)
        await watch.look()
    assert watch.ops.types() == ["bridge.rejected"]
    await watch.state("ok")
    watch.world.sleep(WELL_AFTER)
    await watch.look()
    assert watch.ops.types() == ["bridge.rejected", "bridge.rejected.over"]


async def test_an_outage_is_said_when_it_lasts(watch: Watch) -> None:
    """Each receiver has its own patience."""
    watch.configure(ops={"unavailable_after": "15m"}, chat={"unavailable_after": "1m"})
    await watch.state("unavailable")
    await watch.look()
    watch.world.sleep(MINUTE)
    await watch.look()
    assert (len(watch.ops.got), len(watch.chat.got)) == (0, 1)
    watch.world.sleep(15 * MINUTE)
    await watch.look()
    await watch.look()
    assert (len(watch.ops.got), len(watch.chat.got)) == (1, 1)
    await watch.state("ok")
    watch.world.sleep(WELL_AFTER)
    await watch.look()
    assert watch.ops.types() == ["bridge.unavailable", "bridge.unavailable.over"]


async def test_nothing_is_said_of_a_target_that_is_left_alone(watch: Watch) -> None:
    """Neither that it is ill nor that it is well: nobody knows."""
    await watch.state("credentials_rejected")
    await watch.look(OPS)
    await watch.run(watch.world.docs.pause(Pause("boss", watch.world.now)))
    watch.world.sleep(HOUR)
    await watch.look(OPS)
    assert watch.ops.types() == ["bridge.rejected"]
    await watch.run(watch.world.docs.resume())
    await watch.look(OPS)
    assert watch.ops.types() == ["bridge.rejected"]


async def test_refused_deliveries_are_counted(watch: Watch) -> None:
    """Told when it begins; over when there was none for an hour, with their number."""
    await watch.look()
    await watch.refuse()
    await watch.look()
    await watch.refuse(4)
    await watch.look()
    watch.world.sleep(REFUSED_WINDOW - MINUTE)
    await watch.look()
    assert watch.ops.types() == ["bridge.refused"]
    assert "okta: 1 delivery was refused since" in watch.chat.texts()[0]
    assert "Okta does not repeat them" in watch.chat.texts()[0]
    watch.world.sleep(MINUTE)
    await watch.look()
    assert watch.ops.types() == ["bridge.refused", "bridge.refused.over"]
    assert "5 deliveries were since" in watch.chat.texts()[1]


async def test_a_source_falls_silent_and_delivers_again(watch: Watch) -> None:
    """After its own `silent_after`."""
    await watch.deliver()
    watch.world.sleep(7 * DAY - HOUR)
    await watch.look()
    assert not watch.ops.got
    watch.world.sleep(HOUR)
    await watch.look()
    await watch.look()
    await watch.deliver()
    await watch.look()
    assert watch.ops.types() == ["bridge.silent", "bridge.silent.over"]


async def test_events_that_nobody_processes_are_said(watch: Watch) -> None:
    """A queue that moves is not stuck, however long it is."""
    for _ in range(3):
        await watch.world.hire("ana")
        await watch.look()
        watch.world.sleep(STUCK_AFTER - MINUTE)
        await watch.look()
        await watch.world.fold()
    await watch.world.hire("ben")
    await watch.look()
    assert not watch.ops.got
    watch.world.sleep(STUCK_AFTER)
    await watch.look()
    await watch.world.fold()
    await watch.look()
    assert watch.ops.types() == ["bridge.stuck", "bridge.stuck.over"]


async def test_only_what_it_is_on_is_said(watch: Watch) -> None:
    """What was said of the rest is taken back when the configuration changes."""
    await watch.park("ana")
    await watch.look()
    watch.configure(ops={"on": ["dead"]})
    await watch.run(watch.world.docs.bury(held("ben", watch.world.now)))
    await watch.look()
    await watch.look()
    assert watch.ops.types() == ["bridge.parked", "bridge.dead", "bridge.parked.over"]
    assert watch.ops.got[2].json["data"]["text"].startswith("docs: no longer watched (parked)")


async def test_nobody_is_named(watch: Watch) -> None:
    """Neither in a message nor in what is kept of it."""
    await watch.park("ana")
    await watch.run(watch.world.docs.bury(held("ben", watch.world.now)))
    await watch.look()
    bodies = b"".join(each.body for each in [*watch.ops.got, *watch.chat.got])
    kept = str(await watch.world.store.call("HGETALL", watch.world.store.key("alerts", OPS)))
    assert len(watch.ops.got) == 2
    for name in ("ana", "ben", "acme.test"):
        assert name not in bodies.decode() + kept


async def test_messages_are_signed(watch: Watch) -> None:
    """As the library of Standard Webhooks wants it: with the time of the attempt, whatever our clock says."""
    await watch.park("ana")
    await watch.look(OPS)
    (got,) = watch.ops.got
    told = Webhook(KEY).verify(got.body, dict(got.headers))
    assert (told["type"], told["data"]["target"], told["data"]["number"]) == ("bridge.parked", "docs", 1)


# receivers that do not take it


async def test_a_server_error_is_tried_again_at_once_and_later(watch: Watch) -> None:
    """Under the same id, with the same body, until it is taken; then it is not sent again."""
    watch.ops.answers = [500, 502, 503]
    await watch.park("ana")
    await watch.look(OPS)
    assert len(watch.ops.got) == sending.ATTEMPTS
    await watch.look(OPS)
    await watch.look(OPS)
    await watch.look(OPS)
    assert len(watch.ops.got) == 4
    assert len(set(watch.ops.ids())) == len({got.body for got in watch.ops.got}) == 1


async def test_a_receiver_that_is_down_gets_no_more_than_what_holds(watch: Watch) -> None:
    """What came and went meanwhile is not told, the one message apart that may have arrived."""
    watch.ops.always = 503
    await watch.park("ana")
    await watch.look(OPS)
    for number in range(50):
        await watch.park(f"p{number}")
        watch.world.sleep(BACKOFF_MOST)
        await watch.look(OPS)
    watch.ops.got.clear()
    watch.ops.always = 200
    for _ in range(3):
        watch.world.sleep(BACKOFF_MOST)
        await watch.look(OPS)
    told = [(got.json["data"]["phase"], got.json["data"]["number"]) for got in watch.ops.got]
    assert told == [("new", 1), ("more", 51)]


async def test_a_receiver_that_is_not_there_gets_it_when_it_is(
    watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens at its address, and then somebody does."""
    async with running(Receiver()) as gone:
        watch.configure(ops={"url": gone.url})
    await watch.park("ana")
    await watch.look(OPS)
    failure = (await AlertStore(watch.world.store, OPS).read()).failure
    assert failure
    assert failure.reason == "no answer: it refuses the connection: does anything listen there?"
    assert "hush-hush-path" not in capsys.readouterr().out
    async with running(gone):
        watch.world.sleep(BACKOFF_MOST)
        await watch.look(OPS)
    assert gone.types() == ["bridge.parked"]
    assert (await AlertStore(watch.world.store, OPS).read()).failure is None


async def test_the_longer_it_fails_the_later_it_is_tried(watch: Watch) -> None:
    """Up to a bound; and what the receiver asks for is kept to."""
    watch.ops.answers = [(429, {"retry-after": "120"}, "rate_limited")]
    await watch.park("ana")
    await watch.look(OPS)
    watch.world.sleep(110 * SECOND)
    await watch.look(OPS)
    assert len(watch.ops.got) == 1
    watch.world.sleep(10 * SECOND)
    await watch.look(OPS)
    assert len(watch.ops.got) == 2


async def test_two_receivers_are_independent(watch: Watch) -> None:
    """One that hangs keeps nobody waiting but itself."""
    watch.ops.hold = asyncio.Event()
    await watch.park("ana")
    hanging = asyncio.create_task(tell(watch.world.worker, OPS))
    await until(lambda: watch.ops.got)
    await watch.look(CHAT)
    assert len(watch.chat.got) == 1
    watch.ops.hold.set()
    await hanging
    assert await said(watch.world.store, OPS) == ["parked:target:docs"]


async def test_a_new_address_needs_no_restart(watch: Watch, tmp_path: Path) -> None:
    """As with tokens: after an attempt in vain the file is read again; one that is gone changes nothing."""
    file = tmp_path / "url"
    file.write_text(watch.chat.url)
    watch.configure(chat={"url": f"file:{file}"})
    watch.chat.always = 404
    await watch.park("ana")
    await watch.look(CHAT)
    file.unlink()
    await watch.look(CHAT)
    assert len(watch.chat.got) == 2
    file.write_text(watch.ops.url)
    watch.world.sleep(BACKOFF_MOST)
    await watch.look(CHAT)
    assert watch.ops.texts()[0].startswith("docs: 1 change is held")


async def test_no_secret_is_told(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """Not when the receiver is not there, nor when it repeats its address."""
    watch.chat.answers = [(404, {}, f"no_service at {watch.chat.url}")]
    watch.ops.answers = [(400, {}, f"who is {KEY}?")]
    await watch.park("ana")
    await watch.look()
    kept = [str(await AlertStore(watch.world.store, name).read()) for name in (OPS, CHAT)]
    logged = capsys.readouterr().out
    assert "404 (no_service at" in kept[1]
    assert "404 (no_service at" in logged
    for secret in ("hush-hush-path", KEY, KEY[6:]):
        assert secret not in "".join(kept) + logged


async def test_a_message_that_is_not_taken_holds_up_no_other(watch: Watch) -> None:
    """After a failure the others have their turn first."""
    watch.ops.answers = [400]
    await watch.run(watch.world.docs.bury(held("ana", watch.world.now)))
    await watch.look(OPS)
    await watch.park("ben")
    await watch.look(OPS)
    await watch.look(OPS)
    assert watch.ops.types() == ["bridge.dead", "bridge.parked", "bridge.dead"]


# workers that die, and two of them


async def test_a_job_that_dies_loses_nothing(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever step: it is told, and a repeat has the same id."""
    await watch.park("ana")
    for where in ("before send", "after send"):
        with monkeypatch.context() as patch:
            patch.setattr(alerts, "send", dying(where))
            with pytest.raises(Crash):
                await watch.look(OPS)
    await watch.look(OPS)
    await watch.look(OPS)
    assert watch.ops.types() == ["bridge.parked"] * 2
    assert len(set(watch.ops.ids())) == 1


def dying(where: str) -> Callable[..., Awaitable[Any]]:
    """A way of sending whose process dies."""

    async def send(*args: Any) -> Any:
        if where == "after send":
            await sending.send(*args)
        raise Crash

    return send


async def test_a_worker_that_lost_its_lease_notes_nothing(watch: Watch) -> None:
    """Whoever works there now sends it again under the same id: nothing is said twice, nothing is lost."""
    watch.ops.hold = asyncio.Event()
    await watch.park("ana")
    first = asyncio.create_task(tell(watch.world.worker, OPS))
    await until(lambda: watch.ops.got)
    await watch.world.store.call("SET", watch.world.store.key("lease", f"alert:{OPS}"), "7 other", "PX", 50)
    watch.ops.hold.set()
    await first
    assert await said(watch.world.store, OPS) == []
    await watch.world.store.call("DEL", watch.world.store.key("lease", f"alert:{OPS}"))
    await watch.look(OPS)
    assert len(watch.ops.got) == 2
    assert len(set(watch.ops.ids())) == 1


async def test_two_workers_at_once_send_one_message(watch: Watch) -> None:
    """And only one of them rings within some seconds."""
    await watch.park("ana")
    workers = [watch.world.new_worker() for _ in range(4)]
    await asyncio.gather(*(tell(worker, name) for worker in workers for name in (OPS, CHAT)))
    assert (len(watch.ops.got), len(watch.chat.got)) == (1, 1)
    assert sum(await asyncio.gather(*(ring_for_alerts(worker) for worker in workers))) == 1
    assert await watch.world.store.call("EXISTS", watch.world.store.key("bell", "alert", OPS))


async def test_without_alerts_nobody_rings(world: World) -> None:
    """It costs nothing where it is not wanted."""
    assert not await ring_for_alerts(world.worker)
    await tell(world.worker, "gone")
    assert not await world.store.call("EXISTS", world.store.key("alerting"))


async def test_a_worker_that_ends_begins_nothing(watch: Watch) -> None:
    """Another one will."""
    await watch.park("ana")
    watch.world.worker.stopping.set()
    await watch.look(OPS)
    assert not watch.ops.got


# what tests look with


async def said(store: Store, name: str) -> list[str]:
    """The keys of what a receiver was told."""
    return sorted((await AlertStore(store, name).read()).said)


async def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is waited for happens at the receiver
            await asyncio.sleep(0.01)
