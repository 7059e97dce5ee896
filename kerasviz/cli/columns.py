"""Tables that fit the terminal: columns are left out before a name is cut."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: above it.
        cells: one for each row, with the markup of rich.
        rank: of the columns that do not fit, those of the highest rank are left out first; never those of 0.
        right: set to the right.
        least: how narrow it may be cut, with an ellipsis; None if it must not be cut.
    """

    title: str
    cells: list[str]
    rank: int = 0
    right: bool = False
    least: int | None = None

    @property
    def width(self) -> int:
        """What the widest cell takes."""
        from rich.text import Text

        return max(len(self.title), *(Text.from_markup(cell).cell_len for cell in self.cells), 0)

    @property
    def narrowest(self) -> int:
        """What it takes when it is cut."""
        return self.width if self.least is None else min(self.width, max(self.least, len(self.title)))


def print_columns(screen, columns: list[Column]) -> list[str]:
    """Print a table of the columns that fit.

    Args:
        screen: a `rich.console.Console`.
        columns: from left to right, with as many cells each. Those without text in any cell are left out.

    Returns:
        The titles of those that did not fit.
    """
    from rich.table import Table

    full = [column for column in columns if column.rank == 0 or any(column.cells)]
    fitting = _fitting(full, screen.width)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    spare = screen.width - _taken(fitting)
    for column in fitting:
        more = min(spare, column.width - column.narrowest)
        spare -= max(more, 0)
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="fold" if column.least is None else "ellipsis",
            min_width=column.narrowest + max(more, 0),
            max_width=column.width if column.least is None else column.narrowest + max(more, 0),
        )
    for row in zip(*(column.cells for column in fitting), strict=True):
        table.add_row(*row)
    screen.print(table)
    return [column.title for column in full if column not in fitting]


def _fitting(columns, width):
    while _taken(columns) > width and any(column.rank for column in columns):
        last = max(columns, key=lambda column: column.rank)
        columns = [column for column in columns if column is not last]
    return columns


def _taken(columns):
    return sum(column.narrowest + 2 for column in columns) - 2


def screen_on(out):
    """A `rich.console.Console` on a stream: as wide as the terminal, and 160 wide where there is none."""
    import os

    from rich.console import Console

    told = out.isatty() or "COLUMNS" in os.environ
    return Console(file=out, highlight=False, width=None if told else 160)
