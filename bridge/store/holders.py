"""Which users the mirror must have if a binding names them: all but those forgotten on purpose."""

from collections.abc import Callable, Collection, Iterable

from bridge.store.departures import Departures, read_departures
from bridge.store.journal import Journal
from bridge.store.marked import Marked, questions, read_marked
from bridge.store.mirror import directory_name, split_ref
from bridge.store.targets import TargetStore


def journals_there(directories: Iterable[str], marked: Marked, departures: Departures) -> set[str]:
    """Return the journals whose directories are there, and not being forgotten.

    `directories`: those that Redis lists; should that be lost, what was marked for a target tells of them,
    too. Forgetting a directory takes it out of both.
    """
    known = {*directories, *marked.stretches, *marked.replanned}
    return known - {journal for each in departures.by_name.values() for journal in each.ends or ()}


async def read_journals_there(target: TargetStore) -> set[str]:
    """Return the same as Redis tells it now, for a target. Raises one of STORE_ERRORS."""
    directories = await Journal(target.store).directories()
    marked = read_marked(await target.store.calls(questions(target)))
    return journals_there(directories, marked, await read_departures(target.store))


def counting(names: Collection[str], journals: Collection[str]) -> Callable[[str], bool]:
    """Return what tells of a user's ref whether they must be in the mirror if they ever were.

    `names`: configured names of the directories that are followed; `journals`: see `journals_there`.
    """

    def counts(ref: str) -> bool:
        journal = split_ref(ref)[0]
        return directory_name(journal) in names and journal in journals

    return counts
