"""JWTs (RFC 7519) of senders that sign in with an authorization server, and the keys that verify them."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import jwt
import orjson
from jwt.types import Options

from bridge.outbound import Route
from bridge.settings import SourceSettings
from bridge.sources.base import UnavailableError, UntestableError, UnverifiedError

SHARED_ALGORITHMS = ("HS256", "HS384", "HS512")
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EC_ALGORITHMS = ("ES256", "ES384", "ES512")

REFETCH_SECONDS = 60.0  # between two looks for a key id nobody knows
RETRY_SECONDS = 5.0  # after the set could not be read
REFRESH_SECONDS = 3600.0  # after which keys are read again, so that a withdrawn one ends
FETCH_TIMEOUT = 3.0

LONGEST_LIFE = 86_400  # seconds until a token ends, the most that Okta's authorization servers can set

_LEEWAY = 30  # seconds of difference between the clocks
_CLIENT_CLAIMS = ("client_id", "cid", "azp", "appid")  # RFC 9068; Okta's; OpenID Connect's and Entra's, two
_OPTIONS: Options = {
    "require": ["exp", "iss", "aud"],
    "verify_exp": False, "verify_nbf": False, "verify_iat": False,  # PyJWT asks the machine's own clock
}  # fmt: skip
_LONGEST_TOKEN = 8192
_LONGEST_KEY_SET = 262_144
_ALGORITHMS_OF = {"RSA": RSA_ALGORITHMS, "EC": EC_ALGORITHMS}

Key = tuple[Any, tuple[str, ...]]  # what PyJWT verifies with, and the algorithms it may be used for


class KeySet:
    """The keys behind a `jwks_url` (RFC 7517), fetched when first needed and kept."""

    def __init__(
        self,
        url: str,
        route: Route | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`route`: the way there, None for straight; `clock`: the seconds, for tests."""
        self._url = url
        self._route = route or Route()
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._tried: float | None = None
        self._problem: str | None = None
        self._lock = asyncio.Lock()

    async def find(self, ident: str) -> Key | None:
        """Return the key of that id ("": the only key there is), None when the set has none.

        Raises UnavailableError when the set could not be read and the key is not known from before.
        """
        if self._is_due(ident):
            async with self._lock:
                if self._is_due(ident):
                    await self._refresh()
        found = self._known(ident)
        if found is None and self._problem:
            raise UnavailableError(f"the keys of {self._url} cannot be read: {self._problem}")
        return found

    def _known(self, ident: str) -> Key | None:
        if not ident and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(ident)

    def _is_due(self, ident: str) -> bool:
        if self._tried is None:
            return True
        age = self._clock() - self._tried
        pause = RETRY_SECONDS if self._problem else REFETCH_SECONDS
        return age >= REFRESH_SECONDS or (age >= pause and self._known(ident) is None)

    async def _refresh(self) -> None:
        """Read the set again. Until it is here it counts as due, so whoever asks meanwhile waits for it."""
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                self._keys = read_key_set(await self._fetch())
            self._problem = None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            self._problem = str(error) if isinstance(error, ValueError) else self._route.describe(error)
        finally:
            self._tried = self._clock()

    async def _fetch(self) -> bytes:
        headers = {"Accept-Encoding": "identity"}  # what is unpacked may be far longer than what is read
        async with (
            self._route.open_client(FETCH_TIMEOUT) as client,
            client.stream("GET", self._url, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise ValueError(f"the answer is {response.status_code}")
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _LONGEST_KEY_SET:
                    raise ValueError(f"the answer has more than {_LONGEST_KEY_SET} bytes")
            return body


def key_set_of(source: SourceSettings) -> KeySet | None:
    """Return the keys behind a source's `jwks_url`, None without one."""
    return KeySet(source.jwks_url, source.route(source.jwks_url)) if source.jwks_url else None


def read_key_set(body: bytes) -> dict[str, Key]:
    """Return the usable keys of a JWK set by key id; shared secrets in it are no public keys and left out.

    Raises ValueError when it is no key set, or nothing in it can be used.
    """
    whole = orjson.loads(body)
    listed = whole.get("keys") if isinstance(whole, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the answer is not a JWK set")
    found = {str(one.get("kid", "")): _read_key(one) for one in listed if isinstance(one, dict)}
    keys = {ident: key for ident, key in found.items() if key}
    if not keys:
        raise ValueError("the answer holds no key that can be used")
    return keys


def _read_key(one: dict[str, Any]) -> Key | None:
    allowed = _ALGORITHMS_OF.get(str(one.get("kty")), ())
    if "alg" in one:
        allowed = tuple(name for name in allowed if name == one["alg"])
    if not allowed or one.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(one).key, allowed
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


class Tokens:
    """Verifies bearer tokens as one source's settings want them."""

    def __init__(
        self,
        settings: SourceSettings,
        keys: KeySet | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`keys`: what is behind `settings.jwks_url`, for tests; `clock`: unix seconds."""
        self._settings = settings
        self._clock = clock
        self._keys = keys or key_set_of(settings)

    async def verify(self, token: str) -> None:
        """Check signature, issuer, audience, expiry, and whose token it is.

        Raises UnverifiedError, UnavailableError.
        """
        if len(token) > _LONGEST_TOKEN:
            raise UnverifiedError(f"the token has more than {_LONGEST_TOKEN} characters")
        key, algorithms = await self._key(token)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(algorithms),
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                options=_OPTIONS,
            )
            _check_times(claims, self._clock())
        except (
            Exception
        ) as error:  # whatever a hostile token makes the parser stumble over: it proves nothing
            raise UnverifiedError(f"the token is not good: {type(error).__name__}") from None
        self._check_bearer(claims)
        if self._keys is None and self._settings.key:
            self._settings.key.matches += 1

    def _check_bearer(self, claims: Mapping[str, Any]) -> None:
        """Check whose token it is, since the issuer gives tokens to many. Raises UnverifiedError.

        One that would last for ever, or for years, is not taken: nobody can take it back.
        """
        wanted = self._settings
        if int(claims["exp"]) - self._clock() > LONGEST_LIFE + _LEEWAY:
            raise UnverifiedError(f"the token lasts for more than {LONGEST_LIFE // 3600} hours from now")
        if wanted.subject and claims.get("sub") != wanted.subject:
            raise UnverifiedError("the token is not of the configured subject (sub)")
        clients = [claims[name] for name in _CLIENT_CLAIMS if name in claims]
        if wanted.client_id and (not clients or any(one != wanted.client_id for one in clients)):
            raise UnverifiedError(
                "the token is not of the configured client_id (client_id, cid, azp or appid)"
            )
        if wanted.scope and wanted.scope not in _scopes(claims):
            raise UnverifiedError("the token does not have the configured scope (scope or scp)")

    async def _key(self, token: str) -> Key:
        if self._keys is None:
            return _own_key(self._settings.key.reveal() if self._settings.key else "")
        found = await self._keys.find(_key_id(token))
        if found is None:
            raise UnverifiedError("the token names a key that is not in the key set")
        return found


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """Return a token's scopes: a text with blanks between (RFC 8693, Entra), or a list (Okta)."""
    scopes: list[str] = []
    for told in (claims.get("scope"), claims.get("scp")):
        listed = told.split() if isinstance(told, str) else told
        scopes += [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    return scopes


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """Check when a token begins and ends. `now`: unix seconds. Raises PyJWTError, ValueError or TypeError."""
    if int(claims["exp"]) <= now - _LEEWAY:
        raise jwt.ExpiredSignatureError
    if any(int(claims[name]) > now + _LEEWAY for name in ("nbf", "iat") if name in claims):
        raise jwt.ImmatureSignatureError


def sign_token(settings: SourceSettings, now: int) -> str:
    """Return a token that lasts ten minutes, by the key that the settings share with the sender.

    `now`: unix milliseconds. Raises UntestableError where only the issuer has the key.
    """
    text = settings.key.reveal() if settings.key else ""
    if settings.jwks_url or "-----BEGIN" in text:
        raise UntestableError(f"the key that signs tokens is with {settings.issuer} alone")
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "exp": now // 1000 + 600,
        "sub": settings.subject or "test",
        "scope": settings.scope or "",
    }
    if settings.client_id:
        claims["client_id"] = settings.client_id
    return jwt.encode(claims, text, SHARED_ALGORITHMS[0])


def _own_key(text: str) -> Key:
    """Return the configured key: a PEM takes part in RS*, PS*, ES* only, so it is never an HMAC secret."""
    if not text:
        raise UnverifiedError("no key is configured")
    return text, (*RSA_ALGORITHMS, *EC_ALGORITHMS) if "-----BEGIN" in text else SHARED_ALGORITHMS


def _key_id(token: str) -> str:
    """Return the id of the public key a token wants, "" without one."""
    try:
        header = jwt.get_unverified_header(token)
    except Exception:  # as above
        raise UnverifiedError("what follows Bearer is not a token") from None
    if header.get("alg") not in (*RSA_ALGORITHMS, *EC_ALGORITHMS):
        raise UnverifiedError("the token's algorithm is not one of RS*, PS*, ES*")
    return str(header.get("kid", ""))
