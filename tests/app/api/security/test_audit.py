"""The audit: everything that changes something, failures too; no row is changed, and none has a secret."""

import json
import sqlite3

import pytest
from tests.app.api.served import PASSWORD, Served


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
