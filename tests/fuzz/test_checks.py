"""The checks of fuzzing, on inputs that hypothesis makes up from real ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.checks import CHECKS, answers_in, check_wire, edit, seeds, senders, verified, wires
from tests.fuzz.senders import NOW

FOUND = sorted((Path(__file__).parent / "found").glob("*/*"))  # what fuzzing found once, by check
EDITS = st.tuples(st.integers(0, 2), st.integers(0, 65_535), st.binary(max_size=15))
EXAMPLES = {"wire": 150}


@pytest.fixture(scope="module", autouse=True)
def _wire() -> Iterator[None]:
    """Stop the receiver when the tests of this file are through."""
    yield
    wires().close()
    wires.cache_clear()


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Inputs like the seeds of a check, changed in a few places; and any bytes."""
    changed = st.builds(edit, st.sampled_from(seeds(name)), st.lists(EDITS, max_size=8))
    return st.one_of(changed, st.binary(max_size=200))


@pytest.mark.parametrize("name", CHECKS)
def test_check_holds(name: str) -> None:
    """For what is sent as a rule, and for what is made up."""
    for seed in seeds(name):
        CHECKS[name](seed)

    @given(inputs(name))
    @settings(
        max_examples=EXAMPLES.get(name, 400), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    def hold(data: bytes) -> None:
        CHECKS[name](data)

    hold()


def test_what_was_found_once_stays_mended() -> None:
    """The inputs on which a check failed before."""
    for path in FOUND:
        CHECKS[path.parent.name](path.read_bytes())


def test_senders_are_believed() -> None:
    """Else that nothing changed is believed would mean nothing."""
    for sender in senders():
        for body in sender.bodies:
            assert verified(sender, sender.sign(body), body)[0], sender.name


def test_signed_requests_are_taken_from_the_wire() -> None:
    """Else that no request is answered 5xx would mean nothing."""
    statuses = [[status for status, _, _ in answers_in(wires().send(each))] for each in seeds("wire")]
    assert statuses.count([200]) > 15
    assert {401, 404, 405, 413} <= {one for each in statuses for one in each}


def test_a_broken_receiver_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 5xx fails the check of the wire, as does an answer that is no problem document."""
    for answer in (
        b"503 No\r\ncontent-type: application/problem+json",
        b"400 No\r\ncontent-type: text/plain",
    ):
        written = b"HTTP/1.1 " + answer + b"\r\ncontent-length: 0\r\n\r\n"
        monkeypatch.setattr(type(wires()), "send", lambda _self, _data, written=written: written)
        with pytest.raises(AssertionError):
            check_wire(b"")


def test_time_of_a_signature_counts() -> None:
    """Outside its tolerance nothing that was signed is believed."""
    for sender in senders():
        if sender.signs:
            body = sender.bodies[0]
            for off in (-600_000, 600_000):
                assert not verified(sender, sender.sign(body), body, NOW + off)[0], sender.name
