"""Tables, charts and labels of the report at the width of a phone and of a desk; every execution of a trade is told."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from app import report_fixture as fixture
from tightloop.app.report.page import build_report
from tightloop.app.report.template import asset
from ui.devtools import Page, chromium_path

pytestmark = pytest.mark.skipif(
    chromium_path() is None, reason="no Chromium here: install one, e.g. apt install chromium"
)

READY = "document.documentElement?.dataset.ready === 'true'"
TOO_WIDE = (
    "[...document.querySelectorAll('table')].filter((t) => t.scrollWidth > t.parentElement.clientWidth + 1)"
    ".map((t) => t.closest('section').id)"
)
TALLEST_ROW = (
    "Math.max(...[...document.querySelectorAll('main tr:not(.gap)')].filter((r) => !r.closest('#stage'))"
    ".map((r) => r.getBoundingClientRect().height))"
)
LEGENDS = "[...document.querySelectorAll('#whole .legend')].map((each) => each.textContent)"
MARKS = asset("report_marks.js") + "; globalThis.TradeMarks = TradeMarks; null"
BLOCKED = [
    {
        "strategy": "basket", "section": "S1", "evaluations": 226_801, "true": 3, "text": "volume_surge_ratio >= 8.5",
        "alone": 307, "nearest": (0.00258, 1_704_114_434_329_000_000, "binance:BTCUSDT-perp", 7.99742),
    },
]  # fmt: skip


def page_of(folder: Path, shape: fixture.Shape, **changes: Any) -> Path:
    given = {**fixture.synthetic_run(shape), "blocked": BLOCKED, **changes}
    file = folder / "report.html"
    file.write_text(build_report(**given), encoding="utf-8")
    return file


def split_fills(fills: pl.DataFrame) -> pl.DataFrame:
    """The fills with each one of the first trade done in two halves, the second 0.5 % dearer."""
    first = fills["trade_id"][0]
    halves = fills.filter(pl.col("trade_id") == first).with_columns(pl.col("qty") / 2, pl.col("fee") / 2)
    dearer = halves.with_columns(pl.col("price") * 1.005, pl.col("fill_id") + "b")
    return pl.concat([halves, dearer, fills.filter(pl.col("trade_id") != first)])


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("name", ["MULTI", "NO_TRADES", "YEAR_OF_MINUTES"])
def test_no_table_is_wider_than_its_place_and_no_row_is_a_tower(tmp_path: Path, name: str, width: int) -> None:
    with Page(page_of(tmp_path, getattr(fixture, name)), width) as page:
        page.wait_for(READY)
        assert page.run(TOO_WIDE) == []
        assert page.run(TALLEST_ROW) < 300
        assert page.problems == []


@pytest.mark.parametrize("width", [390, 1400])
def test_the_button_that_copies_covers_no_line_of_the_strategy(tmp_path: Path, width: int) -> None:
    with Page(page_of(tmp_path, fixture.MULTI), width) as page:
        page.wait_for(READY)
        yaml = "document.getElementById('yaml')"
        first = f"{yaml}.getBoundingClientRect().top + parseFloat(getComputedStyle({yaml}).paddingTop)"
        button = "document.querySelector('[data-copies=yaml]').getBoundingClientRect().bottom"
        assert page.run(f"{first} >= {button}")


def test_on_a_phone_a_title_with_nothing_beside_it_is_not_shown(tmp_path: Path) -> None:
    blocked = [*BLOCKED, {**BLOCKED[0], "section": "Z1", "nearest": None}]
    with Page(page_of(tmp_path, fixture.MULTI, blocked=blocked), 390) as page:
        page.wait_for(READY)
        cells = "[...document.querySelectorAll('#entries .stack td')].filter(e => e.offsetHeight && !e.textContent)"
        assert page.run(f"{cells}.length") == 0
        assert page.run("[...document.querySelectorAll('#entries .stack td:empty')].length") == 1


def test_on_a_phone_each_figure_of_a_stacked_row_stands_beside_its_title(tmp_path: Path) -> None:
    with Page(page_of(tmp_path, fixture.MULTI), 390) as page:
        page.wait_for(READY)
        cell = "document.querySelector('#entries .stack [data-title=\"Blocked most by\"]')"
        assert page.run(f"{cell}.textContent") == "volume_surge_ratio >= 8.5"
        assert page.run(f"getComputedStyle({cell}, '::before').content") == '"Blocked most by"'
        assert page.run(f"{cell}.getBoundingClientRect().height") < 40


def test_the_page_opens_on_the_first_instrument_with_a_trade(tmp_path: Path) -> None:
    given = fixture.synthetic_run(fixture.MULTI)
    without = given["trades"].filter(pl.col("instrument") != "binance:BTCUSDT-perp")
    with Page(page_of(tmp_path, fixture.MULTI, trades=without)) as page:
        page.wait_for(READY)
        assert (
            page.run("document.getElementById('instrument').selectedOptions[0].textContent") == "binance:ETHUSDT-perp"
        )
        assert "binance:ETHUSDT-perp" in page.run(LEGENDS)[0]


def test_a_position_that_was_averaged_into_shows_each_fill(tmp_path: Path) -> None:
    given = fixture.synthetic_run(fixture.LONG)
    with Page(page_of(tmp_path, fixture.LONG, fills=split_fills(given["fills"]))) as page:
        page.wait_for(READY)
        page.run("document.querySelector('#ledger tr[data-trade=\"0\"]').click()")
        rows = page.run(
            "[...document.querySelectorAll('#story .fills tbody tr')]"
            ".map((row) => [...row.children].map((cell) => cell.textContent))"
        )
        first = given["fills"].row(0, named=True)
        assert [row[1] for row in rows] == ["in", "in", "out", "out"]
        prices = [float(row[2].replace(",", "")) for row in rows[:2]]
        assert prices == [
            pytest.approx(first["price"], rel=1e-4),
            pytest.approx(1.005 * first["price"], rel=1e-4),
        ]
        assert "2 fills, average" in page.run("document.querySelector('#story .pieces').textContent")
        page.run("document.querySelector('#ledger tr[data-trade=\"1\"]').click()")
        assert page.run("document.querySelectorAll('#story .fills').length") == 0


def test_each_fill_is_a_mark_on_the_price() -> None:
    with Page(Path(__file__).parent / "blank.html") as page:
        page.run(MARKS)
        drawn = page.run(
            "(() => { const host = { palette: {}, selected: -1,"
            " trades: { long: [true], known: [true], colour: ['#000000'] } };"
            " const seen = []; const note = (name) => (...at) => seen.push([name, ...at.slice(0, 2)]);"
            " const context = { beginPath() {}, closePath() {}, fill() {}, stroke() {}, lineTo() {},"
            " moveTo: note('entry'), arc: note('exit') };"
            " const at = (x, isEntry) => ({ x, y: 10 * x, isEntry });"
            " const parts = [at(1, true), at(2, true), at(3, false)];"
            " TradeMarks.prototype.drawEnds.call(host, context, {trade: 0, x: 1, y: 15, toX: 3, toY: 30, parts}, 5);"
            " return seen; })()"
        )
        assert drawn == [["entry", 1, 10], ["entry", 2, 20], ["exit", 3, 30]]


def test_labels_of_exits_never_cover_each_other() -> None:
    crowd = [{"trade": k, "x": 100 + 7 * k, "y": 50, "toX": 110 + 7 * k, "toY": 60 + k, "parts": []} for k in range(12)]
    with Page(Path(__file__).parent / "blank.html") as page:
        page.run(MARKS)
        written = page.run(
            "(() => { const host = Object.create(TradeMarks.prototype); const seen = [];"
            " Object.assign(host, { palette: {}, selected: 5 });"
            " host.trades = { label: Array(12).fill('ZE1 close rule') };"
            " const measureText = () => ({ width: 80 });"
            " const context = { measureText, strokeText() {}, fillText: (...at) => seen.push(at) };"
            f" host.drawLabels(context, {json.dumps(crowd)}, 1000); return seen; }})()"
        )
        places = sorted(x for _, x, _ in written)
        assert 145 in places  # of the chosen trade, always
        assert all(right - left >= 80 for left, right in pairwise(places))


def test_equity_that_buy_and_hold_would_press_flat_gets_a_pane_of_its_own(tmp_path: Path) -> None:
    given = fixture.synthetic_run(fixture.LONG)
    calm = given["equity"].with_columns(fixture.CAPITAL + (pl.col("equity") - fixture.CAPITAL) * 1e-3)
    with Page(page_of(tmp_path, fixture.LONG, equity=calm)) as page:
        page.wait_for(READY)
        _, equity, beside, drawdown = page.run(LEGENDS)
        assert equity.startswith("Equity")
        assert "Buy and hold" not in equity
        assert beside.startswith("Buy and hold")
        assert drawdown.startswith("Drawdown")
        page.run("document.getElementById('show-hold').click()")
        assert page.problems == []
