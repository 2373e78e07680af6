"""A command ends with the one that comes next: it can be copied, and does what it says."""

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from ictconvention.cli import train as command_that_trains
from ictconvention.cli.main import app
from ictconvention.cli.next_command import NEW_SURVEY, suggest_prediction
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.runs.assembly.run_data import load_or_draw_split
from ictconvention.runs.assembly.run_survey import open_or_simulate
from tests.conftest import HEADER, image_series, write_survey
from tests.refusals import refused
from tests.small_chips import chip, write_chips
from tests.small_runs import Smoke, places


def give(*words: object) -> tuple[str, list[str]]:
    """Run a command that must succeed; return its standard output, and the words of the command that it suggests."""
    result = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    last = result.stderr.splitlines()[-1] if result.stderr else ""
    return result.stdout, shlex.split(last.removeprefix("next: ictconvention ")) if last.startswith("next: ") else []


def test_from_images_to_the_configuration_of_a_run(tmp_path: Path) -> None:
    """In a folder whose name needs quotes in a shell, and others in Hydra."""
    folder = tmp_path / "my data, 'v2'"
    folder.mkdir()
    np.save(folder / "a.npy", np.random.default_rng(0).normal(size=(40, 32, 32)))
    lines = [f"s{n},a.npy,{n},g,{58000 + n},{'AGN' if n % 2 else 'SN Ia'}" for n in range(40)]
    (folder / "t.csv").write_text("\n".join(["id,file,plane,band,mjd,class", *lines]))
    ingest = ["ingest", "stamps", folder / "t.csv", folder / "mine", "--pixel-scale", "0.4", "--jobs", "1"]
    said, check = give(*ingest)
    assert said.splitlines()[-1] == "40 objects, 40 frames, 0 rejected"  # on the standard output nothing comes after
    assert check == ["check", str(folder / "mine")]
    said, train = give(*check)
    assert "no flaw" in said
    assert train[0] == "train"
    options = compose_run(train[1:])
    assert (options.survey.path, options.learner.kind) == (str(folder / "mine"), "ict")
    _, train = give("split", folder / "mine", "-o", folder / "split.json")
    assert compose_run(train[1:]).split == str(folder / "split.json")


def test_after_a_dry_run_comes_the_same_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(1, 32, 32)))
    (tmp_path / "t.csv").write_text("id,file,plane,band,mjd\na,a.npy,0,g,58000")
    words = ["ingest", "stamps", str(tmp_path / "t.csv"), str(tmp_path / "s"), "--dry-run", "--pixel-scale", "0.4"]
    monkeypatch.setattr("sys.argv", ["ictconvention", *words])
    _, again = give(*words)
    assert again == [word for word in words if word != "--dry-run"]
    assert give(*again)[1] == ["check", str(tmp_path / "s")]


def test_where_there_is_nothing_to_tell_apart_no_training_is_suggested(tmp_path: Path) -> None:
    write_survey(tmp_path / "s", [image_series(number, 3) | {"class_name": "AGN"} for number in range(3)])
    assert give("check", tmp_path / "s")[1] == []


