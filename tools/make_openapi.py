"""Write docs/openapi.json, the OpenAPI document of the API: `python tools/make_openapi.py`. A test compares it."""

import json
from pathlib import Path

from tightloop.app.api.server import openapi

FILE = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def text() -> str:
    """Return the document as it is kept."""
    return json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
