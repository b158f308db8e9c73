"""Takes secrets out of texts: of logs, problems and the audit."""

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "[hidden]"
_TOKENS = re.compile(r"\btl[ark]_[A-Za-z0-9_-]{20,}")
_HEADERS = re.compile(
    r"(?i)((?:cookie|authorization)(?:[\"']\s*[:=,]|\s*[:=])\s*(?:b(?=[\"']))?)"
    r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\r\n\"'&}]+)"
)
"""Headers whose value is more than one word."""
_NAMED = re.compile(
    r"(?i)(\"?(?:[a-z_-]*password|secret|token|api[_-]?key|signature|cookie|authorization|code)\"?\s*[:=]\s*)"
    r"(\"(?:[^\"\\]|\\.)*\"|[^\s,;&}]+)"
)
_SECRET_KEYS = re.compile(r"(?i)password|secret|token|^key$|api_?key|signature|cookie|authorization|^code$")
SECRET_CHARACTERS_MIN = 6


class Redaction:
    """Knows secrets by their form and their names, and those that it is told of."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({one for one in secrets if len(one) >= SECRET_CHARACTERS_MIN}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        text = _TOKENS.sub(HIDDEN, text)
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        text = _HEADERS.sub(lambda found: found[1] + HIDDEN, text)
        return _NAMED.sub(lambda found: found[1] + HIDDEN, text)

    def tree(self, value: Any) -> Any:
        """Return a value of JSON without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                key: HIDDEN if _SECRET_KEYS.search(str(key)) and one is not None else self.tree(one)
                for key, one in value.items()
            }
        return [self.tree(one) for one in value] if isinstance(value, list | tuple) else value


class RedactedFormatter(logging.Formatter):
    """Formats records without secrets, their tracebacks too."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return self._redaction.text(super().format(record))
