"""Events in few bytes: the payload of records of kind FACT.

An EVENT is a union of many words of 8 bytes, of which a kind uses few. A *shape* says which words of a kind are written
and in how many bytes each; it is written once, where it is first used, and then named by one byte. So a print costs
some 30 bytes instead of 232, and it is written by one ``unpack`` and one ``pack``: a mask over all bits of the row
tells that the words a shape leaves out are 0.

    payload     [254: begin anew] number of the shape, [its definition], the words in the order of the fields
    definition  kind, flags (1: with an order id, 2: wide), count of words but times and id; of each: index * 4 + width
    255         no shape: the row as it is

``ts_init_ns`` is written as the difference to that of the last fact, ``ts_event_ns`` to its ``ts_init_ns``, and
``order_id`` (of a print: the venue's trade id) to the last one of the same kind and instrument. Narrow shapes have 4
bytes for a time and 2 for an id, wide ones 8. Of other integers a shape has the least of 1, 2, 4, 8 bytes that was
enough for all so far; floats are their 8 bytes, so NaN keeps its payload. A word that a kind has not used yet makes a
new shape.

The state of both sides is that of the facts since the last *begin anew*, which stands at the first fact of each
segment: segments decode alone. The fields are those of EVENT, whatever they are; ``LAYOUT`` is the hash of their names
and types.
"""

import hashlib
import struct
from collections.abc import Callable

from tightloop.core.domain.types import EVENT
from tightloop.runtime.session.journal.layout import LayoutDiffers

Words = tuple[int, ...]


def _layout_text() -> str:
    assert EVENT.names is not None
    return " ".join(f"{name}:{EVENT[name].str[1:]}" for name in EVENT.names)


def _names() -> tuple[str, ...]:
    names = EVENT.names
    assert names is not None
    for place, name in enumerate(names):
        field = EVENT.fields
        assert field is not None
        assert field[name][1] == 8 * place, f"{name}: words of 8 bytes, one after the other"
    assert EVENT.itemsize == 8 * len(names)
    assert len(names) <= FIELDS_MAX
    return names


FIELDS_MAX = 64
LAYOUT_TEXT = _layout_text()
LAYOUT = hashlib.blake2b(LAYOUT_TEXT.encode(), digest_size=8).digest()
NAMES = _names()
ROW_BYTES = EVENT.itemsize
FACT_BYTES_MAX = 32 + 9 * len(NAMES)

_KIND, _INSTRUMENT = NAMES.index("kind"), NAMES.index("instrument")
_EVENT_NS, _INIT_NS, _ID = NAMES.index("ts_event_ns"), NAMES.index("ts_init_ns"), NAMES.index("order_id")
_ALWAYS = frozenset({_KIND, _EVENT_NS, _INIT_NS})
_FLOATS = frozenset(place for place, name in enumerate(NAMES) if EVENT[name].kind == "f")
_ROW = struct.Struct(f"<{len(NAMES)}q")
_WIDTHS = "bhiq"
_WIDEST = len(_WIDTHS) - 1
_ANEW, _AS_IS = 254, 255
_WITH_ID, _WIDE = 1, 2
_WORD = 2**64 - 1
_int = int.from_bytes
_Ways = tuple[Callable[..., Words], Callable[..., bytes], int, int, int, int, dict[int, int], bytes]


class UnreadableFact(ValueError):
    """A payload that is no fact, or that goes on from facts that were not decoded."""


def check_layout(layout: bytes, text: str) -> None:
    """Refuse facts of other fields: raises LayoutDiffers, which names them. ``text``: their ``LAYOUT_TEXT``."""
    if layout == LAYOUT:
        return
    theirs, ours = text.split(), LAYOUT_TEXT.split()
    missing = [field for field in ours if field not in theirs]
    unknown = [field for field in theirs if field not in ours]
    parts = [f"they lack {', '.join(missing)}"] if missing else []
    parts += [f"they have {', '.join(unknown)}"] if unknown else []
    parts = parts or ["their fields stand in another order"]
    raise LayoutDiffers(
        f"the journal's facts have layout {layout.hex()}, this version reads {LAYOUT.hex()}: {'; '.join(parts)}"
    )


