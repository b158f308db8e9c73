"""The report page: complete, self-contained, honest about what is not known, and deaf to what a strategy is called."""

import base64
import dataclasses
import hashlib
import io
import json
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

import tightloop.app.report as report
from app import report_fixture as fixture
from tightloop.app.cli.show.summary import print_summary
from tightloop.app.report import facts as report_facts
from tightloop.app.report import sections as report_sections
from tightloop.app.report import series as report_series
from tightloop.app.report.columns import Pack, open_blob, unpack
from tightloop.app.report.page import build_report
from tightloop.app.text import numbers as text_numbers
from tightloop.app.text.numbers import MISSING, Form
from tightloop.core.domain.enums import WarningCode
from tightloop.runtime.results.build import WARNINGS

ASSETS = Path(report.__file__).parent / "assets"
HOSTILE = ["</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{facts}} <b>&amp;"]
SHAPES = ("LONG", "SHORT", "MULTI", "NO_TRADES", "ONE_OPEN", "YEAR_OF_MINUTES")


@cache
def run(name: str) -> dict[str, Any]:
    return fixture.synthetic_run(getattr(fixture, name))


@cache
def page(name: str) -> str:
    return build_report(**run(name))


def facts_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', html, re.DOTALL)
    assert found
    facts: dict[str, Any] = json.loads(found[1])
    return facts


def column(html: str, reference: dict[str, Any]) -> Any:
    found = re.search(r'id="columns">(.*?)</script>', html, re.DOTALL)
    assert found
    return unpack(reference, open_blob(found[1]))


