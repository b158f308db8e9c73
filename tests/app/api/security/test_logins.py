"""Logins: tokens that rotate, end and are of one login; what a thief of one can do."""

import httpx
import pytest
from tests.app.api.served import ORIGIN, PASSWORD, Served

from tightloop.app.api.security.logins import ACCESS_NS, GRACE_NS, LOGINS_MAX, PROVED_NS, REFRESH_NS, SETUP_NS

SECOND = 10**9


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path) as found:
        yield found


@pytest.fixture
def later(served, monkeypatch):
    """Move the clock of the logins."""
    moved = [0]
    logins = served.parts.keeping.logins
    now_ns = logins._now_ns
    monkeypatch.setattr(logins, "_now_ns", lambda: now_ns() + moved[0])

    def move(ns):
        moved[0] += ns

    return move


def with_cookies(served, cookies):
    found = served.browser()
    for name, value in cookies:
        found.cookies.set(name, value, domain="127.0.0.1")
    return found


def kept(browser):
    return list({cookie.name: cookie.value for cookie in browser.cookies.jar}.items())


def test_an_access_token_ends_and_is_renewed(served, later):
    viewer = served.browser("viewer")
    later(ACCESS_NS + SECOND)
    assert viewer.code("GET", "auth/me") == "not_signed_in"
    assert viewer.ask("POST", "auth/refresh").status_code == 200
    assert viewer.get("auth/me").status_code == 200


def test_a_login_that_is_not_used_ends_with_its_refresh_token(served, later):
    viewer = served.browser("viewer")
    later(REFRESH_NS + SECOND)
    assert viewer.code("POST", "auth/refresh") == "not_signed_in"


def test_tabs_that_renew_at_once_stay_signed_in(served, later):
    viewer = served.browser("viewer")
    old = kept(viewer)
    later(ACCESS_NS + SECOND)
    assert viewer.ask("POST", "auth/refresh").status_code == 200
    for _ in range(4):
        tab = with_cookies(served, old)
        found = tab.ask("POST", "auth/refresh")
        assert found.status_code == 200
        assert "set-cookie" not in found.headers
    assert viewer.get("auth/me").status_code == 200


def test_an_old_refresh_token_later_ends_the_login_for_the_thief_and_its_owner(served, later):
    viewer = served.browser("viewer")
    old = kept(viewer)
    viewer.ask("POST", "auth/refresh")
    later(GRACE_NS + SECOND)
    assert with_cookies(served, old).code("POST", "auth/refresh") == "not_signed_in"
    assert viewer.code("GET", "auth/me") == "not_signed_in"
    assert viewer.code("POST", "auth/refresh") == "not_signed_in"


def test_an_old_access_token_ends_soon_after_it_was_replaced(served, later):
    viewer = served.browser("viewer")
    old = kept(viewer)
    viewer.ask("POST", "auth/refresh")
    assert with_cookies(served, old).get("auth/me").status_code == 200, "requests on their way"
    later(GRACE_NS + SECOND)
    assert with_cookies(served, old).code("GET", "auth/me") == "not_signed_in"
    assert viewer.get("auth/me").status_code == 200


def test_signing_in_takes_no_token_that_the_browser_brought(served):
    planted = served.browser("viewer")
    before = kept(planted)
    victim = with_cookies(served, before).sign_in("admin")
    assert not {value for _, value in before} & {value for _, value in kept(victim)}
    assert planted.code("GET", "auth/me") == "not_signed_in", "whoever planted it has nothing"


def test_signing_out_ends_the_login_here_and_everywhere(served):
    one, two = served.browser("viewer"), served.browser("viewer")
    copy = with_cookies(served, kept(one))
    assert one.ask("POST", "auth/logout").status_code == 200
    assert copy.code("GET", "auth/me") == "not_signed_in"
    assert two.get("auth/me").status_code == 200
    three = served.browser("viewer")
    assert three.ask("POST", "auth/logout-all").status_code == 200
    assert two.code("GET", "auth/me") == "not_signed_in"


def test_a_user_has_a_few_logins_and_the_oldest_ends(served):
    first = served.browser("viewer")
    for _ in range(LOGINS_MAX):
        last = served.browser("viewer")
    assert first.code("GET", "auth/me") == "not_signed_in"
    rows = last.get("auth/sessions").json()
    assert len(rows) == LOGINS_MAX
    assert [row["is_this"] for row in rows].count(True) == 1


def test_a_login_is_ended_by_its_user_alone(served):
    viewer, trader = served.browser("viewer"), served.browser("trader")
    login = trader.get("auth/sessions").json()[0]["id"]
    assert viewer.code("DELETE", f"auth/sessions/{login}") == "not_found"
    assert trader.ask("DELETE", f"auth/sessions/{login}").status_code == 200
    assert trader.code("GET", "auth/me") == "not_signed_in"


def test_what_adds_risk_asks_for_the_password_again_after_a_while(served, later):
    operator = served.browser("operator")
    later(PROVED_NS + SECOND)
    assert operator.code("POST", "risk/rearm", {}) == "password_needed"
    assert operator.code("POST", "auth/confirm", {"password": "wrong"}) == "login_refused"
    assert operator.code("POST", "risk/rearm", {}) == "password_needed"
    assert operator.ask("POST", "auth/confirm", {"password": PASSWORD}).status_code == 200
    assert operator.ask("POST", "risk/rearm", {}).status_code == 200


