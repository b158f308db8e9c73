"""Pages: a nonce for each, assets for ever, nothing outside their folder."""

import re

import pytest
from tests.app.api.served import Served

PAGE = '<!doctype html><style nonce="__NONCE__"></style><script type="module" src="/assets/index-4fK2abcd.js"></script>'


@pytest.fixture
def served(tmp_path):
    pages = tmp_path / "pages"
    (pages / "assets").mkdir(parents=True)
    (pages / "index.html").write_text(PAGE)
    (pages / "assets" / "index-4fK2abcd.js").write_text("1")
    (pages / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    with Served(tmp_path / "home", pages=pages) as found:
        yield found


@pytest.mark.parametrize("path", ["/", "/sessions", "/sessions/paper-1", "/setup", "/index.html"])
def test_each_page_has_a_nonce_of_its_own_and_is_kept_nowhere(served, path):
    browser = served.browser()
    found = [browser.get(path, headers={"Accept": "text/html"}) for _ in range(2)]
    nonces = [re.search(r'nonce="([^"]+)"', one.text)[1] for one in found]
    assert nonces[0] != nonces[1]
    for one, nonce in zip(found, nonces, strict=True):
        policy = one.headers["content-security-policy"]
        assert f"'nonce-{nonce}'" in policy
        assert "unsafe" not in policy
        assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["x-content-type-options"] == "nosniff"


def test_assets_are_kept_for_ever_and_what_has_no_hash_is_not(served):
    browser = served.browser()
    assert "immutable" in browser.get("/assets/index-4fK2abcd.js").headers["cache-control"]
    assert browser.get("/favicon.svg").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/../../secret.txt",
        "//etc/passwd",
        "/assets/none.js",
        "/assets",
    ],
)
def test_nothing_outside_and_nothing_that_is_not_there_is_given(served, path):
    found = served.browser().get(path, headers={"Accept": "*/*"})
    assert "secret" not in found.text
    assert "root:" not in found.text
    assert found.status_code == 404 or found.text.startswith("<!doctype html>")


@pytest.mark.parametrize("path", ["/%00", "/assets/%00.js", "/" + "a" * 300, "/a%00/b"])
def test_what_no_file_can_be_called_is_not_there(served, path, caplog):
    assert served.browser().get(path, headers={"Accept": "text/html"}).status_code == 404
    assert not caplog.records


def test_a_page_is_only_read(served):
    assert served.browser().ask("POST", "/sessions").status_code == 405


def test_a_page_under_another_name_is_not_given(served):
    assert served.browser().get("/", headers={"Host": "evil.example"}).status_code == 400


def test_the_api_is_not_a_page(served):
    assert served.browser().get("/api/v1/none", headers={"Accept": "text/html"}).json()["code"] == "not_found"
