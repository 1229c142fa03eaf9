"""What an error of the store is about: the store itself, or what was asked of it."""

import re
import traceback
from pathlib import Path

from redis.exceptions import DataError, ResponseError

from bridge.store.redis import STORE_ERRORS

# Redis' own state, or our rights (https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors).
_STATES = re.compile(
    r"\b(ASK|BUSY|CLUSTERDOWN|CROSSSLOT|LOADING|MASTERDOWN|MISCONF|MOVED|NOAUTH|NOPERM|NOREPLICAS|OOM|READONLY"
    r"|TRYAGAIN)\b|[Uu]nknown (Redis )?command"
)

_OF_PIPELINE = "of pipeline caused error: "  # redis-py writes the command with all its words before it


def fails_at(error: BaseException) -> str:
    """Return for people that the bridge itself could not do something."""
    return f"the bridge fails at it: {describe_error(error)}"


def is_outage(error: Exception) -> bool:
    """Tell whether an error is about Redis' state, the way to it or our rights: later all may be well.

    All others are about what was asked, and will come again. Of an error within a script Redis tells the
    first word (`OOM`) at the beginning or, before version 7, somewhere in the text.
    """
    if not isinstance(error, STORE_ERRORS) or isinstance(error, DataError):
        return False
    return type(error) is not ResponseError or bool(_STATES.search(str(error)))


def describe_error(error: BaseException) -> str:
    """Return an error in words: what Redis said; of any other the class and the line that raised it.

    Any other's own text may quote a person's data.
    """
    name, text = type(error).__name__, str(error)
    if _OF_PIPELINE in text:  # the error's arguments follow
        text = text.rpartition(_OF_PIPELINE)[2].removeprefix("('").removesuffix("',)")
    if isinstance(error, STORE_ERRORS) and not isinstance(error, DataError):
        return f"{name}: {text}" if text else name
    frames = traceback.extract_tb(error.__traceback__)
    return f"{name} at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else name