def test_another_password_ends_the_other_logins_and_not_this_one(served):
    one, two = served.browser("viewer"), served.browser("viewer")
    other = "fourteen loud otters"
    assert one.code("POST", "auth/password", {"old": "wrong", "new": other}) == "login_refused"
    assert one.ask("POST", "auth/password", {"old": PASSWORD, "new": other}).status_code == 200
    assert two.code("GET", "auth/me") == "not_signed_in"
    assert one.get("auth/me").status_code == 200
    assert served.browser().code("POST", "auth/login", {"name": "viewer", "password": PASSWORD}) == "login_refused"


def test_a_user_who_is_disabled_or_removed_is_out_at_once_with_all_keys(served):
    admin, trader = served.browser("admin"), served.browser("trader")
    key = trader.ask("POST", "auth/keys", {"name": "bot"}).json()["key"]
    user = next(one for one in admin.get("users").json() if one["name"] == "trader")
    changed = admin.ask("PATCH", f"users/{user['id']}", {"is_disabled": True}, headers={"If-Match": '"1"'})
    assert changed.status_code == 200
    assert trader.code("GET", "auth/me") == served.browser(key=key).code("GET", "auth/me") == "not_signed_in"
    assert served.browser().code("POST", "auth/login", {"name": "trader", "password": PASSWORD}) == "login_refused"
    assert admin.ask("DELETE", f"users/{user['id']}").status_code == 200
    assert "trader" not in [one["name"] for one in admin.get("users").json()]


def test_a_role_taken_away_holds_for_the_next_request(served):
    admin, operator = served.browser("admin"), served.browser("operator")
    user = next(one for one in admin.get("users").json() if one["name"] == "operator")
    assert operator.get("system/logs").status_code == 200
    change = {"role": "viewer"}
    assert admin.ask("PATCH", f"users/{user['id']}", change, headers={"If-Match": '"1"'}).status_code == 200
    assert operator.code("GET", "system/logs") == "role_missing"
    assert admin.code("PATCH", f"users/{user['id']}", change, headers={"If-Match": '"1"'}) == "changed"


def test_the_last_administrator_stays(served):
    admin = served.browser("admin")
    user = next(one for one in admin.get("users").json() if one["name"] == "admin")
    for change in ({"role": "viewer"}, {"is_disabled": True}):
        assert admin.code("PATCH", f"users/{user['id']}", change, headers={"If-Match": '"1"'}) == "conflict"
    assert admin.code("DELETE", f"users/{user['id']}") == "conflict"
    assert admin.get("users").status_code == 200


def test_no_token_or_password_stands_in_the_store(served):
    viewer = served.browser("viewer")
    key = viewer.ask("POST", "auth/keys", {"name": "bot"}).json()["key"]
    found = b"".join(path.read_bytes() for path in served.home.glob("gateway.db*"))
    for secret in (key, PASSWORD, *(value for _, value in kept(viewer))):
        assert secret.encode() not in found


def test_the_setup_code_works_once_and_not_for_long(tmp_path, monkeypatch):
    with Served(tmp_path, has_users=False) as fresh:
        users = fresh.parts.keeping.users
        code = users.offer_setup()
        now_ns = users._now_ns
        said = {"code": code, "name": "boss", "password": PASSWORD}
        monkeypatch.setattr(users, "_now_ns", lambda: now_ns() + SETUP_NS + SECOND)
        assert fresh.browser().code("POST", "auth/setup", said) == "setup_refused"
        monkeypatch.setattr(users, "_now_ns", now_ns)
        assert fresh.browser().code("POST", "auth/setup", {**said, "code": "x" * 32}) == "setup_refused"
        assert fresh.browser().code("POST", "auth/setup", {**said, "password": "short"}) == "weak_password"
        boss = fresh.browser()
        assert boss.ask("POST", "auth/setup", said).json()["role"] == "admin"
        assert boss.get("users").status_code == 200
        assert fresh.browser().code("POST", "auth/setup", {**said, "name": "two"}) == "setup_refused"


def test_who_tries_the_name_of_another_does_not_lock_that_one_out(served):
    inside = served.browser("viewer")
    foreign = httpx.AsyncClient(
        transport=httpx.ASGITransport(served.app, client=("10.0.0.9", 1)), base_url=ORIGIN, headers={"Origin": ORIGIN}
    )
    codes = []
    for _ in range(8):
        found = served.run(foreign.post("/api/v1/auth/login", json={"name": "viewer", "password": "wrong"}))
        codes.append(found.json()["code"])
    assert codes == ["login_refused"] * 3 + ["too_many"] * 5, "it waits itself"
    assert inside.ask("POST", "auth/confirm", {"password": PASSWORD}).status_code == 200
    assert served.browser("viewer").get("auth/me").status_code == 200


def test_a_login_that_says_the_password_wrongly_waits_and_no_other_does(served):
    one, other = served.browser("operator"), served.browser("operator")
    codes = [one.code("POST", "auth/confirm", {"password": "wrong"}) for _ in range(4)]
    assert codes == ["login_refused"] * 3 + ["too_many"]
    assert other.ask("POST", "auth/confirm", {"password": PASSWORD}).status_code == 200
