"""Logs: one pipeline for our lines and those of the libraries, which leaves people and secrets out."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bridge.settings import LogSettings

_AT = r"(?:@|%40)"
_WITHIN = r"""[^\s@<>()\[\]{}",;:=?&/\\'|]|(?<=\w)'(?=\w)"""  # O'Neil, but no quote around an address
_EMAIL = re.compile(rf"((?:{_WITHIN}){{1,64}})({_AT})([\w.-]{{1,255}})")
_LOGIN = re.compile(r"(?<=://)[^/\s]{1,512}@")  # up to the last @: a password may hold one
_REDIS_LOGIN = re.compile(r"\b((?:rediss?(?:\+sentinel)?|unix)://)(?!/)\S{1,512}@")  # or a slash
_CREDENTIALS = re.compile(r"\b(bearer|basic) +[\w.~+/=-]{8,}", re.IGNORECASE)
_SECRET_KEYS = frozenset(
    {"authorization", "cookie", "password", "secret", "secrets", "set-cookie", "signature", "token"}
)
_LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "arq")
QUIET_MILLISECONDS = 1000  # between two log lines about requests that are not verified
_CHATTY = ("uvicorn.access", "httpx", "httpcore", "asyncio")  # a line for every request says too little

log = structlog.get_logger()


def configure_logs(settings: LogSettings, stream: TextIO = sys.stderr) -> None:
    """Send every log line of the process to a stream: JSON, or readable where that is a terminal.

    Addresses are masked unless `settings.personal_data`; secrets always. It may be called again.
    """
    shared = _shared(settings)
    render = _renderer(stream.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(shared, render))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _LIBRARIES:
        _adopt(logging.getLogger(name), level)
    for name in _CHATTY:
        _adopt(logging.getLogger(name), max(level, logging.WARNING))


def mask_email(text: str) -> str:
    """Return a text with every e-mail address in it shortened: ana@acme.test becomes a***@acme.test."""
    if "@" not in text and "%40" not in text:
        return text
    return _EMAIL.sub(lambda found: f"{found[1][0]}***{found[2]}{found[3]}", text)


def mask_secrets(text: str) -> str:
    """Return a text without the login of any URL and without credentials after Bearer or Basic."""
    text = _LOGIN.sub("***@", _REDIS_LOGIN.sub(r"\1***@", text))
    return _CREDENTIALS.sub(r"\1 ***", text)


def _shared(settings: LogSettings) -> list[Processor]:
    """Return what happens to a line before it is rendered, whoever wrote it."""

    def clean(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        return {key: _clean(key, value, settings.personal_data) for key, value in event.items()}

    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        clean,
    ]


def _clean(key: Any, value: Any, personal_data: bool) -> Any:
    """Return a value fit to be logged, however deep it is."""
    if isinstance(key, str) and key.lower() in _SECRET_KEYS:
        return "***"
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_text(name, personal_data): _clean(name, one, personal_data) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(None, one, personal_data) for one in value]
    return _text(value, personal_data)


def _text(value: Any, personal_data: bool) -> str:
    text = mask_secrets(value if isinstance(value, str) else repr(value))
    return text if personal_data else mask_email(text)


def _renderer(is_terminal: bool) -> Processor:
    if is_terminal:
        plain = structlog.dev.plain_traceback
        return structlog.dev.ConsoleRenderer(exception_formatter=plain, timestamp_key="at")
    return structlog.processors.JSONRenderer(_to_json)


def _to_json(event: EventDict, **_options: Any) -> str:
    try:
        return orjson.dumps(event, default=repr).decode()
    except TypeError:  # an integer over 64 bits, half a surrogate pair
        return orjson.dumps({name: ascii(value) for name, value in event.items()}).decode()


def _formatter(shared: list[Processor], render: Processor) -> logging.Formatter:
    """Return what takes the libraries' lines through the same steps as ours."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.contextvars.merge_contextvars, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shared, render],
    )


def _adopt(logger: logging.Logger, level: int) -> None:
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(level)


class Unverified:
    """Logs why requests of one source are not verified, at a pace that strangers cannot raise."""

    def __init__(self, source: str) -> None:
        """`source`: its name."""
        self._source = source
        self._said = self._unsaid = 0

    def say(self, reason: str, now: int) -> None:
        """Log one, or count it for the next line. `now`: unix milliseconds."""
        if abs(now - self._said) < QUIET_MILLISECONDS:
            self._unsaid += 1
            return
        log.warning("not verified", source=self._source, reason=reason, unsaid=self._unsaid)
        self._said, self._unsaid = now, 0
