"""A mapped array keeps no file open, and is refused unless every byte of its file is accounted for."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ictconvention.reading.mapped_array import map_array

DTYPE = np.dtype("<f4")
VALUES = np.arange(24, dtype=DTYPE).reshape(6, 2, 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "values.npy", VALUES)
    return tmp_path / "values.npy"


def test_it_is_the_array_read_only_and_no_file_stays_open(path: Path) -> None:
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208 - entries that are gone once they are asked
    mapped = [map_array(path, DTYPE, (2, 2)) for _ in range(20)]
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208
    assert all(np.array_equal(one, VALUES) for one in mapped)
    assert not mapped[0].flags.writeable
    path.unlink()
    assert np.array_equal(mapped[0], VALUES)


def test_an_array_of_nothing_is_one(tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", VALUES[:0])
    assert map_array(tmp_path / "none.npy", DTYPE, (2, 2)).shape == (0, 2, 2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.write_bytes(path.read_bytes().replace(b"(6, 2, 2)", b"(-6, 2, 2)".rjust(9)[:9])),
        lambda path: path.write_bytes(path.read_bytes().replace(b"(6, 2, 2)", b"(9, 2, 2)")),
        lambda path: path.write_bytes(path.read_bytes()[:40]),
        lambda path: path.write_bytes(b""),
        lambda path: np.save(path, VALUES.astype(">f4")),
        lambda path: np.save(path, np.asfortranarray(VALUES)),
        lambda path: np.save(path, VALUES[0]),
        lambda path: np.save(path, VALUES.astype(object), allow_pickle=True),
        lambda path: path.write_bytes(b"PK\x03\x04" + path.read_bytes()),  # an archive, as .npz is
    ],
)
def test_damage_and_other_arrays_are_refused(damage: Callable[[Path], None], path: Path) -> None:
    damage(path)
    with pytest.raises(ValueError, match=r"."):
        map_array(path, DTYPE, (2, 2))
