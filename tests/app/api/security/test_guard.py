"""What passes before every route: hosts, bodies, set up, headers, keys, repeats, faults."""

import json
import secrets

import pytest
from tests.app.api.served import CHEAP, MANY, PASSWORD, Served

from tightloop.app.api.settings import GatewayLimits


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1:1", "127.0.0.1", "localhost", "[::1]", "", "127.0.0.1:8600.evil"]
)
def test_a_name_that_only_resolves_to_this_machine_is_not_served(served, host):
    found = served.browser().get("/health", headers={"Host": host or " "})
    assert (found.status_code, found.json()["code"]) == (400, "host_not_allowed")


@pytest.mark.parametrize("host", ["127.0.0.1:8600", "localhost:8600", "LOCALHOST:8600", "[::1]:8600"])
def test_the_names_of_this_machine_are_served(served, host):
    assert served.browser().get("/health", headers={"Host": host, "Origin": ""}).status_code == 200


def test_before_there_is_an_administrator_only_setup_and_health_answer(tmp_path):
    with Served(tmp_path, has_users=False) as fresh:
        browser = fresh.browser()
        assert browser.get("/health").status_code == browser.get("/health/ready").status_code == 200
        assert browser.code("GET", "orders") == browser.code("POST", "auth/login", {}) == "not_set_up"
        assert browser.code("POST", "auth/setup", {"code": "x", "name": "a", "password": PASSWORD}) == "setup_refused"


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", "malformed_json"),
        (b'{"name": NaN}', "application/json", "malformed_json"),
        (b"\xff", "application/json", "malformed_json"),
        (b"name=a", "application/x-www-form-urlencoded", "malformed_request"),
        (b"{}", "text/plain", "malformed_request"),
        (b'"' + b"a" * CHEAP.body_bytes_max + b'"', "application/json", "body_too_large"),
        (b"{}", "application/json", "invalid"),
        (b'{"name": "a", "password": "b", "role": "admin"}', "application/json", "invalid"),
    ],
)  # fmt: skip
def test_a_body_that_is_none_is_a_problem(served, body, kind, code):
    browser = served.browser()
    sent = browser._client.post("/api/v1/auth/login", content=body, headers={"Content-Type": kind})
    found = served.run(sent)
    assert found.json()["code"] == code
    assert found.headers["content-type"] == "application/problem+json"


def test_answers_carry_what_keeps_other_pages_away(served):
    for found in (served.browser().get("/health"), served.browser().get("orders"), served.browser().get("/nowhere")):
        headers = found.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert "strict-transport-security" not in headers
    assert served.browser().get("orders").headers["cache-control"] == "no-store"


