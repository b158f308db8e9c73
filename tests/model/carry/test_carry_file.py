"""Carry strategy files: what holds together is read, everything else is refused with file, line, field and remedy."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from folded import folded
from tightloop.app.cli.main import main
from tightloop.app.runs import strategies as runs_strategies
from tightloop.model import load as model_load
from tightloop.model.carry import read as carry_read
from tightloop.model.carry.strategy import CarryStrategy, Flow, Size
from tightloop.model.carry.venues import packaged
from tightloop.model.errors import InputError
from tightloop.model.files import yaml_lines
from tightloop.model.instruments import InstrumentId
from tightloop.model.signal import read as signal_read

ROOT = Path(__file__).resolve().parents[3]
MODES = sorted((ROOT / "strategies" / "carry").glob("*.yaml"))
REFERENCES = sorted((ROOT / "strategies" / "reference").glob("*.yaml"))
TEN = {
    "pure_lending_usdt", "pure_lending_eth", "btc_basis", "eth_basis", "eth_staking_only", "eth_leveraged",
    "usdt_eth_staking_hedged_simple", "usdt_eth_staking_hedged_leveraged", "ml_btc_directional_usdt_margin",
    "ml_btc_directional_btc_margin",
}  # fmt: skip

FULL = """\
name: everything
family: carry
description: every key once
share_class: USDT
capital: 100_000
timeframe: 1h
params: {ltv: 0.65, half: 0.4}
flows:
  - {ts: 2024-07-01T00:00:00Z, amount: -25_000, speed: slow}
  - {ts: 2024-08-01T00:00:00Z, amount: 10_000}
marks:
  price: open
  holes: refuse
  usd: {ETH: bybit:ETHUSDT-spot}
  proxy: {okx:ETHUSDT-perp: binance:ETHUSDT-perp}
legs:
  eth:
    kind: spot
    instrument: bybit:ETHUSDT-spot
    size: {weight: $half}
  loop:
    kind: loop
    from: eth
    lst: WEETH
    pool: aave_v3
    debt: WETH
    emode: true
    ltv: $ltv
    flash: {bps: 5}
    entry_hf_min: 1.04
    exit: queue
    rewards: [eigen]
    dust: 0.001
    size: all
  hedge:
    kind: perp
    side: short
    size: {match: eth}
    venues: {bybit:ETHUSDT-perp: 0.6, okx:ETHUSDT-perp: 0.4}
    margin: {weight: 0.3}
  lent:
    kind: lend
    pool: aave_v3
    asset: USDT
    size: {notional: 5_000}
  view:
    kind: perp
    side: signal
    size: {weight: 0.1}
    venues: {binance:BTCUSDT-perp: 1.0}
    margin: {weight: 0.1}
    signal: {source: http, url: "https://localhost/p", confidence: 0.8, stop_sd: 2, target_sd: 3, sd_floor_bps: 10,
             sd_cap_bps: 1_000}
bands:
  equity: 0.02
  delta: 0.02
  ltv: 0.01
  hf_floor: 1.1
  margin: {warn: 0.3, resize: 0.2, liquidate: 0.05}
reserve: 0.1
costs:
  spot_bps: 7
  perp_bps: {bybit: 4, default: 5}
  swap_bps: venue
  transfer: {delay_h: 2, fee: 1}
  gas: {multiplier: 1.5, owed_in: ETH, chain: ethereum}
venues: {okx: {initial_margin: 0.2}, kraken: {perp_bps: 3}}
convention: legacy
legacy: {stale_funding: true, gas_twice: true, funding_on_entry: false, first_rows: false}
"""
LENDING = """\
name: lending
family: carry
share_class: USDT
capital: 100_000
legs:
  supply: {kind: lend, pool: aave_v3, asset: USDT}
