"""Names of instruments, their rules, and the YAML that keeps its lines."""

import math

import pytest

from tightloop.model.errors import InputError
from tightloop.model.files import yaml_lines
from tightloop.model.instruments import InstrumentId, default_rules, read_rules, settle_asset_of


@pytest.mark.parametrize("text", ["binance:BTCUSDT-perp", "uniswap_v3:WETHUSDT-spot", "x:1INCH.E-spot"])
def test_an_instrument_reads_back_as_it_was_written(text):
    assert str(InstrumentId.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("BTCUSDT", "is not venue:SYMBOL-market; write for example binance:BTCUSDT-perp"),
        ("binance:BTCUSDT", "is not venue:SYMBOL-market"),
        ("Binance:BTCUSDT-perp", "'Binance' is not a venue; use lower case"),
        ("binance:BTC/USDT-perp", "'BTC/USDT' is not a symbol"),
        ("binance:BTCUSDT-swap", "'swap' is not a market; write binance:BTCUSDT-spot or binance:BTCUSDT-perp"),
        ("binance:-perp", "'' is not a symbol"),
    ],
)
def test_a_wrong_name_says_what_to_write(text, message):
    with pytest.raises(ValueError, match=message):
        InstrumentId.parse(text)


@pytest.mark.parametrize(
    ("symbol", "asset"),
    [
        ("BTCUSDT", "USDT"), ("BTCUSD", "USD"), ("EURUSD", "USD"), ("LTCBTC", "BTC"), ("EIGENWETH", "WETH"),
        ("BTCFDUSD", "FDUSD"), ("USDT", None), ("XYZ", None),
    ],
)  # fmt: skip
def test_the_settle_asset_is_what_a_symbol_ends_with(symbol, asset):
    assert settle_asset_of(symbol) == asset


def test_defaults_invent_no_increment_and_are_all_named():
    rules = default_rules(InstrumentId.parse("binance:BTCUSDT-perp"))
    assert (rules.price_increment, rules.lot_size, rules.min_notional) == (0.0, 0.0, 0.0)
    assert {"price_increment", "settle_asset", "taker_bps", "margin_tiers"} <= set(rules.defaults_used)


def test_rules_are_read_with_their_tiers_and_what_is_left_out_is_a_default(tmp_path):
    file = tmp_path / "instruments.yaml"
    file.write_text(
        "binance:LTCBTC-spot: {price_increment: 0.00000001, lot_size: 1e-3, contract_size: 1, settle_asset: BTC,\n"
        "  taker_bps: 10, maker_bps: -1, min_notional: 0, calendar: always, margin: true}\n"
        "binance:BTCUSDT-perp:\n"
        "  margin_tiers:\n"
        "    - {notional_max: 50_000, maintenance_pct: 0.4, leverage_max: 125}\n"
        "    - {maintenance_pct: 0.5, leverage_max: 100}\n"
    )
    spot, perp = read_rules(file).values()
    assert (spot.price_increment, spot.lot_size, spot.maker_bps, spot.margin) == (1e-8, 0.001, -1.0, True)
    assert spot.defaults_used == ("margin_tiers",)
    assert [tier.notional_max for tier in perp.margin_tiers] == [50_000.0, math.inf]
    assert "margin_tiers" not in perp.defaults_used


def test_words_numbers_and_stamps_are_read_as_people_mean_them():
    text = """
a: on
b: off
c: yes
d: 1_000_000
e: 1e6
f: 2024-07-01T00:00:00Z
g: true
h: null
i: '12'
j: -0.5
k: [ftx:BTCUSD-perp, 1]
l:
"""
    data, _ = yaml_lines.load(text)
    assert data == {
        "a": "on", "b": "off", "c": "yes", "d": 1_000_000, "e": 1e6, "f": "2024-07-01T00:00:00Z", "g": True,
        "h": None, "i": "12", "j": -0.5, "k": ["ftx:BTCUSD-perp", 1], "l": None,
    }  # fmt: skip
    assert isinstance(data["d"], int)


def test_every_key_and_item_knows_its_line_and_what_is_missing_that_of_its_parent():
    _, line_of = yaml_lines.load("a:\n  b:\n    - 1\n    - {c: 2,\n       d: 3}\n")
    assert [line_of(path) for path in [("a",), ("a", "b"), ("a", "b", 1), ("a", "b", 1, "d"), ("a", "x", "y")]] == [
        1, 2, 4, 5, 1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"f.yaml:3: a: is written twice \(first in line 1\); keep one of the two"),
        ("a: {b: 1, b: 2}\n", r"f.yaml:1: a.b: is written twice"),
        ("a:\n\tb: 1\n", r"f.yaml:2: a tab indents this line; indent with spaces"),
        ("a: [1, 2\nb: 3\n", r"f.yaml:\d: is not YAML: .*; check quotes, brackets"),
        ("a: 'x\n", r"f.yaml:\d: is not YAML"),
        ("a: 1\n---\nb: 2\n", r"f.yaml:2: a second document begins here; keep one document per file"),
        (
            "a: !!python/name:os.system x\n",
            r"f.yaml:1: a: the tag .* means nothing here; write the value without a tag",
        ),
        ("? [a, b]\n: 1\n", r"f.yaml:1: a key is a list or a mapping"),
        ("a: \x01\n", r"f.yaml:1: holds a character that YAML does not allow"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(text, message):
    with pytest.raises(InputError, match=message):
        yaml_lines.load(text, "f.yaml")


def test_a_small_file_that_stands_for_a_huge_one_is_refused():
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    with pytest.raises(InputError, match="more than 200000 values"):
        yaml_lines.load("\n".join(lines), "bomb.yaml")


def test_a_mapping_that_holds_itself_is_refused():
    with pytest.raises(InputError, match="levels"):
        yaml_lines.load("a: &a\n  b: *a\n", "loop.yaml")
