"""`bridge sandbox`: the GitBook stand-in on its own, to try things against."""

import re
from typing import Annotated

import typer

from bridge.commands.common import fail, out
from bridge.sandbox import Sandbox as Stub
from bridge.sandbox import serve

TOKEN = "gb_api_sandbox"  # noqa: S105 - made up, for a made-up organisation


def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.", min=0, max=65535)] = 8090,
    token: Annotated[str, typer.Option(help="The token it takes.")] = TOKEN,
    organization: Annotated[str, typer.Option(help="The id of its one organisation.")] = "acme",
    rate_limit: Annotated[
        str | None, typer.Option(metavar="N/SECONDS", help="So many calls in so many seconds.")
    ] = None,
) -> None:
    """Serve a stand-in for GitBook: stateful, rate-limited and faulty on demand; Ctrl-C ends it."""
    limit = parse_limit(rate_limit) if rate_limit else None
    if not re.fullmatch(r"[A-Za-z0-9_-]+", organization):
        raise typer.BadParameter("write letters, digits, - and _ only", param_hint="--organization")
    try:
        serve(host, port, token, organization, limit, lambda stub: _tell(stub, rate_limit))
    except OSError as error:
        fail(f"cannot listen on {host}:{port} ({error.strerror}): choose another with --port")


def parse_limit(text: str) -> tuple[int, float]:
    """Return "60/60" as calls and seconds. Raises typer.BadParameter."""
    match = re.fullmatch(r"(\d{1,9})\s*/\s*(\d{1,9}(?:\.\d+)?)", text.strip(), re.ASCII)
    if not match or not int(match[1]) or not float(match[2]):
        raise typer.BadParameter(
            'write calls/seconds, both above 0, such as "60/60"', param_hint="--rate-limit"
        )
    return int(match[1]), float(match[2])


def _tell(stub: Stub, rate_limit: str | None) -> None:
    shown = f"{TOKEN} (made up)" if stub.token == TOKEN else "the one given with --token"
    switches = stub.url.removesuffix("/v1") + "/sandbox"
    lines = (
        "The GitBook sandbox is up; it keeps nothing on disk. Ctrl-C ends it.",
        "",
        f"  api_url       {stub.url}",
        f"  organization  {stub.organization}",
        f"  token         {shown}",
        f"  rate limit    {f'{rate_limit} (calls/seconds)' if rate_limit else 'none'}",
        "",
        "Make it fail, and well again (`always` can be a status, hang, reset, not_json, …):",
        "",
        f"  curl {switches}/faults",
        f"""  curl -X PUT {switches}/faults -d '{{"always": "503"}}'""",
        f"""  curl -X PUT {switches}/faults -d '{{"latency": 2, "removal_202": true}}'""",
        f"  curl -X DELETE {switches}/faults",
        "",
        f"See what it holds and what was called: {switches}/state {switches}/calls",
    )
    out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    out.file.flush()
