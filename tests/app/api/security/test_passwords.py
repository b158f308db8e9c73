"""Passwords: how they are kept, which are refused, and that a name that does not exist is not told by time."""

import asyncio

import pytest

from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.security import passwords
from tightloop.app.api.settings import GatewayLimits

WEAK = ["short", "a" * 11, "aaaaaaaaaaaaaaaa", "abababababababab", "password1234", "Password1234!", "123456789012",
        "x" * 201,
        "correcthorsebatterystaple", "anna likes otters"]  # fmt: skip


@pytest.mark.parametrize("password", WEAK)
def test_a_password_that_is_guessed_soon_is_refused(password):
    with pytest.raises(HttpProblem) as raised:
        passwords.check_strength(password, "anna")
    assert raised.value.code == "weak_password"
    assert password not in raised.value.detail


def test_a_long_phrase_is_taken():
    passwords.check_strength("seven brown foxes", "anna")


def test_the_usual_cost_is_that_of_argon2id_with_64_mib():
    limits = GatewayLimits()
    kept = passwords.Passwords(limits.password_memory_kib, limits.password_rounds).hashed("seven brown foxes")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_name_that_does_not_exist_costs_a_hash_too(monkeypatch):
    one = passwords.Passwords(64, 1)
    verified = []
    verify = one._hasher.verify.__get__(one._hasher)
    monkeypatch.setattr(
        type(one._hasher), "verify", lambda _, found, said: verified.append(found) or verify(found, said)
    )
    kept = one.hashed("seven brown foxes")
    assert asyncio.run(one.verify(kept, "seven brown foxes"))
    assert not asyncio.run(one.verify(kept, "seven brown fox"))
    assert not asyncio.run(one.verify(None, "of nobody")), "not even by the password of nobody"
    assert len(verified) == 3
    assert verified[2] != kept


def test_a_kept_hash_that_is_none_lets_nobody_in():
    one = passwords.Passwords(64, 1)
    assert not asyncio.run(one.verify("seven brown foxes", "seven brown foxes"))
