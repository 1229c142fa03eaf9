"""`bridge sandbox`."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from bridge.cli import app

BRIDGE = Path(sys.executable).with_name("bridge")


@asynccontextmanager
async def serving(*flags: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, str]]:
    """Run `bridge sandbox` on a free port: the process, its API's address, all it has printed."""
    process = await asyncio.create_subprocess_exec(
        BRIDGE, "sandbox", "--port", "0", *flags, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        printed = (await process.stdout.readuntil(b"/sandbox/calls\n")).decode()
        yield process, printed.partition("api_url")[2].split()[0], printed
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_serves_what_the_flags_say() -> None:
    """Its token, organisation and rate limit are those of the flags; the token is not shown."""
    flags = ("--token", "hush-hush", "--organization", "umbrella", "--rate-limit", "7/60")
    async with serving(*flags) as (_, url, printed), httpx.AsyncClient(trust_env=False) as client:
        stranger = await client.get(f"{url}/orgs/umbrella")
        answer = await client.get(f"{url}/orgs/umbrella", headers={"Authorization": "Bearer hush-hush"})
    assert (stranger.status_code, answer.status_code) == (401, 200)
    assert answer.headers["x-ratelimit-limit"] == "7"
    assert "hush-hush" not in printed


async def test_faults_can_be_switched_as_it_says() -> None:
    """The address it prints for faults is the one that works."""
    async with serving() as (_, url, printed), httpx.AsyncClient(trust_env=False) as client:
        faults = url.removesuffix("/v1") + "/sandbox/faults"
        assert f"curl -X PUT {faults}" in printed
        await client.put(faults, json={"always": "503"})
        broken = await client.get(f"{url}/user", headers={"Authorization": "Bearer gb_api_sandbox"})
        await client.delete(faults)
        well = await client.get(f"{url}/user", headers={"Authorization": "Bearer gb_api_sandbox"})
    assert (broken.status_code, well.status_code) == (503, 200)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ends_well(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end it with 0."""
    async with serving() as (process, _, _):
        process.send_signal(number)
        assert await process.wait() == 0


def test_a_port_that_is_taken_is_told() -> None:
    """It exits 1 and says what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CliRunner().invoke(app, ["sandbox", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 1
    assert "--port" in result.output


@pytest.mark.parametrize("limit", ["60", "0/60", "60/0", "a/b", "60/60/60", "-1/60"])
def test_a_rate_limit_that_is_none_is_refused(limit: str) -> None:
    """It exits 2 and names the option."""
    result = CliRunner().invoke(app, ["sandbox", f"--rate-limit={limit}"])
    assert result.exit_code == 2
    assert "--rate-limit" in result.output


def test_an_organisation_that_cannot_be_a_path_is_refused() -> None:
    """It exits 2 and names the option."""
    result = CliRunner().invoke(app, ["sandbox", "--organization", "a/b"])
    assert result.exit_code == 2
    assert "--organization" in result.output
