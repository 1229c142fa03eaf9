"""What the receivers tell about the front door, in a real Valkey."""

from bridge.store.front import FrontNews, FrontStore, Refusals
from bridge.store.redis import Store

NOTHING = FrontNews()


async def test_what_was_told_is_read(store: Store) -> None:
    """Each source has its own; one that nobody told of has nothing."""
    front = FrontStore(store)
    told = FrontNews(5000, Refusals(2, 4000, "no secret is what was sent"), {"env:OLD": 3000})

    await front.tell({"okta": told})

    assert await front.read(["okta", "polis"]) == {"okta": told, "polis": NOTHING}


async def test_receivers_add_up(store: Store) -> None:
    """Refusals of several processes are counted together; the rest is that of the last one."""
    front = FrontStore(store)
    await front.tell({"okta": FrontNews(refused=Refusals(2, 4000, "first"), secrets={"env:OLD": 1})})
    await front.tell({"okta": FrontNews(9000, Refusals(3, 5000, "second"), {"env:NEW": 2})})
    await front.tell({"okta": FrontNews(secrets={"env:NEW": 7})})

    read = (await front.read(["okta"]))["okta"]
    assert read == FrontNews(9000, Refusals(5, 5000, "second"), {"env:OLD": 1, "env:NEW": 7})


async def test_telling_nothing_writes_nothing(store: Store) -> None:
    """A source without news has no key."""
    await FrontStore(store).tell({"okta": NOTHING})
    assert await store.call("EXISTS", store.key("front", "okta")) == 0
