"""`bridge init`: a first configuration, in dry-run mode, with its secrets beside it."""

import json
import os
import re
import secrets
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bridge.commands.common import DEFAULT_CONFIG, Config, fail, out
from bridge.settings import SettingsError, parse_settings, read_settings

Sender = Literal["okta-workflows", "okta-event-hooks", "jackson", "scim"]
Auth = Literal["bearer", "basic", "header", "hmac"]

_SENDERS: tuple[Sender, ...] = ("okta-workflows", "okta-event-hooks", "jackson", "scim")
_AUTHS: tuple[Auth, ...] = ("bearer", "basic", "header", "hmac")
_NAMES = {"okta-workflows": "okta", "okta-event-hooks": "okta", "jackson": "jackson", "scim": "idp"}
_HEADER = "X-Api-Key"
_GITBOOK = "https://api.gitbook.com/v1"
_NO_TOKEN = "put-the-gitbook-token-here"  # noqa: S105 - says so itself
_GROUPS = "Only people in these groups get in (comma-separated, empty: everyone)"
_DOMAINS = "Only addresses of these domains (comma-separated, empty: any)"
_INVITES = "Most invites in 24 h, more wait for your approval (0: no limit)"
_MEMBERS = "Most members the organisation may have: each is a paid seat (0: no limit)"
_TOKEN = "GitBook token of an organisation admin (not shown; empty: later)"  # noqa: S105 - a question
_SENT_AS = {
    "bearer": "sent as the header `Authorization: Bearer <secret>`",
    "basic": "it is `user:password`, sent as HTTP Basic",
    "header": f"sent as the header `{_HEADER}: <secret>`",
    "hmac": "the key of `X-Bridge-Signature: v1=<hex of HMAC-SHA256>`, beside `X-Bridge-Timestamp`",
    "jackson": "given as the directory's webhook secret",
    "okta-event-hooks": "the hook's authentication secret; its authentication field is `Authorization`",
    "scim": "the bearer token: Okta's HTTP Header authorization, Entra ID's Secret Token",
}
_TRIED = {  # what the sender might send that does no harm
    "okta-event-hooks": (
        '{"data": {"events": [{"eventType": "group.lifecycle.create", "outcome": {"result": "SUCCESS"}, '
        '"target": [{"type": "UserGroup", "id": "test", "displayName": "Test"}]}]}}'
    ),
    "jackson": '{"directory_id": "test", "event": "group.created", "data": {"id": "test", "name": "Test"}}',
    "okta-workflows": '{"event": "group.created", "group": {"id": "test", "name": "Test"}}',
}
_API = """\
# api_url = "https://acme.okta.com"\t# Okta's events tell a login and no address: with these two
# api_token = "env:OKTA_API_TOKEN"\t# the address is read from Okta (a read-only admin's token)
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the questions or the flags said. `token`: the text itself, `env:NAME`, `file:PATH` or empty."""

    path: Path
    sender: Sender
    auth: Auth
    organization: str
    groups: tuple[str, ...]
    domains: tuple[str, ...]
    token: str
    api_url: str
    redis_url: str
    max_invites: int = 0
    max_members: int = 0

    @property
    def name(self) -> str:
        """The source's name, which is also in its URL."""
        return _NAMES[self.sender]

    @property
    def proof(self) -> str:
        """How the sender proves itself: an `auth`, or the kind where that says all."""
        return self.auth if self.sender == "okta-workflows" else self.sender

    @property
    def folder(self) -> Path:
        """Where the secrets go."""
        return self.path.with_suffix(".secrets")

    @property
    def secret_file(self) -> Path:
        """What the sender has to know."""
        return self.folder / self.name

    @property
    def token_file(self) -> Path | None:
        """Where the token goes, None where it already lies somewhere."""
        return None if self.token.startswith(("env:", "file:")) else self.folder / "gitbook"

    @property
    def place(self) -> str:
        """The path that the sender is given."""
        return f"/scim/{self.name}/v2" if self.sender == "scim" else f"/webhooks/{self.name}"

    @property
    def url(self) -> str:
        """Where this machine listens for the sender."""
        return f"http://127.0.0.1:8080{self.place}"


