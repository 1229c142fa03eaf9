"""Whether what is in Redis is in the catalogue of keys."""

from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from bridge.store.keys import CATALOGUE, Key

KEYS = [key for keys in CATALOGUE.values() for key in keys]
_BY_NAME = {key.name: key for key in KEYS if key.name != "scim"}  # of one name all are of one type


def find_key(text: str) -> Key | None:
    """Return which key of the catalogue one of Redis is, without the prefix; None for none."""
    name, _, rest = text.partition(":")
    if name == "scim":
        kind = rest.split(":")[1]
        return next((key for key in KEYS if key.scope.startswith(f"{{source}}:{kind}:")), None)
    if text in _BY_NAME:  # `clocks:at`
        return _BY_NAME[text]
    return _BY_NAME.get(name)


def read_unlisted(socket: Path, prefix: str) -> list[str]:
    """Return the keys that are not in the catalogue, or of another type; none of a Redis that is gone."""
    found = []
    with Redis(unix_socket_path=str(socket)) as client:
        try:
            for name in client.scan_iter(f"{prefix}:*", count=1000):
                kind, text = client.type(name).decode(), name.decode("latin-1")  # a delivery's key is bytes
                key = find_key(text.removeprefix(f"{prefix}:"))
                if kind != "none" and (key is None or key.kind != kind):
                    found.append(f"{text} ({kind})")
        except RedisError:
            return []
    return found
