"""The table of figures: printed at the end of `make bench`, and written to bench.json."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

FULL = bool(os.environ.get("BENCH_FULL"))  # longer runs: BENCH_FULL=1 make bench
WRITTEN = Path("bench.json")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `ratio`: against what is measured beside it; `reach`: what it is meant to be."""

    what: str
    figure: float
    unit: str
    ratio: float | None = None
    reach: str | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the row as it is printed."""
        figure = (
            f"{self.figure:,.0f}"
            if abs(self.figure) >= 100
            else f"{self.figure:,.2f}".rstrip("0").rstrip(".")
        )
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return self.what, f"{figure} {self.unit}", ratio, self.reach or ""


class Table:
    """The figures of one run, in the order of the tests."""

    def __init__(self) -> None:
        """Nothing is measured yet."""
        self.rows: list[Row] = []

    def add(
        self, what: str, figure: float, unit: str, ratio: float | None = None, reach: str | None = None
    ) -> None:
        """Add a figure; see `Row`."""
        ratio = None if ratio is None else round(ratio, 3)
        self.rows.append(Row(what, round(figure, 3), unit, ratio, reach))

    def text(self) -> str:
        """Return the table as it is printed."""
        rows = [("figure", "measured", "ratio", "reach"), *(row.cells() for row in self.rows)]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            "  ".join(
                cell.ljust(width) if column in (0, 3) else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])

    def write(self) -> None:
        """Write bench.json: a list of rows, without what they do not have."""
        told = [{key: value for key, value in asdict(row).items() if value is not None} for row in self.rows]
        WRITTEN.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
