"""What may not be traded is refused by the command with the remedy in its words, and no order is sent."""

import logging
import traceback
from types import MappingProxyType

import pytest
from click.testing import CliRunner
from tests.app.runs.live.pushed import STRATEGY
from tests.app.runs.live.trading import Twin, keys, live_command

from tightloop.app.cli import main

PYTHON_STRATEGY = """
class {name}:
    def on_trade(self, view, trade):
        pass
"""
SECRET = "twin-secret"


@pytest.fixture(scope="module")
def twin():
    found = Twin("1")
    yield found
    found.close()


@pytest.fixture
def tried(twin, tmp_path, monkeypatch, caplog):
    """Run the command in this process; return its exit code and what it said. No order may have been sent."""
    caplog.set_level(logging.DEBUG)

    def run(*options, text=STRATEGY, left_out=(), names=(), changed=MappingProxyType({})):
        for name, value in {**keys(), **changed}.items():
            if name.startswith("TIGHTLOOP_BINANCE"):
                monkeypatch.setenv(name, value)
        if not names:
            (tmp_path / "one.yaml").write_text(text)
            names = (tmp_path / "one.yaml",)
        command = live_command(tmp_path / "home", twin.url, "--for", "2s", *options, file=names[0])[3:]
        command[2:2] = [str(name) for name in names[1:]]
        for name, count in left_out:
            at = command.index(name)
            del command[at : at + count]
        before = len(twin.orders_asked())
        found = CliRunner().invoke(main.main, command)
        assert len(twin.orders_asked()) == before
        said = found.output + found.stderr + caplog.text
        if found.exc_info is not None:
            said += "".join(traceback.format_exception(found.exc_info[1]))
        for path in (tmp_path / "home").rglob("*"):
            if path.is_file():
                assert SECRET.encode() not in path.read_bytes()
        assert SECRET not in said
        return found.exit_code, said

    return run


MODES = [
    ("hedge_mode", "one-way"), ("multi_assets", "single-asset"), ("fee_burn", "fees in that asset"),
    ("can_withdraw", "read and trade, and no more"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "remedy"), MODES)
def test_an_account_that_is_set_up_otherwise_is_refused(twin, tried, mode, remedy):
    twin.ask("account", {mode: True})
    code, said = tried()
    twin.ask("account", {mode: False})
    assert code == 4
    assert remedy in said


@pytest.mark.parametrize(
    ("name", "remedy"), [("KEY", "bound to this machine's address"), ("SECRET", "the secret is not that of the key")]
)
def test_a_key_that_the_venue_refuses_is_refused_with_what_to_do(tried, name, remedy):
    code, said = tried(changed={f"TIGHTLOOP_BINANCE_USDM_{name}": "of-another"})
    assert code == 4
    assert remedy in said


def test_a_position_in_cross_margin_is_left_alone(twin, tried):
    twin.ask("account", {"cross": ["BTCUSDT"]})
    twin.ask("position", {"symbol": "BTCUSDT", "qty": 0.01})
    code, said = tried()
    twin.ask("position", {"symbol": "BTCUSDT", "qty": -0.01})
    assert code == 4
    assert "close them, or change it at the venue" in said


FILES = [
    ("order: {type: market}", "order: {type: market}\n    leverage: 2.5", "write a whole number"),
    ("capital: 8_000", "capital: 8_000_000", "bring more to the account"),
    ("family: signal", "family: carry", "backtest it"),
]


@pytest.mark.parametrize(("old", "new", "remedy"), FILES)
def test_a_file_that_cannot_be_traded_is_refused(tried, old, new, remedy):
    code, said = tried(text=STRATEGY.replace(old, new))
    assert code == 2
    assert remedy in said


def test_two_strategies_in_python_on_one_symbol_are_refused(tried, tmp_path):
    names = []
    for name in ("First", "Second"):
        (tmp_path / f"{name.lower()}.py").write_text(PYTHON_STRATEGY.format(name=name))
        path = tmp_path / f"{name.lower()}.yaml"
        path.write_text(
            f"name: {name.lower()}\nfamily: python\nclass: {name.lower()}.py:{name}\ncapital: 1_000\n"
            'instruments: ["binance:BTCUSDT-perp"]\nfeed: [trades, quotes]\n'
            "latency: {submit_ms: 5, cancel_ms: 5, response_ms: 5, clock: receive}\n"
        )
        names.append(path)
    code, said = tried(names=names)
    assert code == 2
    assert "give each symbol one owner" in said


@pytest.mark.parametrize(
    ("left_out", "remedy"),
    [
        (("--enable-live", 1), "add --enable-live"),
        (("--confirm", 2), 'write --confirm "TRADE main"'),
        (("--override-paper", 2), "run `tightloop paper` longer"),
    ],
)
def test_what_was_not_said_or_shown_on_paper_sends_nothing(twin, tried, left_out, remedy):
    before = len(twin.ask("requests"))
    code, said = tried(left_out=[left_out])
    assert code == 2
    assert remedy in said
    sent = twin.ask("requests")[before:]
    assert [one for one in sent if one["method"] != "GET"] == []
    if left_out[0] != "--override-paper":
        assert sent == []


def test_words_for_another_login_start_nothing(twin, tried):
    before = len(twin.ask("requests"))
    code, said = tried("--login", "second")
    assert code == 2
    assert 'write --confirm "TRADE second"' in said
    assert len(twin.ask("requests")) == before
