"""Leases: one worker at a time for a directory or a target."""

import asyncio
import contextlib
from collections.abc import Iterable

from bridge.store.commit import LeaseLostError, Transaction, parts
from bridge.store.mirror import Command
from bridge.store.redis import STORE_ERRORS, Store
from bridge.tasks import end_task

SECONDS = 5.0
_RENEW_EVERY = 1.0


class Lease:
    """A lease while it is held. It is renewed by a task of its own; `lost` says when that failed."""

    def __init__(self, store: Store, key: str, token: str, asked: float | None = None) -> None:
        """Made by `acquire`; `asked`: when, by the loop's clock, since Redis counts from no earlier."""
        self.key = key
        self.token = token
        self.fence = int(token.split(" ", 1)[0])
        self._store = store
        self._good_until = (asyncio.get_running_loop().time() if asked is None else asked) + SECONDS
        self._task = asyncio.create_task(self._keep())

    @property
    def lost(self) -> bool:
        """True once it may be somebody else's, by our own clock and without asking."""
        return asyncio.get_running_loop().time() >= self._good_until

    def check(self) -> None:
        """Raise LeaseLostError once it may be somebody else's."""
        if self.lost:
            raise LeaseLostError(self.key)

    def transaction(self) -> Transaction:
        """Return a transaction that runs only while the lease is ours."""
        transaction = Transaction(self._store)
        transaction.require(self.key, self.token)
        return transaction

    async def commit(self, transaction: Transaction) -> None:
        """Run a transaction of this lease. Raises LeaseLostError when nothing was done."""
        if not await transaction.run():
            self._good_until = 0.0
            raise LeaseLostError(self.key)

    async def commit_parts(
        self, commands: Iterable[Command], last: Iterable[Command] = (), given: tuple[str, str] | None = None
    ) -> None:
        """Run commands in several transactions where they are many, `last` all in the last of them.

        What is run again after a crash must do no harm, but for `last`. `given`: a key and the value it must
        still have at the first. Raises LeaseLostError when a transaction, and so all behind it, was not run.
        """
        transaction = self.transaction()
        if given:
            transaction.require(*given)
        for command in (part for each in commands for part in parts(each)):
            if transaction.full:
                await self.commit(transaction)
                transaction = self.transaction()
            transaction.add(*command)
        transaction.add_all(last)
        await self.commit(transaction)

    async def release(self, script: str, *args: object) -> bool:
        """Give it back unless the script finds more to do; True when it is no longer ours."""
        done = bool(await self._store.run(script, self.key, self.token, *args))
        if done:
            self._good_until = 0.0
        return done

    async def close(self) -> None:
        """Stop renewing, and give it back if it is still ours."""
        await end_task(self._task)
        held, self._good_until = self._good_until > 0, 0.0
        if held:
            transaction = self.transaction()
            transaction.add("DEL", self.key)
            with contextlib.suppress(*STORE_ERRORS):
                await transaction.run()

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_RENEW_EVERY)
            asked = clock.time()
            with contextlib.suppress(*STORE_ERRORS):
                if not await self._store.run("renew", self.key, self.token, int(SECONDS * 1000)):
                    self._good_until = 0.0
                    return
                self._good_until = asked + SECONDS


async def acquire(store: Store, name: str, who: str) -> Lease | None:
    """Take the lease of that name, None when somebody holds it. `who`: for people who look at Redis."""
    key, asked = store.key("lease", name), asyncio.get_running_loop().time()
    token = await store.run("acquire", store.prefix, key, int(SECONDS * 1000), who)
    return Lease(store, key, token, asked) if token else None
