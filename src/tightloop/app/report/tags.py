"""Tables and cells as HTML. `text_cell`, `nothing` and `table` escape texts; the others take safe HTML."""

from collections.abc import Sequence
from html import escape

_KINDS = {"#": ' class="n"', "~": ' class="n wideonly"'}


def nothing(sentence: str) -> str:
    """Render a sentence where a table would be empty."""
    return f'<p class="none">{escape(sentence)}</p>'


def text_cell(text: str, style: str = "") -> str:
    return html_cell(escape(text), style)


def html_cell(content: str, style: str = "") -> str:
    return f'<td class="{style}">{content}</td>' if style else f"<td>{content}</td>"


def figure(text: str, shade: str = "", *, wide: bool = False) -> str:
    """Render a cell of a column of numbers; ``wide`` ones are hidden on a phone."""
    return html_cell(text, " ".join(filter(None, ("n", shade, "wideonly" if wide else ""))))


def row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def stacked_row(titles: Sequence[str], *cells: str) -> str:
    """Make a row of a table named ``stack``: on a phone each cell stands on a line of its own, after its title."""
    named = (
        cell.replace("<td", f'<td data-title="{escape(title.lstrip("#~"))}"', 1)
        for title, cell in zip(titles, cells, strict=True)
    )
    return row(*named)


def table(titles: Sequence[str], rows: Sequence[str], name: str = "", foot: str = "") -> str:
    """Render a table. A title that starts with # heads a column of numbers, with ~ one hidden on a phone."""
    heads = "".join(
        f'<th scope="col"{_KINDS[title[0]]}>{escape(title[1:])}</th>'
        if title[:1] in _KINDS
        else f'<th scope="col">{escape(title)}</th>'
        for title in titles
    )
    top = f"<thead>{row(heads)}</thead>" if titles else ""
    bottom = f"<tfoot>{foot}</tfoot>" if foot else ""
    return f'<table class="{name}">{top}<tbody>{"".join(rows)}</tbody>{bottom}</table>'


def dot(colour: str) -> str:
    """Render the round mark of an exit reason; ``colour`` names a CSS variable."""
    return f'<span class="mark" style="--mark:var(--{colour})"></span>'
