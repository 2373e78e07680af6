"""The printed report shows every number that was measured."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ictconvention.cli.surveys.audit_report import print_report
from ictconvention.measuring.audit import SurveyAudit, audit_survey
from tests.conftest import HEADER, image_series, write_survey
from tests.small_chips import chip, write_chips
from tests.tasks.redshift.galaxies import write_galaxies


def printed(report: SurveyAudit) -> str:
    text = StringIO()
    print_report(report, Console(file=text, width=100))
    return text.getvalue()


def test_every_measurement_is_printed(tmp_path: Path) -> None:
    given = [image_series(n, 30 + n) for n in range(9)]
    given[4] |= {name: given[0][name] for name in ("frames", "band", "mjd", "psf_fwhm", "sky_sigma")}
    given[5] |= {"class_name": None, "label_source": None, "ra": None, "dec": None}
    given[7] |= {"ra": given[6]["ra"], "dec": given[6]["dec"] + 5 / 3600}
    report = audit_survey(write_survey(tmp_path / "s", given).path)
    lines = [line.split() for line in printed(report).splitlines()]
    frames = sum(len(g["frames"]) for g in given)
    assert lines[0] == f"survey tiny: 9 objects, {frames} frames in 1 shard".split()
    assert ["frames", "30", "30", "33", "37.6", "38"] in lines
    days = [g["mjd"][-1] - g["mjd"][0] for g in given]
    percentiles = [f"{np.percentile(days, p):.4g}" for p in (0, 5, 50, 95, 100)]
    assert ["days", "from", "first", "to", "last", *percentiles] in lines
    for name, band in report.bands.items():
        row = next(line for line in lines if line[:2] == [name, str(band.frames)])
        assert row[2] == f"{band.nights_missed / (band.nights + band.nights_missed):.1%}"
        numbers = (band.mean, band.std, band.lowest, band.highest, band.sky_sigma, band.psf_fwhm)
        assert row[3:] == [*(f"{number:.3g}" for number in numbers), f"{band.depth:.2f}"]
    assert ["AGN", "1", "1", "1", "3"] in lines
    assert ["no", "class", "1", "0", "0", "1"] in lines
    text = printed(report)
    assert "neighbours within 13 arcsec: 2 objects in 1 group;" in text
    assert "without a position: 1 object;" in text
    assert "duplicates, other id with the same frames: sn0000 = sn0004" in text
    assert "no flaw" in text


def test_a_depth_is_that_of_a_point_source_in_the_median_frame(tmp_path: Path) -> None:
    given = image_series(0, 60) | {
        "band": np.full(60, 2),
        "psf_fwhm": np.full(60, 1.4),
        "sky_sigma": np.full(60, 0.028),
    }
    report = audit_survey(write_survey(tmp_path / "s", [given]).path)
    area = 2.9**2 / 0.396**2  # of the weights [pixels], see matched_weights
    assert report.bands["r"].depth == pytest.approx(22.5 - 2.5 * np.log10(5 * 0.028 * np.sqrt(area)), abs=0.1)
    assert "warning" not in printed(report)


@pytest.mark.parametrize(("scale", "depth"), [(1e-8, "41.8"), (1e5, "9.3")])
def test_an_absurd_depth_is_a_warning_and_no_flaw(tmp_path: Path, scale: float, depth: str) -> None:
    given = image_series(0, 30)
    given |= {"band": np.full(30, 2), "frames": given["frames"] * scale, "sky_sigma": np.full(30, 0.05 * scale)}
    text = printed(audit_survey(write_survey(tmp_path / "s", [given]).path))
    assert f"warning: a 5-sigma depth outside 15 to 30 AB mag (r {depth}" in text
    assert "zero point" in text
    assert text.splitlines()[-1].startswith("1 warning; ")
    assert "flaw" not in text


def test_no_depth_is_claimed_where_the_zero_point_the_noise_or_the_aperture_is_missing(tmp_path: Path) -> None:
    given = image_series(0, 60)
    counts = replace(HEADER, flux_unit="counts")
    assert "no depth: pixels are counts" in printed(audit_survey(write_survey(tmp_path / "a", [given], counts).path))
    text = printed(audit_survey(write_survey(tmp_path / "b", [given | {"sky_sigma": None}]).path))
    assert "no depth in u, g, r, i, z: the sky noise is unknown" in text
    small = replace(HEADER, stamp_size=12)
    text = printed(audit_survey(write_survey(tmp_path / "c", [image_series(0, 9, small)], small).path))
    assert "no depth: stamps of 12 x 12 pixels of 0.396 arcsec are too small for photometry" in text


def test_what_a_survey_lacks_is_said(tmp_path: Path) -> None:
    given = image_series(0, 6) | {"band": np.full(6, 2), "sky_sigma": None}
    text = printed(audit_survey(write_survey(tmp_path / "s", [given]).path))
    assert "bands without a frame: u, g, i, z" in text
    assert "classes without an object: SN Ia, Variable, SN Other" in text


def test_a_survey_of_redshifts_is_described_by_them(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "s", 240, cut=0.16, ebv=True)
    table = survey.object_table()
    z, selected = np.ma.filled(table["redshift"], np.nan), np.asarray(table["selected"])
    known = z[np.isfinite(z)]
    text = printed(audit_survey(survey.path))
    counted = f"redshifts: {len(known)} of 240 objects, {known.min():.4g} to {known.max():.4g}, median"
    assert f"{counted} {np.median(known):.4g}" in text
    assert f"selected: {selected.sum()} of 240 objects" in text
    assert "KS distance of the redshifts 1.000" in text
    assert f"E(B-V): {table['ebv'].min():.3g} to {table['ebv'].max():.3g} mag" in text
    assert "stratum of redshift needs at least" in text
    assert "warning" not in text
    page = survey._repr_html_()
    assert f"{len(known)} of 240 objects" in page
    assert f"{selected.sum()} of 240 objects" in page


def test_impossible_redshifts_are_warnings_and_a_selected_object_without_one_is_a_flaw(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "s", 100, redshifts={4: -0.05, 5: 15.0})
    text = printed(audit_survey(survey.path))
    assert "warning: redshift below 0 of 1 object: -0.05 of object g0004" in text
    assert "warning: redshift above 9.9 of 1 object: 15 of object g0005" in text
    assert text.splitlines()[-1].startswith("2 warnings; ")
    without = audit_survey(write_galaxies(tmp_path / "t", 60, cut=9.0, redshifts={4: float("nan")}).path)
    assert [flaw.code for flaw in without.flaws] == ["E-VALUE-MISSING"]
    assert printed(without).count("g0004") == 1


def test_a_column_called_selected_is_no_flaw_where_classes_are_learned(tmp_path: Path) -> None:
    given = [image_series(n, 3) | {"selected": "yes"} for n in range(4)]
    report = audit_survey(write_survey(tmp_path / "s", given).path)
    assert report.flaws == []
    assert "warning: no redshift of it can be learned: the column selected" in printed(report)


def test_known_pixels_of_each_class_are_printed_and_what_is_ignored(tmp_path: Path) -> None:
    """Of two chips of 64 pixels 32 and 61 are known."""
    half, few = np.full((8, 8), 255, np.uint8), np.full((8, 8), 2, np.uint8)
    half[:4], few[0, :3] = 0, 255
    report = audit_survey(write_chips(tmp_path / "s", [chip(0, mask=half), chip(1, mask=few), chip(2, mask=few)]).path)
    assert report.masks is not None
    assert report.masks.pixels.tolist() == [32, 0, 122, 0]
    assert report.masks.chips.tolist() == [1, 0, 2, 0]
    assert report.masks.ignored == pytest.approx(38 / 192)
    said = printed(report)
    lines = [line.split() for line in said.splitlines()]
    assert ["water", "32", "20.78%", "1"] in lines
    assert ["forest", "122", "79.22%", "2"] in lines
    assert ["snow", "0", "-", "0"] in lines
    assert "masks: 154 of 192 pixels known, 19.8% ignored" in said
    assert "classes without a pixel: fields, snow" in said
    assert "the column scene: 2 scenes" in said
    assert "unlabelled" not in said


def test_a_survey_without_masks_says_nothing_of_them(tmp_path: Path) -> None:
    report = audit_survey(write_survey(tmp_path / "s", [image_series(n, 3) | {"scene": "a"} for n in range(3)]).path)
    assert report.masks is None
    assert not any(word in printed(report) for word in ("mask", "scene"))
