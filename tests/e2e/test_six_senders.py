"""One history, six kinds of senders: each tells it in its own way, and GitBook ends the same.

All of them speak at once to one `bridge serve`, each for an organisation of its own. Those that tell when
things happened tell them shuffled and twice, and all that was told before once more.
"""

import asyncio
import contextlib
import random
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from bridge.settings import SourceSettings
from bridge.settings.sources import SOURCE_KINDS
from bridge.sources.base import Playable
from bridge.sources.registry import make_source
from tests.directories.fake_okta import TOKEN, FakeOkta
from tests.e2e import dialects
from tests.e2e.dialects import Ask, Known, Moment, Step, Write
from tests.e2e.place import Place
from tests.e2e.stage import Delivery, End, Sender, Stage, end_of, running_stage

GUIDES = Path(__file__).parents[2] / "docs" / "senders"

SENDERS = (
    Sender("flows", "okta-workflows", 'auth = "hmac"', dialects.flow),
    Sender("hooks-and-api", "okta-event-hooks", 'api_url = "{okta}"\napi_token = "env:OKTA_API_TOKEN"',
           dialects.thin_hook),
    Sender("hooks", "okta-event-hooks", "", dialects.hook, untold="moved",
           guide="okta-event-hooks.md", words="a new address is not seen"),
    Sender("jackson", "jackson", "", dialects.jackson),
    Sender("workos", "workos", "", dialects.workos),
    Sender("standard", "standard-webhooks", 'body = "bridge"', dialects.flow),
    Sender("standard-workos", "standard-webhooks", 'body = "workos"', dialects.workos),
    Sender("standard-jackson", "standard-webhooks", 'body = "jackson"', dialects.jackson, tells_time=False,
           guide="standard-webhooks.md", words="**The order**, unless its bodies tell the time"),
    Sender("scim-entra", "scim", "", ask=dialects.entra, tells_time=False,
           guide="scim.md", words="SCIM has no times: what arrives later counts as later."),
    Sender("scim-okta", "scim", "", ask=dialects.okta, tells_time=False, untold="suspended",
           guide="scim.md", words="Okta sends nothing when a user is suspended"),
)  # fmt: skip

JOINERS = [Step("hired", user=name) for name in ("ana", "bo", "cy", "dee", "eli")]
HISTORY = (
    [
        *JOINERS,
        Step("made", group="writers", text="Scribes"),
        Step("made", group="editors", text="Editors"),
        Step("made", group="guild", text="Guild"),
        *(Step("added", name, "writers") for name in ("ana", "bo", "cy", "dee")),
        *(Step("added", name, "guild") for name in ("bo", "eli")),
        *(Step("added", name, "editors") for name in ("bo", "cy")),
        Step("renamed", group="writers", text="Writers"),
        Step("removed", "bo", "editors"),
        Step("suspended", "eli"),
        Step("resumed", "eli"),
    ],
    [
        Step("renamed", group="writers", text="Authors"),
        Step("moved", "ana", text="ana.ng@acme.test"),
        Step("removed", "cy", "writers"),
        Step("suspended", "dee"),
    ],
    [Step("resumed", "dee"), Step("left", "bo"), Step("ended", group="guild")],
)


READ, EDIT = "read", "edit"  # the default role, and that of the Editors
ENDS = (
    End(
        {"ana": READ, "bo": READ, "cy": EDIT, "dee": READ, "eli": READ},
        {"Writers": {"ana", "bo", "cy", "dee"}, "Editors": {"cy"}, "Guild": {"bo", "eli"}},
    ),
    End(
        {"ana": READ, "ana.ng": READ, "bo": READ, "cy": EDIT, "eli": READ},
        {"Authors": {"ana", "ana.ng", "bo"}, "Editors": {"cy"}, "Guild": {"bo", "eli"}},
        held={"ana"},  # an old address may hold content: it keeps its team until a person decides
    ),
    End(
        {"ana": READ, "ana.ng": READ, "cy": EDIT, "dee": READ, "eli": READ},
        {"Authors": {"ana", "ana.ng", "dee"}, "Editors": {"cy"}},
        held={"ana"},
    ),
)


def wanted(sender: Sender, chapter: int) -> End:
    """Return the end of a chapter, without what the sender cannot tell."""
    end = ENDS[chapter]
    if sender.untold == "moved" and chapter > 0:
        members = {name: role for name, role in end.members.items() if name != "ana.ng"}
        teams = {title: people - {"ana.ng"} for title, people in end.teams.items()}
        return End(members, teams)
    if sender.untold == "suspended" and chapter == 1:
        teams = {**end.teams, "Authors": end.teams["Authors"] | {"dee"}}
        return replace(end, members={**end.members, "dee": READ}, teams=teams)
    return end


def now() -> int:
    """Return unix milliseconds."""
    return time.time_ns() // 1_000_000


async def moments(steps: Iterable[Step], known: Known, place: Place) -> list[Moment]:
    """Give each step a millisecond of its own, after all that was before; return when they are over."""
    made, begun = [], now()
    for number, step in enumerate(steps):
        known.follow(step)
        made.append(dialects.moment(step, begun + number, known))
    await place.until(lambda: now() > begun + len(made), "time stands still")
    return made