def init(  # noqa: PLR0917 - a command's options are its arguments
    config: Config = DEFAULT_CONFIG,
    sender: Annotated[Sender | None, typer.Option(help="Who sends the events.")] = None,
    auth: Annotated[Auth | None, typer.Option(help="How Okta Workflows proves itself.")] = None,
    organization: Annotated[
        str | None, typer.Option(help="GitBook's id of the organisation, or a link into it.")
    ] = None,
    groups: Annotated[
        list[str] | None, typer.Option(help="Only people in this group get in; may be repeated.")
    ] = None,
    domains: Annotated[
        list[str] | None, typer.Option(help="Only addresses of this domain; may be repeated.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="The GitBook token (put into a file), or env:NAME or file:PATH.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="The file that holds the GitBook token.")] = None,
    max_invites: Annotated[
        int | None, typer.Option(min=0, help="Invites in 24 h beyond this wait for approval; 0: no limit.")
    ] = None,
    max_members: Annotated[
        int | None, typer.Option(min=0, help="Nobody is invited beyond so many members; 0: no limit.")
    ] = None,
    api_url: Annotated[str, typer.Option(help="GitBook's API, or a `bridge sandbox`.")] = _GITBOOK,
    redis_url: Annotated[str, typer.Option(help="embedded, or your own Redis.")] = "embedded",
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    non_interactive: Annotated[
        bool, typer.Option("--non-interactive", "--yes", "-y", help="Ask nothing; flags and defaults.")
    ] = False,
) -> None:
    """Write a first bridge.toml (dry-run) and its secrets, asking for what no flag says."""
    ask = not non_interactive and (sys.stdin.isatty() or not (sender and organization))
    given = f"file:{token_file.resolve()}" if token_file else token
    kind = sender or (_choose("Who sends the events", _SENDERS) if ask else _SENDERS[0])
    is_okta = kind == "okta-workflows"
    answers = Answers(
        config,
        kind,
        auth or (_choose("How the flow proves itself", _AUTHS) if ask and is_okta else _AUTHS[0]),
        _organization(organization, ask),
        _several(groups, _GROUPS, ask),
        _several(domains, _DOMAINS, ask),
        _later(given, ask),
        api_url,
        redis_url,
        _limit(max_invites, _INVITES, ask),
        _limit(max_members, _MEMBERS, ask),
    )
    write(answers, force)
    _tell(answers)


# asking


def _choose(question: str, options: tuple[Any, ...]) -> Any:
    while True:
        answer = typer.prompt(f"{question} ({', '.join(options)})", default=options[0])
        if answer in options:
            return answer
        typer.echo(f"write one of {', '.join(options)}")


def _organization(given: str | None, ask: bool) -> str:
    if given is None and not ask:
        fail("--organization is missing: GitBook's id of it stands in its links, behind /o/", 2)
    answer = given or typer.prompt("GitBook organisation (its id, or any link into it)")
    link = re.search(r"/o/([A-Za-z0-9_-]+)", answer)
    return link[1] if link else str(answer).strip()


def _several(given: list[str] | None, question: str, ask: bool) -> tuple[str, ...]:
    if given is not None or not ask:
        return tuple(given or ())
    answer = typer.prompt(question, default="", show_default=False)
    return tuple(part.strip() for part in answer.split(",") if part.strip())


def _later(given: str | None, ask: bool) -> str:
    if given is not None or not ask:
        return (given or "").strip()
    return str(typer.prompt(_TOKEN, default="", show_default=False, hide_input=sys.stdin.isatty())).strip()


def _limit(given: int | None, question: str, ask: bool) -> int:
    if given is not None or not ask:
        return given or 0
    while True:
        answer = str(typer.prompt(question, default="0")).strip()
        if answer.isascii() and answer.isdigit():
            return int(answer)
        typer.echo("write a number, such as 50, or 0 for no limit")


# writing


