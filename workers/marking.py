"""Marking everyone of some directories as work of a target, in slices that go on where one stopped."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace

import orjson

from bridge.store.mirror import make_ref, split_ref
from bridge.store.targets import GROUP, MEMBER, TEAM
from workers.run import Run

_AT_ONCE = 500  # rows of a hash
_KNOWN = "known"


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far everyone was marked. `wanted`: the hash of the plan it is for.

    `folded`: up to which event each directory was folded when it began; `part`: which of its parts is under
    way, `cursor`: where in that. `server`: the run of Redis that gave the cursor: after a restart, or at a
    replica, hashes have another order.
    """

    wanted: str
    server: str
    folded: Mapping[str, str] = field(default_factory=dict)
    part: int = 0
    cursor: int = 0

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Return what is marked, in order: groups before users, and last whom the target knows."""
        return [(each, what) for each in sorted(self.folded) for what in ("groups", "users")] + [("", _KNOWN)]


def progress_key(run: Run) -> str:
    """Return where it is written down how far everyone was marked."""
    return run.store.key("replanning")


async def mark_everyone(run: Run, wanted: str, folded: Mapping[str, str]) -> dict[str, str] | None:
    """Mark everyone of these directories, and whom the target knows; None when a next slice must go on.

    `wanted`: the hash of the plan; `folded`: by directory, up to which event it was folded. Returns that as
    it was when the marking began. Marking twice does no harm.
    """
    progress = await _begin_or_go_on(run, wanted, folded)
    while progress.part < len(progress.parts):
        directory, what = progress.parts[progress.part]
        cursor, objects = await _scan(run, directory, what, progress.cursor)
        after = replace(progress, cursor=cursor)
        progress = after if cursor else replace(progress, part=progress.part + 1, cursor=0)
        kept = ("SET", progress_key(run), orjson.dumps(asdict(progress)))
        await run.commit([*run.store.mark(objects, run.now), kept])
        if run.over and progress.part < len(progress.parts):
            return None
    await _mark_named(run, progress.folded)
    return dict(progress.folded)


async def _begin_or_go_on(run: Run, wanted: str, folded: Mapping[str, str]) -> _Progress:
    row = await run.worker.store.call("GET", progress_key(run))
    server = str((await run.worker.store.call("INFO", "server"))["run_id"])
    if row:
        kept = _Progress(**orjson.loads(row))
        if kept.wanted == wanted and folded.keys() <= kept.folded.keys():
            return kept if kept.server == server else replace(kept, server=server, cursor=0)
    return _Progress(wanted, server, dict(folded))


async def _scan(run: Run, directory: str, what: str, cursor: int) -> tuple[int, list[str]]:
    """Return the next cursor, 0 at the end, and the objects of one piece."""
    if what == _KNOWN:
        key = run.store.key("binding")
        following, rows = await run.worker.store.call("HSCAN", key, cursor, "COUNT", _AT_ONCE)
        return int(following), [MEMBER + email for email in sorted(rows)]
    following, ids, emails = await run.worker.mirror.scan(directory, what, cursor)
    objects = [GROUP + make_ref(directory, ident) for ident in ids] if what == "groups" else []
    return int(following), [*objects, *(MEMBER + email for email in sorted(emails))]


async def _mark_named(run: Run, directories: Collection[str]) -> None:
    """Mark the target's teams, and the groups of these directories that it has teams for.

    The groups may have been forgotten in the mirror.
    """
    refs = await run.worker.store.call("HKEYS", run.store.key("titles"))
    groups = [GROUP + ref for ref in sorted(refs) if split_ref(ref)[0] in directories]
    teams = [TEAM + title for title in await run.store.teams()]
    await run.commit(run.store.mark([*groups, *teams], run.now))
