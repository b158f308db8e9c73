"""What every route needs, asked of every route: the tests are made of the table."""

import re

import pytest
from tests.app.api.served import ORIGIN, Served

from tightloop.app.api import server
from tightloop.app.api.security.logins import CSRF_NS
from tightloop.app.api.security.roles import UserRole
from tightloop.app.api.security.rules import MUTATIONS, RULES, matching

ALL = sorted(RULES)
CLOSED = [one for one in ALL if RULES[one].role is not UserRole.ANYBODY]
HIGHER = [one for one in CLOSED if RULES[one].role > UserRole.VIEWER]
CHANGING = [one for one in CLOSED if one[0] in MUTATIONS]
GUARDED = [one for one in CHANGING if RULES[one].has_csrf]
FRESH = [one for one in CLOSED if RULES[one].is_fresh]
REPEATABLE = [one for one in CLOSED if RULES[one].is_repeatable]


def path_of(rule):
    return re.sub(r"\{\w+\}", "1", rule[1])


def name(rule):
    return f"{rule[0]} {rule[1]}"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(scope="module")
def browsers(served):
    return {role: served.browser(role) for role in ("viewer", "trader", "operator", "admin")}


def test_every_route_has_a_rule_and_every_rule_a_route():
    assert server.routes_served() == set(RULES)


def test_a_route_without_a_rule_keeps_the_gateway_from_starting(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "RULES", dict(list(RULES.items())[1:]))
    with pytest.raises(AssertionError, match="without a rule"):
        Served(tmp_path)


def test_what_changes_something_in_a_browser_needs_its_token():
    asks_nobody = {("POST", "/api/v1/auth/setup"), ("POST", "/api/v1/auth/login"), ("POST", "/api/v1/auth/refresh")}
    assert {one for one in ALL if one[0] in MUTATIONS and not RULES[one].has_csrf} == asks_nobody


def test_what_trades_or_makes_users_is_repeatable_and_audited():
    assert all(RULES[one].is_audited for one in REPEATABLE)
    assert ("POST", "/api/v1/sessions") in REPEATABLE


@pytest.mark.parametrize("rule", CLOSED, ids=name)
def test_without_a_login_it_is_refused(served, rule):
    assert served.browser().code(rule[0], path_of(rule)) == "not_signed_in"


@pytest.mark.parametrize("rule", HIGHER, ids=name)
def test_a_lower_role_is_refused(browsers, rule):
    role = UserRole(RULES[rule].role - 1).name.lower()
    assert browsers[role].code(rule[0], path_of(rule)) == "role_missing"


@pytest.mark.parametrize("rule", GUARDED, ids=name)
def test_without_the_token_of_the_login_it_is_refused(browsers, rule):
    assert browsers["admin"].code(rule[0], path_of(rule), headers={"X-CSRF-Token": ""}) == "csrf_missing"


@pytest.mark.parametrize("rule", GUARDED, ids=name)
def test_the_token_of_another_login_is_refused(browsers, rule):
    theirs = {"X-CSRF-Token": browsers["operator"].csrf}
    assert browsers["admin"].code(rule[0], path_of(rule), headers=theirs) == "csrf_invalid"


@pytest.mark.parametrize("rule", GUARDED, ids=name)
def test_an_old_token_is_refused(served, browsers, monkeypatch, rule):
    now_ns = served.parts.keeping.logins._now_ns
    monkeypatch.setattr(served.parts.keeping.logins, "_now_ns", lambda: now_ns() - CSRF_NS - 10**9)
    old = browsers["admin"].get("auth/csrf").json()["token"]
    monkeypatch.setattr(served.parts.keeping.logins, "_now_ns", now_ns)
    assert browsers["admin"].code(rule[0], path_of(rule), headers={"X-CSRF-Token": old}) == "csrf_expired"


@pytest.mark.parametrize("rule", [one for one in ALL if one[0] in MUTATIONS], ids=name)
def test_a_page_of_another_port_is_refused(browsers, rule):
    foreign = {"Origin": ORIGIN.replace("8600", "8601")}
    assert browsers["admin"].code(rule[0], path_of(rule), headers=foreign) == "origin_foreign"


@pytest.mark.parametrize("rule", ALL, ids=name)
def test_what_a_browser_sends_for_another_site_is_refused(browsers, rule):
    for site in ("cross-site", "same-site"):
        found = browsers["admin"].code(rule[0], path_of(rule), headers={"Origin": "", "Sec-Fetch-Site": site})
        assert found == "origin_foreign"


@pytest.mark.parametrize("rule", FRESH, ids=name)
def test_what_needs_the_password_again_is_refused_to_a_key(served, browsers, rule):
    made = browsers["admin"].ask("POST", "auth/keys", {"name": "a", "role": "admin"})
    assert made.status_code == 201
    assert served.browser(key=made.json()["key"]).code(rule[0], path_of(rule), {}) == "password_needed"


@pytest.mark.parametrize("rule", REPEATABLE, ids=name)
def test_without_an_idempotency_key_it_is_refused(browsers, rule):
    assert browsers["admin"].code(rule[0], path_of(rule), headers={"Idempotency-Key": ""}) == "idempotency_key_missing"


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/api/v2/orders", "/api/v1/orders/", "/health/x", "/openapi.json"])
def test_what_no_rule_names_is_not_served(browsers, path):
    assert browsers["admin"].get(path).status_code == 404


@pytest.mark.parametrize("rule", ALL, ids=name)
def test_another_method_is_refused_and_told_which_are_taken(browsers, rule):
    taken = {method for method, template in RULES if template == rule[1]}
    found = browsers["admin"].ask("TRACE", path_of(rule))
    template, rules = matching(path_of(rule))
    assert found.status_code == 405
    assert set(found.headers["allow"].split(", ")) == set(rules) >= (taken if template == rule[1] else set())


def test_an_id_that_is_a_word_of_another_route_does_not_reach_it():
    assert matching("/api/v1/signals/near-misses")[0].endswith("near-misses")
    assert matching("/api/v1/signals/near-missesx")[0].endswith("{id}")
    assert matching("/api/v1/signals/a/b") is None
