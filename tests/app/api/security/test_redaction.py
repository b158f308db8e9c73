"""Secrets are taken out of texts, by form, by name, and those that are told."""

import logging

import pytest

from tightloop.app.api.security.redaction import HIDDEN, RedactedFormatter, Redaction

CANARY = "canary-5f2e81"
TEXTS = [
    f'{{"password": "{CANARY}"}}',
    f"password={CANARY}&x=1",
    f"api_key: {CANARY}",
    f"apiKey={CANARY}",
    f"X-Token: {CANARY}",
    f"secret = {CANARY}",
    f"Cookie: {CANARY}",
    f"signature={CANARY}",
    f"Authorization: {CANARY}",
    f"/setup?code={CANARY}",
    f"Authorization: Bearer {CANARY}",
    f"authorization: Basic {CANARY}",
    f"authorization: Bearer [hidden] {CANARY}",
    f'{{"authorization": "Bearer {CANARY}"}}',
    f"{{'Authorization': 'Bearer {CANARY}'}}",
    f"[(b'authorization', b'Bearer {CANARY}')]",
    f"Cookie: a=b; c={CANARY}",
    f'{{"old_password": "a \\" {CANARY}"}}',
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_named_like_a_secret_is_hidden(text):
    found = Redaction().text(text)
    assert CANARY not in found
    assert HIDDEN in found


@pytest.mark.parametrize("token", ["tla_" + "a" * 43, "tlr_" + "b-_" * 14, "tlk_" + "Z9" * 21])
def test_tokens_are_hidden_wherever_they_stand(token):
    assert token not in Redaction().text(f"GET /x?{token} said '{token}'")


def test_what_only_speaks_of_a_header_is_left():
    text = "this needs authorization, or a cookie; ask"
    assert Redaction().text(text) == text


def test_secrets_that_are_told_are_hidden_and_short_ones_spoil_no_text():
    found = Redaction([CANARY, "in"]).text(f"the venue answered {CANARY} in time")
    assert found == f"the venue answered {HIDDEN} in time"


def test_values_of_json_are_hidden_by_their_names():
    said = {"a": [{"password": CANARY, "key": CANARY, "name": "x"}], "token": None, "text": f"secret={CANARY}"}
    found = Redaction().tree(said)
    assert found == {"a": [{"password": HIDDEN, "key": HIDDEN, "name": "x"}], "token": None, "text": f"secret={HIDDEN}"}


def test_a_traceback_in_a_log_has_no_secret():
    record = logging.LogRecord("a", logging.ERROR, "f", 1, "at %s", (f"password={CANARY}",), None)
    try:
        raise ValueError(f"token={CANARY}")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    text = RedactedFormatter(Redaction([CANARY])).format(record)
    assert "ValueError" in text
    assert CANARY not in text
