"""Pages that carry everything they need: templates with slots, and scripts that the page's own policy lets run."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


def json_text(value: object) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def filled(template: str, slots: Mapping[str, str]) -> str:
    """Every {{slot}} once, in one pass: what is filled in is not searched again."""
    wanted = set(re.findall(r"\{\{(\w+)\}\}", template))
    assert wanted == set(slots), f"the template and its slots differ: {sorted(wanted ^ set(slots))}"
    return re.sub(r"\{\{(\w+)\}\}", lambda found: slots[found[1]], template)


@cache
def asset(name: str) -> str:
    return (files("tightloop.app.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def digest(script: str) -> str:
    """The source expression that lets exactly this inline script run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
