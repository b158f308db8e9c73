"""Signals out of files and from a provider: read whole or refused with the place; the token stays where it belongs."""

import json
import math
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from adapters.data import planted
from adapters.data.planted import HOUR_NS, START_NS
from tightloop.adapters.data.predictions import Said, fetch_predictions, read_predictions
from tightloop.model.errors import InputError, ProviderError

ROWS = """ts,signal,confidence,sd
2024-01-01T01:00:00Z,long,0.8,0.004
2024-01-01T02:00:00Z,hold,0.5,
1704078000000000000,SHORT,1,0.01
2024-01-01T05:00:00+01:00,neutral,0.6,
"""
SAID = (
    Said(START_NS + HOUR_NS, 1, 0.8, 0.004),
    Said(START_NS + 3 * HOUR_NS, -1, 1.0, 0.01),
)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def stored(tmp_path, text):
    file = tmp_path / "signals.csv"
    file.write_text(text)
    return file


def test_a_csv_gives_sides_times_and_sizes_and_hold_is_nothing(tmp_path):
    *found, last = read_predictions(stored(tmp_path, ROWS), "BTCUSDT")
    assert tuple(found) == SAID
    assert last[:3] == (START_NS + 4 * HOUR_NS, 0, 0.6)
    assert math.isnan(last.sd)


@pytest.mark.parametrize("zone", ["UTC", None])
def test_a_parquet_file_gives_the_same(tmp_path, zone):
    file = planted.write(
        tmp_path / "signals.parquet",
        {
            "ts": START_NS + np.array([1, 2, 3]) * HOUR_NS,
            "signal": ["long", "hold", "short"], "confidence": [0.8, 0.5, 1.0], "sd": [0.004, None, 0.01],
        },
        zone,
    )  # fmt: skip
    assert read_predictions(file, "BTCUSDT") == SAID


def test_rows_of_other_symbols_are_left_out_and_a_file_without_ours_is_refused(tmp_path):
    file = stored(
        tmp_path,
        "timestamp,symbol,signal,confidence,sd\n2024-01-01T01:00:00Z,BTCUSDT,long,0.8,0.004\n"
        "2024-01-01T01:00:00Z,ETHUSDT,short,0.8,0.004\n",
    )
    assert [own.side for own in read_predictions(file, "ETHUSDT")] == [-1]
    with pytest.raises(InputError, match=r"signals.csv: symbol: has no rows of SOLUSDT; there are BTCUSDT, ETHUSDT"):
        read_predictions(file, "SOLUSDT")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2024-01-01T01:00:00Z", "yesterday", r"signals.csv:2: ts: 'yesterday' is not a time"),
        ("long", "buy", r"signals.csv:2: signal: 'buy' is not a signal; write long, short, neutral, hold"),
        ("0.8", "80", r"signals.csv:2: confidence: '80' is not between 0 and 1"),
        ("0.8", "nan", r"signals.csv:2: confidence: 'nan' is not between 0 and 1"),
        ("0.004", "", r"signals.csv:2: sd: '' is not between 0 and 1"),
        ("0.004", "0", r"signals.csv:2: sd: '0' is not between 0 and 1"),
        ("2024-01-01T02", "2024-01-01T00", r"signals.csv:3: ts: 2024-01-01T00:00:00Z is earlier than the row before"),
        ("2024-01-01T02", "2024-01-01T01", r"signals.csv:3: ts: 2024-01-01T01:00:00Z has two predictions"),
        ("confidence", "sureness", r"signals.csv:2: confidence: None is not between 0 and 1"),
    ],
)
def test_a_row_that_can_not_be_read_is_refused_with_its_line(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message):
        read_predictions(stored(tmp_path, ROWS.replace(old, new, 1)), "BTCUSDT")


def test_a_file_that_is_not_there_or_empty_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_predictions(tmp_path / "none.csv", "BTCUSDT")
    with pytest.raises(InputError, match="has no rows of BTCUSDT"):
        read_predictions(stored(tmp_path, "ts,signal,confidence,sd\n"), "BTCUSDT")


class Provider(BaseHTTPRequestHandler):
    """Answers as the test wants and keeps what it was asked."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        status, headers, body = self.server.answer
        if status == "late":
            time.sleep(0.5)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Tests are silent."""


@contextmanager
def provider(status=200, body=b"", headers=None):
    with HTTPServer(("127.0.0.1", 0), Provider) as server:
        server.asked, server.answer = [], (status, headers or {}, body)
        server.address = f"http://127.0.0.1:{server.server_port}/signals"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server, **how):
    return fetch_predictions(server.address, "BTCUSDT", START_NS, START_NS + 3 * HOUR_NS, "secret", **how)


def body(*rows):
    return json.dumps({"predictions": rows}).encode()


LONG = {"timestamp": "2024-01-01T01:00:00Z", "symbol": "BTCUSDT", "signal": "long", "confidence": 0.8, "sd": 0.004}
SHORT = {"ts": START_NS + 3 * HOUR_NS, "signal": "short", "confidence": 1, "sd": 0.01, "model": "v1"}


def test_a_provider_is_asked_for_symbol_and_time_with_the_token_and_its_rows_are_read():
    later = {**SHORT, "ts": START_NS + 4 * HOUR_NS}
    with provider(body=body(LONG, SHORT, later)) as server:
        assert ask(server) == SAID
        path, token = server.asked[0]
    assert token == "Bearer secret"
    assert parse_qs(urlsplit(path).query) == {
        "symbol": ["BTCUSDT"], "from": ["2024-01-01T00:00:00Z"], "to": ["2024-01-01T03:00:00Z"],
    }  # fmt: skip
    with provider(body=json.dumps([LONG, SHORT]).encode()) as server:
        assert ask(server) == SAID
    with provider(body=body()) as server:
        assert ask(server) == ()


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (401, b"", "answered with 401 Unauthorized; give a valid token in TIGHTLOOP_SIGNAL_TOKEN"),
        (500, b"", "answered with 500 Internal Server Error"),
        (200, b"<html>", "answered with something that is not JSON"),
        (200, b'{"rows": []}', "predictions: is not a list of rows"),
        (200, b"[1]", "predictions: is not a list of rows"),
        (200, body({**LONG, "signal": "up"}), "signals:1: signal: 'up' is not a signal"),
    ],
)
def test_a_provider_that_fails_is_an_error_of_its_own_that_never_shows_the_token(status, answer, message):
    with provider(status, answer) as server, pytest.raises(ProviderError, match=message) as refused:
        ask(server)
    assert "secret" not in str(refused.value)


def test_a_provider_that_is_late_or_not_there_is_named():
    with provider("late") as server, pytest.raises(ProviderError, match=r"did not answer within 0.1 s"):
        ask(server, timeout_s=0.1)
    with pytest.raises(ProviderError, match="cannot be reached"):
        ask(server)


def test_the_token_goes_to_the_named_address_alone():
    with provider(body=body(LONG)) as there, provider(302, headers={"Location": there.address}) as server:
        assert ask(server) == SAID[:1]
        assert server.asked[0][1] == "Bearer secret"
        assert there.asked[0][1] is None
    for address in ("http://signals.example/v1", "file:///etc/hosts", "signals.example"):
        with pytest.raises(ProviderError, match="not an address to which a token may be sent"):
            fetch_predictions(address, "BTCUSDT", START_NS, START_NS, "secret")
