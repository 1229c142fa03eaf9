"""[sources.map]: expressions that are compiled with the file, and what is said of wrong ones."""

from pathlib import Path
from typing import Any

import pytest

from bridge.settings import SettingsError, SourceSettings, parse_settings
from bridge.settings.field_map import Expression, FieldMap

USER = {"email": "profile.email"}


def problems(fields: Any, **more: Any) -> list[str]:
    """What is wrong with a configuration that has this map."""
    table = {"name": "hr", "kind": "okta-workflows", "secrets": ["s"], "map": fields, **more}
    with pytest.raises(SettingsError) as caught:
        parse_settings({"sources": [table]}, Path("bridge.toml"))
    return caught.value.problems


def read(fields: Any) -> FieldMap:
    """The map of a configuration that has this one."""
    table = {"name": "hr", "kind": "okta-workflows", "secrets": ["s"], "map": fields}
    found = parse_settings({"sources": [table]}, Path("bridge.toml")).sources[0].map
    assert found
    return found


def test_every_key_takes_an_expression() -> None:
    """Each is kept as written, and compiled."""
    fields = read({
        "event": "type", "id": "message", "occurred_at": "at",
        "user": {"id": "u.id", "email": "u.mails[0].value", "first_name": "u.first", "last_name": "u.last",
                 "active": "u.state == 'on'"},
        "group": {"id": "g.id", "name": "g.name"},
    })  # fmt: skip

    assert fields.user.email == Expression("u.mails[0].value")
    assert fields.user.active
    assert fields.user.active.tree["type"] == "comparator"
    assert fields.group.name
    assert repr(fields.group.name) == "Expression('g.name')"
    assert len({fields.group.name, Expression("g.name")}) == 1


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("profile.", "column 9: its end cannot stand here"),
        ("profile[", "it ends too early, after column 8"),
        ("profile]", 'column 8: "]" cannot stand here'),
        ("profile.first-name", 'column 14: Unknown token .* needs quotes: profile."first-name"'),
        ("name == 'x", "column 9: Unclosed ' delimiter$"),
        ("lower(mail)", r"column 1: there is no function lower\(\)"),
        ("a || contains(mail)", r"column 6: contains\(\) takes 2 argument\(s\)"),
        ("length(a, b)", r"column 1: length\(\) takes 1 argument\(s\)"),
    ],
)
def test_a_wrong_expression_is_told_with_its_key_and_place(written: str, place: str) -> None:
    """Functions that are not there, too: they would fail at every delivery."""
    (line,) = problems({"event": "type", "user": {"email": written}})
    start, end = line.split(": is not JMESPath: ")

    assert start == "sources[0].map.user.email"
    assert end.endswith(': write email = "profile.email"')
    with pytest.raises(ValueError, match=place):
        Expression(written)


@pytest.mark.parametrize("written", ["!profile.disabled", "a && !b.c", "!a.b[0]", "!a.b == c"])
def test_a_not_before_a_path_is_a_mistake(written: str) -> None:
    """JMESPath takes the path of what `!` makes, which has none: it would never say anything."""
    with pytest.raises(ValueError, match=r"column \d+: ! holds for the name next to it alone"):
        Expression(written)


@pytest.mark.parametrize("written", ["!disabled", "!(profile.disabled)", "!a == b", "!a || b.c", "!a[0]"])
def test_a_not_elsewhere_is_none(written: str) -> None:
    """It may stand before a name and before brackets."""
    assert Expression(written).text == written


def test_functions_that_take_any_number_are_taken() -> None:
    """not_null() has no last argument."""
    assert Expression("not_null(a, b, c)").text
    with pytest.raises(ValueError, match="takes 1"):
        Expression("not_null()")


@pytest.mark.parametrize("written", ["", "x" * 501, 7, ["a"]])
def test_other_values_are_refused(written: Any) -> None:
    """Nothing, too much, no text."""
    (line,) = problems({"event": "type", "user": {"email": written}})
    assert line.startswith("sources[0].map.user.email: ")


def test_several_mistakes_are_told_together() -> None:
    """Each with its key; an unknown key is one."""
    found = problems({"event": "a.", "user": {"mail": "b"}, "events": {"hired": "user.hired"}})

    assert [line.partition(": ")[0] for line in found] == [
        "sources[0].map.event", "sources[0].map.user.mail", "sources[0].map.events.hired",
    ]  # fmt: skip
    assert "'user.created', 'user.updated'" in found[2]


def test_the_event_is_needed_and_somebody() -> None:
    """Without them nothing could ever be read."""
    assert problems({"user": USER}) == ['sources[0].map.event: is missing: write event = "type"']
    (line,) = problems({"event": "type", "user": {"active": "on"}})
    assert line.startswith("sources[0].map.user.id: is missing: write ")


def test_constants_may_be_written_plainly() -> None:
    """One of the eight names, and a boolean; what is quoted as JMESPath wants it means the same."""
    plain = read({"event": "user.created", "user": {**USER, "active": True}})
    quoted = read({"event": "'user.created'", "user": {**USER, "active": "`true`"}})

    assert plain == quoted


@pytest.mark.parametrize(
    ("kind", "more", "right"),
    [
        ("okta-workflows", {}, True),
        ("standard-webhooks", {"body": "bridge"}, True),
        ("standard-webhooks", {"body": "jackson"}, False),
        ("standard-webhooks", {"body": "workos"}, False),
        ("jackson", {}, False),
        ("okta-event-hooks", {}, False),
    ],
)
def test_a_map_is_for_bodies_of_any_shape(kind: str, more: dict[str, Any], right: bool) -> None:
    """A map that would not be used is a mistake, not a surprise."""
    table = {"name": "hr", "kind": kind, "secrets": ["aGVsbG8="], **more}
    fields = {"event": "type", "user": USER}
    if right:
        assert SourceSettings.model_validate({**table, "map": fields}).map
    else:
        (line,) = problems(fields, **{key: value for key, value in table.items() if key != "name"})
        assert line.startswith("sources[0].map: is for kind = ")
