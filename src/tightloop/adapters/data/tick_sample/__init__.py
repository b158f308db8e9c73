"""Labelled synthetic tick markets: pumps, dumps, thin books, gaps, halts and calm; equal seeds give equal bytes."""

from tightloop.adapters.data.tick_sample.measures import Figures, measure
from tightloop.adapters.data.tick_sample.rounds import FIRST_EVENT_S, ROUND_S, past_bars, round_markets, round_tape
from tightloop.adapters.data.tick_sample.scenarios import SCENARIOS
from tightloop.adapters.data.tick_sample.tape import TickCoin
from tightloop.adapters.data.tick_sample.writing import LABELS_FILE, VENUE, TickSample, write_tick_sample

__all__ = [
    "FIRST_EVENT_S",
    "LABELS_FILE",
    "ROUND_S",
    "SCENARIOS",
    "VENUE",
    "Figures",
    "TickCoin",
    "TickSample",
    "measure",
    "past_bars",
    "round_markets",
    "round_tape",
    "write_tick_sample",
]