@pytest.fixture
async def stage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """All of them, and what they speak to."""
    monkeypatch.setenv("OKTA_API_TOKEN", TOKEN)
    for sender in SENDERS:
        monkeypatch.setenv(sender.secret, secret_of(sender))
    async with running_stage(folder, SENDERS) as running:
        yield running


def secret_of(sender: Sender) -> str:
    """One of its own, in base64 as Standard Webhooks wants it."""
    return "whsec_" + b64encode(f"secret of {sender.name}".encode()).decode()


def player(sender: Sender) -> Playable:
    """Return the kind's own signer."""
    auth = "hmac" if sender.kind == "okta-workflows" else "bearer"
    told = {"name": sender.name, "kind": sender.kind, "secrets": [secret_of(sender)], "auth": auth}
    source = make_source(SourceSettings.model_validate(told))
    assert isinstance(source, Playable)
    return source


async def send(stage: Stage, sender: Sender, write: Write, told: list[Moment]) -> None:
    """Send a webhook for each step twice, and all that was sent before once more."""
    sign, before, accepted = player(sender).sign, stage.told[sender.name], 0
    bodies = [orjson.dumps(write(one)) for one in told]
    if sender.tells_time:
        made = [Delivery(body, sign(body, one.at)) for body, one in zip(bodies, told, strict=True)]
        shuffled = random.Random(sender.name).sample([*before, *made, *made], len(before) + 2 * len(made))
        accepted = sum([await post(stage, sender, one) for one in shuffled])
        before += made
    else:
        accepted = sum([await post(stage, sender, one) for one in before])
        for body in bodies:
            before.append(Delivery(body, sign(body, now())))
            accepted += sum([await post(stage, sender, before[-1]) for _ in "12"])
    assert len(told) == accepted, sender.name  # all others were known for repeats


async def post(stage: Stage, sender: Sender, one: Delivery) -> bool:
    """Deliver; tell whether it was news."""
    url = f"http://127.0.0.1:{stage.place.port}/webhooks/{sender.name}"
    answer = await stage.http.post(url, content=one.body, headers=one.headers)
    assert answer.status_code == 200, f"{sender.name}: {answer.text}"
    assert set(answer.json()) == {"accepted", "duplicates"}, f"{sender.name}: {answer.text}"
    return bool(answer.json()["accepted"])


async def ask(stage: Stage, sender: Sender, requests: Ask, told: list[Moment]) -> None:
    """Make the SCIM requests for each step, in order; what is created gets an id."""
    idents = stage.idents[sender.name]
    headers = {"Authorization": f"Bearer {secret_of(sender)}", "Content-Type": "application/scim+json"}
    for one in told:
        for method, path, body in requests(one, idents):
            url = f"http://127.0.0.1:{stage.place.port}/scim/{sender.name}/v2{path}"
            content = None if body is None else orjson.dumps(body)
            answer = await stage.http.request(method, url, content=content, headers=headers)
            assert answer.status_code in (200, 201, 204), f"{sender.name}: {answer.text}"
            if method == "POST":
                idents[one.step.user or one.step.group] = answer.json()["id"]


def follow(okta: FakeOkta, told: list[Moment]) -> None:
    """Let Okta's API know what was told."""
    for one in told:
        if one.step.user:
            status = "ACTIVE" if one.active else "SUSPENDED"
            okta.hire(one.step.user, "DEPROVISIONED" if one.step.what == "left" else status, one.email)
        if one.step.group and one.name:
            okta.group(f"00g{one.step.group}", one.name)
        if one.step.what == "ended":
            del okta.groups[f"00g{one.step.group}"]


async def test_six_senders(stage: Stage) -> None:
    """Joiners, groups, a rename, a new address, moves, a suspension, a leaver: told by all, and one end."""
    known = Known()
    for number, steps in enumerate(HISTORY):
        told = await moments(steps, known, stage.place)
        follow(stage.okta, told)
        await asyncio.gather(
            *(send(stage, one, one.write, told) for one in SENDERS if one.write),
            *(ask(stage, one, one.ask, told) for one in SENDERS if one.ask),
        )
        ends = {sender.name: wanted(sender, number) for sender in SENDERS}
        bare = {name: replace(end, held=set()) for name, end in ends.items()}
        with contextlib.suppress(AssertionError):  # the difference tells more than that there is one
            await stage.place.until(
                lambda bare=bare: bare == {name: end_of(one, set()) for name, one in stage.gitbooks.items()},  # type: ignore[misc]
                "GitBook is not as it was told",
            )
        await stage.place.until(stage.settled, "not settled")
        assert ends == await stage.ends()


EXCUSED = [one for one in SENDERS if one.untold or not one.tells_time]


@pytest.mark.parametrize("sender", EXCUSED, ids=lambda one: one.name)
def test_what_a_sender_cannot_tell_is_in_its_guide(sender: Sender) -> None:
    """What the table above excuses a sender from, its users are told."""
    assert sender.words
    assert sender.words in " ".join((GUIDES / sender.guide).read_text(encoding="utf-8").split())


def test_all_kinds_are_among_them() -> None:
    """A kind that is new has to tell it, too."""
    assert set(SOURCE_KINDS) == {sender.kind for sender in SENDERS}
