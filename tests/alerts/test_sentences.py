"""What people read."""

from typing import get_args

import pytest

from bridge.alerts.conditions import CLOCKS, DATA, JOURNAL, SOURCE, TARGET, Condition, Subject
from bridge.alerts.sentences import say_more, say_new, say_over
from bridge.settings import CONDITION_KINDS, SOURCE_KINDS, ConditionKind

NOW = 1_790_000_000_000  # 2026-09-21 14:13 UTC
DOCS, OKTA = Subject(TARGET, "docs"), Subject(SOURCE, "okta")


def subject_of(kind: str) -> Subject:
    """What a kind of condition is about."""
    alone = {"clock": Subject(CLOCKS), "stale": Subject(DATA)}
    alone |= dict.fromkeys(("stuck", "dead_letter"), Subject(JOURNAL))
    return ({"refused": OKTA, "silent": OKTA} | alone).get(kind, DOCS)


@pytest.mark.parametrize("kind", get_args(ConditionKind))
def test_there_is_a_sentence_for_every_condition(kind: ConditionKind) -> None:
    """With what it is about and since when, and a command that tells more."""
    about = subject_of(kind)
    begin = say_new(Condition(kind, about, NOW, 2))
    end = say_over(kind, about, NOW, 2, True)
    assert "2026-09-21 14:13 UTC" in begin
    assert "`bridge " in begin
    assert all(about.name in text and not {"{", "}"} & set(text) for text in (begin, end))
    assert say_over(kind, about, NOW, 2, False).endswith(f"({kind}): the configuration has changed")


@pytest.mark.parametrize(
    ("number", "text"), [(1, "docs: 1 change is held "), (3, "docs: 3 changes are held ")]
)
def test_numbers(number: int, text: str) -> None:
    """One is one."""
    assert say_new(Condition("parked", DOCS, NOW, number)).startswith(text)


@pytest.mark.parametrize("kind", ["parked", "dead"])
def test_more(kind: ConditionKind) -> None:
    """How many are new, and how many there are."""
    text = say_more(Condition(kind, DOCS, NOW, 5), 2)
    assert text.startswith("docs: 2 more ")
    assert "5 in all" in text


@pytest.mark.parametrize("kind", SOURCE_KINDS)
def test_who_repeats_what_was_refused(kind: str) -> None:
    """Okta does not: that is lost news, and how to repair it is said."""
    text = say_new(Condition("refused", OKTA, NOW, 4), kind)
    assert ("Okta does not repeat them: what they told is lost." in text) == kind.startswith("okta")
    assert text.endswith("load the directory again (docs/alerts.md)")


def test_a_source_that_never_delivered() -> None:
    """Is told apart from one that has stopped."""
    assert "nothing was ever delivered" in say_new(Condition("silent", OKTA, NOW, 0))
    assert "nothing was delivered" in say_new(Condition("silent", OKTA, NOW, 1))


@pytest.mark.parametrize(("about", "text"), [(DOCS, "docs: the target"), (OKTA, "okta: the directory's API")])
def test_whose_token(about: Subject, text: str) -> None:
    """A target's, or that of the API behind a source."""
    assert say_new(Condition("rejected", about, NOW)).startswith(f"{text} rejects the token")
    assert say_over("rejected", about, NOW, 0, True) == f"{text} takes the token again"


def test_every_condition_can_be_written_in_the_file() -> None:
    """There is no other list of them."""
    assert set(CONDITION_KINDS) == set(get_args(ConditionKind))
