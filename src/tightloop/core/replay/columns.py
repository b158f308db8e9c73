"""Rows of a log sorted by kind into packed columns: what a recorder keeps of a run, at the speed of the run."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Ints
from tightloop.core.kinds import array, int64

WORDS = array(int64, 2)
VECTOR = array(int64)


@compiled(int64(WORDS, int64, int64, WORDS, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, int64, int64))
def sort_rows(
    words: Ints,
    first: int,
    end: int,
    places: Ints,
    widths: Ints,
    keep: Ints,
    out: Ints,
    counts: Ints,
    starts: Ints,
    section_kind: int,
    section_count: int,
) -> int:
    """Copy the kept words of rows ``first`` to ``end`` into ``out``, kind after kind; returns the sections so far.

    ``words``: the log as words, kind in column 0. ``places[kind]``: which words are kept, ``widths[kind]`` how many (0:
    none). ``keep``: [kind of the orders, word of their state, then a flag for each state]: orders are kept in flagged
    states only. ``counts``: rows of each kind, written here; ``starts`` is scratch of that length. A place of -1 asks
    for the number of the section that the row stands under (``section_count`` sections came before this log).
    """
    kinds = len(widths)
    assert len(counts) == kinds, "a count for every kind"
    counts[:] = 0
    for at in range(first, end):
        kind = words[at, 0]
        if widths[kind] > 0 and (kind != keep[0] or keep[2 + words[at, keep[1]]] != 0):
            counts[kind] += 1
    filled = 0
    for kind in range(kinds):
        starts[kind] = filled
        filled += counts[kind] * widths[kind]
    assert filled <= len(out), "the buffer holds what is kept"
    for at in range(first, end):
        kind = words[at, 0]
        if kind == section_kind:
            section_count += 1
        width = widths[kind]
        if width == 0 or (kind == keep[0] and keep[2 + words[at, keep[1]]] == 0):
            continue
        to = starts[kind]
        for k in range(width):
            place = places[kind, k]
            out[to + k] = words[at, place] if place >= 0 else section_count - 1
        starts[kind] = to + width
    return section_count
