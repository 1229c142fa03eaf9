"""The sandbox on a real socket."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

from bridge.sandbox import Sandbox, running_sandbox


def client(sandbox: Sandbox) -> httpx.AsyncClient:
    """A client of the sandbox where it is served."""
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    return httpx.AsyncClient(base_url=f"{sandbox.url}/orgs/{sandbox.organization}", headers=headers)


async def test_served_over_http() -> None:
    """A new sandbox is served on a free port, and tells its own address in its answers."""
    async with running_sandbox() as sandbox, client(sandbox) as api:
        answer = await api.get("/members")
        assert answer.json()["items"][0]["user"]["urls"]["location"].startswith(sandbox.url)
        assert len(answer.headers.get_list("Date")) == 1
        removed = await api.delete(f"/members/{sandbox.owner.id}")
        assert (removed.status_code, removed.content) == (205, b"")


async def test_a_reset_cuts_the_connection() -> None:
    """The client sees a connection error, before or after the change as told; the next call is fine."""
    async with running_sandbox() as sandbox, client(sandbox) as api:
        sandbox.inject(next=[{"fault": "reset"}, {"fault": "reset", "after": True}])
        for created in (0, 1):
            with pytest.raises(httpx.NetworkError):
                await api.put("/teams", json={"title": "A"})
            assert created == len(sandbox.team_list())
        assert (await api.put("/teams", json={"title": "A"})).status_code == 201
    assert [call.status for call in sandbox.calls] == [0, 0, 201]


async def test_a_hang_outlasts_the_client() -> None:
    """The client times out; the call that hung is not carried out afterwards."""
    async with running_sandbox() as sandbox, client(sandbox) as api:
        sandbox.inject(always="hang")
        with pytest.raises(httpx.ReadTimeout):
            await api.put("/teams", json={"title": "A"}, timeout=0.05)
        sandbox.heal()
        assert (await api.get("/teams")).json()["items"] == []


async def test_a_hang_after_the_change() -> None:
    """The client times out in the middle of creating a team that does exist then."""
    async with running_sandbox() as sandbox, client(sandbox) as api:
        sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "hang", "after": True}])
        with pytest.raises(httpx.ReadTimeout):
            await api.put("/teams", json={"title": "A"}, timeout=0.05)
        assert {"A": set()} == sandbox.teams()


async def test_the_end_cuts_hung_calls_and_the_state_stays() -> None:
    """An outage is the end of the block; served again on that port, everybody is still there."""
    async with running_sandbox() as sandbox:
        sandbox.seed_member("ana@acme.test")
        sandbox.inject(always="hang", latency=0.01)
        api = client(sandbox)
        task = asyncio.create_task(api.get("/members"))
        await sandbox.called("GET")
    with pytest.raises(httpx.TransportError):
        await task
    with pytest.raises(httpx.ConnectError):
        await api.get("/members")
    sandbox.heal()
    port = httpx.URL(sandbox.url).port
    assert port is not None
    async with running_sandbox(sandbox, port=port):
        assert (await api.get("/members")).json()["count"] == 2
        await api.aclose()


async def test_a_taken_port_is_an_error() -> None:
    """Nothing is served and nothing ends the process when the port is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            async with running_sandbox(port=taken.getsockname()[1]):
                pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serve_until_a_signal(number: signal.Signals) -> None:
    """`serve` tells when it listens, takes a rate limit, and returns at a signal."""
    code = (
        "from bridge.sandbox import serve\n"
        "serve(port=0, token='t', organization='docs', rate_limit=(1, 60),"
        " on_ready=lambda sandbox: print(sandbox.url, flush=True))\n"
        "print('ended')"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    async with httpx.AsyncClient(headers={"Authorization": "Bearer t"}) as api:
        answers = [await api.get(f"{url}/orgs/docs/members") for _ in range(2)]
    process.send_signal(number)
    out, _ = await process.communicate()
    assert [answer.status_code for answer in answers] == [200, 429]
    assert (process.returncode, out) == (0, b"ended\n")
