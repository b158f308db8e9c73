"""The port of a platform: nothing but its own gateway has it, and the link of the setup is told only then."""

import contextlib
import os
import signal
import socket
import sys

import pytest

from tightloop.adapters.stores.home import Home
from tightloop.app.api.gateway import LEASE, SERVING
from tightloop.app.api.settings import GatewaySettings
from tightloop.app.api.supervisor import UpOptions, bound, up
from tightloop.model.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sockets and signals of Unix")


@pytest.fixture(autouse=True)
def signals():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def squatter():
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_listens_at_the_port_is_not_taken_for_the_gateway(tmp_path, squatter, host):
    port, said = squatter.getsockname()[1], []
    settings = GatewaySettings(home=tmp_path / "home", host=host, port=port)
    with pytest.raises(InputError, match=f"port {port} of {host} cannot be had") as error:
        up(UpOptions(settings=settings, for_s=0.0), said.append)
    assert "--port" in str(error.value)
    assert said == []
    assert Home(tmp_path / "home").holder(LEASE) is None
    squatter.settimeout(0.0)
    with pytest.raises(BlockingIOError):
        squatter.accept()


def test_the_link_is_told_once_the_gateway_itself_serves_and_the_port_stays_ours_without_it(tmp_path):
    home, seen = Home(tmp_path / "home"), []

    def look(text):
        if "/setup#" not in text:
            return
        row = home.lease_row(LEASE)
        os.kill(row["pid"], signal.SIGKILL)
        while home.holder(LEASE) is not None:
            pass
        port = int(text.partition("127.0.0.1:")[2].partition("/")[0])
        with socket.socket() as one, contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
            seen.append("it was bound")
        seen.append(row["session"])

    assert up(UpOptions(settings=GatewaySettings(home=home.root, port=0), for_s=0.0), look) == 0
    assert seen == [SERVING]


def test_a_port_can_be_had_again_at_once():
    first = bound("127.0.0.1", 0)
    port = first[0].getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        first[0].accept()[0].close()
        for one in first:
            one.close()
        for one in bound("127.0.0.1", port):
            one.close()
