"""What a check found: one line for each, and its mark."""

from dataclasses import dataclass

from rich.text import Text

from bridge.commands.common import out


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer. `warning`: it works, but somebody should know."""

    name: str
    ok: bool
    detail: str
    warning: bool = False


def good(name: str, detail: str) -> Finding:
    """Return what is as it should be."""
    return Finding(name, True, detail)


def warn(name: str, detail: str) -> Finding:
    """Return what works, but might surprise."""
    return Finding(name, True, detail, warning=True)


def bad(name: str, detail: str) -> Finding:
    """Return what must be put right."""
    return Finding(name, False, detail)


def print_findings(findings: list[Finding]) -> None:
    """Print a line for each, and how many are to be put right."""
    failed = sum(not each.ok for each in findings)
    width = max(len(each.name) for each in findings)
    for each in findings:
        mark, style = ("✗", "red") if not each.ok else ("!", "yellow") if each.warning else ("✓", "green")
        out.print(Text(mark, style), Text(f"{each.name:<{width}}  {each.detail}"), soft_wrap=True)
    end = f"{failed} of {len(findings)} checks failed." if failed else "All is in place."
    out.print(Text(end, "red" if failed else "green"))
