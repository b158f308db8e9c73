"""``settings.yaml`` of a home folder: what its user decided for all sessions."""

from typing import Annotated

from pydantic import ValidationError

from tightloop.adapters.stores.home import Home
from tightloop.model.errors import InputError
from tightloop.model.files import diagnostics, yaml_lines
from tightloop.model.files.fields import Strict, number

SETTINGS_FILE = "settings.yaml"
DAYS_MAX, TRADES_MAX = 100_000.0, 1_000_000


class PaperCriteria(Strict):
    """What has to be shown on paper. ``days``: of running in sum; ``trades``: closed round trips in sum."""

    days: Annotated[float, number(0.0, DAYS_MAX)] = 7.0
    trades: Annotated[int, number(0, TRADES_MAX, whole=True)] = 1


class Settings(Strict):
    """The settings. ``keep_market_days``: for how many days market facts are kept."""

    keep_market_days: Annotated[float, number(0.0, DAYS_MAX)] = 7.0
    paper_criteria: PaperCriteria = PaperCriteria()


def read_settings(home: Home) -> Settings:
    """Read the settings; those that are not written, or have no file, are the defaults. Raises InputError."""
    file = home.root / SETTINGS_FILE
    if not file.exists():
        return Settings()
    written, line_of = yaml_lines.load(file)
    try:
        return Settings.model_validate({} if written is None else written)
    except ValidationError as error:
        problems = diagnostics.problems_of(
            error, Settings, written, lambda path: (str(file), line_of(path)), examples={}
        )
        raise InputError(*problems) from None
