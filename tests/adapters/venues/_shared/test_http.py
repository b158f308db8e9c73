"""The real transport against a server on this machine: what left is told from what did not."""

import asyncio
import socket

import pytest
from aiohttp import web

from tightloop.adapters.venues._shared.http import HttpTransport
from tightloop.model.errors import InputError
from tightloop.ports.transport import HttpCall, Lane, NoAnswer, NotSent, SocketClosed

LOG = web.AppKey("log", list)
SIGNED = "/order?symbol=BTCUSDT&x=%2F%20%E5%B8%81,&signature=c0ffee"


def run(routes, use):
    """Run ``use(transport, base, server's log)`` beside a server."""

    async def main():
        app, log = web.Application(), []
        for path, answer in routes.items():
            app.router.add_route("*", path, answer)
        app[LOG] = log
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        transport = HttpTransport()
        try:
            return await asyncio.wait_for(use(transport, base, log), 20)
        finally:
            await transport.close()
            await runner.cleanup()

    return asyncio.run(main())


async def echo(request):
    request.app[LOG].append(
        (request.method, request.raw_path, await request.read(), request.transport.get_extra_info("peername"))
    )
    return web.Response(status=418, text="tea", headers={"Retry-After": "7"})


async def hang(request):
    request.app[LOG].append(request.path)
    await asyncio.sleep(30)


async def cut(request):
    request.app[LOG].append(request.path)
    request.transport.abort()
    return web.Response()


async def half(request):
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"half")
    request.transport.close()
    return response


def test_a_call_arrives_as_it_was_signed_and_any_status_is_an_answer():
    async def use(transport, base, log):
        answer = await transport.call(HttpCall("GET", base + SIGNED), 5)
        form = HttpCall("POST", base + "/order", {"Content-Type": "application/x-www-form-urlencoded"}, b"a=1&b=%2C")
        await transport.call(form, 5)
        return answer, log

    answer, log = run({"/order": echo}, use)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (418, "7", b"tea")
    assert log[0][1] == SIGNED
    assert log[1][:3] == ("POST", "/order", b"a=1&b=%2C")
    assert log[0][3] == log[1][3]  # one connection for both


def test_exits_have_connections_of_their_lane():
    async def use(transport, base, log):
        for lane in (Lane.QUERY, Lane.EXIT, Lane.QUERY, Lane.EXIT):
            await transport.call(HttpCall("GET", base + "/order", lane=lane), 5)
        return [entry[3] for entry in log]

    query, exit_, again, exit_again = run({"/order": echo}, use)
    assert query == again != exit_ == exit_again


def test_an_exit_does_not_wait_behind_queries():
    async def use(transport, base, log):
        queries = [asyncio.create_task(transport.call(HttpCall("GET", base + "/hang"), 10)) for _ in range(20)]
        await asyncio.sleep(0.1)
        answer = await transport.call(HttpCall("POST", base + "/order", lane=Lane.EXIT), 2)
        for query in queries:
            query.cancel()
        await asyncio.gather(*queries, return_exceptions=True)
        return answer, log.count("/hang")

    answer, hanging = run({"/order": echo, "/hang": hang}, use)
    assert answer.status == 418
    assert hanging == 16  # the other four wait for a connection


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_what_could_not_connect_was_not_sent():
    async def use(transport, base, log):
        with pytest.raises(NotSent) as raised:
            await transport.call(HttpCall("POST", f"http://127.0.0.1:{free_port()}{SIGNED}"), 5)
        return raised.value

    error = run({}, use)
    assert "c0ffee" not in f"{error!r} {error} {error.__context__!r}"
    assert "POST /order" in str(error)


def test_what_waited_for_a_connection_in_vain_was_not_sent():
    async def use(transport, base, log):
        queries = [asyncio.create_task(transport.call(HttpCall("GET", base + "/hang"), 10)) for _ in range(16)]
        await asyncio.sleep(0.1)
        with pytest.raises(NotSent):
            await transport.call(HttpCall("POST", base + "/order"), 0.2)
        for query in queries:
            query.cancel()
        await asyncio.gather(*queries, return_exceptions=True)
        return log

    assert all(entry == "/hang" for entry in run({"/order": echo, "/hang": hang}, use))


@pytest.mark.parametrize(("path", "answer"), [("/hang", hang), ("/cut", cut), ("/half", half)])
def test_what_left_and_was_not_answered_is_unknown(path, answer):
    async def use(transport, base, log):
        with pytest.raises(NoAnswer) as raised:
            await transport.call(HttpCall("POST", base + path + "?signature=c0ffee"), 0.5)
        return raised.value

    error = run({path: answer}, use)
    assert "c0ffee" not in f"{error!r} {error.__context__!r}"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_kept_connection_that_was_cut_is_unknown_and_the_call_is_not_repeated(method):
    async def use(transport, base, log):
        await transport.call(HttpCall(method, base + "/order"), 5)
        with pytest.raises(NoAnswer):
            await transport.call(HttpCall(method, base + "/cut"), 5)
        return [entry for entry in log if entry == "/cut"]

    assert run({"/order": echo, "/cut": cut}, use) == ["/cut"]


def test_a_web_socket_is_read_until_it_closes():
    async def serve(request):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.ping()
        await ws.send_str(await ws.receive_str())
        await ws.send_bytes(b"\x01")
        await ws.close(code=1001)
        return ws

    async def use(transport, base, log):
        opened = await transport.open_socket(base.replace("http", "ws") + "/ws")
        await opened.send("hello")
        frames = [await opened.receive(), await opened.receive()]
        with pytest.raises(SocketClosed, match="1001"):
            await opened.receive()
        with pytest.raises(SocketClosed):
            await opened.send("more")
        await opened.close()
        with pytest.raises(SocketClosed) as raised:
            await transport.open_socket(base.replace("http", "ws") + "/gone?listenKey=c0ffee")
        return frames, raised.value

    frames, error = run({"/ws": serve}, use)
    assert frames == [b"hello", b"\x01"]
    assert "c0ffee" not in f"{error!r} {error.__context__!r}"


def test_the_transport_refuses_such_a_url_by_itself():
    async def use(transport, base, log):
        with pytest.raises(InputError):
            await transport.call(HttpCall("GET", "http://192.0.2.1/x"), 1)

    run({}, use)
