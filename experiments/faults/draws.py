"""One of several, drawn."""

from collections.abc import Sequence
from typing import TypeVar

from numpy.random import Generator

Value = TypeVar("Value")


def one_of(values: Sequence[Value], rng: Generator) -> Value:
    """Return one of some values, each as likely as any other."""
    return values[int(rng.integers(len(values)))]
