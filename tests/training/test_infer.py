"""What a thread reads ahead for a GPU comes in order, with its errors, and ends with who reads it."""

import threading
from collections.abc import Iterator

import pytest

from ictconvention.training.infer import AHEAD, read_ahead


def test_items_come_in_order() -> None:
    assert list(read_ahead(range(100))) == list(range(100))


def test_no_more_is_read_than_a_little_ahead() -> None:
    read: list[int] = []
    before = threading.active_count()

    def counted() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    reading = read_ahead(counted())
    assert next(reading) == 0
    assert len(read) <= AHEAD + 3
    reading.close()
    assert threading.active_count() == before


def test_an_error_is_raised_where_the_items_are_used() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    reading = read_ahead(broken())
    assert next(reading) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(reading)