costs: {spot_bps: 0}
"""


def problems(job):
    with pytest.raises(InputError) as caught:
        job()
    return caught.value.problems


def changed(*pairs):
    text = FULL
    for old, new in pairs:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the file"
        text = text.replace(old, new)
    return text


def line_with(text, part):
    return next(at for at, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_file_with_every_key_is_read_as_it_is_written():
    own = carry_read.loads(FULL)
    assert (own.name, own.share_class, own.capital, own.timeframe, own.reserve) == (
        "everything", "USDT", 100_000, "1h", 0.1,
    )  # fmt: skip
    assert [leg.name for leg in own.legs] == ["eth", "loop", "hedge", "lent", "view"]
    eth, loop, hedge, lent, view = own.legs
    assert (eth.asset, eth.size, str(eth.instrument)) == ("ETH", Size("weight", 0.4), "bybit:ETHUSDT-spot")
    assert (loop.lst, loop.staking_venue, loop.source, loop.debt, loop.is_emode) == (
        "weETH", "etherfi", "eth", "WETH", True,
    )  # fmt: skip
    assert (loop.ltv, loop.max_ltv, loop.liquidation_threshold, loop.liquidation_bonus) == (0.65, 0.93, 0.95, 0.01)
    assert (loop.flash_bps, loop.entry_hf_min, loop.exit, loop.queue_h, loop.rewards, loop.dust) == (
        5, 1.04, "queue", 168, ("eigen",), 0.001,
    )  # fmt: skip
    assert hedge.venues == (
        (InstrumentId("bybit", "ETHUSDT", "perp"), 0.6),
        (InstrumentId("okx", "ETHUSDT", "perp"), 0.4),
    )
    assert (hedge.asset, hedge.side, hedge.size, hedge.margin) == (
        "ETH", "short", Size("match", leg="eth"), Size("weight", 0.3),
    )  # fmt: skip
    assert (lent.asset, lent.size, lent.borrow, lent.ltv) == ("USDT", Size("notional", 5_000), None, None)
    signal = view.signal
    assert (signal.source, signal.where, signal.confidence) == ("http", "https://localhost/p", 0.8)
    assert (signal.stop_sd, signal.target_sd, signal.sd_floor, signal.sd_cap) == (2, 3, 0.001, 0.1)
    bands = own.bands
    assert (bands.equity, bands.delta, bands.ltv, bands.hf_floor) == (0.02, 0.02, 0.01, 1.1)
    assert (bands.margin_warn, bands.margin_resize, bands.margin_liquidate) == (0.3, 0.2, 0.05)
    costs = own.costs
    assert (costs.spot_rate, costs.perp_rate, dict(costs.perp_by_venue)) == (0.0007, 0.0005, {"bybit": 0.0004})
    assert (costs.swap_rate, costs.transfer_delay_h, costs.transfer_fee) == (0.0024, 2, 1)
    assert (costs.gas.multiplier, costs.gas.owed_in, costs.gas.chain) == (1.5, "ETH", "ethereum")
    assert costs.gas.units["atomic_entry"] == 1_250_000
    assert own.flows == (
        Flow(1_719_792_000_000_000_000, -25_000, "slow"), Flow(1_722_470_400_000_000_000, 10_000, "slow"),
    )  # fmt: skip
    assert own.marks.holes == "refuse"
    assert {asset: str(price) for asset, price in own.marks.usd.items()} == {"ETH": "bybit:ETHUSDT-spot"}
    assert [(str(a), str(b)) for a, b in own.marks.proxies.items()] == [("okx:ETHUSDT-perp", "binance:ETHUSDT-perp")]
    legacy = own.legacy
    assert (legacy.is_on, legacy.stale_funding, legacy.gas_twice) == (True, True, True)
    assert (legacy.funding_on_entry, legacy.first_rows) == (False, False)
    assert (own.venues["okx"].initial_margin, own.venues["okx"].maintenance_margin) == (0.2, 0.05)
    assert (own.share.decimals, own.share.is_market_neutral) == (6, True)


def test_what_is_not_written_is_off():
    own = carry_read.loads(LENDING)
    assert own.bands.margin_warn == 0.20
    assert {getattr(own.bands, key) for key in ("equity", "delta", "ltv", "hf_floor", "margin_resize")} == {None}
    assert own.costs.gas is None
    assert not any((own.legacy.is_on, own.legacy.stale_funding, own.legacy.gas_twice, own.legacy.funding_on_entry))
    assert (own.timeframe, own.flows, own.reserve, own.warnings) == ("1h", (), 0.0, ())
    assert own.legs[0].size == Size("all")


REFUSED = [
    # old, new, field, message, remedy
    ("share_class: USDT", "share_class: USD", "share_class", "'USD' is none of", "did you mean USDT"),
    ("capital: 100_000", "capital: 0", "capital", "0 is not above 0", "write a number"),
    ("timeframe: 1h", "timeframe: 2h", "timeframe", "is none of", "write one of"),
    ("timeframe: 1h", "sections: {}", "sections", "is not a key of a carry strategy", "legs"),
    ("timeframe: 1h", "variants: {}", "variants", "is not a key of a carry strategy", "indicators"),
    ("timeframe: 1h", "direction: LONG", "direction", "is not a key of a carry strategy", "side: short"),
    ("timeframe: 1h", "reserv: 0.1", "reserv", "is not a known key", "did you mean reserve"),
    ("half: 0.4}", "half: 0.4, third: 3}", "params.third", "is used nowhere", "write $third"),
    ("half: 0.4}", "half: many}", "params.half", "'many' is not a number", "write a number"),
    ("ltv: $ltv", "ltv: $lvt", "legs.loop.ltv", "'$lvt' is not a parameter", "did you mean ltv"),
    ("amount: -25_000", "amount: 0", "flows.0.amount", "0 is not a flow", "negative"),
    ("amount: -25_000", "amount: -1e22", "flows.0.amount", "is not between", "write a number"),
    ("2024-08-01T00:00:00Z", "2024-06-01T00:00:00Z", "flows.1.ts", "earlier than the flow before", "order flows"),
    ("2024-08-01T00:00:00Z", "soon", "flows.1.ts", "'soon' is not a time", "2024-07-01"),
    ("speed: slow", "speed: quick", "flows.0.speed", "'quick' is none of", "write one of"),
    ("price: open", "price: close", "marks.price", "'close' is none of open", "write one of open"),
    ("holes: refuse", "holes: fill", "marks.holes", "'fill' is none of", "write one of carry"),
    ("{ETH: bybit:ETHUSDT-spot}", "{ETH: bybit:BTCUSDT-spot}", "marks.usd.ETH", "not a price of ETH", "bybit:ETHUSDT"),
    ("{ETH: bybit:ETHUSDT-spot}", "{ETH: bybit:ETHUSDT-perp}", "marks.usd.ETH", "is a perp", "-spot"),
    (": binance:ETHUSDT-perp}", ": binance:BTCUSDT-perp}", "marks.proxy.okx:ETHUSDT-perp", "same assets", "ETHUSDT"),
    ("proxy: {okx:ETHUSDT-perp:", "proxy: {okx:ETHUSDC-perp:", "marks.proxy.okx:ETHUSDC-perp", "same assets", "name"),
    ("proxy: {okx:ETHUSDT-perp: binance", "proxy: {okx:ETHUSDT-perp: okx", "marks.proxy.okx:ETHUSDT-perp", "own proxy",
     "another"),
    ("kind: spot", "kind: sport", "legs.eth.kind", "'sport' is not a kind of leg", "did you mean spot"),
    ("instrument: bybit:ETHUSDT-spot", "instrument: bybit:ETHUSDT-perp", "legs.eth.instrument", "is a perp", "-spot"),
    ("instrument: bybit:ETHUSDT-spot", "instrument: bybit:ETHBTC-spot", "legs.eth.instrument", "not paid in USDT",
     "USDT"),
    ("instrument: bybit:ETHUSDT-spot", "instrument: ETH", "legs.eth.instrument", "is not venue:SYMBOL-market", "write"),
    ("{weight: $half}", "{weigth: 0.4}", "legs.eth.size.weigth", "not a known key", "did you mean weight"),
    ("{weight: $half}", "{weight: 0.4, units: 2}", "legs.eth.size", "has 2 kinds of size", "write all"),
    ("{weight: $half}", "half", "legs.eth.size", "'half' is not a size", "write all"),
    ("{weight: $half}", "{weight: 0}", "legs.eth.size.weight", "0 is not above 0", "write a number"),
    ("{weight: $half}", "{weight: 0.9}", "legs.hedge.margin", "add up to 1.3 of NAV", "at most"),
    ("reserve: 0.1", "reserve: 0.3", "legs.view.margin", "and the reserve add up to 1.15", "at most"),
    ("from: eth", "from: ETH", "legs.loop.from", "'ETH' is not a leg", "did you mean eth"),
    ("from: eth", "from: hedge", "legs.loop.from", "'hedge' is not an earlier leg", "move it up"),
    ("    from: eth\n", "", "legs.loop.from", "the wallet holds USDT, and this leg stakes ETH", "from: eth"),
    ("lst: WEETH", "lst: stETH", "legs.loop.lst", "is not a liquid staking token", "did you mean wstETH"),
    ("pool: aave_v3\n    debt", "pool: aave\n    debt", "legs.loop.pool", "is not a pool", "did you mean aave_v3"),
    ("debt: WETH", "debt: USDT", "legs.loop.debt", "cannot be staked", "write WETH"),
    ("debt: WETH", "debt: ETH", "legs.loop.debt", "'ETH' is not an asset of the pool", "did you mean WETH"),
    ("    debt: WETH\n", "", "legs.loop.debt", "is missing", "write debt: WETH"),
    ("emode: true", "emode: 1", "legs.loop.emode", "not true or false", "write true"),
    ("ltv: $ltv", "ltv: 0.94", "legs.loop.ltv", "0.93, the maximum for weETH in aave_v3 with eMode", "at most 0.93"),
    ("ltv: $ltv", "ltv: 0", "legs.loop.ltv", "0 is not above 0", "write a number"),
    ("entry_hf_min: 1.04", "entry_hf_min: 1.5", "legs.loop.ltv", "below entry_hf_min 1.5", "0.633333"),
    ("exit: queue", "exit: dex", "legs.loop.exit", "'dex' is none of market, queue", "write one of"),
    ("[eigen]", "[king]", "legs.loop.rewards", "weETH pays no 'king'", "write some of eigen"),
    ("{match: eth}", "{match: ether}", "legs.hedge.size.match", "'ether' is not a leg", "did you mean eth"),
    ("{match: eth}", "{match: lent}", "legs.hedge.size.match", "is not an earlier leg", "move it up"),
    ("{match: eth}", "all", "legs.hedge.size", "not a size of a perp", "{weight: 1.0}"),
    ("okx:ETHUSDT-perp: 0.4}", "okx:ETHUSDT-perp: 0.3}", "legs.hedge.venues", "0.6 + 0.3 add up to 0.9", "add up to 1"),
    ("okx:ETHUSDT-perp: 0.4}", "okx:BTCUSDT-perp: 0.4}", "legs.hedge.venues", "holds BTC and ETH", "for each asset"),
    ("okx:ETHUSDT-perp: 0.4}", "okx:ETHUSDT-spot: 0.4}", "legs.hedge.venues.okx:ETHUSDT-spot", "is a spot", "-perp"),
    ("okx:ETHUSDT-perp: 0.4}", "okx:ETHUSD-perp: 0.4}", "legs.hedge.venues.okx:ETHUSD-perp", "settle in USDT", "USDT"),
    ("okx:ETHUSDT-perp: 0.4}", "kraken:ETHUSDT-perp: 0.4}", "legs.hedge.venues.kraken:ETHUSDT-perp",
     "margins of kraken are not known", "initial_margin"),
    ("margin: {weight: 0.3}", "margin: {weight: 0.05}", "legs.hedge.margin", "below 0.2, the", "{weight: 0.08}"),
    ("margin: {weight: 0.3}", "margin: {units: 2}", "legs.hedge.margin", "cannot be sized by units", "{weight: 0.5}"),
    ("side: short", "side: sell", "legs.hedge.side", "'sell' is none of", "write one of"),
    ("side: short", "side: signal", "legs.hedge.signal", "is missing", "source: baseline"),
    ("side: signal", "side: long", "legs.view.signal", "side long takes no signal", "side: signal"),
    ("source: http, url:", "source: file, url:", "legs.view.signal", "the source file has no url", "remove url"),
    ("sd_cap_bps: 1_000", "sd_cap_bps: 10", "legs.view.signal", "leave no range", "above the floor"),
    ("confidence: 0.8", "confidence: 80", "legs.view.signal.confidence", "80 is not between 0 and 1", "write a number"),
    ("size: {weight: 0.1}", "size: {weight: 3.5}", "legs.view.size", "3.5 times NAV is above 3", "at most"),
    ("asset: USDT", "asset: USDC", "legs.lent.asset", "'USDC' is not an asset of the pool", "did you mean USDT"),
    ("asset: USDT", "asset: WETH", "legs.lent.from", "the wallet holds USDT, and this leg lends ETH", "from: eth"),
    ("asset: USDT", "asset: USDT\n    borrow: WETH", "legs.lent.ltv", "is missing", "write ltv"),
    ("asset: USDT", "asset: USDT\n    borrow: WETH\n    ltv: 0.76", "legs.lent.ltv", "above 0.75", "at most 0.75"),
    ("equity: 0.02", "equity: 2", "bands.equity", "2 is not above 0 and at most 1", "write a number"),
    ("ltv: 0.01", "ltv: 0.4", "bands.ltv", "lets the LTV rise to 1.05", "less than 0.3"),
    ("hf_floor: 1.1", "hf_floor: 1.5", "legs.loop.ltv", "below bands.hf_floor 1.5", "0.633333"),
    ("hf_floor: 1.1", "hf_floor: 0.9", "bands.hf_floor", "0.9 is not between 1 and 10", "write a number"),
    ("resize: 0.2", "resize: 0.04", "bands.margin.resize", "0.04 is not above liquidate, 0.05", "above it"),
    ("resize: 0.2", "resize: 0.8", "legs.hedge.margin", "not above bands.margin.resize", "write more"),
    ("reserve: 0.1", "reserve: 1", "reserve", "1 is not between", "write a number"),
    ("spot_bps: 7", "spot_bps: free", "costs.spot_bps", "'free' is not a number", "write a number"),
    ("spot_bps: 7", "spot_bps: -1", "costs.spot_bps", "-1 is not between 0", "write a number"),
    ("{bybit: 4, default: 5}", "{bybit: 4}", "costs.perp_bps", "has no fee for binance, okx", "default:"),
    ("swap_bps: venue", "swap_bps: -1", "costs.swap_bps", "-1 is not between", "write a number"),
    ("delay_h: 2", "delay_h: -2", "costs.transfer.delay_h", "-2 is not between", "write a number"),
    ("owed_in: ETH", "owed_in: USDT", "costs.gas.owed_in", "is not what gas is paid in", "write ETH"),
    ("{okx: {initial", "{okx: {inital", "venues.okx.inital_margin", "not a known key", "did you mean initial_margin"),
    ("initial_margin: 0.2", "initial_margin: 0.02", "venues.okx.maintenance_margin", "0.05 is above initial_margin",
     "at most"),
    ("convention: legacy", "convention: exact", "legacy", "convention: legacy only", "remove it"),
    ("gas_twice: true", "gas_twice: 2", "legacy.gas_twice", "not true or false", "write true"),
]  # fmt: skip


@folded(("old", "new", "field", "message", "remedy"), REFUSED)
def test_what_is_wrong_is_refused_with_its_place_and_a_remedy(old, new, field, message, remedy):
    text = changed((old, new))
    found = {own.field: own for own in problems(lambda: carry_read.loads(text, "full.yaml"))}
    assert field in found, "\n".join(str(own) for own in found.values())
    own = found[field]
    assert message in own.message, own
    assert remedy in own.remedy, own
    assert own.file == "full.yaml"
    _, line_of = yaml_lines.load(text)
    assert own.line == line_of(tuple(int(part) if part.isdecimal() else part for part in field.split(".")))


def test_all_problems_are_told_at_once_and_in_the_order_of_the_file():
    text = changed(
        ("capital: 100_000", "capital: -1"), ("lst: WEETH", "lst: rETH"),
        ("okx:ETHUSDT-perp: 0.4}", "okx:ETHUSDT-perp: 0.3}"),
        ("asset: USDT", "asset: DAI"), ("equity: 0.02", "equity: x"), ("spot_bps: 7", "spot_bpss: 7"),
    )  # fmt: skip
    found = problems(lambda: carry_read.loads(text))
    assert [own.field for own in found] == [
        "capital", "legs.loop.lst", "legs.hedge.venues", "legs.lent.asset", "bands.equity", "costs.spot_bpss",
    ]  # fmt: skip
    assert [own.line for own in found] == sorted(own.line for own in found)


@pytest.mark.parametrize("text", ["", "- a", "family: carry", "family: carry\nlegs: {}", "family: carry\nlegs: [x]"])
def test_a_file_without_legs_is_refused(text):
    found = problems(lambda: carry_read.loads(text))
    assert all(own.remedy for own in found)


# --- scenario 15: leverage and health ------------------------------------------------------------------------------


LOOP = """\
name: loop
family: carry
share_class: ETH
capital: 100
params: {{ltv: {ltv}}}
legs:
  loop: {{kind: loop, lst: {lst}, pool: aave_v3, debt: WETH, emode: {emode}, ltv: $ltv}}
