"""Surveys from Python: what a notebook shows of them, and how they are made."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ictconvention as ict
from ictconvention.cli import ingest as commands
from ictconvention.cli.ingesting.command import Shared
from ictconvention.core.errors import UsageError
from ictconvention.ingestion.kinds import KINDS
from ictconvention.ingestion.request import Request
from ictconvention.survey.survey import Survey

PNG = b"\x89PNG"


def test_a_notebook_shows_what_a_survey_is(work: Path) -> None:
    html = ict.open(work / "miniature")._repr_html_()
    for said in ("miniature (simulated)", "24 AGN", "u, g, r, i, z", "479"):
        assert said in html
    assert "MJD" in html
    assert "none" in ict.open(work / "miniature")[:0]._repr_html_()


def test_names_are_text_and_no_html(survey: Survey) -> None:
    series = survey[0]
    object.__setattr__(series, "id", "<b>bold</b>")
    assert "<b>bold</b>" not in series._repr_html_()
    assert "&lt;b&gt;bold" in series._repr_html_()


def test_a_notebook_shows_what_a_series_is(work: Path) -> None:
    html = ict.open(work / "miniature")["sn0003"]._repr_html_()
    for said in ("miniature (simulated) sn0003", "AGN", "11: 2 u, 3 g, 2 r, 2 i, 2 z"):
        assert said in html


def test_they_show_figures_that_need_no_screen(work: Path) -> None:
    survey = ict.open(work / "miniature")
    for figure in (survey.show(), survey[0].show()):
        assert figure._repr_png_().startswith(PNG)  # type: ignore[attr-defined]
        texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
        assert any("(simulated)" in text.get_text() for text in texts)


def test_the_sheet_has_a_row_for_each_class_there_is(work: Path) -> None:
    survey = ict.open(work / "miniature")
    [board] = survey.show().axes
    assert len(board.images) == 4 * 10
    [board] = survey.select(["sn0000", "sn0001", "sn0030"]).show().axes
    assert len(board.images) == 3


def test_the_split_is_that_of_the_command(work: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from ictconvention.cli.main import app

    words = ["split", str(work / "miniature"), "-o", str(tmp_path / "split.json"), "--index", "2", "--seed", "3"]
    assert CliRunner().invoke(app, words).exit_code == 0
    survey = ict.open(work / "miniature")
    assert ict.split(survey, index=2, seed=3) == ict.Split.load(tmp_path / "split.json", survey.object_table())


@pytest.mark.parametrize("kind", KINDS)
def test_each_command_of_ingest_declares_what_its_kind_takes(kind: str) -> None:
    """The help of the command line and the work are declared apart."""
    declared = inspect.signature(getattr(commands, kind).__wrapped__).parameters
    own = inspect.signature(KINDS[kind].ingest).parameters
    assert list(declared) == [name for name in own if name != "request"]
    for name in KINDS[kind].own:
        assert declared[name].default == own[name].default, name
    shown = set(inspect.signature(getattr(commands, kind)).parameters)
    shared = {name: one.default for name, one in inspect.signature(Request).parameters.items()}
    for name, one in inspect.signature(Shared).parameters.items():
        assert (name in shown) == (name not in KINDS[kind].without or name in KINDS[kind].own)  # its own in its place
        # Two ways to name a survey, of which the command line makes one; and workers, that only it asks for.
        if name not in ("out", "into", "scheduler"):
            assert one.default == shared[name], name


@pytest.mark.parametrize(
    ("kind", "options"),
    [("ccds", {}), ("ccd", {}), ("ccd", {"positions": "p.csv", "bin_pixels": True}), ("ztf", {"cutoff": "science"})],
)
def test_an_option_that_a_kind_has_not_is_refused(tmp_path: Path, kind: str, options: dict[str, object]) -> None:
    with pytest.raises(ict.UsageError):
        ict.ingest(kind, tmp_path, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_what_ingestion_leaves_out_is_in_its_result(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.random.default_rng(0).normal(size=(3, 32, 32)))
    lines = ["id,file,plane,band,mjd,class", *(f"a,frames.npy,{n},g,{53600.5 + n},AGN" for n in range(3))]
    lines.append("b,nowhere.npy,0,g,53600.5,AGN")
    (tmp_path / "frames.csv").write_text("\n".join(lines))
    made = ict.ingest("stamps", tmp_path / "frames.csv", tmp_path / "out", pixel_scale=0.4, jobs=1)
    assert (made.objects, made.frames, len(made.rejects)) == (1, 3, 1)
    assert made.said[-1] == "1 object, 3 frames, 1 rejected"
    assert made.survey.header.provenance["made by"].startswith("ict.ingest('stamps', ")
    dry = ict.ingest("stamps", tmp_path / "frames.csv", tmp_path / "dry", pixel_scale=0.4, jobs=1, dry_run=True)
    assert dry.frames == 3
    with pytest.raises(ict.UsageError):
        _ = dry.survey


def test_pictures_are_simulated_by_their_kind(tmp_path: Path) -> None:
    made = ict.simulate(tmp_path / "hosts", 100, jobs=1, kind="hosts", size=42)
    assert made.header.full_name == "hosts (simulated)"
    assert made[0].frames.shape == (3, 42, 42)
    assert len(made) == 100 + 28  # in proportion to 960 of 3 375
    for given in ({"kind": "moons"}, {"kind": "sdss", "size": 48}, {"kind": "hosts", "light_curves": ["a.csv"]}):
        wanted: Any = given
        with pytest.raises(UsageError):
            ict.simulate(tmp_path / "none", 100, **wanted)
    assert not (tmp_path / "none").exists()


def test_chips_of_land_are_simulated_by_their_kind(tmp_path: Path) -> None:
    made = ict.simulate(tmp_path / "scenes", 100, jobs=1, kind="scenes", size=32, unlabelled=0.5)
    assert made.header.full_name == "scenes (simulated)"
    assert made[0].frames.shape == (4, 32, 32)
    assert (made.count_pixels().sum(1) == 0).sum() == 50
    for given in ({"kind": "hosts", "unlabelled": 0.5}, {"kind": "scenes", "missing": 0.2}, {"unlabelled": 0.0}):
        wanted: Any = given
        with pytest.raises(UsageError):
            ict.simulate(tmp_path / "none", 100, **wanted)
    assert not (tmp_path / "none").exists()
