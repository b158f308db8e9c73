"""The pages of docs/carry: one for every mode, with the numbers of the tool that writes them."""

import os
import re
from pathlib import Path

import pytest

import make_carry_pages as tool

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data"
SECTIONS = ("What the data say", "What it really did", "What the run does not model")

each_mode = pytest.mark.parametrize("mode", tool.MODES)


def page_of(mode):
    return (tool.PAGES / f"{tool.PAGE_OF[mode]}.md").read_text(encoding="utf-8")


def test_every_carry_strategy_has_a_page_and_a_row_of_the_index():
    assert {path.stem for path in (ROOT / "strategies" / "carry").glob("*.yaml")} == set(tool.MODES)
    assert {path.stem for path in tool.PAGES.glob("*.md")} == {*tool.PAGE_OF.values(), "index"}
    rows = re.findall(
        r"^\| \[(\w+)\]\((\w+)\.md\)", (tool.PAGES / "index.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert dict(rows) == tool.PAGE_OF


@each_mode
def test_a_page_says_what_it_holds_earns_risks_and_does_not_model(mode):
    text = page_of(mode).replace("they really did", "it really did").replace("the runs do not", "the run does not")
    assert [head for head in SECTIONS if f"\n## {head}\n" not in text] == []
    assert [word for word in ("**Hold", "**Earn", "What can hurt") if word not in text] == []
    assert tool.command(mode) in text
    assert 40 <= len(text.splitlines()) <= 120


@each_mode
def test_a_picture_is_there_and_small(mode):
    assert f"](../images/carry_{mode}.png)" in page_of(mode)
    assert 10_000 < (tool.IMAGES / f"carry_{mode}.png").stat().st_size < 120_000


@pytest.mark.parametrize(("value", "text"), [
    (-0.001, "0.00 %"), (0.001, "0.00 %"), (-1.5, "\u22121.50 %"), (2.0, "+2.00 %"), (None, "unknown"),
])  # fmt: skip
def test_a_percentage_has_a_sign_only_when_it_is_not_zero(value, text):
    assert tool.percent(value, signed=True) == text


def test_money_has_the_digits_of_its_asset():
    assert tool.amount(-1234.5, "USDT") == "\u22121,234"
    assert tool.amount(0.2, "USDT") == "0"
    assert tool.amount(-0.00001, "ETH") == "0.0000"
    assert tool.amount(1.23456, "BTC") == "+1.2346"


def test_only_what_lies_between_the_markers_is_replaced():
    text = "a\n<!-- run: x -->\nold\n<!-- end -->\nb\n<!-- facts: x -->\nkept\n<!-- end -->\n"
    assert tool.between(text, "run: x", "new") == text.replace("old", "new")
    with pytest.raises(AssertionError, match="no single <!-- run: y -->"):
        tool.between(text, "run: y", "new")


@pytest.mark.real_data
@pytest.mark.parametrize("mode", ["pure_lending_usdt", "btc_basis", "eth_leveraged", "usdt_eth_staking_hedged_simple"])
def test_the_numbers_of_a_page_are_those_of_the_run(mode):
    if not REAL.is_dir():
        assert not os.environ.get("CI"), f"{REAL} is missing, and CI must not skip what it holds"
        pytest.skip("no catalog of real data beside the repository")
    text = page_of(mode)
    assert tool.written(REAL, mode, text) == text, "run `python tools/make_carry_pages.py DATA`"
