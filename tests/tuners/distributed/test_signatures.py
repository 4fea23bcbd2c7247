"""Signatures: what they cover, and numbers that are used once."""

import random

import pytest

from tuners.distributed import signatures
from tuners.distributed.signatures import Numbers, Seen

KEY = bytes(range(32))
CALL = ("/service/Method", [("kerasnas-a", "1"), ("kerasnas-b-bin", b"2"), ("user-agent", "x")])
ANSWER = ("/service/Method", "number", "session", "OK", "", b"message")


def test_a_signature_of_a_call_is_of_all_its_own_metadata_in_any_order():
    method, metadata = CALL
    right = signatures.sign_call(KEY, method, metadata)
    assert len(right) == 64 and signatures.is_same(right, right)
    assert signatures.sign_call(KEY, method, metadata[::-1]) == right
    assert signatures.sign_call(KEY, method, [*metadata[:2], ("user-agent", "y"), ("kerasnas-signature", "z")]) == right
    for other in (
        signatures.sign_call(bytes(32), method, metadata),
        signatures.sign_call(KEY, "/service/Other", metadata),
        signatures.sign_call(KEY, method, metadata[1:]),
        signatures.sign_call(KEY, method, [*metadata, metadata[0]]),
        signatures.sign_call(KEY, method, [("kerasnas-a1", ""), *metadata[1:]]),
    ):
        assert other != right and not signatures.is_same(other, right)


@pytest.mark.parametrize("part", range(len(ANSWER)))
def test_a_signature_of_an_answer_is_of_each_of_its_parts(part):
    right = signatures.sign_answer(KEY, *ANSWER)
    changed = [one if index != part else type(one)() or b"x" if one else "x" for index, one in enumerate(ANSWER)]
    assert changed != list(ANSWER) and signatures.sign_answer(KEY, *changed) != right
    assert signatures.sign_answer(bytes(32), *ANSWER) != right


def test_nothing_moves_from_one_part_to_the_next():
    first = signatures.sign_answer(KEY, "a", "bc", "", "OK", "", b"")
    assert first != signatures.sign_answer(KEY, "ab", "c", "", "OK", "", b"")


@pytest.mark.parametrize("signature", ["", "ü", b"\xff", None, 0])
def test_what_is_no_signature_is_not_the_right_one(signature):
    assert not signatures.is_same(signature, signatures.sign_answer(KEY, *ANSWER))


def test_each_number_is_first_once_in_whatever_order_they_come():
    seen, callers = Seen(), [Numbers() for _ in range(3)]
    numbers = [caller.next() for caller in callers for _ in range(500)]
    assert len(set(numbers)) == 1500
    random.Random(0).shuffle(numbers)
    assert all(seen.is_first(number) for number in numbers)
    assert not any(seen.is_first(number) for number in numbers)


def test_a_number_that_is_older_than_can_be_remembered_is_not_taken():
    seen, numbers = Seen(), Numbers()
    made = [numbers.next() for _ in range(5000)]
    assert seen.is_first(made[0]) and seen.is_first(made[-1])
    assert not any(seen.is_first(number) for number in made[: 5000 - signatures._WINDOW])
    assert all(seen.is_first(number) for number in made[5000 - signatures._WINDOW : -1])
    assert len(seen._callers) == 1  # memory for callers, none for their calls
