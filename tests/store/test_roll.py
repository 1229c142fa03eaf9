"""Which targets and sources there are and were."""

from typing import Any

from bridge.settings import Settings
from bridge.store.redis import Store
from bridge.store.roll import all_sources, all_targets, enrol, former_sources, strike
from bridge.store.targets import target_id


def settings(*names: str, targets: tuple[str, ...] = ()) -> Settings:
    """A configuration with these sources, all of one directory, and organisations."""
    told: dict[str, Any] = {
        "sources": [
            {"name": name, "kind": "okta-workflows", "secrets": [f"{name}-secret"], "directory": "okta"}
            for name in names
        ],
        "targets": [{"name": name, "organization": name, "token": "x"} for name in targets],
    }
    return Settings.model_validate(told)


async def test_what_was_taken_out_is_still_known(store: Store) -> None:
    """Targets by what they are, sources by the directory they spoke for."""
    before, after = settings("flow", "hook", targets=("a", "b")), settings("hook", targets=("b",))
    await enrol(store, before)
    await enrol(store, after)
    idents = {each.id for each in await all_targets(store, after)}
    assert idents == {target_id(each) for each in before.targets}
    assert await former_sources(store, after, "okta") == ["flow", "okta"]
    await store.call("SADD", store.key("directories"), "okta:inner")
    assert await all_sources(store, after) == [("flow", "okta"), ("hook", "okta"), ("okta", "okta")]
    await store.call(*strike(store, "okta"))
    assert await former_sources(store, after, "okta") == ["okta"], "as one from before this record is called"


async def test_an_empty_configuration(store: Store) -> None:
    """Nothing is written down for it."""
    await enrol(store, Settings())
    assert await store.call("KEYS", f"{store.prefix}:*") == []
    assert (await all_targets(store, Settings()), await all_sources(store, Settings())) == ([], [])
