"""Self-contained pages: templates with slots, and inline scripts allowed by the page's content security policy."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files


def json_text(value: object) -> str:
    """Serialise to JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def filled(template: str, slots: Mapping[str, str]) -> str:
    """Replace every {{slot}} once, in one pass: inserted text is not searched again."""
    wanted = set(re.findall(r"\{\{(\w+)\}\}", template))
    assert wanted == set(slots), f"the template and its slots differ: {sorted(wanted ^ set(slots))}"
    return re.sub(r"\{\{(\w+)\}\}", lambda found: slots[found[1]], template)


@cache
def asset(name: str) -> str:
    return (files("tightloop.app.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def digest(script: str) -> str:
    """Return the CSP source expression that allows exactly this inline script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def page(name: str, slots: Mapping[str, str]) -> str:
    """Fill a page's template, and the parts it includes as ``{{> part.html}}``, such as the head all pages share."""
    return filled(_whole(name), slots)


@cache
def _whole(name: str) -> str:
    return re.sub(r"\{\{> (\S+)\}\}\n", lambda part: _whole(part[1]), asset(name))


def policy(*scripts: str) -> str:
    """Return the content security policy of a page that loads nothing and runs exactly these inline scripts."""
    allowed = f"script-src {' '.join(digest(script) for script in scripts)}; " if scripts else ""
    parts = (
        f"default-src 'none'; {allowed}style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return escape(parts)


def links(sections: Mapping[str, str]) -> str:
    """Render the links of a page's head. ``sections``: id of the section -> its short name."""
    return "".join(f'<a href="#{section}">{escape(title)}</a>' for section, title in sections.items())
