"""What a trade costs depends on what is traded and how much of it, when a strategy says ``by_size``."""

import pytest

from carry.acceptance import run, written
from tightloop.core.domain.carry import PnlComponent
from tightloop.model.errors import InputError

BOOK = """
name: sized
family: carry
share_class: USDT
capital: {capital}
marks: {{usd: {{ETH: bybit:ETHUSDT-spot}}}}
legs:
  eth: {{kind: spot, instrument: bybit:ETHUSDT-spot, size: {{weight: 0.5}}}}
  hedge: {{kind: perp, side: short, size: {{match: eth}}, venues: {{bybit:ETHUSDT-perp: 1}}, margin: {{weight: 0.5}}}}
costs: {{spot_bps: {spot}, perp_bps: {perp}}}
"""


@pytest.mark.real_data
@pytest.mark.parametrize(("capital", "spot", "perp"), [(80_000, 5, 3), (600_000, 7, 4), (2_000_000, 13, 8)])
def test_small_medium_and_large_trades_pay_their_own_rate(capital, spot, perp):
    ran = run(written(BOOK.format(capital=capital, spot="by_size", perp="by_size")), "2024-06-01", "2024-06-02")
    plain = run(written(BOOK.format(capital=capital, spot=spot, perp=perp)), "2024-06-01", "2024-06-02")
    assert float(ran.carry["fees"]) == pytest.approx(float(plain.carry["fees"]), rel=1e-12)
    assert ran.bucket(PnlComponent.TRANSACTION_COSTS) == pytest.approx(
        plain.bucket(PnlComponent.TRANSACTION_COSTS), rel=1e-9
    )


def test_a_pair_without_figures_is_refused_with_those_there_are():
    text = BOOK.format(capital=1_000, spot="by_size", perp=0).replace("ETHUSDT-spot", "LTCUSDT-spot")
    with pytest.raises(InputError, match="has no fee for LTC/USDT; there are ETH/USDT, BTC/USDT"):
        written(text.replace("{ETH: bybit", "{LTC: bybit"))
