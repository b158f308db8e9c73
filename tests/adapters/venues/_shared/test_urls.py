"""Keys are not shown to the network."""

import pytest

from tightloop.adapters.venues._shared.urls import check_url
from tightloop.model.errors import InputError


@pytest.mark.parametrize("url", ["http://fapi.example.com", "ws://10.0.0.1/ws", "ftp://127.0.0.1", "127.0.0.1:80", ""])
def test_what_is_not_encrypted_stays_on_this_machine(url):
    with pytest.raises(InputError):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://x.example", "wss://x", "http://127.0.0.1:1/a", "http://localhost", "ws://[::1]:9"]
)
def test_encrypted_or_loopback_is_fine(url):
    check_url(url)
