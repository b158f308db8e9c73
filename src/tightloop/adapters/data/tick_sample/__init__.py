"""Labelled synthetic tick markets: pumps, dumps, thin books, gaps, halts and calm; equal seeds give equal bytes."""

from tightloop.adapters.data.tick_sample.measures import Figures, measure
from tightloop.adapters.data.tick_sample.scenarios import SCENARIOS
from tightloop.adapters.data.tick_sample.writing import LABELS_FILE, VENUE, TickSample, write_tick_sample

__all__ = [
    "LABELS_FILE",
    "SCENARIOS",
    "VENUE",
    "Figures",
    "TickSample",
    "measure",
    "write_tick_sample",
]
