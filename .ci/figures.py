"""Measures bridge/ and workers/: sizes, density, what reaches past the store (`make figures`)."""

import ast
import io
import re
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path

from radon.complexity import cc_visit

ROOT = Path(__file__).parents[1]
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
COMPLEX = 10  # of radon, which counts comprehensions: more of it is hard to follow
KEY = re.compile(r"\.key\(")  # a key of Redis is built


def files() -> Iterator[Path]:
    """Yield the files of the product."""
    for package in ("bridge", "workers"):
        yield from sorted((ROOT / package).rglob("*.py"))


def functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the name of each function, and its lines without the docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = node.body[0] if ast.get_docstring(node) else None
            told = (doc.end_lineno or 0) - doc.lineno + 1 if doc else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - told


def comment_lines(text: str) -> int:
    """Return how many lines hold a comment alone."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = text.splitlines()
    found = (token.start[0] for token in tokens if token.type == tokenize.COMMENT)
    return sum(lines[number - 1].lstrip().startswith("#") for number in found)


def parts(node: str, arrows: dict[str, set[str]]) -> set[str]:
    """Return all that a part leads to."""
    seen, left = set[str](), [node]
    while left:
        for each in arrows.get(left.pop(), set()) - seen:
            seen.add(each)
            left.append(each)
    return seen


def imports(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the modules of ours that a file imports when it is loaded."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in ("bridge", "workers"))


def part_of(module: str) -> str:
    """Return the top-level part of a module: `bridge.store`, `workers.fold`."""
    return ".".join(module.split(".")[:2])


def main() -> None:
    """Print the figures."""
    lines = comments = comprehensions = keys = 0
    lengths: list[tuple[int, str]] = []
    complex_ones: list[str] = []
    arrows: dict[str, set[str]] = {}
    places = set[str]()
    for path in files():
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        tree = ast.parse(text)
        lines += text.count("\n")
        comments += comment_lines(text)
        comprehensions += sum(isinstance(node, COMPREHENSIONS) for node in ast.walk(tree))
        lengths += [(length, f"{name}:{function}") for function, length in functions(tree)]
        complex_ones += [
            f"{name}:{one.name}" for one in cc_visit(text) if one.complexity > COMPLEX and one.letter != "C"
        ]
        if not name.startswith("bridge/store/"):
            found = len(KEY.findall(text))
            keys += found
            places |= {name} if found else set()
        here = part_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        arrows.setdefault(here, set()).update(part_of(each) for each in imports(path, tree))
    for here, there in arrows.items():
        there.discard(here)
    cycle = sorted(here for here in arrows if here in parts(here, arrows))
    longest = max(lengths)
    print(f"modules {sum(1 for _ in files())}, lines {lines}")
    print(
        f"functions {len(lengths)}, median {statistics.median(length for length, _ in lengths):.0f} lines,"
        f" longest {longest[0]} ({longest[1]})"
    )
    print(f"radon over {COMPLEX}: {len(complex_ones)}")
    print(
        f"in 100 lines: comprehensions {100 * comprehensions / lines:.1f}, "
        f"comment lines {100 * comments / lines:.1f}"
    )
    print(f"keys built outside bridge/store: {keys} in {len(places)} files")
    print(f"top-level parts in an import cycle: {len(cycle)} ({', '.join(cycle)})")


if __name__ == "__main__":
    main()
