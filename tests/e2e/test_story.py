"""An operator's day: a leaver is held back, somebody is told, looks, sees why, approves, and can prove it."""

import base64
from collections.abc import Callable
from typing import Any

import orjson
from standardwebhooks.webhooks import Webhook

from tests.alerts.receiver import Receiver, running
from tests.e2e.place import NO_GUARD, Place, event, user

SIGNED_WITH = "whsec_" + base64.b64encode(b"alerts of the tests, 32 bytes ok").decode()
ALERTS = """
[[alerts]]
name = "chat"
kind = "slack"
url = "file:chat.url"

[[alerts]]
name = "ops"
kind = "standard-webhooks"
url = "file:ops.url"
secret = "file:ops.secret"
"""
ANA = "ana@acme.test"


async def ask(place: Place, *words: str, code: int = 0) -> Any:
    """Ask the command line for JSON."""
    return orjson.loads(await place.run(*words, "--json", code=code))


async def test_a_leaver_who_was_held_back(make_place: Callable[..., Place]) -> None:
    """Parked, told, looked at, approved, gone; and the audit names who did it and why."""
    place = make_place(guard=NO_GUARD + f'\nprotect = ["{ANA}"]')
    async with running(Receiver()) as chat, running(Receiver()) as ops:
        for name, text in {"chat.url": chat.url, "ops.url": ops.url, "ops.secret": SIGNED_WITH}.items():
            (place.folder / name).write_text(text, encoding="utf-8")
        with place.config.open("a", encoding="utf-8") as config:
            config.write(ALERTS)
        place.start()
        await place.ready()
        await place.send(event("user.created", user("ana")), event("user.created", user("bo")))
        await place.until_members("ana", "bo")
        assert (chat.got, ops.got) == ([], []), "nothing needs anybody"

        await place.send(event("user.deleted", {"id": "00uana"}))
        await place.until(lambda: chat.got and ops.got, "nobody was told")
        [told], [signed] = chat.texts(), ops.got
        assert "docs" in told
        assert "1 change" in told
        assert "bridge parked" in told
        news = Webhook(SIGNED_WITH).verify(signed.body, dict(signed.headers))
        assert news["type"] == "bridge.parked"
        assert ANA not in told + signed.body.decode(), "personal data stays inside"

        [held] = await ask(place, "parked")
        assert (held["object"], held["change"]) == (ANA, f"remove member {ANA}")
        assert "protect" in held["reason"]
        why = await ask(place, "person", ANA.upper())
        assert "deleted from the directory" in orjson.dumps(why).decode()
        [deleted] = await ask(place, "events", "--kind", "user.deleted")
        assert deleted["id"] in orjson.dumps(why).decode(), "the event behind it is named"
        assert ANA in place.sandbox.members()

        await place.run("approve", held["id"], "--by", "carla", "--why", "left with the Berlin office")
        await place.until_members("bo")
        await place.until(lambda: len(chat.got) == len(ops.got) == 2, "nobody was told that it is over")
        assert ops.types() == ["bridge.parked", "bridge.parked.over"]

        [removed, approved, *_] = await ask(place, "audit", "--text", ANA)
        assert (removed["kind"], approved["kind"]) == ("removed", "approved")
        assert (approved["by"], approved["why"]) == ("carla", "left with the Berlin office")
        assert approved["at"] <= removed["at"]
        assert "carla" in orjson.dumps(removed).decode(), "the removal names who let it happen"
        story = [
            row["outcome"] for row in (await ask(place, "person", ANA))["timeline"] if row.get("outcome")
        ]
        assert story.index("parked") < story.index("approved") < len(story) - 1
        assert story[-1] == "done"
        assert place.stop() == {"run": 0}
        assert len(chat.got) == len(ops.got) == 2, "each thing is said once"
