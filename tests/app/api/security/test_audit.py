"""The audit: everything that changes something, failures too; no row is changed, and none has a secret."""

import json
import sqlite3
import time

import pytest
from tests.app.api.served import MANY, PASSWORD, Served

from tightloop.app.api.security.audit import ATTEMPTS_MAX, COUNTED_NS
from tightloop.app.api.settings import GatewayLimits


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path) as found:
        yield found


def test_what_is_done_and_what_is_refused_stands_in_it(served):
    admin, viewer = served.browser("admin"), served.browser("viewer")
    viewer.code("PUT", "risk/kill-switch", {})
    served.browser().code("POST", "auth/login", {"name": "viewer", "password": "wrong"})
    admin.ask("PUT", "risk/kill-switch", {"reason": "a drill"}, headers={"X-Request-Id": "drill-1234"})
    rows = admin.get("system/audit").json()["items"]
    drill, wrong, refused = rows[:3]
    assert (drill["who"], drill["what"], drill["status"]) == ("admin", "PUT /api/v1/risk/kill-switch", 200)
    assert (drill["after"]["reason"], drill["request_id"]) == ("a drill", "drill-1234")
    assert (wrong["who"], wrong["status"], wrong["problem"]) == ("viewer", 401, "login_refused")
    assert (refused["who"], refused["status"], refused["problem"]) == ("viewer", 403, "role_missing")


def test_pages_of_it_have_every_row_once(served):
    admin = served.browser("admin")
    for _ in range(5):
        admin.ask("PUT", "risk/kill-switch", {})
    seen, cursor = [], None
    while True:
        page = admin.get(f"system/audit?limit=2{f'&cursor={cursor}' if cursor else ''}").json()
        seen += [row["n"] for row in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 6


def test_no_row_is_changed_or_removed_and_one_that_is_forged_is_found(served):
    admin = served.browser("admin")
    for _ in range(3):
        admin.ask("PUT", "risk/kill-switch", {})
    audit = served.parts.keeping.audit
    assert audit.first_broken() is None
    link = sqlite3.connect(served.home / "gateway.db")
    for statement in ("UPDATE audit SET row = '{}'", "DELETE FROM audit"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            link.execute(statement)
    link.execute("DROP TRIGGER audit_is_not_changed")
    link.execute("UPDATE audit SET row = replace(row, 'admin', 'other') WHERE n = 2")
    link.commit()
    link.close()
    assert audit.first_broken() == 2


def test_no_secret_of_a_request_stands_in_it(served):
    admin = served.browser("admin")
    new = "eleven shy badgers"
    admin.ask("POST", "auth/password", {"old": PASSWORD, "new": new})
    admin.ask("POST", "users", {"name": "two", "role": "viewer", "password": "twelve shy badgers"})
    made = admin.ask("POST", "auth/keys", {"name": "bot"}).json()["key"]
    served.browser().code("POST", "auth/login", {"name": "viewer", "password": "ten wrong badgers"})
    text = json.dumps(admin.get("system/audit").json())
    tokens = [cookie.value for cookie in admin.cookies.jar]
    for secret in (PASSWORD, new, "badgers", made, admin.csrf, *tokens):
        assert secret not in text


def test_what_anybody_may_have_refused_fills_no_disk(served):
    browser, admin, audit = served.browser(), served.browser("admin"), served.parts.keeping.audit
    before = len(audit.rows(None, 1_000))
    for _ in range(20):
        browser.code("POST", "auth/login", {}, headers={"Origin": "http://evil.example"})
        browser.code("PUT", "risk/kill-switch", {})
        browser.code("POST", "auth/login", {})
    assert len(audit.rows(None, 1_000)) == before + 1
    audit._now_ns = lambda: time.time_ns() + COUNTED_NS
    row = admin.get("system/audit").json()["items"][0]
    assert len(audit.rows(None, 1_000)) == before + 2
    assert row["what"] == "59 refused requests, the last: POST /api/v1/auth/login"
    assert row["after"]["refused"] == [
        {"what": "POST /api/v1/auth/login", "problem": "invalid", "count": 20},
        {"what": "POST /api/v1/auth/login", "problem": "origin_foreign", "count": 19},
        {"what": "PUT /api/v1/risk/kill-switch", "problem": "not_signed_in", "count": 20},
    ]
    assert audit.first_broken() is None


def test_too_many_requests_of_a_user_are_counted(tmp_path):
    limits = GatewayLimits(per_minute={**MANY, "emergency": 2}, password_memory_kib=64, password_rounds=1)
    with Served(tmp_path, limits=limits) as tight:
        admin = tight.browser("admin")
        codes = [admin.ask("PUT", "risk/kill-switch", {}).status_code for _ in range(12)]
        assert codes == [200] * 2 + [429] * 10
        statuses = [row["status"] for row in admin.get("system/audit").json()["items"]]
        assert statuses == [429, 200, 200, 200]


def test_attempts_at_a_password_have_rows_up_to_a_bound(served):
    for number in range(ATTEMPTS_MAX + 20):
        served.browser().code("POST", "auth/login", {"name": f"n{number}", "password": "wrong"})
    rows = served.parts.keeping.audit.rows(None, 1_000)
    assert len(rows) == ATTEMPTS_MAX + 1
    assert [row["who"] for row in rows[:3]] == ["n60", "n59", "n58"]


def test_a_target_is_cut(served):
    admin = served.browser("admin")
    admin.code("DELETE", f"users/{'u' * 4_000}")
    assert admin.get("system/audit").json()["items"][0]["target"] == f"/api/v1/users/{'u' * 186}"
