"""Somebody is told, by a bridge as it is run: also when it dies on the way."""

import asyncio
from collections.abc import Callable

from standardwebhooks import Webhook

from tests.alerts.receiver import Receiver, running
from tests.e2e.place import Place, event, user

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STRICT = "max_removals = 0\nmax_removal_percent = 0"
ALERT = '[[alerts]]\nname = "pager"\nkind = "standard-webhooks"\nurl = "{url}"\nsecret = "{key}"\n'


async def test_a_leaver_who_is_held_is_told_of_through_kill_9(make_place: Callable[..., Place]) -> None:
    """The bridge is killed while the receiver has not answered: it is told again, and known by its id."""
    place = make_place(guard=STRICT)
    place.sandbox.seed_member("ana@acme.test", "read")
    async with running(Receiver(hold=asyncio.Event())) as pager:
        place.rewrite("[[targets]]", ALERT.format(url=pager.url, key=KEY) + "\n[[targets]]")
        place.start()
        await place.ready()
        await place.send(event("user.created", user("ana")), event("user.deleted", user("ana")))
        await place.until(lambda: pager.got, "nobody was told")
        place.kill()
        assert pager.hold
        pager.hold.set()
        place.start()
        await place.until(lambda: len(pager.got) == 2, "it was not told again")
        await place.run("approve", "--all", "--by", "boss")
        await place.until(lambda: len(pager.got) == 3, "it was not told that it is over")
    first, again, over = pager.got
    assert (first.id, first.body) == (again.id, again.body)
    assert pager.types() == ["bridge.parked", "bridge.parked", "bridge.parked.over"]
    assert all(Webhook(KEY).verify(got.body, dict(got.headers)) for got in pager.got)
    assert over.id != first.id
    assert "ana" not in b"".join(got.body for got in pager.got).decode()
    assert "hush-hush-path" not in place.log()