class FactEncoder:
    """Encodes events in the order of the journal."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew with the next fact: at a new segment, and when an encoded fact was not written."""
        self._kinds: dict[int, _Kind] = {}
        self._ids: dict[int, dict[int, int]] = {}  # by kind and instrument
        self._last_ns = 0
        self._shape_count = 0
        self._prefix = bytes((_ANEW,))

    def encode(self, event: memoryview | bytes | bytearray) -> bytes:
        """Return the payload of one EVENT, given as its bytes (a memoryview of format B)."""
        known = self._kinds.get(event[_KIND * 8])
        if known is None or _int(event, "little") & known.unused:
            known = self._widen(_ROW.unpack(event))
        elif known.ways is not None:  # what nearly every fact takes; the rest is `_packed`
            unpack, pack, event_at, init_at, id_at, instrument_at, ids, head = known.ways
            values = list(unpack(event))
            init_ns = values[init_at]
            values[event_at] -= init_ns
            values[init_at] = init_ns - self._last_ns
            try:
                if id_at:
                    instrument, order_id = values[instrument_at], values[id_at]
                    values[id_at] = order_id - ids.get(instrument, 0)
                    packed = pack(*values)
                    ids[instrument] = order_id
                else:
                    packed = pack(*values)
            except struct.error:
                pass  # an old event, or the first one after a long silence
            else:
                self._last_ns = init_ns
                return head + packed
        payload = None if known is None else self._packed(known, event)
        if payload is None:
            payload = bytes((_AS_IS,)) + bytes(event)
        if self._prefix:
            payload, self._prefix = self._prefix + payload, b""
        return payload

    def _packed(self, known: "_Kind", event: memoryview | bytes | bytearray) -> bytes | None:
        """Return the payload by a shape; None if no shape can hold it."""
        shape = known.narrow if known.ways is None else known.wide  # `encode` has tried the narrow one
        values = list(shape.row.unpack(event))
        init_ns = values[shape.init_at]
        values[shape.event_at] -= init_ns
        values[shape.init_at] = init_ns - self._last_ns
        ids, instrument, order_id = self._ids.setdefault(known.kind, {}), 0, 0
        if shape.has_id:
            instrument, order_id = values[shape.instrument_at], values[shape.id_at]
            values[shape.id_at] = order_id - ids.get(instrument, 0)
        try:
            packed = shape.layout.pack(*values)
        except struct.error:
            try:
                shape = known.wide
                packed = shape.layout.pack(*values)
            except struct.error:
                return self._packed_wider(known, event)
        head = shape.head or self._head(shape)
        if head is None:
            return None
        if shape is known.narrow:
            known.ways = (
                shape.row.unpack, shape.layout.pack, shape.event_at, shape.init_at, shape.id_at, shape.instrument_at,
                ids, shape.head,
            )  # fmt: skip
        self._last_ns = init_ns
        if shape.has_id:
            ids[instrument] = order_id
        return head + packed

    def _packed_wider(self, known: "_Kind", event: memoryview | bytes | bytearray) -> bytes | None:
        """Return the payload by a shape whose words are wide enough; None if that does not help."""
        grown = known.grown(_ROW.unpack(event))
        if grown is known:
            return None
        self._kinds[known.kind] = grown
        return self._packed(grown, event)

    def _head(self, shape: "_FactShape") -> bytes | None:
        """Return what names a shape, with its definition at its first use; None when all numbers are taken."""
        if self._shape_count == _ANEW:
            return None
        shape.head = bytes((self._shape_count,))
        self._shape_count += 1
        return shape.head + shape.definition

    def _widen(self, words: Words) -> "_Kind | None":
        """Return the shapes of a kind with the words that this event uses, too; None for what is no kind."""
        kind = words[_KIND]
        if not 0 <= kind <= 255:
            return None
        known = self._kinds.get(kind)
        widths = dict(known.widths) if known is not None else {}
        used = [place for place, word in enumerate(words) if word and place not in _ALWAYS and place != _ID]
        for place in used:
            widths[place] = max(widths.get(place, 0), _width(place, words[place]))
        has_id = bool(words[_ID]) or (known is not None and known.narrow.has_id)
        if has_id:
            widths.setdefault(_INSTRUMENT, 0)  # ids are differences by instrument
        self._kinds[kind] = known = _Kind(kind, widths, has_id=has_id)
        return known


class FactDecoder:
    """Decodes payloads in the order of the journal, from the first fact of any segment on."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._shapes: list[_FactShape] = []
        self._ids: dict[tuple[int, int], int] = {}
        self._last_ns = 0

    def decode(self, payload: bytes) -> bytes:
        """Return the EVENT's bytes. Raises UnreadableFact."""
        try:
            at = 0
            if payload[0] == _ANEW:
                self._reset()
                at = 1
            number = payload[at]
            at += 1
            if number == _AS_IS:
                if len(payload) - at != ROW_BYTES:
                    raise UnreadableFact(f"a row has {ROW_BYTES} bytes, not {len(payload) - at}")
                return payload[at:]
            if number == len(self._shapes):
                shape, at = _parsed(payload, at)
                self._shapes.append(shape)
            shape = self._shapes[number]
            if len(payload) - at != shape.layout.size:
                raise UnreadableFact(f"shape {number} has {shape.layout.size} bytes, not {len(payload) - at}")
            return self._row(shape, shape.layout.unpack_from(payload, at))
        except (IndexError, struct.error) as error:
            raise UnreadableFact(f"no fact, or not the next one of its segment: {error}") from None

    def _row(self, shape: "_FactShape", packed: Words) -> bytes:
        values = list(packed)
        values[shape.init_at] = self._last_ns = init_ns = self._last_ns + values[shape.init_at]
        values[shape.event_at] += init_ns
        if shape.has_id:
            place = (shape.kind, values[shape.instrument_at])
            values[shape.id_at] = self._ids[place] = self._ids.get(place, 0) + values[shape.id_at]
        values.insert(shape.kind_at, shape.kind)
        return shape.whole.pack(*values)


