"""The OpenAPI document: what is kept is what is served, and it says what every route may answer."""

import json
from pathlib import Path

import pytest

import make_openapi
from tightloop.app.api import server
from tightloop.app.api.security.rules import MUTATIONS, RULES, STREAMS
from tightloop.app.api.streams.messages import SERVER

DOCUMENT = server.openapi()
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def test_the_kept_document_is_that_of_the_routes():
    """A change that is not one of docs/openapi.json is breaking clients; `python tools/make_openapi.py` writes it."""
    assert Path(make_openapi.FILE).read_text(encoding="utf-8") == make_openapi.text()


def test_every_route_is_described_once():
    assert sorted((method, path) for method, path, _ in OPERATIONS) == sorted(RULES)
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=[one[2]["operationId"] for one in OPERATIONS])
def test_a_route_says_what_it_asks_for_and_may_answer(method, path, operation):
    rule = RULES[method, path]
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    assert ("X-CSRF-Token" in names) == rule.has_csrf
    assert ("Idempotency-Key" in names) == rule.is_repeatable
    assert ("if-match" in names) == rule.has_etag
    answers = operation["responses"]
    assert {"400", "403", "422", "429", "503"} <= set(answers)
    assert ("412" in answers) == rule.has_etag
    for status, answer in answers.items():
        if status >= "400":
            assert list(answer["content"]) == ["application/problem+json"]
        else:
            schema = answer["content"]["application/json"]["schema"]
            assert schema, "an answer has a shape"
    assert operation["summary"]
    assert operation["description"]
    assert not (method in MUTATIONS and "200" not in answers and "201" not in answers)


def test_the_messages_of_the_socket_are_in_it_as_a_union_by_type():
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("ServerMessage", "ClientMessage"):
        union = schemas[name]
        assert union["discriminator"]["propertyName"] == "type"
        for reference in union["discriminator"]["mapping"].values():
            assert reference.rpartition("/")[2] in schemas
    assert set(SERVER.json_schema()["discriminator"]["mapping"]) == set(
        schemas["ServerMessage"]["discriminator"]["mapping"]
    )


def test_every_reference_leads_somewhere():
    text = json.dumps(DOCUMENT)
    schemas = DOCUMENT["components"]["schemas"]
    for piece in text.split('"$ref": "#/components/schemas/')[1:]:
        assert piece.partition('"')[0] in schemas


def test_every_stream_has_a_role_and_a_place_in_the_pattern():
    pattern = DOCUMENT["components"]["schemas"]["StreamWanted"]["properties"]["stream"]["pattern"]
    assert all(stream in pattern for stream in STREAMS)