bands: {{hf_floor: {floor}}}
costs: {{spot_bps: 0}}
"""


def loop(ltv, floor="null", lst="weETH", emode="true"):
    return carry_read.loads(LOOP.format(ltv=ltv, floor=floor, lst=lst, emode=emode)).legs[0]


def test_a_target_ltv_above_the_floor_of_health_is_refused_and_the_largest_is_named():
    (own,) = problems(lambda: loop(0.9094005, 1.10))
    assert own.field == "legs.loop.ltv"
    assert own.line == 7
    assert "1.044644" in own.message
    assert "0.863636" in own.remedy
    assert loop(0.863636, 1.10).ltv == 0.863636
    assert loop(0.95 / 1.1, 1.10).ltv == pytest.approx(0.8636363636)
    assert loop(0.9094005).liquidation_threshold / 0.9094005 == pytest.approx(1.044644246402, rel=1e-12)


@pytest.mark.parametrize(
    ("lst", "emode", "most"), [("weETH", "true", 0.93), ("weETH", "false", 0.775), ("wstETH", "false", 0.785)]
)
def test_the_pools_own_maximum_holds_with_and_without_emode(lst, emode, most):
    assert loop(most, lst=lst, emode=emode).max_ltv == most
    (own,) = problems(lambda: loop(most + 0.001, lst=lst, emode=emode))
    assert f"above {most}" in own.message


@pytest.mark.parametrize(
    ("written", "lst", "venue"),
    [("weETH", "weETH", "etherfi"), ("weeth", "weETH", "etherfi"), ("WEETH", "weETH", "etherfi"),
     ("wstETH", "wstETH", "lido"), ("wsteth", "wstETH", "lido")],
)  # fmt: skip
def test_a_staking_token_finds_its_venue_whatever_its_case(written, lst, venue):
    own = loop(0.65, lst=written)
    assert (own.lst, own.staking_venue) == (lst, venue)


# --- scenario 21: the modes, and every key that they need ----------------------------------------------------------


def test_every_mode_of_the_specification_has_a_file_and_every_file_is_named_after_its_strategy():
    assert TEN | {"eth_basis_eth"} == {path.stem for path in MODES}
    for path in (*MODES, *REFERENCES):
        assert carry_read.load(path).name == path.stem


@pytest.mark.parametrize("path", [*MODES, *REFERENCES], ids=lambda path: path.stem)
def test_every_strategy_that_is_shipped_is_valid_without_a_warning(path):
    result = CliRunner().invoke(main, ["validate", str(path)])
    assert result.exit_code == 0, result.output
    assert f"{path.stem} is valid" in result.stdout
    assert "warning" not in result.stderr
    assert model_load.load(path).warnings == ()


def leaves(tree, path=()):
    """The path of every key."""
    for key, value in tree.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))


OPTIONAL = {
    "extends", "description", "timeframe", "flows", "bands", "reserve", "costs", "exit", "rewards", "dust", "flash",
    "entry_hf_min", "confidence", "stop_sd", "target_sd", "sd_floor_bps", "sd_cap_bps", "price", "holes",
}  # fmt: skip
"""Keys with a default that is documented."""


def required():
    for path in MODES:
        tree = yaml_lines.load(path)[0]
        derived = [leg["instrument"] for leg in tree["legs"].values() if "instrument" in leg]
        for key in leaves(tree):
            if key[0] in OPTIONAL or key[-1] in OPTIONAL or "bands" in key or (key[0] == "legs" and len(key) == 2):
                continue
            if key[-1] == "size" and tree["legs"][key[1]]["kind"] in ("lend", "stake", "loop"):
                continue  # all
            if key == ("legs", "short", "from"):
                continue  # the wallet
            prices = tree["marks"]["usd"] if "marks" in tree else {}
            if key[0] == "marks" and all(price in derived for price in prices.values()):
                continue  # the spot leg says the price as well
            if key == ("marks", "usd", "BTC") and tree["share_class"] == "USDT":
                continue
            if len(key) == 4 and key[2] == "flash":
                continue
            yield path, key


@folded(("path", "key"), required())
def test_a_mode_without_one_of_its_keys_is_refused_with_the_key_and_the_file(path, key, tmp_path):
    tree = yaml_lines.load(path)[0]
    at = tree
    for part in key[:-1]:
        at = at[part]
    del at[key[-1]]
    (tmp_path / "shared").mkdir(exist_ok=True)
    (tmp_path / "shared" / "costs.yaml").write_text((path.parent / "shared" / "costs.yaml").read_text(encoding="utf-8"))
    file = tmp_path / path.name
    file.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    found = problems(lambda: model_load.load(file))
    told = "\n".join(str(own) for own in found)
    assert all(own.file == str(file) and own.line is not None for own in found), told
    named = "venues" if "venues" in key else key[-1]  # a venue is a name that the file gives to a weight
    assert named.lower() in told.lower(), told


def test_hedge_weights_that_do_not_add_up_to_one_are_refused():
    settings = ["legs.short.venues={binance:BTCUSDT-perp: 0.4, bybit:BTCUSDT-perp: 0.3, okx:BTCUSDT-perp: 0.2}"]
    (own,) = problems(lambda: carry_read.load(MODES[0], settings=settings))
    assert (own.line, own.field) == (None, "legs.short.venues")
    assert "0.4 + 0.3 + 0.2 add up to 0.9" in own.message


# --- layers, parameters, flows -------------------------------------------------------------------------------------


def test_files_are_laid_over_each_other_from_the_base_to_the_strategy(tmp_path):
    (tmp_path / "base.yaml").write_text("capital: 5\ncosts: {spot_bps: 1, perp_bps: 2}\nreserve: 0.1\n")
    (tmp_path / "mode.yaml").write_text("extends: base.yaml\ncosts: {perp_bps: 3}\nshare_class: USDT\n")
    text = "extends: [mode.yaml]\n" + LENDING.replace("costs: {spot_bps: 0}\n", "").replace("capital: 100_000\n", "")
    own = carry_read.loads(text, str(tmp_path / "own.yaml"))
    assert (own.capital, own.reserve, own.costs.spot_rate, own.costs.perp_rate) == (5, 0.1, 0.0001, 0.0003)
    assert [Path(name).name for name, _ in own.beside] == ["mode.yaml", "base.yaml"]
    whole = LENDING.replace("100_000", "5").replace("spot_bps: 0", "spot_bps: 1, perp_bps: 3") + "reserve: 0.1\n"
    assert carry_read.loads(whole).config_hash == own.config_hash


def test_a_problem_of_a_layer_names_the_layer_and_its_line(tmp_path):
    (tmp_path / "base.yaml").write_text("bands:\n  equity: 5\n  delat: 1\n")
    found = problems(lambda: carry_read.loads("extends: base.yaml\n" + LENDING, str(tmp_path / "own.yaml")))
    assert [(Path(own.file).name, own.line, own.field) for own in found] == [
        ("base.yaml", 2, "bands.equity"), ("base.yaml", 3, "bands.delat"),
    ]  # fmt: skip


def test_files_that_extend_each_other_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("name: first\nextends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    (own,) = problems(lambda: carry_read.load(tmp_path / "a.yaml"))
    assert (Path(own.file).name, own.line, own.field) == ("b.yaml", 1, "extends")
    (own,) = problems(lambda: carry_read.loads("extends: gone.yaml\n" + LENDING))
    assert (own.line, own.message) == (1, "there is no file gone.yaml")
    (own,) = problems(lambda: carry_read.loads(LENDING, settings=["extends=a.yaml"]))
    assert "cannot be set by an option" in own.message


def test_a_parameter_of_an_option_is_put_in_and_its_fault_names_the_option():
    path = ROOT / "strategies" / "reference" / "loop_weETH.yaml"
    assert carry_read.load(path, settings=["params.ltv=0.65"]).legs[0].ltv == 0.65
    (own,) = problems(lambda: carry_read.load(path, settings=["params.ltv=0.95"]))
    assert (own.file, own.line, own.field) == ("--set params.ltv=0.95", None, "legs.loop.ltv")
    (own,) = problems(lambda: carry_read.load(path, settings=["params.lvt=0.75"]))
    assert (own.field, own.message) == ("params.lvt", "is used nowhere")


def test_flows_come_from_a_file_beside_the_strategy(tmp_path):
    (tmp_path / "f.csv").write_text("ts,amount,speed\n2024-07-01T00:00:00Z,-25_000,fast\n2024-08-01,1000,slow\n")
    (tmp_path / "f.yaml").write_text("flows:\n  - {ts: 2024-07-01, amount: -25000, speed: fast}\n")
    file = str(tmp_path / "own.yaml")
    own = carry_read.loads(LENDING + "flows: f.csv\n", file)
    assert own.flows[0] == Flow(1_719_792_000_000_000_000, -25_000, "fast")
    assert len(own.flows) == 2
    assert carry_read.loads(LENDING + "flows: f.yaml\n", file).flows == own.flows[:1]
    (tmp_path / "f.csv").write_text("ts,amount,speed\n2024-07-01,-25,fast\n2024-06-01,many,slow\n")
    (bad,) = problems(lambda: carry_read.loads(LENDING + "flows: f.csv\n", file))
    assert (Path(bad.file).name, bad.line, bad.field) == ("f.csv", 3, "flows.1.amount")
    (tmp_path / "f.csv").write_text("when,amount\n")
    (bad,) = problems(lambda: carry_read.loads(LENDING + "flows: f.csv\n", file))
    assert bad.line == 1
    (bad,) = problems(lambda: carry_read.loads(LENDING + "flows: gone.csv\n", file))
    assert (bad.line, bad.message) == (8, "there is no file gone.csv")


def test_withdrawals_beyond_what_was_paid_in_are_warned_of():
    text = LENDING + "flows: [{ts: 2024-07-01, amount: -100_001}]\n"
    assert "more than was ever paid in" in carry_read.loads(text).warnings[0]


# --- share classes and prices --------------------------------------------------------------------------------------


def basis(share="USDT", **settings):
    text = f"""\
