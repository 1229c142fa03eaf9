"""The job that tells one receiver what needs a person: said once, and once more when it is over.

What is said is the difference between what holds and what the receiver has acknowledged, so a job that dies
anywhere loses nothing: a message is written down before it is sent, and counts as said only after a 2xx.
One that was sent and not noted down is sent again under the same id.
"""

import contextlib
import time

from bridge.alerts.conditions import find
from bridge.alerts.ledger import Ledger, delivered, failed, follow
from bridge.alerts.messages import Message
from bridge.alerts.reading import read_installation
from bridge.alerts.sending import ATTEMPTS, UndeliveredError, open_client, send
from bridge.settings import AlertSettings
from bridge.store.alerts import AlertStore
from bridge.store.commit import LeaseLostError, Transaction
from bridge.store.lease import Lease, acquire
from workers.context import Worker

EVERY_MS = 5_000
SLICE_SECONDS = 20.0


async def ring_for_alerts(worker: Worker) -> bool:
    """Have all receivers looked after, unless a worker did within the last seconds."""
    alerts = worker.settings.alerts
    if not alerts:
        return False
    key = worker.store.key("alerting")
    turn = await worker.store.call("SET", key, worker.name, "NX", "PX", EVERY_MS)
    if turn:
        transaction = Transaction(worker.store)
        transaction.add_all(("RING", "alert", each.name, worker.clock()) for each in alerts)
        await transaction.run()
    return bool(turn)


async def tell(worker: Worker, name: str) -> None:
    """Tell one receiver (by its name) what it has to know, unless another worker does."""
    await worker.store.call("DEL", worker.store.key("bell", "alert", name))
    alert = worker.settings.alert(name)
    if alert is None or worker.stopping.is_set():
        return
    lease = await acquire(worker.store, f"alert:{name}", worker.name)
    if lease is None:
        return
    try:
        await _Telling(worker, alert, lease, AlertStore(worker.store, name)).run()
    except LeaseLostError:
        worker.log.warning("alert.lease_lost", alert=name)
    finally:
        await lease.close()


class _Telling:
    """One job about one receiver."""

    def __init__(self, worker: Worker, alert: AlertSettings, lease: Lease, store: AlertStore) -> None:
        self._worker = worker
        self._alert = alert
        self._lease = lease
        self._store = store
        self._ledger = Ledger()

    async def run(self) -> None:
        """Look, write down what is to be said, and say it. Raises LeaseLostError."""
        self._ledger = await self._store.read()
        await self._look()
        ends = time.monotonic() + SLICE_SECONDS
        due = self._ledger.due(self._worker.clock())
        if not due:
            return
        self._reload_secrets()
        async with open_client(self._alert) as client:
            for message in due:
                if self._worker.stopping.is_set() or time.monotonic() > ends:
                    return
                self._lease.check()
                try:
                    await send(client, self._alert, message, ATTEMPTS, self._worker.signing_clock)
                except UndeliveredError as error:
                    await self._fail(message, error)
                    return
                await self._deliver(message)

    async def _look(self) -> None:
        worker, now = self._worker, self._worker.clock()
        reading = await read_installation(worker.settings, worker.store, now)
        found = find(reading, self._alert, self._ledger.seen)
        kinds = {source.name: source.kind for source in worker.settings.sources}
        await self._save(follow(self._ledger, found, now, kinds))

    def _reload_secrets(self) -> None:
        """After a failure read them again: a file may hold others by now. What cannot be read stays."""
        for secret in self._alert.secrets if self._ledger.failure else ():
            with contextlib.suppress(ValueError):
                secret.reload()

    async def _deliver(self, message: Message) -> None:
        await self._save(delivered(self._ledger, message))
        self._worker.log.info("alert.sent", alert=self._alert.name, message=message.id, about=message.key)

    async def _fail(self, message: Message, error: UndeliveredError) -> None:
        now, wait = self._worker.clock(), int(error.wait * 1000)
        await self._save(failed(self._ledger, message, now, error.reason, wait))
        self._worker.log.warning(
            "alert.undelivered", alert=self._alert.name, message=message.id, about=message.key,
            reason=error.reason,
        )  # fmt: skip

    async def _save(self, ledger: Ledger) -> None:
        transaction = self._lease.transaction()
        transaction.add_all(self._store.save(self._ledger, ledger))
        transaction.add(*self._store.keep())
        await self._lease.commit(transaction)
        self._ledger = ledger
