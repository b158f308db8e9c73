"""The report in a real browser: it opens from a disk, asks for nothing else, and does what it says."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from app import report_fixture as fixture
from tightloop.app import report
from tightloop.app.report.page import build_report
from tightloop.app.text import numbers as text_numbers
from ui.devtools import Page, chromium_path

pytestmark = pytest.mark.skipif(
    chromium_path() is None, reason="no Chromium here: install one, e.g. apt install chromium"
)

READY = "document.documentElement?.dataset.ready === 'true'"
ROWS = "[...document.querySelectorAll('#ledger tr[data-trade]')]"
RESULTS = f"{ROWS}.map((row) => row.querySelector('td[data-key=pnl]').textContent)"


def write(folder: Path, shape: fixture.Shape) -> Path:
    file = folder / f"{shape.name}.html"
    file.write_text(build_report(**fixture.synthetic_run(shape)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    shapes = {name: getattr(fixture, name) for name in ("MULTI", "NO_TRADES", "ONE_OPEN", "YEAR_OF_MINUTES", "BUSY")}
    return {name: write(folder, shape) for name, shape in shapes.items()}


@pytest.fixture
def multi(pages: dict[str, Path]) -> Iterator[Page]:
    with Page(pages["MULTI"]) as page:
        page.wait_for(READY)
        yield page


def sorting(page: Page, title: str) -> None:
    page.run(f"[...document.querySelectorAll('#ledger th button')].find((b) => b.textContent === '{title}').click()")


def as_number(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-").replace(",", "").replace("+", ""))


@pytest.mark.parametrize("name", ["MULTI", "NO_TRADES", "ONE_OPEN", "YEAR_OF_MINUTES", "BUSY"])
@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
def test_it_opens_without_complaints_or_requests_and_fits_the_screen(
    pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    with Page(pages[name], width, dark=dark) as page:
        page.wait_for(READY)
        assert page.problems == []
        assert [address for address in page.addresses if not address.startswith(("file:", "blob:", "data:"))] == []
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run("document.querySelectorAll('#whole canvas').length") > 3


def test_the_table_sorts_by_result(multi: Page) -> None:
    sorting(multi, "Result")
    down = [as_number(text) for text in multi.run(RESULTS) if text != text_numbers.MISSING]
    assert down == sorted(down, reverse=True)
    sorting(multi, "Result")
    up = [as_number(text) for text in multi.run(RESULTS) if text != text_numbers.MISSING]
    assert up == sorted(up)
    assert up[0] < 0 < down[0]


def test_the_table_filters_by_exit_reason(multi: Page) -> None:
    trades = fixture.synthetic_run(fixture.MULTI)["trades"]
    stopped = trades.filter(trades["exit_reason"] == "stop_loss").height
    multi.run(
        "(() => { const s = document.getElementById('filter-reason'); s.value = 'stop_loss';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    assert multi.run("document.getElementById('trades-note').textContent").startswith(f"{stopped} of 240 trades")
    assert set(multi.run(f"{ROWS}.map((row) => row.querySelector('[data-key=reason]').textContent)")) == {"stop loss"}


def test_a_click_on_a_trade_tells_it_and_shows_its_instrument(multi: Page) -> None:
    row = f"{ROWS}.find((row) => row.textContent.includes('SOLUSDT'))"
    number = multi.run(f"Number({row}.dataset.trade)")
    multi.run(f"{row}.click()")
    assert multi.run("document.getElementById('story').hidden") is False
    told = multi.run("document.getElementById('story').textContent")
    assert f"Trade {number + 1}:" in told
    assert "crosses above" in told
    assert multi.run("document.getElementById('instrument').selectedOptions[0].textContent") == "binance:SOLUSDT-perp"
    assert "binance:SOLUSDT-perp" in multi.run("document.querySelector('.legend').textContent")
    multi.run("document.querySelector('#story [aria-label=\"Next trade\"]').click()")
    assert f"Trade {number + 2}:" in multi.run("document.getElementById('story').textContent")
    assert multi.problems == []


def test_on_a_phone_the_instrument_stays_in_sight(pages: dict[str, Path]) -> None:
    with Page(pages["MULTI"], 400) as page:
        page.wait_for(READY)
        page.run("document.getElementById('ledger').scrollLeft = 500")
        cell = "document.querySelector('#ledger td[data-key=instrument]')"
        left, width = page.run(f"(({{x, width}}) => [x, width])({cell}.getBoundingClientRect())")
        assert page.run(f"{cell}.textContent") in {"BTCUSDT", "ETHUSDT", "SOLUSDT"}
        assert width > 40
        assert 0 <= left < 40
        assert page.problems == []


def test_buy_and_hold_is_drawn_on_the_scale_of_the_equity(multi: Page) -> None:
    legends = multi.run("[...document.querySelectorAll('.legend')].map((each) => each.textContent).join(' ')")
    assert "Buy and hold" in legends
    assert "own scale" not in legends


def test_a_section_without_conditions_says_so(tmp_path: Path) -> None:
    given = fixture.synthetic_run(fixture.MULTI)
    bare = pl.when(pl.col("section") == "Z1").then(pl.lit("[]")).otherwise(pl.col("conditions")).alias("conditions")
    file = tmp_path / "page.html"
    file.write_text(build_report(**{**given, "signals": given["signals"].with_columns(bare)}), encoding="utf-8")
    with Page(file) as page:
        page.wait_for(READY)
        page.run(f"{ROWS}[0].click()")
        whys = page.run("[...document.querySelectorAll('.whys > div')].map((each) => each.textContent)")
        assert any(why.startswith("Z1") and "at once" in why for why in whys), whys
        assert page.run("[...document.querySelectorAll('.whys ul')].every((each) => each.children.length > 0)")


def test_a_short_trade_of_a_year_of_minutes_opens_on_its_own_bars(pages: dict[str, Path]) -> None:
    with Page(pages["YEAR_OF_MINUTES"]) as page:
        page.wait_for(READY)
        page.run("[...document.querySelectorAll('#ledger th button')].find((b) => b.textContent === 'Held').click()")
        page.run(
            "[...document.querySelectorAll('#ledger th button')].find((b) => b.textContent.startsWith('Held')).click()"
        )
        page.run(f"{ROWS}[0].click()")
        assert page.run("document.getElementById('leave-detail').hidden") is False
        assert "1m bars" in page.run("document.querySelector('#detail .legend').textContent")
        page.run("document.getElementById('leave-detail').click()")
        assert page.run("document.getElementById('whole').classList.contains('away')") is False
        assert page.problems == []


def test_ten_thousand_trades_keep_the_page_small_and_quick(pages: dict[str, Path]) -> None:
    with Page(pages["BUSY"]) as page:
        page.wait_for(READY)
        assert page.run("document.querySelectorAll('#ledger tr').length") < 80
        begun = page.run("performance.now()")
        sorting(page, "Result")
        page.run("document.getElementById('ledger').scrollTop = 150000")
        page.wait_for(f"{ROWS}.length > 10")
        assert page.run("performance.now()") - begun < 3_000
        assert "10,000 trades" in page.run("document.getElementById('trades-note').textContent")


def test_the_pointer_over_a_trade_shows_it(pages: dict[str, Path]) -> None:
    with Page(pages["ONE_OPEN"]) as page:
        page.wait_for(READY)
        page.run(f"{ROWS}[0].click()")
        page.run("document.getElementById('chart').scrollIntoView({behavior: 'instant'})")
        box = page.run("(({x, y, width}) => ({x, y, width}))(document.getElementById('whole').getBoundingClientRect())")
        shown = "!document.getElementById('bubble').hidden"
        for down in range(40, 380, 6):  # the path of the trade crosses the middle of the chart
            page.mouse("mouseMoved", box["x"] + box["width"] * 0.45, box["y"] + down)
            if page.run(shown):
                break
        assert page.run(shown)
        assert "still open" in page.run("document.getElementById('bubble').textContent")


def test_wheel_over_the_chart_zooms_it(multi: Page) -> None:
    multi.run("document.getElementById('chart').scrollIntoView({behavior: 'instant'})")
    box = multi.run("(({x, y}) => ({x, y}))(document.getElementById('whole').getBoundingClientRect())")
    multi.mouse("mouseMoved", box["x"] + 1000, box["y"] + 500)
    before = multi.run("document.querySelector('.legend').textContent")
    for _ in range(15):
        multi.mouse("mouseWheel", box["x"] + 200, box["y"] + 100, deltaX=0, deltaY=-240)
    multi.mouse("mouseMoved", box["x"] + 1001, box["y"] + 500)
    multi.wait_for(f"document.querySelector('.legend').textContent !== {json.dumps(before)}")
    assert multi.problems == []


def test_numbers_read_the_same_in_both_languages() -> None:
    """The scripts' formats against Python's, on a page that has nothing but them."""
    script = (Path(report.__file__).parent / "assets" / "report_numbers.js").read_text(encoding="utf-8")
    shapes = text_numbers.forms(1_000_000.0)
    values = [0.0, -0.0049, 0.005, 1234567.891, -98765.4321, 0.125, 1e-9, 42.0]
    spans = [0, 0.25, 45, 90, 1800, 3900, 86_400, 93_600, 10**7]
    stamps = [1_704_067_200, 1_704_067_205, 1_704_067_200.5]
    with Page(Path(__file__).parent / "blank.html") as page:
        page.run(script + "; globalThis.f = {formatNumber, formatSpan, formatMoment, formatSignificant}; null")
        for form in shapes.values():
            told = json.dumps({"decimals": form.decimals, "unit": form.unit, "signed": form.signed})
            read = page.run(f"{json.dumps(values)}.map((v) => f.formatNumber(v, {told}))")
            assert read == [text_numbers.number(value, form) for value in values]
        assert page.run(f"{json.dumps(spans)}.map(f.formatSpan)") == [text_numbers.span(s) for s in spans]
        assert page.run(f"{json.dumps(values)}.map(f.formatSignificant)") == [
            text_numbers.significant(value) for value in values
        ]
        assert page.run(f"{json.dumps(stamps)}.map(f.formatMoment)") == [
            text_numbers.moment(int(stamp * 10**9)) for stamp in stamps
        ]
