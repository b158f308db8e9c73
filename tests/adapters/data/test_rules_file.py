"""Rules are written into the user's file without touching what else it says."""

import pytest

from tightloop.adapters.data.rules_file import write_rules
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId, read_rules

BTC, ETH = InstrumentId.parse("binance:BTCUSDT-perp"), InstrumentId.parse("binance:ETHUSDT-perp")
RULES = {"price_increment": "0.00000001", "lot_size": "0.001", "settle_asset": "USDT"}
BLOCK = """# my file
binance:BTCUSDT-perp:   # the main one
  taker_bps: 4.5        # from my account
  lot_size: 0.01

binance:ETHUSDT-perp: {lot_size: 0.1}   # flow
oanda:EURUSD-spot: {calendar: forex}
"""


def read(root, instrument=BTC):
    return read_rules(root / "instruments.yaml")[instrument]


def test_a_file_is_begun(tmp_path):
    changed = write_rules(tmp_path / "new", BTC, RULES)
    assert changed == tuple((name, "", value) for name, value in RULES.items())
    assert (tmp_path / "new" / "instruments.yaml").read_text(encoding="utf-8") == (
        "binance:BTCUSDT-perp: {price_increment: 0.00000001, lot_size: 0.001, settle_asset: USDT}\n"
    )
    assert read(tmp_path / "new").price_increment == 1e-8
    assert write_rules(tmp_path / "new", BTC, RULES) == ()


@pytest.mark.parametrize("text", [BLOCK, BLOCK.rstrip("\n"), BLOCK.replace("\n", "\r\n")])
def test_an_entry_is_changed_and_the_rest_stays(tmp_path, text):
    path = tmp_path / "instruments.yaml"
    path.write_bytes(text.encode())
    assert write_rules(tmp_path, BTC, RULES)[1] == ("lot_size", "0.01", "0.001")
    assert write_rules(tmp_path, ETH, {"lot_size": "0.001"}) == (("lot_size", "0.1", "0.001"),)
    after = path.read_bytes().decode()
    assert after.startswith("# my file")
    assert "   # flow" in after
    assert "oanda:EURUSD-spot: {calendar: forex}" in after
    assert (read(tmp_path).taker_bps, read(tmp_path).lot_size, read(tmp_path).price_increment) == (4.5, 0.001, 1e-8)
    assert read(tmp_path, ETH).lot_size == 0.001
    assert read(tmp_path, InstrumentId.parse("oanda:EURUSD-spot")).calendar == "forex"


def test_a_file_that_is_no_rules_is_refused_and_left(tmp_path):
    path = tmp_path / "instruments.yaml"
    path.write_text("binance:BTCUSDT-perp: {lot: 1}\n", encoding="utf-8")
    with pytest.raises(InputError):
        write_rules(tmp_path, BTC, RULES)
    assert path.read_text(encoding="utf-8") == "binance:BTCUSDT-perp: {lot: 1}\n"
    assert [one.name for one in tmp_path.iterdir()] == ["instruments.yaml"]
