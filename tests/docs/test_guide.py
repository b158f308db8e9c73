"""The user guide says what the product does: keys, indicators, files, links, and a trade computed by hand."""

import dataclasses
import re
from pathlib import Path

import polars as pl
import pytest

from make_indicator_page import PAGE, page
from tightloop.adapters.data._shared import FAULT_KINDS
from tightloop.adapters.data.tick_sample import SCENARIOS
from tightloop.app.cli.commands.detect import HEAD
from tightloop.app.runs.backtest import backtest
from tightloop.app.runs.signal import TABLES
from tightloop.core import limits
from tightloop.core.domain.enums import OrderKind
from tightloop.model import load as model_load
from tightloop.model.carry import schema as carry_schema
from tightloop.model.carry.venues import VenueKeys, packaged
from tightloop.model.files.fields import Strict
from tightloop.model.instruments import InstrumentRules
from tightloop.model.labels import Label
from tightloop.model.signal import read as signal_read
from tightloop.model.signal import schema as signal_schema
from tightloop.model.signal.conditions import OPERATORS, TREE_KEYS
from tightloop.runtime.research.detection import Tally

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted(GUIDE.rglob("*.md"))]

each_page = pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])

START_NS = 1_704_067_200_000_000_000
ONE_TRADE = """
name: one_trade
family: signal
direction: LONG
instruments: [test:XUSDT-perp]
timeframe: 1m
capital: 100_000
variants: {price: {type: PRICE}}
sections:
  S1: {all: [{price: ">= 101"}]}
  Z1: {immediate: true, size: {type: fixed, value: 1_000},
       stop_loss: {type: percent, value: 2}, take_profit: {type: percent, value: 3}}
  ZE1: {cooldown_min: 60}
costs: {taker_bps: 5, maker_bps: 2, slippage: {type: fixed, bps: 10}}
limits: {max_daily_trades: 1}
"""


def text(name):
    return (GUIDE / name).read_text(encoding="utf-8")


def models():
    """Every model of the strategy file."""
    return [
        own
        for own in vars(signal_schema).values()
        if isinstance(own, type) and issubclass(own, signal_schema.Strict) and own is not signal_schema.Strict
    ]


def run_one_trade(bar_4, settings=()):
    """The bars of the guide's example, with a fourth bar of (open, high, low, close)."""
    rows = [(100, 100, 100, 100), (100, 101.5, 100, 101), (102, 103, 101, 102), bar_4, (bar_4[3],) * 4]
    names = ("open", "high", "low", "close")
    frame = pl.DataFrame({name: [float(row[k]) for row in rows] for k, name in enumerate(names)})
    frame = frame.with_columns(volume=pl.lit(1_000.0), ts=START_NS + pl.int_range(1, 6) * 60_000_000_000)
    return backtest(ONE_TRADE, data={"test:XUSDT-perp": frame}, settings=settings)


def test_the_page_of_indicators_is_what_its_tool_writes():
    assert PAGE.read_text(encoding="utf-8") == page(), "run tools/make_indicator_page.py"


def test_the_guide_names_every_key_of_a_strategy_file():
    keys = {own.alias or name for model in models() for name, own in model.model_fields.items()} - {"tree"}
    written = text("strategies.md") + text("fills-and-costs.md")
    assert {key for key in keys if not re.search(rf"\b{key}\b", written)} == set()


def test_the_guide_names_every_key_of_a_carry_strategy_and_every_row_of_its_tables():
    own = [*vars(carry_schema).values(), VenueKeys]
    kinds = [one for one in own if isinstance(one, type) and issubclass(one, Strict) and one is not Strict]
    keys = {field.alias or name for model in kinds for name, field in model.model_fields.items()}
    written = text("carry.md")
    assert {key for key in keys if not re.search(rf"`[^`]*\b{key}\b[^`]*`", written)} == set()
    tables = packaged()
    assert [name for name in (*tables.venues, *tables.pools, *tables.lsts) if name not in written] == []
    for name, venue in tables.venues.items():
        if venue.kind == "exchange":
            fees = f"{venue.spot_bps:g}, {venue.perp_bps:g} | {venue.min_notional:g} USDT"
            assert f"| {name} | {fees} | {venue.initial_margin:.0%}".replace("%", " %") in written
    for pool in tables.pools.values():
        for name, loan in pool.standard.items():
            numbers = " | ".join(f"{100 * own:g} %" for own in (loan.max_ltv, loan.threshold, loan.bonus))
            assert f"| {name} | {numbers} |" in written


def test_the_carry_strategy_that_the_guide_shows_is_valid():
    (block,) = re.findall(r"```yaml\n(.*?)```", text("carry.md"), re.DOTALL)
    assert model_load.loads(block).warnings == ()


def test_the_guide_names_every_kind_of_stop_target_and_order_and_every_operator():
    written = text("strategies.md") + text("fills-and-costs.md")
    kinds = [*signal_schema.STOPS, *signal_schema.TARGETS, *signal_schema.SLIPPAGES]
    words = [*kinds, *OPERATORS, *TREE_KEYS, *(kind.name.lower() for kind in OrderKind)]
    assert [word for word in words if word not in written] == []


