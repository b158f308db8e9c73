"""GatewaySettings survive the way to the gateway's process."""

from pathlib import Path

import pytest

from tightloop.app.api.settings import GatewaySettings, unpacked


def test_settings_come_out_as_they_went_in():
    one = GatewaySettings(
        home=Path("/h"), host="0.0.0.0", port=1, cert=Path("c"), cert_key=Path("k"), proxies=("10.0.0.1",),
        hosts=("a",),
        is_live_enabled=True, venues={"binance-usdm": None, "other": "http://127.0.0.1:1"}, pages=Path("p"),
    )  # fmt: skip
    assert unpacked(one.packed()) == one
    assert unpacked(GatewaySettings(home=Path("/h")).packed()) == GatewaySettings(home=Path("/h"))


@pytest.mark.parametrize(
    ("host", "names", "allowed", "refused"),
    [
        ("127.0.0.1", (), {"127.0.0.1:8600", "localhost:8600", "[::1]:8600"}, {"127.0.0.1", "evil:8600"}),
        ("10.0.0.5", ("desk.example",), {"10.0.0.5:8600", "desk.example", "desk.example:8600"}, {"localhost:8600"}),
    ],
)
def test_hosts_are_those_of_the_machine_and_those_that_are_named(host, names, allowed, refused):
    found = GatewaySettings(home=Path("/h"), host=host, hosts=names).allowed_hosts
    assert allowed <= found
    assert not refused & found