def text_of(html: str) -> str:
    """What a reader sees without a script: no style, no script, no tags."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


@pytest.mark.parametrize("name", SHAPES)
def test_the_page_loads_nothing_from_anywhere(name: str) -> None:
    html = page(name)
    markup = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert not re.findall(r'(?:src|srcset|poster|data|action)\s*=\s*"', markup)
    assert "<link" not in html
    assert "@import" not in html
    assert not re.findall(r"url\((?!#)", html.split("</style>")[0])
    assert "default-src &#x27;none&#x27;" in html
    links = set(re.findall(r'href="(http[^"]*)"', markup))
    assert links == {"https://www.tradingview.com/"}


def test_the_policy_admits_exactly_the_scripts_of_the_page() -> None:
    html = page("LONG")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digests = {"sha256-" + report_digest(script) for script in scripts}
    assert len(scripts) == 2
    assert digests == set(re.findall(r"sha256-[\w+/=]+", html.split("<title>")[0]))


def report_digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@pytest.mark.parametrize("name", SHAPES)
def test_a_typical_page_stays_below_one_and_a_half_megabytes(name: str) -> None:
    assert len(page(name).encode()) < 1_500_000


def test_a_year_of_minutes_with_ten_thousand_trades_stays_below_four_megabytes() -> None:
    html = page("BUSY")
    assert run("BUSY")["trades"].height == 10_000
    assert len(html.encode()) < 4_000_000
    facts = facts_of(html)
    assert facts["grid"]["times"]["count"] <= report_series.GRID_MAX
    assert facts["instruments"][0]["detail"]["ts"]["count"] <= report_series.DETAIL_MAX


def test_the_same_run_gives_the_same_bytes_but_for_its_time_stamp() -> None:
    first = build_report(**run("MULTI"))
    again = build_report(**fixture.synthetic_run(fixture.MULTI))
    later = build_report(**{**run("MULTI"), "made_at": "2031-12-24 18:00 UTC"})
    assert first == again
    assert first != later
    assert first.replace("2025-01-02 03:04 UTC", "2031-12-24 18:00 UTC") == later


@pytest.mark.parametrize("name", ["LONG", "SHORT", "MULTI", "YEAR_OF_MINUTES", "BUSY"])
def test_every_trade_is_on_the_page_at_its_times_and_prices(name: str) -> None:
    html, trades = page(name), run(name)["trades"].sort("entry_ts", maintain_order=True)
    shown = facts_of(html)["trades"]
    assert column(html, shown["trade_id"]) == trades["trade_id"].to_list()
    assert column(html, shown["side"]) == trades["side"].to_list()
    assert column(html, shown["instrument"]) == trades["instrument"].to_list()
    for stamp in ("entry_ts", "exit_ts"):
        seconds = column(html, shown[stamp])
        expected = trades[stamp].cast(pl.Float64).fill_null(float("nan")).to_numpy() / 1e9
        np.testing.assert_array_equal(seconds, expected)
    for amount in ("entry_price", "exit_price", "qty", "pnl", "fees", "funding"):
        expected = trades[amount].fill_null(float("nan")).to_numpy()
        reach = np.nanmax(expected) - np.nanmin(expected)
        np.testing.assert_allclose(column(html, shown[amount]), expected, rtol=0, atol=max(1e-9, reach * 2**-30))


def test_an_open_trade_is_named_open_and_has_no_exit() -> None:
    html = page("ONE_OPEN")
    shown = facts_of(html)["trades"]
    assert column(html, shown["reason"]) == ["open"]
    assert np.isnan(column(html, shown["exit_ts"])).all()
    assert np.isnan(column(html, shown["pnl"])).all()
    assert "ended with 1 open trade" in text_of(html)


def test_price_on_the_grid_keeps_every_extreme_of_the_bars() -> None:
    html, bars = page("YEAR_OF_MINUTES"), run("YEAR_OF_MINUTES")["bars"]["ftx:BTCUSD-perp"]
    shown = facts_of(html)["instruments"][0]
    high, low, opens, close = (column(html, shown[name]) for name in ("high", "low", "open", "close"))
    assert len(bars) == 527_040
    assert len(high) == 17_568
    assert high.max() == bars["high"].max()
    assert low.min() == bars["low"].min()
    assert opens[0] == bars["open"][0]
    assert close[-1] == bars["close"][-1]
    np.testing.assert_array_equal(high, bars["high"].reshape(-1, 30).max(axis=1))
    np.testing.assert_array_equal(low, bars["low"].reshape(-1, 30).min(axis=1))


def test_equity_and_drawdown_on_the_grid_keep_their_extremes() -> None:
    html, equity = page("YEAR_OF_MINUTES"), run("YEAR_OF_MINUTES")["equity"]
    shown = facts_of(html)["equity"]
    exact = {"rtol": 1e-8, "atol": 1e-9}
    np.testing.assert_allclose(column(html, shown["high"]).max(), equity["equity"].max(), **exact)
    np.testing.assert_allclose(column(html, shown["low"]).min(), equity["equity"].min(), **exact)
    np.testing.assert_allclose(column(html, shown["drawdown"]).max(), equity["drawdown_pct"].max(), **exact)
    np.testing.assert_allclose(column(html, shown["last"])[-1], equity["equity"][-1], **exact)


def test_a_run_that_fits_is_shown_bar_by_bar() -> None:
    html, bars = page("LONG"), run("LONG")["bars"]["ftx:BTCUSD-perp"]
    facts = facts_of(html)
    assert not facts["grid"]["coarse"]
    assert facts["instruments"][0]["detail"] is None
    np.testing.assert_array_equal(column(html, facts["instruments"][0]["close"]), bars["close"])
    times = column(html, facts["grid"]["times"])
    np.testing.assert_array_equal(times[:-1], bars["open_ns"] / 1e9)


def test_short_trades_of_a_long_run_bring_their_own_bars() -> None:
    html, trades = page("YEAR_OF_MINUTES"), run("YEAR_OF_MINUTES")["trades"]
    detail = facts_of(html)["instruments"][0]["detail"]
    ts = set(column(html, detail["ts"]))
    shortest = trades.sort(pl.col("exit_ts") - pl.col("entry_ts")).row(0, named=True)
    held = range(shortest["entry_ts"], shortest["exit_ts"] + 1, 60 * fixture.SECOND_NS)
    assert {stamp / 1e9 for stamp in held} <= ts


def test_buy_and_hold_follows_the_price_in_equal_parts() -> None:
    given = run("MULTI")
    ts = given["equity"]["ts"].to_numpy()
    hold = report_series.buy_and_hold(given["bars"], ts, 1_000_000.0)
    assert hold is not None
    growth = np.mean([rows["close"][-1] / rows["open"][0] for rows in given["bars"].values()])
    assert hold[-1] == pytest.approx(1_000_000.0 * growth)


@pytest.mark.parametrize("name", SHAPES)
def test_monthly_returns_compound_to_the_total_return(name: str) -> None:
    given = run(name)
    result = given["result"]
    months = report_facts.monthly_returns(
        given["equity"]["ts"].to_numpy(),
        given["equity"]["equity"].to_numpy(),
        1_000_000.0,
        result["from"],
        result["to"],
    )
    assert report_facts.year_return(months) == pytest.approx(result["metrics"]["total_return_pct"], abs=1e-9)


def test_months_end_with_the_record_at_midnight_and_partial_ones_are_marked() -> None:
    given = run("LONG")
    months = report_facts.monthly_returns(
        given["equity"]["ts"].to_numpy(),
        given["equity"]["equity"].to_numpy(),
        1_000_000.0,
        given["result"]["from"],
        given["result"]["to"],
    )
    midnight = int(datetime(2024, 2, 1, tzinfo=UTC).timestamp()) * fixture.SECOND_NS
    january = given["equity"].filter(pl.col("ts") == midnight)["equity"][0]
    assert [(m.year, m.month) for m in months] == [(2024, 1), (2024, 2), (2024, 3), (2024, 4)]
    assert [m.whole for m in months] == [True, True, True, False]
    assert months[0].return_pct == pytest.approx((january / 1_000_000.0 - 1) * 100)


def test_a_metric_that_is_not_known_is_a_dash_with_its_reason() -> None:
    text = text_of(page("NO_TRADES"))
    assert f"Profit factor {MISSING} no closed trade" in text
    assert f"Win rate {MISSING} no closed trade" in text
    assert f"Calmar {MISSING} no drawdown to divide by" in text
    assert f"Sharpe {MISSING} daily returns do not vary" in text
    assert "This run made no trades" in page("NO_TRADES")


@pytest.mark.parametrize("metric", sorted(run("LONG")["result"]["metrics"]))
def test_no_null_metric_is_ever_written_as_zero(metric: str) -> None:
    given = run("LONG")
    result = {**given["result"], "metrics": {**given["result"]["metrics"], metric: None}}
    before, after = text_of(page("LONG")), text_of(build_report(**{**given, "result": result}))
    assert after != before
    assert after.count(MISSING) > before.count(MISSING)


@pytest.mark.parametrize("value", HOSTILE)
def test_what_a_run_calls_things_never_becomes_markup(value: str) -> None:
    given = fixture.synthetic_run(dataclasses.replace(fixture.LONG, trades=20))
    named = {"strategy": value, "warnings": [value], "attribution": {value: 1.0}, "account": {value: value}}
    texts = [pl.lit(value).alias(name) for name in ("trade_id", "signal_id", "exit_reason", "instrument")]
    denied = [pl.lit(value).alias("reason"), pl.lit("DENIED").alias("state"), pl.lit(0.0).alias("filled_qty")]
    hostile = {
        "result": {**given["result"], **named},
        "trades": given["trades"].with_columns(*texts),
        "orders": given["orders"].with_columns(*denied),
        "signals": given["signals"].with_columns(pl.lit(value).alias("reason")),
        "bars": {value: next(iter(given["bars"].values()))},
        "quality": [{**fixture.QUALITY[0], "path": value, "verdict": value}],
        **dict.fromkeys(("strategy_yaml", "command", "made_at"), value),
    }
    html = build_report(**{**given, **hostile})
    assert html.count("<script") == page("LONG").count("<script")
    assert "<img" not in html
    assert "<script>alert" not in html
    assert "<b>&amp;" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    facts_of(html)


@pytest.mark.parametrize(
    ("frame", "missing"),
    [
        ("trades", "exit_reason"),
        ("orders", "filled_qty"),
        ("fills", "liquidity"),
        ("equity", "drawdown_pct"),
        ("signals", "conditions"),
    ],
)
def test_a_missing_column_is_named(frame: str, missing: str) -> None:
    given = run("LONG")
    with pytest.raises(AssertionError, match=f"{frame} lacks {missing}"):
        build_report(**{**given, frame: given[frame].drop(missing)})


def test_a_missing_metric_or_bar_field_is_named() -> None:
    given = run("LONG")
    metrics = {name: value for name, value in given["result"]["metrics"].items() if name != "sortino"}
    with pytest.raises(AssertionError, match=r"result\.metrics lacks sortino"):
        build_report(**{**given, "result": {**given["result"], "metrics": metrics}})
    rows = next(iter(given["bars"].values()))
    with pytest.raises(AssertionError, match="lack the field"):
        build_report(**{**given, "bars": {"x": rows[["open", "high", "low", "close"]]}})


def test_every_fact_of_the_run_is_written_in_plain_html() -> None:
    text = text_of(page("MULTI"))
    given = run("MULTI")
    words = [
        "straight line 96",
        "ran because its faults were accepted",
        "holes 14, first 2024-01-23 09:00",
        "max_concurrent_positions: 3 of 3 in use",
        "daily_loss_pct: -5.2 % is below -5 %",
        "Sum, equals the change in equity",
        "max_leverage 10",
        "max_order_notional off",
        "fast: {type: EMA, period: 10}",
        "take profit",
        "binance:SOLUSDT-perp",
        given["command"],
        given["result"]["config_hash"],
        given["result"]["data_hash"],
    ]
    assert [word for word in words if word not in text] == []


def test_attribution_that_does_not_add_up_says_by_how_much() -> None:
    given = run("LONG")
    result = {**given["result"], "attribution": {**given["result"]["attribution"], "price": 0.0}}
    assert "differs from the change in equity by" in text_of(build_report(**{**given, "result": result}))


def test_the_conditions_of_every_trade_travel_with_it() -> None:
    html, given = page("LONG"), run("LONG")
    facts = facts_of(html)
    firings = facts["firings"]
    trade, section, shape, at, values = (
        column(html, firings[n]) for n in ("trade", "section", "shape", "at", "values")
    )
    assert set(range(given["trades"].height)) <= set(trade.astype(int))
    which = next(i for i in range(len(section)) if section[i] == "S1" and trade[i] == 0)
    told = facts["shapes"][int(shape[which])]
    written = given["signals"].filter((pl.col("signal_id") == "s000000") & (pl.col("section") == "S1"))["conditions"][0]
    assert [c["variant"] for c in told] == [c["variant"] for c in json.loads(written)]
    first = int(at[which])
    assert values[first] == pytest.approx(json.loads(written)[0]["value"], rel=1e-6)


def test_a_run_without_bars_or_equity_still_makes_a_page() -> None:
    given = fixture.synthetic_run(dataclasses.replace(fixture.NO_TRADES, days=2))
    html = build_report(**{**given, "bars": {}, "quality": [], "equity": given["equity"].clear()})
    assert "No equity was recorded" in html
    assert "No dataset was listed" in html


@pytest.mark.parametrize(
    ("values", "exact"),
    [
        ([1.5, float("nan"), -2.25, 1e6], False),
        ([1_704_067_200.0, 1_704_067_260.5], True),
        ([1_704_067_200.123456, 0.1], True),
        ([], False),
        ([7.0, 7.0, 7.0], False),
        ([0.1 + 0.2, 1 / 3, 2e-9], False),
    ],
)
def test_packed_columns_come_back(values: list[float], exact: bool) -> None:
    pack = Pack()
    pack.texts(["before", "ünder <b>"])
    reference = pack.numbers(values, exact=exact)
    back = unpack(reference, open_blob(pack.text()))
    np.testing.assert_allclose(back, values, rtol=0 if exact else 1e-9, atol=0 if exact else 1e-9)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1234567.891, Form(2), "1,234,567.89"),
        (-0.001, Form(2, signed=True), "0.00"),
        (-5.0, Form(1, "%", signed=True), "\N{MINUS SIGN}5.0%"),
        (5.0, Form(1, "%", signed=True), "+5.0%"),
        (0.125, Form(2), "0.13"),
        (None, Form(2), MISSING),
        (float("nan"), Form(2), MISSING),
        (float("inf"), Form(2), MISSING),
        (1.5e40, Form(2, "%", signed=True), "+1.5e+40%"),
        (-2e16, Form(0), "\N{MINUS SIGN}2e+16"),
    ],
)
def test_numbers_have_one_form(value: float | None, form: Form, text: str) -> None:
    assert text_numbers.number(value, form) == text


def test_times_are_read_as_nanoseconds_or_as_iso_text() -> None:
    assert text_numbers.moment(1_704_067_200 * 10**9) == "2024-01-01 00:00"
    assert text_numbers.moment("2024-01-01T00:00:05Z") == "2024-01-01 00:00:05"
    assert text_numbers.moment("2024-01-01") == "2024-01-01 00:00"
    assert text_numbers.moment(None) == MISSING
    spans = [text_numbers.span(seconds) for seconds in (45, 90, 1800, 3900, 93_600, None)]
    assert spans == ["45s", "1m 30s", "30m", "1h 5m", "1d 2h", MISSING]


def test_the_distribution_has_an_edge_at_zero_and_counts_everything() -> None:
    pnl = run("LONG")["trades"]["pnl"].to_numpy()
    bins = report_facts.histogram(pnl)
    assert sum(b.count for b in bins) == len(pnl)
    assert any(b.low == 0 for b in bins)
    assert sum(b.count for b in bins if b.high <= 0) == np.count_nonzero(pnl < 0)


def test_an_outermost_bar_that_holds_a_tail_is_named_for_what_it_holds() -> None:
    shapes = text_numbers.forms(10_000.0)
    plain = report_sections.distribution([-3.0, -2.0, 1.0, 2.0] * 20, shapes)
    assert "all below" not in plain
    assert "all above" not in plain
    both = report_sections.distribution([-5_000.0, *([-3.0, -2.0, 1.0, 2.0] * 100), 7_000.0], shapes)
    assert both.count("tail") == 2
    assert text_of(both).count("all below") == text_of(both).count("all above") == 1


def test_figures_of_a_year_are_grey_with_their_reason_when_the_run_is_short() -> None:
    short = build_report(**fixture.synthetic_run(fixture.Shape(days=10, trades=20)))
    assert short.count('<dd class="weak">') == 2, "volatility, Sortino"
    assert f"Return per year (CAGR) {MISSING} under 30 days" in text_of(short)
    assert f"Calmar {MISSING} under 30 days" in text_of(short)
    assert 'class="big weak"' in short, "Sharpe"
    assert "over 10.0 days: weak evidence" in text_of(short)
    assert 'weak">' not in page("LONG")
    assert "weak evidence" not in text_of(page("LONG"))


def test_what_stopped_or_liquidated_the_account_stands_before_notes_of_the_data() -> None:
    grave = [WarningCode.DAILY_LOSS_STOP, WarningCode.DRAWDOWN_STOP, WarningCode.LIQUIDATED, WarningCode.KILLED]
    grave += [WarningCode.FEED_SILENT, WarningCode.RUINED]
    words = [WARNINGS[code].format(count=2, first="2024-01-01", value=-1.0) for code in WARNINGS]
    notes = ["holes in bars/x.parquet", "leverage 10 is above 5", "a", "b", "c"]
    box = report_sections.warning_box([*notes, *words])
    first, rest = box.split('<div class="callout" role="note"')
    assert 'class="callout grave" role="alert"' in first
    assert {
        code for code in WARNINGS if WARNINGS[code].format(count=2, first="2024-01-01", value=-1.0) in first
    } == set(grave)
    assert all(note in rest for note in notes)
    assert "grave" not in report_sections.warning_box(notes)


def test_a_stop_or_target_that_was_canceled_is_no_entry_that_did_not_happen() -> None:
    orders = run("LONG")["orders"]
    own = orders.head(2).with_columns(
        state=pl.Series(["CANCELED", "DENIED"]),
        role=pl.Series(["take_profit", "entry"]),
        reduce_only=pl.Series([True, False]),
        filled_qty=pl.Series([0.0, 0.0]),
        reason=pl.Series(["oco", "max_margin"]),
    )
    assert [(each.where, each.reason) for each in report_facts.refused_orders(own)] == [("DENIED entry", "max_margin")]


def test_vendored_files_are_the_ones_that_are_listed() -> None:
    listing = (ASSETS / "VENDORED.md").read_text(encoding="utf-8")
    files = sorted((ASSETS / "vendor").iterdir())
    assert files
    for file in files:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert f"| `vendor/{file.name}` |" in listing
        assert digest in listing
    assert "TradingView Lightweight Charts" in text_of(page("LONG"))


def test_the_summary_shows_the_result_first_and_the_report_last() -> None:
    out = Console(file=io.StringIO(), width=110, color_system=None)
    given = run("LONG")
    print_summary(given["result"], Path("runs/x"), Path("runs/x/report.html"), quality=given["quality"], console=out)
    file = out.file
    assert isinstance(file, io.StringIO)
    lines = file.getvalue().rstrip().splitlines()
    assert lines[0].startswith("ema_cross  2024-01-01 to 2024-04-30")
    assert lines[2].split()[0] == "Return"
    assert lines[-1] == "Report  runs/x/report.html"
    text = "\n".join(lines)
    assert "unfit bars/ftx/ETHUSD-perp-15m.parquet: straight line 96" in text
    assert "warning no instruments.yaml" in text
    assert max(map(len, lines)) <= 110


def test_the_summary_says_why_a_figure_is_not_known() -> None:
    def said(**metrics: float | None) -> str:
        out = Console(file=io.StringIO(), width=110, color_system=None)
        given = run("LONG")["result"]
        changed = {**given, "metrics": given["metrics"] | metrics}
        print_summary(changed, Path("x"), Path("x/report.html"), console=out)
        assert isinstance(out.file, io.StringIO)
        return " ".join(line for line in out.file.getvalue().splitlines() if line.startswith("n/a"))

    none = dict.fromkeys(("cagr_pct", "sharpe", "sortino", "calmar", "volatility_pct"))
    assert said(**none, max_drawdown_pct=105.0) == (
        "n/a     CAGR, Sharpe, Sortino, Calmar, volatility: equity was not above 0"
    )
    assert "Sharpe: daily returns do not vary" in said(sharpe=None, volatility_pct=0.0)
    short = build_report(**fixture.synthetic_run(fixture.Shape(days=10, trades=20)))
    assert "under 30 days" in text_of(short)


def test_the_summary_names_what_became_of_the_account_before_all_notes() -> None:
    out = Console(file=io.StringIO(), width=110, color_system=None)
    warnings = ["a", "b", "c", "d", "e", WARNINGS[WarningCode.LIQUIDATED].format(count=3, first="2024-01-01")]
    print_summary({**run("LONG")["result"], "warnings": warnings}, Path("x"), Path("x/report.html"), console=out)
    file = out.file
    assert isinstance(file, io.StringIO)
    said = [line for line in file.getvalue().splitlines() if line.startswith("warning")]
    assert said[:2] == ["warning liquidations: 3 (first at 2024-01-01)", "warning a"]


def test_the_summary_writes_a_dash_for_what_is_not_known() -> None:
    out = Console(file=io.StringIO(), width=110, color_system=None)
    given = run("NO_TRADES")
    print_summary({**given["result"], "strategy": "[red]x[/]"}, Path("out"), Path("out/report.html"), console=out)
    file = out.file
    assert isinstance(file, io.StringIO)
    assert re.search(rf"Profit factor +{MISSING}", file.getvalue())
    assert file.getvalue().startswith("[red]x[/]")


def test_the_summary_says_once_that_something_was_denied() -> None:
    out = Console(file=io.StringIO(), width=110, color_system=None)
    given = run("LONG")
    texts = ["denied 4 times by killed: nothing was added", "9 entries denied by max_positions (3)"]
    result = {**given["result"], "denied": [{"text": text} for text in texts]}
    print_summary(result, Path("runs/x"), Path("runs/x/report.html"), quality=given["quality"], console=out)
    file = out.file
    assert isinstance(file, io.StringIO)
    said = [line for line in file.getvalue().splitlines() if line.startswith("denied")]
    assert said == ["denied  4 times by killed: nothing was added", "denied  9 entries denied by max_positions (3)"]
