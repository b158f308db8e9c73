"""Make the numbers and pictures of docs/carry from real runs: `python tools/make_carry_pages.py DATA [MODE ...]`.

Each mode of strategies/carry runs on the catalog DATA over the longest time that all its data cover. What lies between
the markers of a page is written by this file and by nothing else; the picture is the report's own, photographed.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from make_pictures import photograph
from tightloop.adapters.data.catalog import Catalog
from tightloop.app.markets.carry.load import needs_of
from tightloop.app.markets.carry.rows import as_of
from tightloop.app.runs import backtest as runs_backtest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "carry"
IMAGES = ROOT / "docs" / "images"
END = "2025-06-30"
SINCE_2024, SINCE_LST = "2024-01-01", "2024-05-12T01:00"
"""Prices and pools begin at the first, the rates of staking tokens at the second; the rows of pools end at END."""
MODES: Mapping[str, str] = {
    "pure_lending_usdt": SINCE_2024, "pure_lending_eth": SINCE_2024, "btc_basis": SINCE_2024, "eth_basis": SINCE_2024,
    "eth_basis_eth": SINCE_2024, "eth_staking_only": SINCE_LST, "eth_leveraged": SINCE_LST,
    "usdt_eth_staking_hedged_simple": SINCE_LST, "usdt_eth_staking_hedged_leveraged": SINCE_LST,
    "ml_btc_directional_usdt_margin": SINCE_2024, "ml_btc_directional_btc_margin": SINCE_2024,
}  # fmt: skip
"""Modes in the order of the index, and where their runs begin."""
PAGE_OF = {name: "ml_btc_directional" if name.startswith("ml_") else name for name in MODES}
HIDE = (
    "nav, header, footer, #figures, #risk, #rules, #balances, #events, #months, #quality, #setup, "
    "#attribution .pair, .note, #equity h3, #equity h3 ~ *"
)
READY = (
    "document.readyState === 'complete' && document.querySelector('main') !== null && "
    f"(document.querySelectorAll('{HIDE}').forEach(own => own.remove()), true)"
)
Run = Any
Facts = Iterable[tuple[str, str]]


@cache
def run_of(data: Path, mode: str) -> Run:
    """The finished run of a mode."""
    return runs_backtest.backtest(ROOT / "strategies" / "carry" / f"{mode}.yaml", data=data, start=MODES[mode], end=END)


@cache
def reference(data: Path, name: str, start: str, *settings: str) -> Mapping[str, Any]:
    """The figures of a plain book of strategies/reference."""
    file = ROOT / "strategies" / "reference" / f"{name}.yaml"
    done = runs_backtest.backtest(file, data=data, start=start, end=END, settings=list(settings))
    return dict(done.summary["figures"])


# Text -----------------------------------------------------------------------------------------------------------------


def amount(value: float, asset: str, *, signed: bool = True) -> str:
    """Money with the digits that its asset is read in."""
    digits = 0 if asset == "USDT" else 4
    return plain(f"{value:{'+' if signed else ''},.{digits}f}")


def percent(value: float | None, *, signed: bool = False) -> str:
    return "unknown" if value is None else plain(f"{value:{'+' if signed else ''}.2f} %")


def plain(text: str) -> str:
    """Without the sign of a zero, and with a minus that is not a hyphen."""
    return re.sub(r"^[-+](?=[0.,]+( |$))", "", text).replace("-", "\u2212")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) + ("---:",) * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def command(mode: str) -> str:
    start = f"--from {MODES[mode]} --to {END}"
    return f"    tightloop backtest strategies/carry/{mode}.yaml --data DATA {start} --out runs/{mode}"


def at_worst(figures: Mapping[str, Any], name: str, without: str) -> str:
    """The lowest ratio of a run and its hour."""
    if figures[name] is None:
        return without
    return f"{figures[name]:.3f} ({figures[f'{name}_at'][:16]})"


def block_of(run: Run, mode: str) -> str:
    """Command, figures and attribution of a run, and its picture."""
    summary = run.summary
    own, m, asset = summary["figures"], summary["metrics"], str(summary["settle_asset"])
    first, last = summary["initial_equity"], summary["final_equity"]
    counts = f"resizes {own['resizes']}, rebalances {own['rebalances']}, liquidations {own['liquidations']}"
    rows = [
        ("At the end", f"{amount(last, asset, signed=False)} of {amount(first, asset, signed=False)} {asset}"),
        ("APY (APR)", f"{percent(own['apy'], signed=True)} ({percent(own['apr'], signed=True)})"),
        ("Largest drawdown", percent(m["max_drawdown_pct"])),
        ("Lowest margin over notional", at_worst(own, "min_ratio", "no perpetual")),
        ("Lowest health factor", at_worst(own, "hf_min", "no debt")),
        ("What was done", counts),
        ("Paid in fees, gas", f"{amount(own['fees'], asset, signed=False)}, {amount(own['gas'], asset, signed=False)}"),
    ]
    rows[3:3] = whole_hours(run)
    rows += beside_the_benchmark(run)
    parts = {name: value for name, value in summary["attribution"].items() if value}
    buckets = [(name, amount(value, asset), percent(100 * value / first, signed=True)) for name, value in parts.items()]
    total = sum(parts.values())
    buckets.append(("**together**", f"**{amount(total, asset)}**", f"**{percent(100 * total / first, signed=True)}**"))
    found = [command(mode), table(("run", mode), rows), table(("bucket", asset, "of the capital"), buckets)]
    found += ["The run itself says:\n\n" + "\n".join(f"- {line}" for line in told)] if (told := said(run)) else []
    found.append(f"![What a unit of {mode} earned, and where it came from](../images/carry_{mode}.png)")
    return "\n\n".join(found)


def said(run: Run) -> list[str]:
    """Warnings about what happened, not about the data."""
    words = ("liquidat", "rolled back", "without their hedge", "fell below")
    return [line for line in run.summary["warnings"] if any(word in line for word in words)]


def whole_hours(run: Run) -> Iterable[tuple[str, str]]:
    """The largest drawdown of the hours for which every instrument has a bar, where others lack some."""
    catalog, instants = Catalog(run.summary["inputs"]["data"]), run.feed.instants
    kept = np.ones(len(instants), bool)
    for instrument in needs_of(run.strategy).instruments:
        kept &= np.isin(instants, catalog.bars(instrument, run.strategy.timeframe).bars["open_ns"])
    if not kept.all():
        price = np.concatenate(([1.0], run.series["unit_price"].to_numpy()[kept]))
        worst = 100 * (1 - price / np.maximum.accumulate(price)).max()
        yield f"Without the {int((~kept).sum())} hours of missing bars", percent(float(worst))


def beside_the_benchmark(run: Run) -> Iterable[tuple[str, str]]:
    """What the benchmark paid on the same capital, and what the run earned, since there is a benchmark."""
    known = run.series.filter(run.series["benchmark"].is_not_null() & run.series["benchmark"].is_not_nan())
    if len(known):
        since = str(np.datetime64(int(run.feed.instants[-len(known)]), "ns"))[:10]
        capital = run.summary["initial_equity"]
        earned = capital * (known["unit_price"][-1] - known["unit_price"][0])
        both = f"{amount(earned, 'USDT')}, {amount(known['benchmark'][-1] - known['benchmark'][0], 'USDT')}"
        yield f"Since {since}: this run, Ethena sUSDe", f"{both} USDT"


def index(data: Path) -> str:
    """A row for each mode."""
    rows = []
    for mode in MODES:
        summary = run_of(data, mode).summary
        own = summary["figures"]
        low = "" if own["min_ratio"] is None else f"{own['min_ratio']:.2f}"
        health = "" if own["hf_min"] is None else f"{own['hf_min']:.3f}"
        link = f"[{mode}]({PAGE_OF[mode]}.md)"
        drawdown = percent(summary["metrics"]["max_drawdown_pct"])
        rows.append((link, str(summary["settle_asset"]), MODES[mode][:10], percent(own["apy"], signed=True), drawdown,
                     low, health))  # fmt: skip
    head = ("mode", "share class", "from", "APY", "largest drawdown", "lowest margin", "lowest health factor")
    return table(head, rows)


# What the data say ----------------------------------------------------------------------------------------------------


def used(data: Path, asset: str) -> Facts:
    """How much of a pool is lent out, and what was left to withdraw."""
    rows = Catalog(data).series(f"lending/aave_v3/{asset}")
    first, last = (np.datetime64(day, "ns").astype(np.int64) for day in (SINCE_2024, END))
    inside = (rows.ts_ns >= first) & (rows.ts_ns <= last)
    supplied, borrowed = (rows.columns[name][inside] for name in ("total_supplied", "total_borrowed"))
    share = borrowed / supplied
    top = int(share.argmax())
    day = str(np.datetime64(int(rows.ts_ns[inside][top]), "ns"))[:10]
    rate = rows.columns["liquidity_rate"][inside]
    mean, most = percent(100 * share.mean()), percent(100 * share[top])
    left = float(f"{(supplied - borrowed)[top]:.3g}")
    yield f"{asset} of the pool that is lent out, mean and highest", f"{mean}, {most} ({day})"
    yield "Left to withdraw on that day", f"{left:,.0f} {asset} of {float(f'{supplied[top]:.3g}'):,.0f}"
    yield "Rate of a supplier, lowest and highest day", f"{percent(100 * rate.min())}, {percent(100 * rate.max())}"


def sized(data: Path, mode: str, capital: int) -> Facts:
    """What a larger capital would have earned, when its own size moves the rates of the pool."""
    file = ROOT / "strategies" / "carry" / f"{mode}.yaml"
    settings = [f"capital={capital}", "costs.market_impact=true"]
    summary = runs_backtest.backtest(file, data=data, start=MODES[mode], end=END, settings=settings).summary
    label = f"With {capital:,} {summary['settle_asset']}, whose size moves the rates"
    yield label, f"{percent(summary['figures']['apy'], signed=True)} a year"


def settled(run: Run) -> Facts:
    """Who paid whom: settlements by sign."""
    for name, own in run.feed.settlements.items():
        paid = f"{(own.rate > 0).sum():,} of {len(own.rate):,}, {100 * own.rate.sum():.2f} % in all"
        yield f"Settlements of {name} that paid the short", paid


def static_book(data: Path) -> Facts:
    own = reference(data, "basis_static", SINCE_2024)
    yield "The book half and half, never touched: margin below 20 %", str(own["warn"])[:16]
    yield "The same: liquidated (below 10 %)", str(own["liquidation"])[:16]
    yield "Its margin over notional at the worst", f"{percent(100 * own['min_ratio'])} ({own['min_ratio_at'][:16]})"


def loops(data: Path) -> Facts:
    """Static loops without rewards and costs."""
    for lst, ltv in (("weETH", 0.65), ("weETH", 0.9094005), ("wstETH", 0.9094005)):
        own = reference(data, f"loop_{lst}", SINCE_LST, f"params.ltv={ltv}")
        label = f"{lst} at {own['leverage']:.1f} times, no rewards, no costs"
        yield label, f"{own['apy']:.2f} % a year, lowest health factor {own['hf_min']:.3f}"


def growth(run: Run) -> Facts:
    """What the collateral grew and the debt grew over the run."""
    figures = run.summary["figures"]
    yield "Growth of the rate of weETH over the run", percent(100 * (figures["rateT"] / figures["rate0"] - 1))
    for at, key in enumerate(run.feed.series):
        if (key.kind, key.name) == ("borrow_index", "aave_v3/WETH"):
            column = run.feed.values[:, at]
            yield "Growth of a WETH debt over the run", percent(100 * (column[-1] / column[0] - 1))


def eigen(data: Path, run: Run) -> Facts:
    """What EIGEN was worth when it was paid, and at the price it is often assumed to have."""
    eth = Catalog(data).bars(run.strategy.marks.usd["ETH"], "1h").bars
    paid = [own for leg in run.feed.payouts.values() for own in leg if own.token == "EIGEN"]
    price = as_of(eth["open_ns"], eth["open"], np.array([own.ts_ns for own in paid]))
    market = sum(own.per_unit * own.price_eth for own in paid)
    assumed = sum(own.per_unit * 3.5 / usd for own, usd in zip(paid, price.tolist(), strict=True))
    yield "EIGEN for each ETH over the run, at the market when paid", f"{percent(100 * market)} of an ETH"
    yield "The same at 3.50 USD a token", f"{percent(100 * assumed)}: {100 * (assumed / market - 1):.0f} % too much"


def plain_hedge(data: Path) -> Facts:
    own = reference(data, "hedged_simple", SINCE_LST)
    yield "The same book never touched, all on Bybit, no costs, no rewards", f"{own['apy']:.2f} % a year"
    yield "Its margin over notional at the worst", f"{percent(100 * own['min_ratio'])} ({own['min_ratio_at'][:16]})"


def signal(run: Run) -> Facts:
    """What the signal made before and after what its trades cost."""
    parts, m = run.summary["attribution"], run.summary["metrics"]
    asset = str(run.summary["settle_asset"])
    costs = parts["transaction_costs"]
    yield "Trades closed", f"{m['trades']:,}"
    yield "The signal and funding, before costs", amount(sum(parts.values()) - costs, asset) + f" {asset}"
    yield "Costs of the trades", amount(costs, asset) + f" {asset}"


def facts_of(data: Path, mode: str) -> list[tuple[str, str]]:
    """Rows beside what is commonly believed of a mode."""
    run = run_of(data, mode)
    sizes = (row for capital in (1_000, 3_000) for row in sized(data, "eth_leveraged", capital))
    makers: Mapping[str, Callable[[], Iterable[Facts]]] = {
        "pure_lending_usdt": lambda: [used(data, "USDT"), sized(data, mode, 100_000_000)],
        "pure_lending_eth": lambda: [used(data, "WETH")],
        "btc_basis": lambda: [settled(run), static_book(data)],
        "eth_basis": lambda: [settled(run)],
        "eth_basis_eth": lambda: [settled(run), used(data, "USDT")],
        "eth_staking_only": lambda: [eigen(data, run)],
        "eth_leveraged": lambda: [growth(run), loops(data), eigen(data, run), sizes],
        "usdt_eth_staking_hedged_simple": lambda: [settled(run), plain_hedge(data)],
        "usdt_eth_staking_hedged_leveraged": lambda: [growth(run), settled(run)],
    }
    return [row for part in makers.get(mode, lambda: [signal(run)])() for row in part]


# Pages ----------------------------------------------------------------------------------------------------------------


def between(text: str, marker: str, content: str) -> str:
    """``text`` with what lies between a marker and the next end replaced."""
    begin = f"<!-- {marker} -->\n"
    assert text.count(begin) == 1, f"the page has no single {begin.strip()}"
    return re.sub(
        f"({re.escape(begin)}).*?(<!-- end -->)", lambda own: f"{own[1]}{content}\n{own[2]}", text, flags=re.DOTALL
    )


def written(data: Path, mode: str, text: str) -> str:
    """The text of a mode's page with the numbers of its run."""
    text = between(text, f"run: {mode}", block_of(run_of(data, mode), mode))
    return between(text, f"facts: {mode}", table(("measured", mode), facts_of(data, mode)))


def picture(data: Path, mode: str, folder: Path) -> None:
    """The curve of a unit and the stacked buckets, as the report draws them."""
    page = folder / f"{mode}.html"
    page.write_text(run_of(data, mode).report(), encoding="utf-8")
    photograph(page, IMAGES / f"carry_{mode}.png", 1000, 900, ready=READY, element="main")


def main(arguments: list[str]) -> None:
    data, wanted = Path(arguments[0]), arguments[1:] or list(MODES)
    with tempfile.TemporaryDirectory() as folder:
        for mode in wanted:
            page = PAGES / f"{PAGE_OF[mode]}.md"
            page.write_text(written(data, mode, page.read_text(encoding="utf-8")), encoding="utf-8")
            picture(data, mode, Path(folder))
            print(f"docs/carry/{PAGE_OF[mode]}.md docs/images/carry_{mode}.png")
    if not arguments[1:]:
        page = PAGES / "index.md"
        page.write_text(between(page.read_text(encoding="utf-8"), "index", index(data)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
