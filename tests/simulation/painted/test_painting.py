"""Real light curves become stamps: read right, fitted, and on a cadence that knows no class."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table, vstack

from ictconvention.core.errors import FileSystemError, IctConventionError, SurveyError, UsageError
from ictconvention.evaluation import forest
from ictconvention.evaluation.forest import cadence_features, forest_probabilities
from ictconvention.measuring.audit import audit_survey
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.simulation.painted.light_curve_fit import densest_season
from ictconvention.simulation.painted.light_curve_table import RealCurve, read_light_curves
from ictconvention.simulation.painted.painting import paint_light_curve
from ictconvention.simulation.sdss.cadence import SEASON_LENGTH
from ictconvention.simulation.simulate import paint_light_curves
from ictconvention.survey.series import ImageSeries
from tests.refusals import refused


def supernova(seed: int = 0, class_name: str = "SN Ia") -> tuple[RealCurve, Callable[[Any], Any]]:
    """Return a noisy bump of 60 days, and its true flux."""
    rng = np.random.default_rng(seed)
    mjd = 53620 + np.sort(rng.uniform(0, 85, 90))

    def truth(t: Any) -> Any:
        return 8.0 * np.exp(-0.5 * ((t - 53650) / np.where(t < 53650, 7.0, 16.0)) ** 2)

    band = rng.integers(0, 5, 90)
    curve = RealCurve("a", class_name, mjd, band, truth(mjd) + rng.normal(0, 0.4, 90), np.full(90, 0.4), 0.1)
    return curve, truth


def pulsator(class_name: str = "Variable") -> tuple[RealCurve, Callable[[Any], Any]]:
    """Return 60 nights over eight years of a star that pulsates within 0.56 days, and its true flux."""
    rng = np.random.default_rng(1)
    night = 51000 + np.sort(rng.choice(2900, 60, replace=False)) + rng.uniform(0.1, 0.4, 60)
    mjd = np.repeat(night, 5) + np.tile(np.arange(5) * 72 / 86400, 60)

    def truth(t: Any) -> Any:
        return 50 * (1 + 0.3 * np.sin(2 * np.pi * t / 0.5612) + 0.1 * np.sin(4 * np.pi * t / 0.5612))

    band = np.tile(np.arange(5), 60)
    return RealCurve("b", class_name, mjd, band, truth(mjd) * (1 + rng.normal(0, 0.02, 300)), truth(mjd) * 0.02), truth


def as_table(curve: RealCurve) -> Table:
    columns = {"id": [curve.id] * len(curve.mjd), "class": [curve.class_name] * len(curve.mjd), "mjd": curve.mjd}
    table = Table(columns | {"band": np.array(list("ugriz"))[curve.band], "flux": curve.flux, "error": curve.error})
    table["redshift"] = curve.redshift if curve.redshift is not None else np.nan
    return table


def test_only_one_season_is_used() -> None:
    curve, _ = pulsator()
    first, last = densest_season(curve)
    assert last - first <= SEASON_LENGTH
    here = (curve.mjd >= first) & (curve.mjd <= last)
    assert 5 <= np.count_nonzero(here) < 100


def test_the_cadence_knows_neither_class_nor_curve() -> None:
    """The same place in the survey has the same nights, bands and seeing, whatever is painted there."""
    ia, _ = supernova()
    star, _ = pulsator()
    for number in range(3):
        one, other = paint_light_curve(ia, number, 0), paint_light_curve(star, number, 0)
        for name in ("mjd", "band", "psf_fwhm", "season"):
            np.testing.assert_array_equal(one[name], other[name])
        assert len(one["frames"]) == len(one["mjd"])


def test_stamps_hold_the_fitted_flux_and_noise_once() -> None:
    curve, _ = pulsator()
    given = paint_light_curve(replace(curve, flux=np.full(300, 40.0), error=np.full(300, 8.0)), 3, 0)
    columns = {name: given[name] for name in ("frames", "band", "mjd", "psf_fwhm", "sky_sigma", "x", "y", "gain")}
    object_ = ImageSeries("a", **columns, metadata={})
    flux, error = measure_photometry(object_, photometry_recipe(0.396, 32, "here")).T
    r = given["band"] == 2
    assert np.median(flux[r]) == pytest.approx(40.0, rel=0.01)
    assert np.std(flux[r]) < 1.3 * np.median(error[r])  # the points scatter by 8


def test_faint_supernovae_stay_as_frames_without_a_detection() -> None:
    curve, _ = supernova()
    given = paint_light_curve(replace(curve, flux=curve.flux * 1e-3, error=curve.error * 1e-3, host_r=24.0), 0, 0)
    assert len(given["frames"]) > 50
    assert given["host_r"] == 24.0


@pytest.mark.parametrize("ending", ["ecsv", "parquet", "csv"])
def test_tables_are_read(tmp_path: Path, ending: str) -> None:
    ia, _ = supernova()
    table = as_table(ia)
    if ending == "parquet":
        pq.write_table(pa.table({name: table[name].tolist() for name in table.colnames}), tmp_path / "curves.parquet")
    else:
        table.write(tmp_path / f"curves.{ending}")
    (read,) = read_light_curves([str(tmp_path / f"curves.{ending}")])
    assert (read.id, read.class_name, read.redshift) == ("a", "SN Ia", 0.1)
    np.testing.assert_allclose(read.flux, ia.flux)
    np.testing.assert_array_equal(read.band, ia.band)


def test_magnitudes_and_fluxes_are_the_same(tmp_path: Path) -> None:
    star, _ = pulsator()
    table = as_table(star)
    table["mag"] = 22.5 - 2.5 * np.log10(table["flux"])
    table["error"] = table["error"] / table["flux"] * 2.5 / np.log(10)
    table.remove_columns(["flux", "class"])
    table.write(tmp_path / "mag.ecsv")
    (read,) = read_light_curves([f"Variable={tmp_path / 'mag.ecsv'}"])
    np.testing.assert_allclose(read.flux, star.flux)
    np.testing.assert_allclose(read.error, star.error)
    assert read.redshift is None


def change(name: str, value: Any, at: Any = slice(None)) -> Callable[[Table], None]:
    def apply(table: Table) -> None:
        table[name][at] = value

    return apply


BAD: dict[str, tuple[Callable[[Table], object], tuple[str, ...]]] = {
    "no error column": (lambda t: t.remove_column("error"), ("E-TABLE-COLUMN", "/bad.ecsv", "error")),
    "neither flux nor magnitude": (lambda t: t.remove_column("flux"), ("E-TABLE-COLUMN", "/bad.ecsv", "flux or mag")),
    "no class": (lambda t: t.remove_column("class"), ("E-TABLE-COLUMN", "/bad.ecsv", "class", "CLASS=file")),
    "an unknown band": (change("band", "y", 3), ("E-VALUE-RANGE", "/bad.ecsv, row 4", "'y'")),
    "an unknown class": (
        lambda t: t.replace_column("class", ["SN Ib"] * len(t)),
        ("E-VALUE-RANGE", "/bad.ecsv, row 1", "'SN Ib'", "did you mean SN Ia?"),
    ),
    "a flux that is not a number": (change("flux", np.nan, 3), ("E-VALUE-MISSING", "/bad.ecsv, object a")),
    "an error of zero": (change("error", 0.0, 3), ("E-VALUE-RANGE", "/bad.ecsv, object a")),
    "a time that is not a number": (change("mjd", np.inf, 3), ("E-VALUE-TIME", "/bad.ecsv, object a")),
    "Julian dates": (
        lambda t: t.replace_column("mjd", t["mjd"] + 2400000.5),
        ("E-VALUE-TIME", "/bad.ecsv, object a", "2400000.5"),
    ),
    "one point": (
        lambda t: t.remove_rows(slice(1, None)),
        ("E-VALUE-SMALL", "/bad.ecsv", "1 light curve", "5 points", "a"),
    ),
    "text for fluxes": (
        lambda t: t.replace_column("flux", ["bright"] * len(t)),
        ("E-VALUE-TYPE", "/bad.ecsv, row 1", "flux", "'bright'"),
    ),
    "times counted from elsewhere": (
        lambda t: t.replace_column("mjd", t["mjd"] - 53000),
        ("E-VALUE-TIME", "/bad.ecsv, object a", "15000"),
    ),
    "fluxes of another unit": (
        lambda t: setattr(t["flux"], "unit", "Jy"),
        ("E-VALUE-UNITS", "/bad.ecsv", "flux", "Jy"),
    ),
    "absurd fluxes": (change("flux", 1e9, 3), ("E-VALUE-UNITS", "/bad.ecsv, object a", "1e+09")),
    "a negative separation": (
        lambda t: t.add_column([-3.0] * len(t), name="host_separation"),
        ("E-VALUE-RANGE", "/bad.ecsv, row 1", "host_separation", "-3.0"),
    ),
    "a redshift as text": (
        lambda t: t.replace_column("redshift", ["high"] * len(t)),
        ("E-VALUE-TYPE", "/bad.ecsv, row 1", "redshift", "'high'"),
    ),
    "an empty table": (lambda t: t.remove_rows(slice(None)), ("E-TABLE-EMPTY", "/bad.ecsv")),
    "a redshift that stands for none": (
        lambda t: t.replace_column("redshift", [-9.0] * len(t)),
        ("E-VALUE-RANGE", "/bad.ecsv, row 1", "redshift", "-9.0"),
    ),
    "times in single precision": (
        lambda t: t.replace_column("mjd", t["mjd"].astype("f4")),
        ("E-VALUE-PRECISION", "/bad.ecsv", "mjd", "float32"),
    ),
    "ids that lost their digits": (
        lambda t: t.replace_column("id", [169830580431093809.0] * len(t)),
        ("E-VALUE-PRECISION", "/bad.ecsv, row 1"),
    ),
    "errors in magnitudes of fluxes": (
        lambda t: setattr(t["error"], "unit", "mag"),
        ("E-VALUE-UNITS", "/bad.ecsv", "error", "mag"),
    ),
    "an object of two classes": (
        change("class", "AGN", 0),
        ("E-ID-DUPLICATE", "/bad.ecsv, row 1 and row 2", "'a'", "'AGN'", "'SN Ia'"),
    ),
    "an object of two redshifts": (
        change("redshift", 0.2, 3),
        ("E-ID-DUPLICATE", "/bad.ecsv, row 1 and row 4", "'a'", "0.1", "0.2"),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_refused_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    spoil, (code, place, *facts) = BAD[case]
    table = as_table(supernova()[0])
    spoil(table)
    table.write(tmp_path / "bad.ecsv")
    with refused(IctConventionError, code, *facts, where=place):
        paint_light_curves(tmp_path / "survey", [str(tmp_path / "bad.ecsv")])
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.ecsv"]


@pytest.mark.parametrize(
    ("source", "code", "facts"),
    [
        ("curves.txt", "E-FILES-ENDING", ["'.txt'"]),
        ("nowhere.ecsv", "E-FILES-MISSING", []),
        ("SN Iaa=nowhere.npz", "E-CLASS-UNKNOWN", ["did you mean SN Ia?"]),
        ("damaged.ecsv", "E-TABLE-DAMAGED", []),
        ("damaged.npz", "E-COMMAND-VALUE", ["class"]),
        ("AGN=damaged.npz", "E-TABLE-DAMAGED", []),
        ("AGN=other.npz", "E-TABLE-COLUMN", ["offset"]),
    ],
)
def test_what_is_no_light_curve_file_is_refused(tmp_path: Path, source: str, code: str, facts: list[str]) -> None:
    (tmp_path / "damaged.ecsv").write_bytes(b"\x00\x01")
    (tmp_path / "damaged.npz").write_bytes(b"PK")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    name, _, file = source.rpartition("=")
    with refused(IctConventionError, code, *facts, where=f"/{file}"):
        read_light_curves([f"{name}={tmp_path / file}" if name else str(tmp_path / file)])


@pytest.mark.parametrize(
    ("changes", "code", "facts"),
    [
        ({"band": np.full(10, 7)}, "E-BAND-UNKNOWN", ["0 to 4"]),
        ({"band": np.full(10, -1)}, "E-BAND-UNKNOWN", ["0 to 4"]),
        ({"fluxcal": np.ones(9)}, "E-VALUE-SHAPE", ["fluxcal", "float64"]),
        ({"mjd": np.full(10, "x")}, "E-VALUE-SHAPE", ["mjd"]),
        ({"offset": np.array([0, 5, 90])}, "E-TABLE-DAMAGED", ["offset"]),
        ({"offset": np.array(3)}, "E-TABLE-DAMAGED", ["offset"]),
        ({"offset": np.array([0, 12, 10])}, "E-TABLE-DAMAGED", ["offset"]),
        ({"z": np.ones(5)}, "E-VALUE-SHAPE", ["z"]),
        ({"mjd": (600 + np.arange(10.0)).astype("f2")}, "E-VALUE-PRECISION", ["mjd", "float16"]),
    ],
)
def test_a_bad_npz_is_refused(tmp_path: Path, changes: dict[str, Any], code: str, facts: list[str]) -> None:
    ones = np.ones(10)
    good: dict[str, Any] = {
        "mjd": 600 + np.arange(10.0),
        "band": np.arange(10) % 5,
        "fluxcal": ones,
        "fluxcalerr": ones,
    }
    good["offset"] = np.array([0, 5, 10])
    np.savez(tmp_path / "good.npz", **good)
    assert len(read_light_curves([f"SN Ia={tmp_path / 'good.npz'}"])) == 2
    np.savez(tmp_path / "bad.npz", **(good | changes))
    with refused(IctConventionError, code, *facts, where="/bad.npz"):
        read_light_curves([f"SN Ia={tmp_path / 'bad.npz'}"])
    whole = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with refused(SurveyError, "E-TABLE-DAMAGED", where=tmp_path / "cut.npz"):
        read_light_curves([f"SN Ia={tmp_path / 'cut.npz'}"])


def test_no_curve_is_painted_twice_and_no_survey_overwritten(tmp_path: Path) -> None:
    as_table(supernova()[0]).write(tmp_path / "one.ecsv")
    source = [str(tmp_path / "one.ecsv")]
    for objects in (0, 2):
        with refused(UsageError, "E-COMMAND-VALUE", where="the number of objects"):
            paint_light_curves(tmp_path / "s", source, objects)
    paint_light_curves(tmp_path / "s", source)
    with refused(FileSystemError, "E-FILES-EXISTS", where=tmp_path / "s"):
        paint_light_curves(tmp_path / "s", source)
    with refused(SurveyError, "E-ID-DUPLICATE", "a", where=", ".join(source * 2)):
        paint_light_curves(tmp_path / "t", source * 2)


@pytest.mark.real_data
@pytest.mark.no_cover
@pytest.mark.slow
def test_real_light_curves_make_a_sound_survey_that_leaks_nothing(
    shared: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forest that sees only counts, gaps, span, seeing and date stays at chance."""
    files = {"SN Ia": ("sn_ia", 101, 24), "AGN": ("quasars", 3062, 24), "Variable": ("rr_lyrae", 242, 6)}
    tables = []
    for name, (file, count, few) in files.items():
        curves = read_light_curves([f"{name}={shared(f'light_curves/{file}.npz')}"])
        assert len(curves) == count
        tables += [as_table(curve) for curve in curves[:few]]
    every = vstack(tables)
    pq.write_table(pa.table({name: every[name].tolist() for name in every.colnames}), tmp_path / "curves.parquet")
    survey = paint_light_curves(tmp_path / "painted", [str(tmp_path / "curves.parquet")])
    assert len(survey) == 54
    report = audit_survey(survey.path)
    assert not report.flaws
    assert report.header.simulated
    objects = survey.object_table()
    labels = np.asarray(objects["class"])
    assert set(labels) == set(files)
    features = np.array([cadence_features(s.psf_fwhm, s.sky_sigma, s.band, s.mjd, 5) for s in survey])
    monkeypatch.setattr(forest, "TREES", 200)
    recalls = []
    for train in (np.arange(54) % 2 == 0, np.arange(54) % 2 == 1):
        classes, probabilities = forest_probabilities(features[train], labels[train], features[~train])
        predicted, truth = classes[probabilities.argmax(axis=1)], labels[~train]
        recalls.append([np.mean(predicted[truth == name] == name) for name in classes])
    assert np.mean(recalls) < 1 / 3 + 0.1