@pytest.mark.parametrize(
    ("classes", "sources", "unused", "keys"),
    [
        (("AGN", "SN Ia"), ("photometric",), 0, None),  # nothing to test
        (("AGN", *["SN Ia"] * 39), (None,), 0, None),  # one AGN among 40: no stage and a test beside it
        (("AGN", *["SN Ia", "Variable"] * 20), (None,), 0, ["survey.classes=[SN Ia,Variable]"]),
        (("SN Ia", *["AGN"] * 19), (None,), 0, ["fold.count=2"]),
        (("AGN", "SN Ia"), ("photometric", "spectroscopic"), 0, ["fold.count=2"]),
        (("AGN", "SN Ia"), (None,), 0, []),
        (("AGN", "SN Ia"), (None,), 1, ["survey.classes=[AGN,SN Ia]"]),
        (("AGN", "SN Ia"), ("photometric", *["spectroscopic"] * 4), 0, []),
    ],
)
def test_no_training_is_suggested_that_would_be_refused(
    tmp_path: Path, classes: tuple[str, ...], sources: tuple[str | None, ...], unused: int, keys: list[str] | None
) -> None:
    """Where the usual folds cannot be drawn, the first way that was tried and draws is suggested, or nothing."""
    names = [name for name in HEADER.classes if name in classes]
    given = [
        image_series(number, 1)
        | {"class_name": classes[number % len(classes)], "label_source": sources[number // 2 % len(sources)]}
        for number in range(40)
    ]
    if len(sources) == 2:  # of SN Ia photometric labels and two others
        for number, one in enumerate(given):
            one["label_source"] = "photometric" if number % 2 and number > 4 else "spectroscopic"
    write_survey(tmp_path / "s", given, replace(HEADER, classes=(*names, "never")[: len(names) + unused]))
    train = give("check", tmp_path / "s")[1]
    if keys is None:
        assert train == []
        return
    said = [word for word in train[1:] if not word.startswith(("experiment=", "survey=", "survey.path="))]
    assert [re.sub("[\"']", "", word) for word in said] == keys
    options = compose_run(train[1:])
    load_or_draw_split(options, open_or_simulate(options))


def test_a_split_that_lacks_objects_to_validate_is_suggested_to_no_training(tmp_path: Path) -> None:
    survey = write_survey(tmp_path / "s", [image_series(number, 1) | {"label_source": None} for number in range(40)])
    ids = [str(one) for one in survey.object_table()["id"]]
    parts = {"pretrain_train": ids[:20], "pretrain_validation": ids[20:30], "test": ids[30:]}
    for left, said in ((parts, True), (parts | {"pretrain_validation": []}, False)):
        (tmp_path / "split.json").write_text(json.dumps({"parts": left}))
        assert bool(give("split", tmp_path / "s", "--load", tmp_path / "split.json")[1]) == said


def test_after_a_run_comes_a_prediction_for_a_survey_that_it_does_not_know(
    finished: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suggest_prediction(finished)
    words = shlex.split(capsys.readouterr().err.removeprefix("next: ictconvention "))
    assert words == ["predict", str(finished), NEW_SURVEY, "-o", "predictions.ecsv"]
    monkeypatch.chdir(tmp_path)
    give(*(str(work / "miniature") if word == NEW_SURVEY else word for word in words))
    assert (tmp_path / "predictions.ecsv").is_file()


def galaxies(path: Path, count: int = 60, known: int = 60, **columns: object) -> Path:
    """Write pictures of no class, so many of which have a redshift."""
    given = [
        image_series(n, 1) | {"class_name": None, "label_source": None, "redshift": 0.01 * n if n < known else None}
        for n in range(count)
    ]
    return write_survey(path, [one | columns for one in given], replace(HEADER, classes=())).path


def test_after_a_survey_of_redshifts_comes_a_training_on_them(tmp_path: Path) -> None:
    folder = galaxies(tmp_path / "s")
    split = tmp_path / "split.json"
    for words in (["check", folder], ["split", folder, "-o", split], ["split", folder, "--load", split]):
        train = give(*words)[1]
        assert train[0] == "train"
        options = compose_run(train[1:])
        assert (options.task.kind, options.model.kind) == ("redshift", "cnn2")
        survey = open_or_simulate(options)
        assert survey.path == folder
        load_or_draw_split(options, survey)
    assert give("check", galaxies(tmp_path / "few", known=2))[1] == []
    assert give("check", galaxies(tmp_path / "none", known=0))[1] == []


def test_no_training_is_suggested_on_redshifts_that_a_run_refuses(tmp_path: Path) -> None:
    folder, split = galaxies(tmp_path / "s", redshift=-0.01), tmp_path / "split.json"
    assert give("check", folder)[1] == []
    with refused(SurveyError, "E-VALUE-RANGE"):  # a split does, too
        give("split", folder, "-o", split)
    assert not split.exists()


def test_redshifts_without_a_source_are_not_called_other_than_spectroscopic(tmp_path: Path) -> None:
    assert "that no label_source says are spectroscopic" in give("split", galaxies(tmp_path / "s"))[0]


def test_after_a_survey_with_masks_comes_a_training_on_them(tmp_path: Path) -> None:
    folder = write_chips(tmp_path / "s", [chip(n) for n in range(80)]).path
    split = tmp_path / "split.json"
    for words in (["check", folder], ["split", folder, "-o", split], ["split", folder, "--load", split]):
        said, train = give(*words)
        assert train[0] == "train"
        assert ("rarest water" in said) == (words[0] == "split")
        options = compose_run(train[1:])
        assert (options.task.kind, options.model.kind) == ("mask", "unet")
        survey = open_or_simulate(options)
        assert survey.path == folder
        load_or_draw_split(options, survey)
    blank = [chip(n, mask=np.full((8, 8), 255)) for n in range(30)]
    assert give("check", write_chips(tmp_path / "blank", blank).path)[1] == []
    alone = [chip(n, mask=np.full((8, 8), 1)) for n in range(30)]  # one class: nothing to tell apart
    assert give("check", write_chips(tmp_path / "alone", alone).path)[1] == []


def test_a_survey_of_classes_is_split_by_its_redshifts_where_that_is_asked_for(tmp_path: Path) -> None:
    """As a run of task=redshift draws it."""
    given = [
        image_series(n, 1) | {"class_name": "AGN", "label_source": None, "redshift": 0.01 * (n + 1)} for n in range(80)
    ]
    folder = write_survey(tmp_path / "s", given).path
    said, train = give("split", folder, "--task", "redshift", "--protocol", "single", "-o", tmp_path / "split.json")
    assert "AGN" not in said
    assert "z from" in said
    options = compose_run(train[1:])
    survey = open_or_simulate(options)
    kept = load_or_draw_split(options, survey)
    drawn = load_or_draw_split(
        compose_run([word for word in train[1:] if "split=" not in word] + ["fold=single"]), survey
    )
    assert kept.parts == drawn.parts
    result = CliRunner().invoke(app, ["split", str(folder), "--task", "redshfit"])
    assert isinstance(result.exception, UsageError)
    assert result.exception.code == "E-COMMAND-VALUE"


def test_the_command_that_trains_and_the_one_that_tests_suggest_it(finished: Path, work: Path, smoke: Smoke) -> None:
    """The run is there already: nothing is trained."""
    train = give("train", *places(work), "experiment=ict_sdss")[1]
    test = give("test", finished)[1]
    assert train == test
    assert train[:2] == ["predict", str(finished)]


def test_what_a_hint_is_read_from_fails_no_run(work: Path, smoke: Smoke) -> None:
    """Of a finished run some files may be gone: the same command ends as well as before."""
    settings = [*places(work), "experiment=ict_sdss", "name=thinned"]
    folder = smoke("experiment=ict_sdss", "name=thinned")
    (folder / "predictions.parquet").unlink()
    assert give("train", *settings)[1][:2] == ["predict", str(folder)]  # which needs no old predictions
    (folder / "environment.json").rename(folder / "away.json")
    assert give("test", folder)[1][:2] == ["predict", str(folder)]
    (folder / "status.json").unlink()
    assert give("test", folder)[1][:2] == ["predict", str(folder)]


@pytest.mark.parametrize("place", [[], ["hydra.sweep.dir=elsewhere"]])
def test_after_a_sweep_comes_its_report(
    place: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(command_that_trains, "_hydra", lambda words, folders, task: seen.extend(words))
    command_that_trains.sweep(["experiment=ict_sdss", "fold.index=0,1", *place])
    (folder,) = (word.partition("=")[2] for word in seen if word.startswith("hydra.sweep.dir="))
    said = capsys.readouterr()
    assert said.err == f"next: ictconvention report {folder} -o report.html\n"


@pytest.mark.usefixtures("unsaved_figures")
def test_after_a_report_comes_a_prediction_by_the_model_that_the_others_were_compared_with(
    finished: Path, smoke: Smoke, work: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "runs"
    shutil.copytree(finished, sweep / "ict" / finished.name)
    _, alone = give("report", sweep, "-o", tmp_path / "one.html")
    assert alone == ["predict", str(sweep), NEW_SURVEY, "-o", "predictions.ecsv"]
    other = smoke("experiment=light_curve_sdss", "name=curves")
    shutil.copytree(other, sweep / "a_first" / other.name)
    _, words = give("report", sweep, "-o", tmp_path / "two.html")
    assert words == [*alone, "--model", "ict_sdss"]  # which stands second, and is of ICT
    given = {NEW_SURVEY: str(work / "miniature"), "predictions.ecsv": str(tmp_path / "predictions.ecsv")}
    _, show = give(*(given.get(word, word) for word in words))
    table = Table.read(tmp_path / "predictions.ecsv")
    assert show == ["show", str(work / "miniature"), str(table["id"][np.argmax(table["novelty"])])]
    give(*show, "-o", tmp_path / "one.png")


def test_after_features_comes_a_prediction(finished: Path, work: Path, tmp_path: Path) -> None:
    """And after an export: see the tests of that."""
    predict = ["predict", str(finished), NEW_SURVEY, "-o", "predictions.ecsv"]
    assert give("features", finished, work / "miniature", "-o", tmp_path / "features.parquet")[1] == predict