name: book
family: carry
share_class: {share}
capital: 100
legs:
  base: {{kind: lend, pool: aave_v3, asset: WETH, size: {{weight: 0.9}}, borrow: USDT, ltv: 0.4}}
  extra: {{kind: spot, from: base, instrument: bybit:ETHUSDT-spot, size: {{weight: 0.15}}}}
  short: {{kind: perp, side: short, from: base, size: {{match: extra}}, venues: {{bybit:ETHUSDT-perp: 1}},
          margin: {{weight: 0.15}}}}
costs: {{spot_bps: 0}}
"""
    return carry_read.loads(text, settings=[f"{key.replace('__', '.')}={value}" for key, value in settings.items()])


def test_a_share_class_in_eth_sells_short_only_what_it_bought_beyond_its_capital():
    assert basis("ETH").warnings == ()
    assert "hedges the capital itself" in basis("ETH", legs__short__size="{match: base}").warnings[-1]
    (own,) = problems(lambda: basis("ETH", legs__short__size="{weight: 1.2}"))
    assert "more than is held" in own.message
    found = problems(
        lambda: basis("ETH", legs__short__venues="{bybit:BTCUSDT-perp: 1}", legs__short__size="{weight: 0.1}")
    )
    assert "naked" in found[0].message
    (own,) = problems(lambda: basis("ETH", legs__extra__size="{weight: 0.3}"))
    assert (own.field, own.message) == (
        "legs.short.margin",
        "more is taken from leg base than it provides, by 0.09 of NAV",
    )


def test_a_market_neutral_class_warns_of_what_nothing_hedges():
    text = """\