def test_the_guide_states_the_defaults_of_the_account():
    written = text("strategies.md")
    for name, default in signal_schema.Account().model_dump().items():
        shown = "off" if default is None else f"{default:g}"
        assert re.search(rf"\| `{name}` \| {shown} \|", written), f"{name} is {shown}"


def test_the_guide_lists_every_fault_every_rule_and_every_result_file():
    assert [kind for kind in FAULT_KINDS if f"| {kind} |" not in text("data.md")] == []
    rules = [own.name for own in dataclasses.fields(InstrumentRules) if own.name not in ("instrument", "defaults_used")]
    assert [rule for rule in rules if rule not in text("data.md")] == []
    assert [table for table in TABLES if f"`{table}.parquet`" not in text("running.md")] == []


def test_the_guide_tells_every_scenario_every_column_of_labels_and_every_figure_of_detect():
    page_text = text("pump-lab.md")
    assert [name for name in SCENARIOS if f"| {name} |" not in page_text] == []
    columns = [*(own.name for own in dataclasses.fields(Label)), "is_pump"]
    assert [name for name in columns if f"`{name}`" not in page_text] == []
    figures = [name for name in Tally("", "").plain() if name not in ("scenario", "kind")]
    assert [name for name in figures if f"`{name}`" not in page_text] == []
    assert [head for head in HEAD[2:] if head not in page_text] == []


def test_the_guide_defines_every_metric():
    metrics = run_one_trade((102, 106, 100, 103)).metrics
    assert [name for name in metrics if not re.search(rf"\b{name}\b", text("running.md"))] == []


def test_the_capacities_of_the_guide_are_those_of_the_core():
    rows = re.findall(r"^\| ([A-Z_]+) \| ([\d,]+) \|", text("limits.md"), re.MULTILINE)
    assert len(rows) > 5
    for name, value in rows:
        assert getattr(limits, name) == int(value.replace(",", "")), name


@pytest.mark.parametrize(
    ("bar_4", "row"),
    [
        ((102, 106, 100, 103), "102, 106, 100"),
        ((102, 106, 101, 103), "102, 106, 101"),
        ((99, 100, 98, 99), "99, 100, 98"),
        ((107, 108, 106, 107), "107, 108, 106"),
    ],
)
def test_the_trade_computed_by_hand_is_the_one_that_runs(bar_4, row):
    pattern = rf"^\| {row} \| .* \| ([\d.]+) \| ([\d.]+) \| ([-+][\d.]+) \|$"
    cells = re.search(pattern, text("fills-and-costs.md"), re.MULTILINE)
    price, fee, result = (float(cell) for cell in cells.groups())
    run = run_one_trade(bar_4)
    entry, leave = run.fills.select("qty", "price", "fee").rows()
    assert entry == pytest.approx((9.900990, 102.102, 0.505455), abs=1e-6)
    assert leave[1:] == pytest.approx((price, fee), abs=1e-6)
    assert run.trades["pnl"].to_list() == pytest.approx([result], abs=1e-6)


def test_a_target_that_is_only_touched_does_not_fill():
    assert run_one_trade((102, 105.16506, 101, 103)).trades["exit_ts"].to_list() == [None]


def test_the_liquidation_computed_by_hand_is_the_one_that_runs():
    settings = ["sections.Z1.leverage=10", "sections.Z1.stop_loss=null"]
    run = run_one_trade((102, 103, 91, 92), settings)
    assert run.fills["price"].to_list()[-1] == pytest.approx(92.353568, abs=1e-6)
    assert "92.353568" in text("fills-and-costs.md")


def test_the_strategies_that_the_guide_shows_are_valid():
    found = [
        block
        for path in (ROOT / "README.md", GUIDE / "strategies.md")
        for block in re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
        if block.startswith("name:")
    ]
    assert len(found) == 2
    for block in found:
        assert signal_read.loads(block).warnings == ()


@each_page
def test_links_and_pictures_of_a_page_are_there(path):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert "://" in target or (path.parent / target).exists(), target


def test_every_page_on_ticks_has_a_picture_that_can_be_made_again():
    script = (ROOT / "tools" / "make_pictures.py").read_text(encoding="utf-8")
    made = re.findall(r'"(\w+)": (\w+),', script[script.index("PICTURES: ") :])
    for file, name in (("ticks", "ticks"), ("windows", "windows"), ("fills-and-costs", "attribution"), ("why", "why")):
        assert (name, name) in made
        assert f"](images/{name}.png)" in (GUIDE / f"{file}.md").read_text(encoding="utf-8"), file


def test_pictures_are_small():
    assert all(picture.stat().st_size < 300_000 for picture in (GUIDE / "images").iterdir())


def test_architecture_names_every_file_of_the_core_and_none_that_is_not_there():
    page_text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "tightloop"
    found = [path for folder in ("core", "model", "runtime") for path in (package / folder).rglob("*.py")]
    own = [path for path in found if path.parent.name not in ("indicators", "checks")]
    assert [path.name for path in own if path.name != "__init__.py" and path.name not in page_text] == []
    tree = page_text.split("```")[1]
    there = {path.name for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    assert set(re.findall(r"\b[a-z_]+\.py\b", tree)) - there == set()
