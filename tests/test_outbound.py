"""The way out: proxies, certificates, why there is no answer, and connections that a server closes."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenacity import wait_none

from bridge import outbound
from bridge.directories.okta import Okta, okta_of
from bridge.outbound import Route, find_environment_fault, find_proxy_fault, find_route
from bridge.settings import Secret, Settings, SettingsError, TargetSettings, parse_settings
from bridge.targets.base import NoAnswerError
from bridge.targets.gitbook import GitBook, gitbook_of
from tests.certificates import Authority
from tests.e2e.place import free_port
from tests.proxies import ClosingApi, CompanyProxy, running_api, running_proxy, serving

USER = b'{"id": "00uana", "status": "ACTIVE", "profile": {"email": "ana@acme.test"}}'
TEAM = b'{"id": "t1", "title": "Writers", "members": 0, "spaces": 0, "createdAt": "2026-01-31T09:30:00Z"}'


@pytest.fixture
async def okta() -> AsyncIterator[tuple[Okta, ClosingApi]]:
    """Okta, which closes what is kept."""
    async with running_api(USER) as api:
        client = Okta(api.url, Secret("x"))
        yield client, api
        await client.close()


@pytest.fixture
async def gitbook(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[GitBook, ClosingApi]]:
    """GitBook, which does so, too."""
    monkeypatch.setattr("bridge.targets.gitbook.wait_random_exponential", lambda **_: wait_none())
    async with running_api(TEAM) as api:
        client = GitBook(api.url, "acme", Secret("x"))
        yield client, api
        await client.close()


async def test_a_reading_is_sent_again_by_another_connection(okta: tuple[Okta, ClosingApi]) -> None:
    """Once; it counts as no failure."""
    client, api = okta
    for number in range(1, 4):
        assert (await client.user("00uana")).found
        assert (api.answered, api.cut) == (number, number - 1)


async def test_a_call_that_may_be_repeated_is(gitbook: tuple[GitBook, ClosingApi]) -> None:
    """As after any other passing fault."""
    client, api = gitbook
    for number in range(1, 4):
        assert (await client.team("t1")).title == "Writers"
        assert (api.answered, api.cut) == (number, number - 1)


async def test_a_team_is_made_by_a_connection_that_did_not_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """That call may not be repeated: what has rested for some seconds is not used for it."""
    monkeypatch.setattr(outbound, "KEPT_SECONDS", 0.0)
    async with running_api(TEAM) as api:
        client = GitBook(api.url, "acme", Secret("x"))
        await client.team("t1")
        assert (await client.create_team("Writers", [])).id == "t1"
        assert (api.answered, api.cut) == (2, 0)
        await client.close()


# -- proxies


VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One without a proxy, and without certificates of its own."""
    for name in (*VARIABLES, *(each.upper() for each in VARIABLES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A company's own."""
    return Authority(tmp_path)


def settings(folder: Path, **target: Any) -> Settings:
    """Return a configuration in a folder, with one target."""
    raw = {"name": "docs", "organization": "acme", "token": "x", **target}
    return parse_settings({"targets": [raw]}, folder / "bridge.toml")


async def ask(target: TargetSettings) -> str:
    """Read a team of a target; return its title, or why there is no answer."""
    client = gitbook_of(target)
    try:
        return (await client.team("t1")).title
    except NoAnswerError as error:
        return error.message
    finally:
        await client.close()


@pytest.fixture
async def behind(authority: Authority) -> AsyncIterator[CompanyProxy]:
    """GitBook at a name that only a proxy with a login knows, with a certificate of the company's."""
    login = "Basic " + b64encode(b"bridge:p@ss").decode()
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(running_api(TEAM, authority.server("api.acme.test")))
        yield await stack.enter_async_context(running_proxy(api.port, login))


async def test_a_proxy_with_a_login_and_the_company_s_certificates(
    behind: CompanyProxy, tmp_path: Path
) -> None:
    """The proxy gets the login, percent-decoded, and the name; the API's own TLS goes through it."""
    proxy = f"http://bridge:p%40ss@127.0.0.1:{behind.port}"
    given = settings(tmp_path, api_url="https://api.acme.test/v1", proxy=proxy, ca="company-ca.pem")
    assert await ask(given.targets[0]) == "Writers"
    assert behind.asked == ["CONNECT api.acme.test:443 HTTP/1.1"]
    assert "p%40ss" not in repr(given)
    assert "p%40ss" not in repr(given.targets[0].route("https://api.acme.test"))


async def test_a_proxy_of_the_environment(
    behind: CompanyProxy, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the certificates that the environment names."""
    monkeypatch.setenv("HTTPS_PROXY", f"bridge:p%40ss@127.0.0.1:{behind.port}")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert await ask(settings(tmp_path, api_url="https://api.acme.test/v1").targets[0]) == "Writers"


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://api.gitbook.com/v1", "http://p.test:3128"),
        ("http://api.acme.test", "socks5://s.test:1080"),
        ("https://api.intern.test", None),
        ("https://intern.test:8443", None),
        ("https://localhost:8080", None),
        ("https://127.0.0.1", None),
        ("https://[::1]:8080", None),
        ("https://[", None),
    ],
)
def test_which_proxy_of_the_environment(url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY counts with all below it; this machine is never behind one."""
    monkeypatch.setenv("HTTPS_PROXY", "http://p.test:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://s.test:1080")
    monkeypatch.setenv("NO_PROXY", "intern.test")
    assert find_route(url).proxy == proxy
    assert find_route(url, "http://own.test:1").proxy == "http://own.test:1"


@pytest.mark.parametrize(
    ("proxy", "fault"),
    [
        ("http://p.test:3128", None),
        ("https://bridge:word@p.test/", None),
        ("socks5://[::1]:1080", None),
        ("p.test:3128", "is no proxy's address"),
        ("ftp://p.test", "is no proxy's address"),
        ("http://p.test/path", "is no proxy's address"),
        ("http://p.test:port", "is no proxy's address"),
        ("http://", "is no proxy's address"),
        ("http://bridge:p@ss@p.test", "must be escaped: write %40 for @"),
    ],
)
def test_what_is_no_proxy(proxy: str, fault: str | None) -> None:
    """It is said before anything is asked, without the address, which may hold a password."""
    told = find_proxy_fault(proxy)
    assert (told is None) == (fault is None)
    assert (fault or "") in (told or "")
    assert "p@ss" not in (told or "")


def test_what_is_no_proxy_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Named as a mistake of the configuration, of which it is a part."""
    monkeypatch.setenv("HTTPS_PROXY", "gopher://p.test")
    assert str(find_environment_fault()).startswith("the environment's HTTPS_PROXY is no proxy's address")
    with pytest.raises(SettingsError, match="the environment's HTTPS_PROXY is no"):
        settings(tmp_path)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"proxy": "proxy:3128"}, "targets[0].proxy: is no proxy's address: write http://host:port"),
        ({"ca": "none.pem"}, "none.pem cannot be read: FileNotFoundError"),
        ({"ca": "empty.pem"}, "empty.pem holds no certificate: write the path of a PEM file"),
        ({"ca": 1}, 'targets[0].ca: is not the path of a file: write ca = "company-ca.pem"'),
    ],
)
def test_mistakes_about_the_way_out(keys: dict[str, Any], problem: str, tmp_path: Path) -> None:
    """Each says what to write instead."""
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, **keys)
    assert problem in str(caught.value)


def test_a_way_without_an_address_is_a_mistake(tmp_path: Path) -> None:
    """A source asks only where it has an address to ask."""
    source = {"name": "polis", "kind": "jackson", "secrets": ["x"], "proxy": "http://p.test:1"}
    with pytest.raises(SettingsError, match=r"sources\[0\].proxy: is for api_url and jwks_url, of which"):
        parse_settings({"sources": [source]}, tmp_path / "bridge.toml")


async def test_a_directory_is_read_by_its_proxy(tmp_path: Path) -> None:
    """Also in plain text, where the proxy is asked for the whole address."""
    async with running_api(USER) as api, running_proxy(api.port) as proxy:
        source = {
            "name": "okta", "kind": "okta-event-hooks", "secrets": ["x"], "api_token": "y",
            "api_url": "http://acme.okta.test", "proxy": f"http://127.0.0.1:{proxy.port}",
        }  # fmt: skip
        client = okta_of(parse_settings({"sources": [source]}, tmp_path / "bridge.toml").sources[0])
        assert (await client.user("00uana")).found
        await client.close()
        assert proxy.asked == ["GET http://acme.okta.test/api/v1/users/00uana HTTP/1.1"]


# -- why there is no answer


async def fail(url: str, route: Route, seconds: float = 5.0) -> str:
    """Ask in vain; return why."""
    async with route.open_client(seconds) as client:
        with pytest.raises(httpx.HTTPError) as caught:
            await client.get(url)
    return route.describe(caught.value)


async def test_nobody_is_there() -> None:
    """The API's own machine refuses, or the proxy's; its host is named, its login is not."""
    nowhere = free_port()
    refused = "refuses the connection: does anything listen there?"
    assert await fail(f"http://127.0.0.1:{nowhere}", Route()) == f"it {refused}"
    for scheme in ("http", "socks5"):
        route = Route(f"{scheme}://bridge:word@127.0.0.1:{nowhere}")
        assert await fail("https://api.acme.test", route) == f"the proxy 127.0.0.1:{nowhere} {refused}"


async def test_a_name_that_is_not_known() -> None:
    """RFC 6761, 6.4: nothing ends in .invalid."""
    assert await fail("https://api.invalid", Route()) == "its host is not known to the DNS"
    told = await fail("https://api.acme.test", Route("http://proxy.invalid:3128"))
    assert told == "the proxy proxy.invalid:3128 is not known to the DNS"


@pytest.mark.parametrize(
    ("names", "ended", "known", "told"),
    [
        (("127.0.0.1",), False, True, ""),
        (
            ("127.0.0.1",),
            False,
            False,
            "its certificate is not trusted (unable to get local issuer certificate): if your company signs "
            "it, give the file of its CA by the key `ca`",
        ),
        (("other.test",), False, True, "its certificate is another host's"),
        (("127.0.0.1",), True, True, "its certificate is not trusted (certificate has expired)"),
    ],
)
async def test_certificates(
    names: tuple[str, ...], ended: bool, known: bool, told: str, authority: Authority
) -> None:
    """Of nobody who is trusted, of another host, too old; each is said as it is."""
    async with running_api(b"{}", authority.server(*names, ended=ended)) as api:
        route = Route(ca=authority.file if known else None)
        if told:
            assert await fail(api.url, route) == told
            return
        async with route.open_client(5) as client:
            assert (await client.get(api.url)).status_code == 200


async def test_the_usual_certificates_are_trusted_besides(authority: Authority) -> None:
    """What `ca` names comes on top, unless the environment says who is trusted at all."""
    usual = len(outbound._trust(None, None, None).get_ca_certs())
    assert usual > 50
    assert len(outbound._trust(authority.file, None, None).get_ca_certs()) == usual + 1


async def test_no_tls_where_it_is_asked_for() -> None:
    """An address with https, and a server that speaks plain HTTP."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with serving(plain) as port:
        told = await fail(f"https://127.0.0.1:{port}", Route())
    assert told.startswith("TLS fails (")
    assert told.endswith("): is it spoken there?")


async def test_a_proxy_that_wants_a_login() -> None:
    """In the proxy's own words, of which there may be few."""
    async with running_proxy(free_port(), "Basic eA==") as proxy:
        told = await fail("https://api.acme.test", Route(f"http://127.0.0.1:{proxy.port}"))
    assert told == (
        f"the proxy 127.0.0.1:{proxy.port} does not let it through (407 Proxy Authentication Required): "
        "it wants a user and a password"
    )


async def test_silence_and_an_end() -> None:
    """A server that says nothing, one that hangs up, and one with which TLS never comes to an end."""
    held = asyncio.Event()

    async def hold(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await held.wait()

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(hold) as port:
        assert await fail(f"http://127.0.0.1:{port}", Route(), 0.05) == "it does not answer in time"
        told = await fail(f"https://127.0.0.1:{port}", Route(), 0.05)
        assert told == "it does not answer in time: is a firewall between?"
    async with serving(hang_up) as port:
        assert await fail(f"http://127.0.0.1:{port}", Route()) == "the connection was closed"


async def test_a_target_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `status` shows it; a company's proxy that nobody told of is named by what it does."""
    monkeypatch.setattr("bridge.targets.gitbook.wait_random_exponential", lambda **_: wait_none())
    target = settings(tmp_path, api_url=f"http://127.0.0.1:{free_port()}").targets[0]
    assert await ask(target) == "no answer: it refuses the connection: does anything listen there?"
