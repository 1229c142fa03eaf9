"""One message on its way to one receiver, and what came back."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from bridge import rate_limit_headers
from bridge.alerts.messages import Message, make_request
from bridge.logs import mask_email, mask_secrets
from bridge.outbound import Route
from bridge.settings import AlertSettings

SECONDS = 10.0  # for one attempt, whatever the receiver does
ATTEMPTS = 2  # at once; then the ledger says when
LONGEST_WAIT = rate_limit_headers.LONGEST_WAIT  # seconds that a receiver may ask for
_READ, _LONGEST_WORD = 4096, 80  # bytes of an answer that are looked at, characters that are told


class UndeliveredError(Exception):
    """It is not known to have arrived. `reason`: in words; `wait`: seconds that the receiver asks for."""

    def __init__(self, reason: str, wait: float = 0.0, passing: bool = False) -> None:
        """`passing`: worth another attempt at once."""
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.passing = passing


@dataclass(frozen=True, slots=True)
class Answer:
    """That it arrived: with which status, after how many milliseconds."""

    status: int
    milliseconds: int


def open_client(alert: AlertSettings) -> httpx.AsyncClient:
    """Return the client: it follows no redirect, since the address alone is trusted with the message."""
    return _route(alert).open_client(SECONDS)


async def send(
    client: httpx.AsyncClient,
    alert: AlertSettings,
    message: Message,
    attempts: int = ATTEMPTS,
    clock: Callable[[], float] = time.time,
) -> Answer:
    """Deliver a message. Only a 2xx means that it arrived.

    After a passing fault it is sent again at once, `attempts` times in all. `clock`: unix seconds, the real
    time. Raises UndeliveredError, in whose reason there is neither the address nor the secret.
    """
    retrying = AsyncRetrying(
        stop=stop_after_attempt(attempts), wait=wait_random_exponential(max=1.0), reraise=True,
        retry=retry_if_exception(lambda error: isinstance(error, UndeliveredError) and error.passing),
    )  # fmt: skip
    return await retrying(_attempt, client, alert, message, clock)


async def _attempt(
    client: httpx.AsyncClient, alert: AlertSettings, message: Message, clock: Callable[[], float]
) -> Answer:
    began = time.monotonic()
    headers, body = make_request(alert, message, int(clock() * 1000))
    try:
        async with (
            asyncio.timeout(SECONDS),
            client.stream("POST", alert.url.reveal(), headers=headers, content=body) as answer,
        ):
            if not answer.is_success:
                raise await _refusal(alert, answer, clock())
    except TimeoutError:
        raise UndeliveredError(f"no answer within {SECONDS:.0f} s", passing=True) from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, ValueError):  # a rotation may put in anything
        raise UndeliveredError("its url does not hold an http(s) URL") from None
    except httpx.HTTPError as error:
        raise UndeliveredError(f"no answer: {_route(alert).describe(error)}", passing=True) from None
    return Answer(answer.status_code, round((time.monotonic() - began) * 1000))


def _route(alert: AlertSettings) -> Route:
    return alert.route(alert.url.reveal())


async def _refusal(alert: AlertSettings, answer: httpx.Response, now: float) -> UndeliveredError:
    status = answer.status_code
    word = _mask(alert, await _text(answer))[:_LONGEST_WORD].strip()
    reason = f"it answered {status}" + (f" ({word})" if word else "")
    wait = (rate_limit_headers.retry_after(answer.headers, now) or 0.0) if status in (429, 503) else 0.0
    return UndeliveredError(reason, wait, passing=status >= 500 and not wait)


async def _text(answer: httpx.Response) -> str:
    """Return how an answer begins, on one line: Slack says in a word what is wrong. A page says nothing."""
    if "html" in answer.headers.get("content-type", ""):
        return ""
    async for part in answer.aiter_bytes(_READ):
        return re.sub(r"[^ -~]+", " ", part.decode("utf-8", "replace")).strip()
    return ""


def _mask(alert: AlertSettings, text: str) -> str:
    """Return a text without what is secret: some servers say which address was asked for."""
    parts = [part for part in re.split(r"[/?&=]+", alert.url.reveal()) if len(part) >= 8]
    for secret in (*(each.reveal() for each in alert.secrets), *parts):
        text = text.replace(secret, "***")
    return mask_email(mask_secrets(text))
