"""Every page has one head, and links to sections that it has."""

import re

import pytest

from tightloop.app.report import page as report_page
from tightloop.app.report.carry import page as carry_page
from tightloop.app.report.template import asset, page, policy


def whole(name: str) -> str:
    """A template with its parts, and its slots left empty."""
    parts = asset(name)
    while found := re.search(r"\{\{> (\S+)\}\}\n", parts):
        parts = parts.replace(found[0], asset(found[1]))
    return page(name, dict.fromkeys(re.findall(r"\{\{(\w+)\}\}", parts), ""))


@pytest.mark.parametrize("name", ["report.html", "carry.html", "carry_compare.html"])
def test_every_page_begins_with_the_same_head(name: str) -> None:
    head = re.sub(r"\{\{\w+\}\}", "", asset("head.html"))
    assert whole(name).startswith(head)
    assert "{{" not in whole(name)


@pytest.mark.parametrize(
    ("name", "sections"), [("report.html", report_page.SECTIONS), ("carry.html", carry_page.SECTIONS)]
)
def test_the_head_links_to_every_section_of_its_page(name: str, sections: dict[str, str]) -> None:
    assert list(sections) == re.findall(r'<section id="(\w+)"', whole(name))


def test_a_page_without_scripts_runs_none() -> None:
    assert "script-src" not in policy()
    assert policy("a()", "b()").count("sha256-") == 2