name: unhedged
family: carry
share_class: USDT
capital: 100
legs:
  eth: {kind: spot, instrument: bybit:ETHUSDT-spot, size: {weight: 0.5}}
  stake: {kind: stake, from: eth, lst: wstETH}
costs: {spot_bps: 0}
"""
    assert carry_read.loads(text).warnings == (
        "stake holds ETH without a hedge, and the share class USDT is market neutral",
    )
    naked = "{kind: perp, side: short, size: {weight: 0.1}, venues: {bybit:BTCUSDT-perp: 1}, margin: {weight: 0.1}}"
    found = carry_read.loads(text, settings=[f"legs.short={naked}"]).warnings
    assert "short is short BTC that no leg holds" in found


def test_a_price_that_is_needed_comes_from_the_spot_leg_or_is_asked_for():
    assert str(basis("ETH").marks.usd["ETH"]) == "bybit:ETHUSDT-spot"
    (own,) = problems(lambda: carry_read.loads(LENDING, settings=["costs.gas={multiplier: 1.2}"]))
    assert own.field == "marks.usd"
    assert "gas is paid in it" in own.message
    assert "ETH: bybit:ETHUSDT-spot" in own.remedy
    eth = LENDING.replace("USDT", "ETH").replace("asset: ETH", "asset: WETH")
    assert carry_read.loads(eth, settings=["costs.gas={multiplier: 1.2}"]).marks.usd == {}
    path = ROOT / "strategies" / "carry" / "ml_btc_directional_btc_margin.yaml"
    (own,) = problems(lambda: carry_read.load(path, settings=["marks.usd=null"]))
    assert "has no price of BTC: btc settles in USDT" in own.message


def test_two_legs_can_not_take_all_of_one_source():
    second = "legs.more={kind: lend, pool: aave_v3, asset: USDT}"
    (own,) = problems(lambda: carry_read.loads(LENDING, settings=[second]))
    assert "supply takes all of NAV" in own.message


def test_fees_of_the_venues_are_those_of_the_table_or_of_the_strategys_own():
    path = ROOT / "strategies" / "reference" / "basis_static.yaml"
    settings = ["costs.spot_bps=venue", "costs.perp_bps=venue", "venues.binance.perp_bps=5"]
    own = carry_read.load(path, settings=settings)
    assert dict(own.costs.spot_by_venue) == {"binance": packaged().venues["binance"].spot_bps / 10_000}
    assert dict(own.costs.perp_by_venue) == {"binance": 0.0005}
    assert own.venues["binance"].maintenance_margin == 0.10
    settings = ["costs.spot_bps=venue", "legs.coin.instrument=kraken:BTCUSDT-spot"]
    (bad,) = problems(lambda: carry_read.load(path, settings=settings))
    assert (bad.field, bad.message) == ("costs.spot_bps", "the fee of kraken is not known")


def test_costs_that_are_not_written_are_warned_of():
    assert (
        "trades, transfers and gas are free"
        in carry_read.loads(LENDING.replace("costs: {spot_bps: 0}", "")).warnings[0]
    )


# --- families and hashes -------------------------------------------------------------------------------------------


def test_however_it_is_spelled_a_strategy_has_one_hash_and_whatever_it_does_changes_it():
    first = carry_read.loads(FULL)
    same = changed(("description: every key once", "description: other"), ("capital: 100_000", "capital: 1e5"),
                   ("lst: WEETH", "lst: weETH"), ("$half", "0.4"), (", half: 0.4", ""))  # fmt: skip
    assert carry_read.loads(same).config_hash == first.config_hash
    seen = {first.config_hash}
    for old, new in (("ltv: 0.65", "ltv: 0.66"), ("reserve: 0.1", "reserve: 0.05"), ("delta: 0.02", "delta: 0.03"),
                     ("spot_bps: 7", "spot_bps: 8"), ("amount: 10_000", "amount: 9_000"),
                     ("holes: refuse", "holes: carry"),
                     ("stale_funding: true", "stale_funding: false"), ("initial_margin: 0.2", "initial_margin: 0.3"),
                     ("stop_sd: 2", "stop_sd: 3"), ("exit: queue", "exit: market")):  # fmt: skip
        seen.add(carry_read.loads(changed((old, new))).config_hash)
    assert len(seen) == 11


def test_each_family_is_read_by_its_own_reader(tmp_path):
    ema = ROOT / "strategies" / "ema_cross.yaml"
    carry, signal = runs_strategies.load_any([MODES[0], ema])
    assert isinstance(carry, CarryStrategy)
    assert isinstance(signal, signal_read.Strategy)
    assert runs_strategies.load_any([carry, LENDING])[1].name == "lending"
    (own,) = problems(lambda: runs_strategies.load_strategies([MODES[0]]))
    assert (own.file, own.field) == (str(MODES[0]), "family")
    (own,) = problems(lambda: signal_read.load(MODES[0]))
    assert "cannot be used here" in own.message
    (own,) = problems(lambda: model_load.loads(LENDING.replace("carry", "cary")))
    assert (own.field, own.remedy) == ("family", "did you mean carry?")
    found = problems(lambda: model_load.loads(LENDING + "sections: {}\n"))
    assert [own.field for own in found] == ["sections"]
    for options in ({"instruments": ["binance:BTCUSDT-perp"]}, {"account": tmp_path / "a.yaml"}):
        (own,) = problems(lambda options=options: model_load.load(MODES[0], **options))
        assert "has no effect on a carry strategy" in own.message


def test_the_packaged_tables_agree_with_each_other():
    tables = packaged()
    for pool in tables.pools.values():
        assert set(tables.lsts) <= set(pool.standard)
        for loan in (pool.emode, *pool.standard.values()):
            assert loan.max_ltv < loan.threshold < 1.0
            assert 1.0 / (1.0 - loan.max_ltv) < tables.share_classes["ETH"].loop_leverage_max
    for venue in tables.venues.values():
        if venue.kind == "exchange":
            assert venue.maintenance_margin <= venue.initial_margin
