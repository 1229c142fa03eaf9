"""Which workers live: each tells now and then that it does."""

from bridge.store.redis import Store

_ALIVE_MS = 10_000


async def tell_alive(store: Store, worker: str, now: int) -> None:
    """Tell that a worker lives, and forget those that have long not told so. `now`: unix milliseconds."""
    key = store.key("workers")
    old, to_come = ("-inf", now - _ALIVE_MS), (now + _ALIVE_MS, "+inf")  # the latter: a clock was set back
    await store.calls([
        ("ZADD", key, now, worker), ("ZREMRANGEBYSCORE", key, *old), ("ZREMRANGEBYSCORE", key, *to_come)
    ])  # fmt: skip


async def tell_gone(store: Store, worker: str) -> None:
    """Tell that a worker has ended."""
    await store.call("ZREM", store.key("workers"), worker)


async def workers_alive(store: Store, now: int) -> int:
    """Return how many workers have told that they live within the last seconds."""
    return int(await store.call(*alive_command(store, now)))


def alive_command(store: Store, now: int) -> tuple[str | int, ...]:
    """Return the command that counts them. `now`: unix milliseconds."""
    return ("ZCOUNT", store.key("workers"), now - _ALIVE_MS, now + _ALIVE_MS)
