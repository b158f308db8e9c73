"""What keeps a session from starting is said all at once, the gravest first, and nothing is sent to the venue."""

import pytest
from tests.app.runs.live.pushed import has_stop, written
from tests.app.runs.live.staged import Stage, StillMarket
from tests.app.runs.live.trading import keys

from tightloop.app.runs.live.account.start_refusals import StartRefused
from tightloop.app.sandbox import control


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def refused(stage, **changed):
    """Return the exit code and the lines with which a start is refused; nothing was changed at the venue."""

    async def script(stage):
        await stage.until(lambda _: False, 600.0)

    before = len(stage.server.calls)
    with pytest.raises(StartRefused) as error:
        stage.play(script, **changed)
    assert [call for _, call in stage.server.calls[before:] if not call.startswith("GET ")] == []
    return error.value.exit_code, str(error.value).splitlines()


def held(stage):
    """Return what the account holds, in words."""
    (row,) = stage.truth()["positions"]
    return f"{row['qty']:g} {row['symbol']}"


def test_refusals_are_collected_and_the_gravest_stands_first(tmp_path):
    stage = Stage(written(tmp_path, ("capital: 8_000", "capital: 8_000_000")))
    control.account(stage.server.venue, {"hedge_mode": True, "can_withdraw": True, "multi_assets": True})
    stage.home.engage("all")
    code, lines = refused(stage)
    wanted = ("may be withdrawn", "kill switch", "hedge mode", "several assets", "more than the account has free")
    assert code == 4
    assert len(lines) == len(wanted)
    for line, words in zip(lines, wanted, strict=True):
        assert words in line


def test_capital_alone_is_bad_input_and_a_kill_switch_alone_no_refusal(tmp_path):
    stage = Stage(written(tmp_path, ("capital: 8_000", "capital: 8_000_000")))
    code, lines = refused(stage)
    assert (code, len(lines)) == (2, 1)
    assert "bring more to the account" in lines[0]
    assert "close what is held" not in lines[0]
    other = tmp_path / "other"
    other.mkdir()
    stage = Stage(written(other))
    stage.home.engage("all")

    async def script(stage):
        shown = await stage.ready()
        assert shown["instances"][0]["killed"]

    stage.play(script)


def test_without_paper_criteria_nothing_at_all_is_asked_of_the_venue(tmp_path):
    stage = Stage(written(tmp_path))
    code, lines = refused(stage, override=None)
    assert (code, len(lines)) == (2, 1)
    assert "ran 0 of 7 days on paper" in lines[0]
    assert stage.server.calls == []


def test_a_killed_session_goes_on_without_paper_criteria_and_with_its_capital_bound(tmp_path):
    market = StillMarket()
    stage = Stage(written(tmp_path, ("capital: 8_000", "capital: 9_900")), market)

    async def enters(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))

    async def goes_on(stage):
        shown = await stage.ready()
        assert shown["positions"]

    stage.play(enters)
    stage.play(goes_on, override=None)


def test_what_an_earlier_session_kept_is_named_where_it_binds_the_capital(tmp_path):
    market = StillMarket()
    stage = Stage(written(tmp_path, ("capital: 8_000", "capital: 9_900")), market)

    async def keeps(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.machine.signal(15)
        ended = await stage.ended()
        assert ended.exit_code == 5
        said = next(line for line in stage.said if "stays at the venue" in line)
        for words in (held(stage), "stop", "not linked", "cancel"):
            assert words in said, said

    stage.play(keeps)
    code, lines = refused(stage)
    assert (code, len(lines)) == (2, 1)
    for words in (held(stage), "write less", "close what is held"):
        assert words in lines[0]
