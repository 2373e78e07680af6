"""A run that Python asks for is the run that the command line asks for: same folder, same checks, same numbers."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

import ictconvention as ict
from ictconvention.api.keywords import overrides_of
from ictconvention.configuration import functions, registry
from ictconvention.configuration.compose import compose_run
from tests.conftest import long_test
from tests.small_runs import Smoke, result_of


def small(work: Path) -> dict[str, Any]:
    """Return `small_runs.places` as keywords."""
    common = {"profile": "tiny", "trainer": {"batch_size": 16}, "figures": False, "runs": work / "runs"}
    return common | {"survey": work / "miniature"}


@pytest.mark.slow
def test_it_finds_the_run_of_the_command_and_trains_it_not_again(
    finished: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = (finished / "result.json").stat().st_mtime_ns
    given: dict[str, Any] = {"survey": ict.open(work / "miniature")}
    run = ict.train("ict_sdss", **small(work) | given)
    assert run.folder.resolve() == finished.resolve()
    assert (finished / "result.json").stat().st_mtime_ns == written
    assert "finished before, by 1 device" in capsys.readouterr().out


@pytest.mark.slow
def test_the_command_finds_the_run_of_python(work: Path, smoke: Smoke, capsys: pytest.CaptureFixture[str]) -> None:
    asked: dict[str, Any] = {
        "name": "both",
        "learner": {"tau": np.float64(0.9)},
        "seed": 1,
        "fold": ("fixed", {"index": 1}),
    }
    run = ict.train("ict_sdss", **small(work), **asked, quiet=True)
    assert capsys.readouterr().out == ""
    words = (run.folder / "overrides.txt").read_text().splitlines()
    assert {"experiment=ict_sdss", "learner.tau=0.9", "fold=fixed", "fold.index=1", "figures=false"} <= set(words)
    again = smoke("experiment=ict_sdss", "name=both", "learner.tau=0.9", "seed=1", "fold=fixed", "fold.index=1")
    assert again.resolve() == run.folder.resolve()
    assert run.result == result_of(again)
    assert run.options.learner.tau == 0.9


@long_test
@pytest.mark.slow
def test_several_devices_train_in_processes_of_their_own(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    keywords = small(work) | {"trainer": {"batch_size": 16, "devices": 2}, "name": "two"}
    run = ict.train("convention_sdss", **keywords)
    assert json.loads((run.folder / "environment.json").read_text())["devices"] == 2
    assert run.result["test"]["accuracy"] >= 0
    assert capfd.readouterr().out.count("result, predictions:") == 1  # one process speaks


@pytest.mark.slow
def test_what_goes_wrong_in_processes_of_their_own_is_said(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", "import sys; print('error: oh dear'); sys.exit(2)"]
    monkeypatch.setattr("ictconvention.sweeping.processes.COMMAND", command)
    keywords = small(work) | {"trainer": {"batch_size": 16, "devices": 2}, "name": "broken"}
    with pytest.raises(ict.UsageError) as caught:
        ict.train("convention_sdss", **keywords, quiet=True)
    assert "oh dear" in caught.value.found


def test_keywords_are_overrides(work: Path) -> None:
    given = {
        "profile": "tiny",
        "model": ("cnn_gru", {"dropout": 0.1}),
        "stage": {"pretrain": {"max_epochs": 0}, "finetune": {"optimiser": {"clip": None}}},
        "logger": ("wandb", {"tags": ["a b", "c"]}),
        "trainer.workers": np.int64(2),
        "figures": False,
    }
    words = overrides_of("ict_sdss", {"objects": 400}, None, given)
    assert words == [
        *("experiment=ict_sdss", "survey.objects=400", "profile=tiny", "model=cnn_gru", "model.dropout=0.1"),
        *("stage.pretrain.max_epochs=0", "stage.finetune.optimiser.clip=null", "logger=wandb", "logger.tags=['a b',c]"),
        *("trainer.workers=2", "figures=false"),
    ]
    options = compose_run(words)
    assert (options.model.kind, options.model.dropout, options.logger.tags) == ("cnn_gru", 0.1, ("a b", "c"))


def test_a_path_with_odd_letters_is_a_survey(tmp_path: Path, work: Path) -> None:
    folder = tmp_path / "my survey (v2), ünï=$x"
    folder.symlink_to(work / "miniature")
    options = compose_run(overrides_of(None, {"path": folder, "bands": ["g"]}, None, {}))
    assert options.survey.path == str(folder)
    assert options.survey.bands == ("g",)


@pytest.mark.parametrize(
    ("keywords", "where"),
    [
        ({"lerner": {"tau": 0.9}}, "lerner.tau"),
        ({"learner": {"tau": 2}}, "learner.tau"),
        ({"model": ("cnn_gru", 3)}, "model"),
        ({"seed": object()}, "seed"),
        ({"mode": "test", "run": "runs"}, "mode"),
        ({"trainer": {"num_nodes": 2}}, "trainer.num_nodes"),
        ({"survey": 3}, "survey"),
        ({"config_dir": "nowhere"}, "nowhere"),
    ],
)
def test_a_mistake_names_its_place(keywords: dict[str, Any], where: str) -> None:
    with pytest.raises(ict.UsageError) as caught:
        ict.train("ict_sdss", **keywords)
    assert str(caught.value.where) == where


def test_a_selection_is_refused_since_the_whole_would_train(work: Path) -> None:
    survey = ict.open(work / "miniature")
    with pytest.raises(ict.UsageError) as caught:
        ict.train("ict_sdss", survey=survey[:30])
    assert caught.value.where == survey.path
    assert "30 of the 60" in caught.value.found


def test_a_split_is_given_by_its_file(work: Path) -> None:
    with pytest.raises(ict.UsageError) as caught:
        ict.train("ict_sdss", survey=work / "miniature", split=ict.split(work / "miniature"))
    assert "split.save" in caught.value.fix


def test_one_of_several_processes_is_refused(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ict.UsageError) as caught:
        ict.train("ict_sdss", survey=work / "miniature", quiet=True)
    assert caught.value.where == "the environment"


@pytest.mark.slow
def test_a_network_that_was_imported_is_a_choice(work: Path) -> None:
    import examples.my_network  # noqa: F401 - registers it

    run = ict.train(model=("mean_of_frames", {"channels": 8}), name="imported", **small(work), quiet=True)
    assert run.options.model.module == "examples.my_network"
    assert "model.module=examples.my_network" in (run.folder / "overrides.txt").read_text().splitlines()
    assert len(run.predict(work / "miniature")) == 60


def test_a_network_of_the_program_itself_is_refused(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_networks", dict(registry._networks))

    class Here(ict.ConvEntion):
        pass

    Here.__module__ = "__main__"
    with pytest.raises(ict.UsageError) as caught:
        ict.train(model=ict.register_network("here")(Here).__name__.lower(), survey=work / "miniature")
    assert caught.value.where == "__main__"


def test_a_schedule_that_was_imported_names_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "_functions", {kind: dict(of) for kind, of in functions._functions.items()})

    @ict.register_tau_schedule("straight")
    def straight(step: int, steps: int, tau: float) -> float:
        return tau

    words = overrides_of(None, None, None, {"learner": ("ict", {"tau_schedule": "straight"})})
    assert words[-1] == f"model.module={__name__}"
    assert overrides_of(None, None, None, {"learner": ("ict", {"tau_schedule": "cosine"})})[-1].endswith("cosine")


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["train", "uniform", "estimate"])
def test_predictions_are_those_of_the_command(finished: Path, work: Path, tmp_path: Path, prior: str) -> None:
    from ictconvention.cli.main import app

    words = ["predict", finished, work / "miniature", "-o", tmp_path / "p.ecsv", "--prior", prior, "--first-days", "30"]
    ended = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    written = Table.read(tmp_path / "p.ecsv", format="ascii.ecsv")
    table = ict.load(finished).predict(work / "miniature", prior=prior, first_days=30)
    assert table.colnames == written.colnames
    assert table.meta | {"NOTES": None} == written.meta | {"NOTES": None}
    for name in table.colnames:
        np.testing.assert_array_equal(table[name], written[name], err_msg=name)
    for line in table.meta["NOTES"].split("; "):
        assert line in ended.output


@pytest.mark.slow
def test_shares_may_be_a_mapping(finished: Path, work: Path, tmp_path: Path) -> None:
    shares = {"AGN": 4, "SN Ia": 2, "Variable": 2, "SN Other": 2}
    (tmp_path / "shares.json").write_text(json.dumps(shares))
    run = ict.load(finished)
    given = run.predict(ict.open(work / "miniature")[:20], prior=shares)
    from_file = run.predict(ict.open(work / "miniature")[:20], prior=tmp_path / "shares.json")
    assert len(given) == 20
    np.testing.assert_array_equal(given["AGN"], from_file["AGN"])
    for wrong in ({"AGN": 1.0}, shares | {"AGN": 0.0}, shares | {"AGN": float("nan")}, shares | {"AGN": "much"}):
        with pytest.raises(ict.UsageError):
            run.predict(work / "miniature", prior=wrong)  # type: ignore[arg-type]