class _FactShape:
    """Which words of a kind are written, and how.

    ``layout`` packs them, ``row`` finds them in an EVENT, ``whole`` makes one of them and the kind, all in the order of
    its fields; ``*_at``: places among them.
    ``head``: its number as a byte, once it was defined.
    """

    def __init__(self, kind: int, widths: dict[int, int], *, has_id: bool, is_wide: bool) -> None:
        assert len(widths) < FIELDS_MAX
        self.kind = kind
        self.has_id = has_id
        codes = {place: _WIDTHS[width] for place, width in widths.items()}
        codes |= dict.fromkeys((_EVENT_NS, _INIT_NS), "q" if is_wide else "i")
        if has_id:
            codes[_ID] = "q" if is_wide else "h"
        places = sorted(codes)
        self.places = frozenset(places)
        self.layout = struct.Struct("<" + "".join(codes[place] for place in places))
        self.row = struct.Struct("<" + "".join("q" if place in codes else "8x" for place in range(len(NAMES))))
        self.kind_at = sum(place < _KIND for place in places)
        self.whole = struct.Struct(
            "<" + "".join("q" if place in codes or place == _KIND else "8x" for place in range(len(NAMES)))
        )
        self.event_at, self.init_at = places.index(_EVENT_NS), places.index(_INIT_NS)
        self.id_at = places.index(_ID) if has_id else 0
        self.instrument_at = places.index(_INSTRUMENT) if has_id else 0
        flags = (_WITH_ID if has_id else 0) | (_WIDE if is_wide else 0)
        coded = (place * 4 + width for place, width in sorted(widths.items()))
        self.definition = bytes((kind, flags, len(widths), *coded))
        self.head = b""


def _parsed(payload: bytes, at: int) -> tuple[_FactShape, int]:
    """Return the shape that is defined at a place, and the place after it."""
    kind, flags, count = payload[at], payload[at + 1], payload[at + 2]
    coded = payload[at + 3 : at + 3 + count]
    widths = {code >> 2: code & 3 for code in coded}
    is_known = all(place < len(NAMES) and place not in _ALWAYS and place != _ID for place in widths)
    if (
        len(widths) != count
        or flags > _WITH_ID | _WIDE
        or not is_known
        or (flags & _WITH_ID and _INSTRUMENT not in widths)
    ):
        raise UnreadableFact("the definition of a shape is cut off, or names a field that is not there")
    return _FactShape(kind, widths, has_id=bool(flags & _WITH_ID), is_wide=bool(flags & _WIDE)), at + 3 + count


class _Kind:
    """The current shapes of one kind in the encoder. ``unused``: a mask of the bits that are 0 in all its rows.

    ``ways``: what packs a row by the narrow shape, once that is defined. An id is never the first word of a shape, so
    the place 0 says that there is none.
    """

    __slots__ = ("kind", "narrow", "unused", "ways", "wide", "widths")

    def __init__(self, kind: int, widths: dict[int, int], *, has_id: bool) -> None:
        self.kind = kind
        self.widths = widths
        self.ways: _Ways | None = None
        self.narrow = _FactShape(kind, widths, has_id=has_id, is_wide=False)
        self.wide = _FactShape(kind, widths, has_id=has_id, is_wide=True)
        bits = [0 if place in self.narrow.places else _WORD for place in range(len(NAMES))]
        bits[_KIND] = _WORD - 0xFF
        self.unused = sum(word << 64 * place for place, word in enumerate(bits))

    def grown(self, words: Words) -> "_Kind":
        """Return shapes whose words are wide enough for an event; these, if they are."""
        needed = {place: max(width, _width(place, words[place])) for place, width in self.widths.items()}
        return self if needed == self.widths else _Kind(self.kind, needed, has_id=self.narrow.has_id)


def _width(place: int, word: int) -> int:
    """Return which of the widths a word needs."""
    if place in _FLOATS:
        return _WIDEST
    return next(width for width in range(_WIDEST + 1) if -(1 << (8 << width) - 1) <= word < 1 << (8 << width) - 1)
