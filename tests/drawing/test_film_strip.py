"""The film strip shows every frame of every band, in time order, and says what it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.drawing.film_strip import MOST_NIGHTS, band_colour, draw_film_strip, save_film_strip
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.survey.photometry.points import Points
from ictconvention.survey.survey import Survey
from tests.conftest import HEADER, image_series, write_survey
from tests.refusals import refused


def stamps(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def nightly(path: Path, nights: int, missing: tuple[int, ...] = ()) -> Survey:
    """Write one object seen in five bands every night; `missing` frames are taken out."""
    n = 5 * nights
    given = image_series(0, n)
    given["band"] = np.tile([2, 3, 0, 4, 1], nights)
    given["mjd"] = 53600 + np.repeat(np.arange(nights), 5) + np.tile(np.arange(5) * 72 / 86400, nights)
    kept = ~np.isin(np.arange(n), missing)
    for name in ("frames", "band", "mjd", "psf_fwhm", "sky_sigma"):
        given[name] = given[name][kept]
    return write_survey(path, [given])


def test_a_row_per_band_in_time_order(tmp_path: Path) -> None:
    series = nightly(tmp_path / "s", 4)[0]
    drawn = stamps(draw_film_strip(series, HEADER))
    assert len(drawn) == 20
    for b in range(5):
        of_band = series.frames[series.band == b]
        for k in range(4):  # asinh keeps the order of the pixels
            np.testing.assert_array_equal(drawn[4 * b + k].argsort(axis=None), of_band[k].argsort(axis=None))


def test_the_light_curve_is_the_photometry(tmp_path: Path) -> None:
    series = nightly(tmp_path / "s", 4)[0]
    flux, error = measure_photometry(series, photometry_recipe(HEADER.pixel_scale, 32, "here")).T
    curve = draw_film_strip(series, HEADER).axes[-1]
    assert curve.get_legend_handles_labels()[1] == list(HEADER.bands)
    for b, (points, _, (bars,)) in enumerate(curve.containers):
        here = series.band == b
        np.testing.assert_array_equal(points.get_xdata(), series.mjd[here] - series.mjd[0])
        np.testing.assert_array_equal(points.get_ydata(), flux[here])
        half = [np.ptp(segment[:, 1]) / 2 for segment in bars.get_segments()]
        np.testing.assert_allclose(half, error[here], rtol=1e-6)


def test_it_says_what_the_flux_and_its_errors_are(tmp_path: Path) -> None:
    series = nightly(tmp_path / "s", 4)[0]
    figure = draw_film_strip(series, HEADER)
    assert figure.axes[-1].get_ylabel() == "point-source flux\n[nanomaggy]"
    assert "error bars: sky noise only\n" in texts(figure)
    unknown = replace(series, psf_fwhm=np.full(20, np.nan, np.float32))
    assert draw_film_strip(unknown, HEADER).axes[-1].get_ylabel() == "flux within 2 arcsec\n[nanomaggy]"
    gain = np.full(20, 50, np.float32)
    assert "error bars: noise of the sky and of the object" in texts(
        draw_film_strip(replace(series, gain=gain), HEADER)
    )
    gain[3] = np.nan
    assert "sky noise only where the gain is unknown" in texts(draw_film_strip(replace(series, gain=gain), HEADER))


def test_stamps_too_small_for_photometry_are_drawn_and_it_says_so(tmp_path: Path) -> None:
    header = replace(HEADER, stamp_size=12)
    survey = write_survey(tmp_path / "s", [image_series(0, 9, header)], header)
    figure = draw_film_strip(survey[0], header)
    assert len(stamps(figure)) == 9
    (said,) = figure.axes[-1].texts
    assert said.get_text().startswith("no light curve: stamps of 12 x 12 pixels")


def test_a_missing_band_leaves_a_gap_in_its_night(tmp_path: Path) -> None:
    figure = draw_film_strip(nightly(tmp_path / "s", 4, missing=(0, 7))[0], HEADER)
    assert len(stamps(figure)) == 18
    assert len(figure.axes[0].lines) == 2  # the crosses


def test_of_many_nights_evenly_spaced_ones_are_shown_and_it_says_so(tmp_path: Path) -> None:
    figure = draw_film_strip(nightly(tmp_path / "s", 40)[0], HEADER)
    assert len(stamps(figure)) == 5 * MOST_NIGHTS
    assert f"200 frames on 40 nights in 39 d, {MOST_NIGHTS} nights shown" in texts(figure)


def test_the_title_says_class_source_and_simulated(tmp_path: Path) -> None:
    series = write_survey(tmp_path / "s", [image_series(1, 9)])[0]
    assert "tiny sn0001: SN Ia (photometric)" in texts(draw_film_strip(series, HEADER))
    assert "simulated" not in texts(draw_film_strip(series, HEADER))
    assert "tiny (simulated) sn0001: SN Ia" in texts(draw_film_strip(series, replace(HEADER, simulated=True)))


def test_limits_of_unknown_depth_are_not_counted_as_drawn(tmp_path: Path) -> None:
    series = nightly(tmp_path / "s", 4)[0]
    flux, error = np.array([[1, np.nan, np.nan, np.nan], [0.1, 0.2, np.nan, np.nan]], np.float32)
    points = Points(np.full(4, 2, np.uint8), 53600 + np.arange(4.0), flux, error)
    axes = draw_film_strip(series, HEADER, points).axes[-1]
    (marked,) = [line for line in axes.lines if line.get_marker() == "v" and np.size(line.get_xdata())]
    assert np.asarray(marked.get_ydata()).tolist() == pytest.approx([1.0])
    said = axes.get_xlabel()
    assert "1 measurement without" in said
    assert "1 limit of 5 sigma" in said
    assert "2 limits of unknown depth" in said


@pytest.mark.parametrize("frames", [1, 2, 30])
def test_objects_with_few_frames_gaps_and_unknown_noise_are_drawn(tmp_path: Path, frames: int) -> None:
    given = image_series(3, frames) | {"sky_sigma": None, "class_name": None, "label_source": None, "redshift": None}
    given["frames"][0, :14] = np.nan
    write_survey(tmp_path / "s", [given])
    survey = Survey.open(tmp_path / "s")
    save_film_strip(survey[0], survey.header, tmp_path / "strip.png")
    assert (tmp_path / "strip.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["a$b$c", "$x_{$ y", "<b>&", "\u8d85\u65b0\u661f"])
def test_any_printable_id_is_drawn_as_it_is(tmp_path: Path, name: str) -> None:
    series = write_survey(tmp_path / "s", [image_series(0, 3) | {"id": name}])[0]
    assert f"tiny {name}: AGN" in texts(draw_film_strip(series, HEADER))
    save_film_strip(series, HEADER, tmp_path / "strip.png")


def test_a_band_has_theband_colour_of_its_name_in_every_survey() -> None:
    two = replace(HEADER, bands=("clear", "g"))
    assert band_colour(two, 1) == band_colour(HEADER, 1)
    assert len({band_colour(HEADER, b) for b in range(5)} | {band_colour(two, 0)}) == 6


def test_a_constant_frame_is_drawn(tmp_path: Path) -> None:
    survey = write_survey(tmp_path / "s", [image_series(0, 3) | {"frames": np.zeros((3, 32, 32)), "sky_sigma": None}])
    assert len(stamps(draw_film_strip(survey[0], HEADER))) == 3


def test_a_picture_that_cannot_be_written_is_a_readable_error(tmp_path: Path) -> None:
    series = write_survey(tmp_path / "s", [image_series(1, 3)])[0]
    with refused(UsageError, "E-FILES-ENDING", "'.txt'", where=tmp_path / "strip.txt"):
        save_film_strip(series, HEADER, tmp_path / "strip.txt")
    with refused(FileSystemError, "E-FILES-MISSING", where=tmp_path / "nowhere"):
        save_film_strip(series, HEADER, tmp_path / "nowhere" / "strip.png")
    (tmp_path / "folder.png").mkdir()
    with refused(FileSystemError, "E-FILES-KIND", where=tmp_path / "folder.png"):
        save_film_strip(series, HEADER, tmp_path / "folder.png")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder.png", "s"]
