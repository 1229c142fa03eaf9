"""The command `bridge`."""

import typer

from bridge.commands import check, demo, held, init, plan, run, sandbox, status

app = typer.Typer(
    name="bridge",
    help="Keeps a GitBook organisation in step with your company's directory.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    init.init, demo.demo, run.run, run.serve, run.worker, check.check, status.status, plan.plan,
    held.parked, held.approve, held.reject, held.dead, sandbox.sandbox,
):  # fmt: skip
    app.command()(command)


def main() -> None:
    """Run the command line."""
    app()
