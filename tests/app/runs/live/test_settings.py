"""What ``settings.yaml`` of a home may say, and what is said of what it may not."""

import pytest

from tightloop.adapters.stores.home import Home
from tightloop.app.runs.live.settings import Settings, read_settings
from tightloop.model.errors import InputError


def written(tmp_path, text):
    (tmp_path / "settings.yaml").write_text(text)
    return read_settings(Home(tmp_path))


def test_what_is_not_written_is_the_default(tmp_path):
    assert read_settings(Home(tmp_path)) == Settings()
    assert written(tmp_path, "# nothing yet\n") == Settings()
    settings = written(tmp_path, "paper_criteria: {days: 0.5}\nkeep_market_days: 30\n")
    assert (settings.keep_market_days, settings.paper_criteria.days, settings.paper_criteria.trades) == (30.0, 0.5, 1)


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("keep_market_day: 3\n", "settings.yaml:1", "keep_market_days"),
        ("keep_market_days: -1\n", "settings.yaml:1: keep_market_days", "write a number between 0"),
        ("keep_market_days: soon\n", "settings.yaml:1: keep_market_days", "write a number between 0"),
        ("\npaper_criteria:\n  trades: 1.5\n", "settings.yaml:3: paper_criteria.trades", "write a whole number"),
        ("paper_criteria: 7\n", "settings.yaml:1: paper_criteria", "write keys under it: days, trades"),
        ("paper_criteria: {trade: 1}\n", "settings.yaml:1: paper_criteria.trade", "trades"),
        ("- 7\n", "settings.yaml:1", "keep_market_days"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line_and_what_to_write(tmp_path, text, place, remedy):
    with pytest.raises(InputError) as refused:
        written(tmp_path, text)
    (problem,) = refused.value.problems
    assert place in str(problem)
    assert remedy in problem.remedy


def test_everything_wrong_is_said_at_once(tmp_path):
    with pytest.raises(InputError) as refused:
        written(tmp_path, "keep_market_days: -1\npaper_criteria: {days: -1, trades: no}\n")
    assert len(refused.value.problems) == 3
