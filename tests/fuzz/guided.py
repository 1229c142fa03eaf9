"""`make fuzz`: the checks, guided by what of the bridge's code an input reaches (atheris, libFuzzer).

`python -m tests.fuzz.guided SECONDS` shares the seconds among all checks and ends with 1 when one fails; the
input is then kept in tests/fuzz/found, where `make test` tries it again.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

FOUND = Path(__file__).parent / "found"
LONGEST = 8192  # bytes of an input
RSS_MB = 1024
LINES = 40  # of a failed run's output


def fuzz(name: str, arguments: list[str]) -> None:
    """Run one check until libFuzzer ends; it ends the process."""
    import atheris  # noqa: PLC0415 - only `make fuzz` has it

    with atheris.instrument_imports(include=["bridge"]):
        from tests.fuzz.checks import CHECKS  # noqa: PLC0415 - what is imported here is watched

    _silence()
    atheris.Setup([sys.argv[0], *arguments], CHECKS[name])
    atheris.Fuzz()


def _silence() -> None:
    """Let the bridge log nothing: thousands of refusals a second are what is wanted here."""
    import structlog  # noqa: PLC0415 - behind the instrumented imports

    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


def run(name: str, seconds: int) -> bool:
    """Fuzz one check in a process of its own; print a line about it. Return whether it held."""
    from tests.fuzz.checks import seeds  # noqa: PLC0415 - the other process must not have imported it yet

    (FOUND / name).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for number, seed in enumerate(seeds(name)):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        done = subprocess.run(
            [
                sys.executable, "-m", "tests.fuzz.guided", name, folder, f"-max_total_time={seconds}",
                f"-max_len={LONGEST}", f"-rss_limit_mb={RSS_MB}", "-timeout=10", "-print_final_stats=1",
                f"-artifact_prefix={FOUND / name}/",
            ],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
    _tidy(FOUND / name)
    print(f"{name:10} {seconds:4} s  {_summary(done.stdout)}  {'held' if not done.returncode else 'FAILED'}")
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-LINES:]))
    return not done.returncode


def _tidy(folder: Path) -> None:
    for each in (folder, folder.parent):
        if each.is_dir() and not any(each.iterdir()):
            each.rmdir()


def _summary(text: str) -> str:
    """Return how many inputs were tried and how many places in the code they reached."""
    lines = text.splitlines()
    tried = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "?")
    covered = [word for line in lines if " cov: " in line for word in line.split("cov: ")[1].split()[:1]]
    return f"{tried:>9} inputs  {covered[-1] if covered else '?':>5} places reached"


def main() -> int:
    """Fuzz every check, one after the other."""
    if len(sys.argv) > 2:
        fuzz(sys.argv[1], sys.argv[2:])
        return 0
    from tests.fuzz.checks import CHECKS  # noqa: PLC0415 - as above

    share = max(1, int(sys.argv[1]) // len(CHECKS))
    held = [run(name, share) for name in CHECKS]  # the others, too, when one fails
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
