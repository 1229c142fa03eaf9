"""What the receiver counts, as Prometheus sees it."""

from bridge.metrics import Metrics
from bridge.settings import SourceSettings
from bridge.sources.signatures import equals_any


def test_secrets_in_use_are_shown_by_their_labels() -> None:
    """Never by their text; one that was not used shows 0, and one that is listed twice stands there once."""
    source = SourceSettings.model_validate(
        {"name": "polis", "kind": "jackson", "secrets": ["first-text", "second-text", "first-text"]}
    )
    metrics = Metrics()
    metrics.watch_secrets([source])
    assert equals_any(source.secrets[1:2], b"second-text")
    assert not equals_any(source.secrets, b"third-text")

    text = metrics.text().decode()

    line = 'bridge_secret_matches_total{{secret="no. {}, in the file",source="polis"}} {}.0'
    assert line.format(1, 0) in text
    assert line.format(2, 1) in text
    assert text.count("bridge_secret_matches_total{") == 2
    assert "-text" not in text
