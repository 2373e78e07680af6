"""Two rasters lie alike, or it is said how not."""

from dataclasses import replace

import pytest

from ictconvention.ingestion.chips.georeference import Georeference, describe_difference, same_ground

HERE = Georeference("EPSG:32631", (10.0, 0.0, 500_000.0, 0.0, -10.0, 4_500_000.0), "metre")


def moved(a: float = 10.0, c: float = 500_000.0, e: float = -10.0, f: float = 4_500_000.0) -> Georeference:
    return replace(HERE, transform=(a, 0.0, c, 0.0, e, f))


@pytest.mark.parametrize("other", [HERE, moved(c=500_000.05), moved(a=10.000001)])
def test_a_hundredth_of_a_pixel_is_no_difference(other: Georeference) -> None:
    assert describe_difference(HERE, other, 256, 256) is None


@pytest.mark.parametrize(
    ("other", "fact"),
    [
        (moved(c=500_005.0), "+0.50 columns"),
        (moved(f=4_500_010.0), "-1.00 rows"),
        (moved(a=10.01, e=-10.01), "10.01"),
        (replace(HERE, crs=None), "none"),
        (replace(HERE, crs="EPSG:32632"), "EPSG:32632"),
        (replace(HERE, transform=None), "none"),
        (replace(HERE, transform=(10.0, 0.1, 500_000.0, 0.0, -10.0, 4_500_000.0)), "rotated"),
    ],
)
def test_what_differs_is_named(other: Georeference, fact: str) -> None:
    said = describe_difference(HERE, other, 256, 256)
    assert said is not None
    assert fact in said
    assert describe_difference(other, HERE, 256, 256) is not None


def test_files_without_a_place_lie_alike() -> None:
    assert describe_difference(Georeference(), Georeference(), 256, 256) is None


def test_pixels_of_one_size_on_the_ground() -> None:
    assert same_ground(HERE, moved(c=0.0))
    assert same_ground(HERE, replace(HERE, crs="EPSG:32632"))
    assert same_ground(HERE, Georeference())
    assert not same_ground(HERE, moved(a=20.0, e=-20.0))
    assert not same_ground(HERE, replace(moved(), unit="degree"))


def test_six_numbers_come_back_from_their_text() -> None:
    odd = replace(HERE, transform=(0.1, 0.0, 1 / 3, 0.0, -0.1, 2 / 3))
    text = odd.columns["transform"]
    assert text is not None
    assert tuple(map(float, text.split(","))) == odd.transform