def write(answers: Answers, force: bool = False) -> None:
    """Write the configuration and its secrets; exits 1 rather than overwrite, 2 for wrong answers.

    With `force` a secret that the sender already knows stays as it is.
    """
    text = render(answers)
    _refuse_wrong(answers, text)
    files = [each for each in (answers.path, answers.secret_file, answers.token_file) if each]
    there = [str(each) for each in files if each.exists()]
    if there and not force:
        fail(f"{', '.join(there)}: already there: nothing was written; --force overwrites")
    try:
        _write_all(answers, text)
    except OSError as error:
        fail(f"{error.filename}: cannot be written ({error.strerror})")
    try:
        read_settings(answers.path)
    except SettingsError as error:
        fail(str(error), 2)


def _write_all(answers: Answers, text: str) -> None:
    answers.folder.mkdir(parents=True, exist_ok=True)
    answers.folder.chmod(0o700)
    _write_private(answers.folder / ".gitignore", "*")
    if not _fits(answers.secret_file, answers.proof):
        _write_private(answers.secret_file, _new_secret(answers.proof))
    if answers.token_file and (answers.token or not answers.token_file.exists()):
        _write_private(answers.token_file, answers.token or _NO_TOKEN)
    if "@" in answers.redis_url:  # a password stands in it
        _write_private(answers.path, text)
    else:
        answers.path.write_text(text, encoding="utf-8")


def _refuse_wrong(answers: Answers, text: str) -> None:
    """Check the file before anything is written, as if its secrets were there."""
    raw = tomllib.loads(text)
    raw["sources"][0]["secrets"] = ["there"]
    raw["targets"][0]["token"] = answers.token if answers.token_file is None else "there"
    try:
        parse_settings(raw, answers.path)
    except SettingsError as error:
        fail(str(error), 2)


def _fits(file: Path, proof: str) -> bool:
    """Tell whether there is a secret of the right form already."""
    there = file.read_text(encoding="utf-8").strip() if file.exists() else ""
    return bool(there) and (":" in there) == (proof == "basic")


def _new_secret(proof: str) -> str:
    return ("bridge:" if proof == "basic" else "") + secrets.token_urlsafe(32)


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - it is open already
        os.fchmod(handle, 0o600)
        file.write(text + "\n" * (not text.endswith("\n")))


def render(answers: Answers) -> str:
    """Return the commented bridge.toml."""
    folder = answers.folder.name
    token = answers.token if answers.token_file is None else f"file:{folder}/gitbook"
    auth = f"auth = {_toml(answers.auth)}\n" if answers.sender == "okta-workflows" else ""
    api = _API if answers.sender == "okta-event-hooks" else ""
    auth += f"header = {_toml(_HEADER)}\n" if answers.proof == "header" else ""
    return _aligned(f"""\
# Directory Bridge, as `bridge init` wrote it. Relative paths are relative to this file.
# `bridge check -c {answers.path.name}` says whether everything is in place.

[redis]
url = {_toml(answers.redis_url)}\t# "embedded": a Valkey that `bridge run` starts; or redis://host:6379/0
data_dir = "./data"\t# embedded only: what was accepted is kept here, on disk

[receiver]
host = "127.0.0.1"\t# senders outside need https: put a proxy or a tunnel in front
port = 8080

# [operators]\t# when set, /console and /metrics answer only here
# host = "127.0.0.1"
# port = 8081

[logs]
level = "info"\t# debug | info | warning | error
personal_data = false\t# true: whole e-mail addresses in the logs

[[sources]]\t# who sends events, to {answers.place}
name = {_toml(answers.name)}
kind = {_toml(answers.sender)}
{auth}secrets = [{_toml(f"file:{folder}/{answers.name}")}]\t# any of them verifies
{api}
[[targets]]\t# where people become members
name = "docs"
kind = "gitbook"
api_url = {_toml(answers.api_url)}
organization = {_toml(answers.organization)}
token = {_toml(token)}\t# a personal token of an organisation admin
mode = "dry-run"\t# plans only; "apply" once `bridge plan` shows what you want
sso = true\t# invite as SSO users
default_role = "read"\t# admin create edit review comment read, or "guest"

[targets.members]\t# who gets in at all: each member is a paid seat
groups = {_toml_list(answers.groups)}\t# empty: everyone the directory names
domains = {_toml_list(answers.domains)}\t# empty: any
exclude = []\t# such as ["svc-*@acme.test"]: never invited, never removed

[[targets.teams]]\t# which groups become teams; without such a section: none
group = "*"
team = "{{group}}"

# [[targets.roles]]\t# the first that matches; else default_role
# group = "GitBook Editors"
# role = "edit"
# directory = {_toml(answers.name)}\t# only that directory's groups; left out: any

[targets.guard]\t# what is beyond this waits for your approval: `bridge parked`
window = "24h"
max_removals = 10\t# the larger of this count ...
max_removal_percent = 5\t# ... and this share of the members
max_invites = {answers.max_invites}\t# in a window; 0: no limit
max_members = {answers.max_members}\t# nobody is invited beyond so many; 0: no limit
admin_grants = "hold"\t# the first time a rule makes someone an admin; or "allow"
protect = []\t# such as ["cto@acme.test"]: removed only when you approve
""")


