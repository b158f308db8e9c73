"""Labelled tick markets: pumps, dumps, thin books, gaps, halts and calm, the same bytes for the same seed."""

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
