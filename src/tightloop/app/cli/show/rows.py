"""Lines, tables and cuts of an answer on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tightloop.app.text.numbers import significant

Row = TypeVar("Row")
LAST_MIN = 16
"""Columns of the screen that a last column keeps, however wide the others are."""
STYLES = {"TRUE": "green", "FALSE": "red", "UNKNOWN": "yellow"}


@dataclass(frozen=True, slots=True)
class Screen:
    """Where an answer is printed. What ``cut`` leaves out is counted by ``more`` and shown with ``--all``."""

    console: Console
    show_all: bool

    def line(self, text: str) -> None:
        """Print a line without wrapping: ids, options, paths."""
        self.console.print(text, soft_wrap=True)

    def text(self, text: str, indent: int = 2) -> None:
        """Print text wrapped at the width of the screen; further lines are indented."""
        markup = Text.from_markup(text)
        width = self.console.width
        first = markup.wrap(self.console, width)[0]
        self.console.print(first, soft_wrap=True)
        rest = markup[len(first.plain) :] if len(first.plain) < len(markup.plain) else Text()
        for each in rest.wrap(self.console, max(width - indent, 20)) if rest.plain.strip() else ():
            each.rstrip()
            self.console.print(Text(" " * indent) + each[len(each.plain) - len(each.plain.lstrip()) :], soft_wrap=True)

    def blank(self) -> None:
        """Print an empty line."""
        self.console.print()

    def print(self, shown: Any) -> None:
        """Print a table."""
        self.console.print(shown)

    def cut(self, rows: Sequence[Row], count: int) -> Sequence[Row]:
        """Return the first rows, or all of them with ``--all``."""
        return rows if self.show_all else rows[:count]

    def more(self, total: int, count: int, indent: int, what: str = "") -> None:
        """Print how many rows ``cut`` left out."""
        left = 0 if self.show_all else total - count
        if left > 0:
            self.line(f"{' ' * indent}[dim](+{left} more{f' {what}' if what else ''}: --all)[/]")


def grid(*right: bool, cuts_last: bool = False) -> Table:
    """Create a table without lines; True aligns a column to the right."""
    table = Table.grid(padding=(0, 1))
    last = len(right) - 1
    for at, is_right in enumerate(right):
        is_cut = at == last and cuts_last
        table.add_column(
            justify="right" if is_right else "left",
            overflow="ellipsis" if is_cut else "fold",
            no_wrap=is_cut or 0 < at < last or (at == last and not is_right),
        )
    return table


def cut_last(table: Table, width: int) -> Table:
    """Limit the last column to the width that the others leave of ``width``."""
    others = [max(Text.from_markup(str(cell)).cell_len for cell in column.cells) + 1 for column in table.columns[:-1]]
    table.columns[-1].max_width = max(width - sum(others), LAST_MIN)
    return table


def words_of(text: str) -> str:
    """Return text with its brackets escaped."""
    return escape(text)


def verdict(word: str) -> str:
    """Format TRUE, FALSE, UNKNOWN in their colours."""
    return f"[{STYLES[word]}]{word}[/]"


def limit_of(threshold: object) -> str:
    """Format a threshold: a number, or the two of a range."""
    if isinstance(threshold, list):
        return " to ".join(significant(bound) for bound in threshold)
    return significant(threshold)