def test_under_tls_cookies_are_of_this_host_alone_and_browsers_stay_with_tls(tmp_path):
    with Served(tmp_path, proxies=("127.0.0.1",), hosts=("trade.example",)) as behind:
        headers = {"Host": "trade.example", "Origin": "https://trade.example"}
        found = behind.browser().ask("POST", "auth/login", {"name": "admin", "password": PASSWORD}, headers=headers)
        assert found.status_code == 200, found.text
        set_cookies = found.headers.get_list("set-cookie")
        assert sorted(one.partition("=")[0] for one in set_cookies) == ["__Host-tl", "__Host-tlr"]
        assert all({"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(one.split("; ")) for one in set_cookies)
        assert "strict-transport-security" in found.headers
        plain = {**headers, "Origin": "http://trade.example"}
        assert behind.browser().code("POST", "auth/login", {}, headers=plain) == "origin_foreign"


def test_cookies_on_plain_loopback_cannot_be_read_by_scripts(served):
    found = served.browser().ask("POST", "auth/login", {"name": "viewer", "password": PASSWORD})
    for one in found.headers.get_list("set-cookie"):
        assert one.startswith(("tl-8600=tla_", "tlr-8600=tlr_"))
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(one.split("; "))
        assert "Domain" not in one


def test_the_same_key_gives_the_first_answer_and_changes_nothing(served):
    admin, key = served.browser("admin"), secrets.token_hex(8)
    body = {"name": "twice", "role": "viewer", "password": PASSWORD}
    first = admin.ask("POST", "users", body, headers={"Idempotency-Key": key})
    again = admin.ask("POST", "users", body, headers={"Idempotency-Key": key})
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = {**body, "name": "thrice"}
    assert admin.code("POST", "users", other, headers={"Idempotency-Key": key}) == "idempotency_conflict"
    names = [user["name"] for user in admin.get("users").json()]
    assert names.count("twice") == 1
    assert "thrice" not in names


def test_a_key_is_of_who_uses_it(served):
    admin, key = served.browser("admin"), secrets.token_hex(8)
    body = {"name": "mine", "role": "admin", "password": PASSWORD}
    assert admin.ask("POST", "users", body, headers={"Idempotency-Key": key}).status_code == 201
    other = served.browser().sign_in("mine")
    assert other.code("POST", "users", body, headers={"Idempotency-Key": key}) == "conflict", "not the other's answer"


@pytest.mark.parametrize("key", ["short", "a" * 81, "has space", "a/b/c/d/e"])
def test_a_key_has_a_form(served, key):
    assert served.browser("admin").code("POST", "users", {}, headers={"Idempotency-Key": key}) == "malformed_request"


def test_a_key_for_scripts_does_what_its_role_may_without_cookies_and_tokens(served):
    operator = served.browser("operator")
    made = operator.ask("POST", "auth/keys", {"name": "bot", "role": "admin"}).json()
    script = served.browser(key=made["key"])
    me = script.get("auth/me").json()
    assert (me["name"], me["role"], me["csrf"]) == ("operator", "operator", None), "never more than its user"
    assert script.ask("PUT", "risk/kill-switch", {}, headers={"Origin": "", "X-CSRF-Token": ""}).status_code == 200
    operator.ask("POST", "auth/confirm", {"password": PASSWORD})
    assert operator.ask("POST", "risk/rearm", {}).status_code == 200
    assert made["key"] not in json.dumps(operator.get("auth/keys").json())
    assert operator.ask("DELETE", f"auth/keys/{made['id']}").status_code == 200
    assert script.code("GET", "auth/me") == "not_signed_in"


@pytest.mark.parametrize(
    "said", ["Bearer", "Bearer x", "Basic dGxrXzEyMw==", "Bearer tla_aaaaaaaaaaaaaaaaaaaaaaaa", "tlk_1"]
)
def test_a_header_that_is_no_key_does_not_fall_back_to_the_cookie(served, said):
    assert served.browser("admin").code("GET", "auth/me", headers={"Authorization": said}) == "not_signed_in"


def test_a_fault_of_ours_is_told_by_its_request_and_not_by_its_text(served, monkeypatch):
    viewer = served.browser("viewer")
    monkeypatch.setattr(type(served.parts.reader), "rows", lambda *_: 1 / 0)
    found = viewer.get("orders", headers={"X-Request-Id": "my-request-1"})
    assert found.status_code == 500
    said = found.json()
    assert (said["code"], said["request_id"]) == ("broken", "my-request-1")
    assert "division" not in found.text


def test_a_request_id_that_could_be_a_header_is_replaced(served):
    found = served.browser().get("/health", headers={"X-Request-Id": "a\tb; x=1234567"})
    assert found.headers["x-request-id"] != "a\tb; x=1234567"


def test_too_many_requests_are_told_when_to_come_again(tmp_path):
    limits = GatewayLimits(per_minute={**MANY, "read": 3, "login": 2}, password_memory_kib=64, password_rounds=1)
    with Served(tmp_path, limits=limits) as tight:
        viewer, trader = tight.browser("viewer"), tight.browser("trader")
        assert [viewer.get("orders").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert int(viewer.get("orders").headers["retry-after"]) > 0
        assert trader.get("orders").status_code == 200, "everybody has a bucket"
        assert viewer.ask("PUT", "settings", {}, headers={"If-Match": '"0"'}).status_code == 200
        assert tight.browser().code("POST", "auth/login", {}) == "too_many"


@pytest.mark.parametrize("path", ["/health?a=" + "x" * 8_192, "/api/v1/users/" + "x" * 8_192, "/" + "x" * 8_192])
def test_an_address_has_a_length(served, path):
    found = served.browser().get(path)
    assert (found.status_code, found.json()["code"]) == (414, "address_too_long")


@pytest.mark.parametrize("other", ['a={"x":1}', "a=b c", 'a="', "[]", "=", "a=1; a=\\"])
def test_a_cookie_of_another_program_locks_nobody_out(served, other):
    browser = served.browser("viewer")
    ours = "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)
    browser.cookies.clear()
    assert browser.get("auth/me", headers={"Cookie": f"{other}; {ours}"}).json()["name"] == "viewer"
