"""What is said: the difference between what holds and what a receiver knows."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bridge.alerts.conditions import TARGET, Condition, Found, Subject, condition_key
from bridge.alerts.ledger import BACKOFF_FIRST, BACKOFF_MOST, Ledger, delivered, failed, follow
from bridge.alerts.messages import MORE, NEW, OVER, Message
from bridge.settings import ConditionKind

NOW = 1_790_000_000_000
KINDS: tuple[ConditionKind, ...] = ("parked", "dead", "rejected")
DOCS = Subject(TARGET, "docs")
KEYS = {kind: condition_key(kind, DOCS) for kind in KINDS}
WATCHED = frozenset(KEYS.values())


def found(*conditions: Condition, unsure: tuple[str, ...] = ()) -> Found:
    """A look that finds these."""
    held = {condition_key(each.kind, each.subject): each for each in conditions}
    return Found(held, {}, WATCHED, frozenset(unsure))


def parked(*items: str) -> Condition:
    """So much is held."""
    return Condition("parked", DOCS, NOW, len(items), frozenset(items))


REJECTED = Condition("rejected", DOCS, NOW)


def say(ledger: Ledger, look: Found) -> tuple[Ledger, list[Message]]:
    """Look, and deliver all that is to be said."""
    ledger = follow(ledger, look, NOW, {})
    messages = ledger.due(NOW)
    for message in messages:
        ledger = delivered(ledger, message)
    return ledger, messages


def test_a_message_is_said_only_once_delivered() -> None:
    """Until then it is the same message, whatever holds by then."""
    ledger = follow(Ledger(), found(parked("a")), NOW, {})
    (first,) = ledger.due(NOW)
    assert ledger.said == {}
    (again,) = follow(ledger, found(), NOW + 5, {}).due(NOW)
    assert again == first
    ledger, messages = say(delivered(ledger, first), found())
    assert [each.phase for each in messages] == [OVER]
    assert (ledger.said, ledger.sending) == ({}, {})


def test_what_is_gone_is_told_again_when_it_comes_back() -> None:
    """And nothing is said when only a part of it goes."""
    ledger, _ = say(Ledger(), found(parked("a", "b")))
    ledger, none = say(ledger, found(parked("b")))
    ledger, back = say(ledger, found(parked("a", "b")))
    assert (none, [(each.phase, each.new, each.number) for each in back]) == ([], [(MORE, 1, 2)])


def test_nothing_is_said_of_what_nobody_knows() -> None:
    """Neither that it is over nor that it began."""
    ledger, _ = say(Ledger(), found(REJECTED))
    ledger, messages = say(ledger, found(unsure=(KEYS["rejected"],)))
    assert (messages, list(ledger.said)) == ([], [KEYS["rejected"]])


def test_failures_wait_longer_and_longer() -> None:
    """Up to a bound; a delivery forgets them."""
    ledger = follow(Ledger(), found(parked("a")), NOW, {})
    waits = []
    for _ in range(12):
        (message,) = ledger.sending.values()
        ledger = failed(ledger, message, NOW, "it answered 503")
        assert ledger.failure
        waits.append(ledger.failure.retry_at - NOW)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (BACKOFF_FIRST, BACKOFF_MOST)
    assert ledger.due(NOW + BACKOFF_MOST - 1) == []
    (message,) = ledger.due(NOW + BACKOFF_MOST)
    assert message.attempts == 12
    assert delivered(ledger, message).failure is None


def test_a_receiver_may_ask_for_more_time() -> None:
    """It is not asked before."""
    ledger = follow(Ledger(), found(parked("a")), NOW, {})
    ledger = failed(ledger, ledger.due(NOW)[0], NOW, "it answered 429", 3_600_000)
    assert ledger.due(NOW + 3_599_999) == []
    assert ledger.due(NOW + 3_600_000)


def test_what_failed_often_comes_last() -> None:
    """So one message that is not taken holds up no other."""
    ledger = follow(Ledger(), found(parked("a")), NOW, {})
    ledger = failed(ledger, ledger.due(NOW)[0], NOW, "it answered 400")
    ledger = follow(ledger, found(parked("a"), REJECTED), NOW + 1, {})
    assert [each.kind for each in ledger.due(NOW + BACKOFF_MOST)] == ["rejected", "parked"]


def test_ids_differ() -> None:
    """Each message has its own."""
    ledger = follow(Ledger(), found(parked("a"), REJECTED), NOW, {})
    assert len({each.id for each in ledger.sending.values()}) == 2


looks = st.fixed_dictionaries({
    "parked": st.frozensets(st.sampled_from("abcd")), "dead": st.frozensets(st.sampled_from("xy")),
    "rejected": st.booleans(),
})  # fmt: skip
steps = st.lists(st.tuples(looks, st.lists(st.sampled_from(["taken", "lost", "unsure"]), max_size=3)))


@given(steps, looks)
def test_whatever_happens_a_receiver_comes_to_know_what_holds(
    history: list[tuple[dict[str, frozenset[str] | bool], list[str]]],
    last: dict[str, frozenset[str] | bool],
) -> None:
    """Each thing once, with an end for each beginning, and never more than one message of a kind waiting.

    An attempt is taken, lost, or taken without our knowing: then its repeat, known by its id, is dropped.
    """
    ledger, receiver = Ledger(), Knowing()
    for look, attempts in [*history, *[(last, ["taken"] * 3)] * 3]:
        ledger = follow(ledger, found(*_conditions(look)), NOW, {})
        assert ledger.sending.keys() <= WATCHED
        for outcome, message in zip(attempts, ledger.due(NOW + BACKOFF_MOST), strict=False):
            if outcome != "lost":
                receiver.take(message)
            if outcome == "taken":
                ledger = delivered(ledger, message)
            else:
                ledger = replace(failed(ledger, message, NOW, outcome), failure=None)
    assert receiver.holds == {kind for kind, value in last.items() if value}
    assert (set(ledger.said), ledger.sending) == (
        {KEYS[kind] for kind in KINDS if kind in receiver.holds},
        {},
    )


class Knowing:
    """A receiver that drops repeats."""

    def __init__(self) -> None:
        self.holds: set[str] = set()
        self.ids: Counter[str] = Counter()

    def take(self, message: Message) -> None:
        """Believe a message, once."""
        self.ids[message.id] += 1
        if self.ids[message.id] > 1:
            return
        assert (message.phase == NEW) == (message.kind not in self.holds)
        if message.phase == OVER:
            self.holds.remove(message.kind)
        else:
            assert message.new <= message.number
            self.holds.add(message.kind)


def _conditions(look: dict[str, frozenset[str] | bool]) -> list[Condition]:
    made = []
    for kind in KINDS:
        value = look[kind]
        items = value if isinstance(value, frozenset) else frozenset()
        if value:
            made.append(Condition(kind, DOCS, NOW, len(items), items))
    return made
