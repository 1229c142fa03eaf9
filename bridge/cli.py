"""The command `bridge`."""

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import typer

# Where each command is. Only the one that is asked for is imported: `bridge status` needs no web server.
COMMANDS = {
    "init": "init", "demo": "demo", "run": "run", "serve": "run", "worker": "run", "check": "check",
    "queue": "queue", "events": "events", "event": "event", "calls": "calls", "replay": "replay",
    "person": "person", "group": "group",
    "status": "status", "plan": "plan", "parked": "held", "approve": "held", "reject": "held", "dead": "held",
    "retry": "held", "pause": "targets", "resume": "targets", "audit": "audit", "report": "report",
    "source": "source", "sandbox": "sandbox",
    "directory": "directory", "erase": "erase", "data": "data",
    "alerts": "alerts",
}  # fmt: skip


def make_app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the command line with these commands."""
    app = typer.Typer(
        name="bridge",
        help="Keeps a GitBook organisation in step with your company's directory.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_bridge)
    for name in names:
        command = getattr(import_module(f"bridge.commands.{COMMANDS[name]}"), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _bridge() -> None:
    """Keeps a GitBook organisation in step with your company's directory."""


def __getattr__(name: str) -> Any:
    """Make `app`, with all commands, when somebody asks for it."""
    if name == "app":
        return make_app()
    raise AttributeError(name)


def main() -> None:
    """Run the command line, or complete one for a shell."""
    first = _completed() if "_BRIDGE_COMPLETE" in os.environ else sys.argv[1] if len(sys.argv) > 1 else ""
    make_app([first] if first in COMMANDS else COMMANDS)()


def _completed() -> str:
    """Return the command whose options a shell wants completed, "" where it is the command itself.

    Bash hands its words over in one variable, all other shells in another (as typer's scripts have them do).
    """
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = line.split()
    return words[1] if len(words) > 2 or (len(words) == 2 and line[-1].isspace()) else ""
