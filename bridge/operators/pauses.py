"""Leaving a target alone for a while."""

from bridge.operators.desks import Desk
from bridge.store.audit import Deed
from bridge.store.commit import Transaction
from bridge.store.targets import Pause


async def write_pause(desk: Desk, pause: Pause) -> Pause:
    """Leave a target alone; return since when, as whoever paused it first has it."""
    target = desk.target
    if before := await target.paused():
        return before
    transaction = Transaction(target.store)
    transaction.require(target.key("pause"), "")
    transaction.add(*target.pause(pause))
    _write_down(transaction, desk, Deed(pause.at, pause.by, "paused", why=pause.why))
    await transaction.run()
    return await target.paused() or pause


async def write_resume(desk: Desk, by: str, why: str, now: int) -> Pause | None:
    """Go on at once with what is due (`now`: unix ms); return the pause that has ended, if there was one.

    A target that is not paused is told to go on without harm. Of two who resume at once, one ended the pause.
    """
    target = desk.target
    row = await target.store.call("GET", target.key("pause")) or ""
    before = await target.paused() if row else None
    transaction = Transaction(target.store)
    transaction.require(target.key("pause"), row)
    transaction.add(*target.resume())
    transaction.add("RING", "converge", target.id, now)
    if before:
        detail = {"paused_by": before.by, "paused_since": before.at}
        _write_down(transaction, desk, Deed(now, by, "resumed", why=why, detail=detail))
    return before if await transaction.run() else None


def _write_down(transaction: Transaction, desk: Desk, deed: Deed) -> None:
    transaction.add(*desk.history.record({
        "at": deed.at, "object": "", "kind": "", "change": "", "outcome": deed.action, "by": deed.by,
        "why": deed.why,
    }))  # fmt: skip
    full = Deed(deed.at, deed.by, deed.action, desk.name, why=deed.why, detail=deed.detail)
    transaction.add(*desk.audit.write(full))
