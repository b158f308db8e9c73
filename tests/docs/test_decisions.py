"""Every page of docs/adr has its three headings and a line in the index, and their numbers do not repeat."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "adr"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_its_headings_and_a_line_in_the_index(page):
    text = page.read_text(encoding="utf-8")
    title = re.match(r"# (\d{4}): (.+)\n", text)
    assert title, "begins with `# NNNN: title`"
    assert page.name.startswith(f"{title[1]}-")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"| [{title[1]}]({page.name}) | {title[2]} |" in index


def test_no_number_is_used_twice():
    numbers = [page.name[:4] for page in PAGES]
    assert len(numbers) == len(set(numbers))