def _aligned(text: str) -> str:
    """Put the comments, each behind a tab, below one another; no value has a tab in it."""
    lines = (line.partition("\t") for line in text.splitlines())
    return "".join((f"{left:<34}  {comment}" if comment else left) + "\n" for left, _, comment in lines)


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_list(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(_toml(text) for text in texts) + "]"


# telling


def _tell(answers: Answers) -> None:
    option = "" if answers.path == DEFAULT_CONFIG else f" -c {answers.path}"
    token = (
        f"{answers.token_file}  (mode 0600)" if answers.token_file else answers.token.removeprefix("file:")
    )
    missing = "" if answers.token else "  <- put the GitBook token in there first"
    lines = (
        f"Wrote {answers.path}: dry-run mode, nothing will be changed at GitBook.",
        "",
        "Give your sender",
        f"  the URL     {answers.url}",
        "              (senders elsewhere reach it over https: behind a proxy or tunnel of yours,",
        f"              as https://<your host>{answers.place})",
        f"  the secret  in {answers.secret_file}  (mode 0600)",
        f"              {_SENT_AS[answers.proof]}",
        "",
        f"The GitBook token is in {token}{missing}",
        "",
        "Next",
        f"  1. bridge check{option}     is everything in place?",
        f"  2. bridge run{option}       receiver and worker, until Ctrl-C",
        f"  3. bridge source test {answers.name}{option}     would your sender get through?",
        *_first_event(answers),
        "",
        f"  5. bridge plan{option}      what would be done, and why",
        f'  6. set mode = "apply" in {answers.path} and start `bridge run` again',
    )
    out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _first_event(answers: Answers) -> tuple[str, ...]:
    if answers.sender == "scim":
        return ("  4. let your provider test the connection, and assign somebody to its application",)
    return (
        "  4. let your sender send an event; this one does no harm and is answered",
        '     {"accepted": 1, "duplicates": 0}:',
        "",
        signed_curl(answers.proof, answers.url, answers.secret_file, _TRIED[answers.sender]),
    )


def signed_curl(proof: str, url: str, secret_file: Path, body: str) -> str:
    """Return a command line that sends a body as the sender would; the secret stays in its file."""
    read = f'$(cat "{secret_file}")'
    digest = f'$(printf %s "$t.$b" | openssl dgst -sha256 -hmac "{read}" -r | cut -d" " -f1)'
    begin = f"b='{body}'; t=$(date +%s)"
    headers = {
        "bearer": f'-H "Authorization: Bearer {read}"',
        "basic": f'-u "{read}"',
        "header": f'-H "{_HEADER}: {read}"',
        "hmac": f'-H "X-Bridge-Timestamp: $t" -H "X-Bridge-Signature: v1={digest}"',
        "jackson": f'-H "BoxyHQ-Signature: t=$t,s={digest}"',
        "okta-event-hooks": f'-H "Authorization: {read}"',
    }
    begin += "000" if proof == "jackson" else ""
    return f'{begin}\ncurl {url} -d "$b" {headers[proof]}'
