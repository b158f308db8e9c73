"""Client ids say whose they are; keys of fills are stable."""

from hypothesis import given
from hypothesis import strategies as st

from tightloop.runtime.session.desk import ids


@given(st.integers(0, ids.EPOCH_MAX), st.integers(1, 2**63 - 1), st.integers(0, ids.ATTEMPTS_MAX - 1))
def test_an_id_says_what_it_was_made_of_in_25_characters(epoch: int, order_id: int, attempt: int) -> None:
    made = ids.ClientId(ids.session_code("any"), epoch, order_id, attempt)
    assert len(made.text) == 25
    assert made.text.isalnum()
    assert made.text == made.text.lower()
    assert ids.decode(made.text) == made


@given(st.text(max_size=30))
def test_any_text_is_an_id_of_ours_or_none(text: str) -> None:
    decoded = ids.decode(text)
    assert decoded is None or decoded.text == text


def test_ours_is_of_our_session() -> None:
    one = ids.ClientId(ids.session_code("one"), 1, 65_536, 0).text
    assert ids.is_ours(one, ids.session_code("one"))
    assert not ids.is_ours(one, ids.session_code("other"))
    assert not ids.is_ours("autoclose-17", ids.session_code("one"))


def test_a_fill_has_one_key_and_an_unnamed_one_none() -> None:
    assert ids.fill_key("v", "a", "B", "1") == ids.fill_key("v", "a", "B", "1") > 0
    assert ids.fill_key("v", "a", "B", "1") < 2**63
    others = ("v", "b", "B", "1"), ("w", "a", "B", "1"), ("v", "a", "B", "2"), ("v", "a", "C", "1")
    assert len({ids.fill_key(*one) for one in (("v", "a", "B", "1"), *others)}) == 5
    assert ids.fill_key("v", "a", "B", "") == 0
