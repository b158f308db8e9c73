"""The script that throws bytes at decoders finds what they let out, and asks for every answer that is decoded."""

import pytest
from tests.adapters.venues import fuzz_decoders

from tightloop.adapters.venues._shared import calls


@pytest.mark.parametrize("let_out", [KeyError, TypeError, OverflowError], ids=lambda kind: kind.__name__)
def test_an_exception_that_a_decoder_lets_out_is_found_and_its_bytes_are_shown(let_out, monkeypatch, capsys):
    monkeypatch.setattr(calls, "FAULTS", tuple(kind for kind in calls.FAULTS if kind is not let_out))
    assert fuzz_decoders.by_seed(100_000, seed=2) == 1
    named, raw = capsys.readouterr().out.splitlines()[-2:]
    assert named.startswith(f"{let_out.__name__}: ")
    assert raw.startswith("b'")


def test_sound_decoders_pass(capsys):
    assert fuzz_decoders.by_seed(2_000, seed=1) == 0
    assert "2,000 inputs" in capsys.readouterr().out
    assert len(fuzz_decoders.ASKED) <= 256, "a byte chooses one"


def test_the_functions_that_are_followed_are_those_of_the_dialect_and_of_what_it_shares():
    names = {function.__qualname__ for function in fuzz_decoders.followed()}
    assert {"BinanceUsdm.decode", "BinanceUsdm.decode_frame", "guarded", "number"} <= names
