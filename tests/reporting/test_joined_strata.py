"""Runs of all strata are one answer: a row of the comparison, and one table of predictions with its scores."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ictconvention.cli.main import app
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.reporting.compare import compare
from ictconvention.reporting.joined_strata import write_joined
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.shift import prepare
from ictconvention.training.run import run
from tests.refusals import refused
from tests.runs.shift.test_shift import CUT, WORDS
from tests.runs.shift.test_strata import as_stratum, by_colour
from tests.tasks.redshift.galaxies import write_galaxies

JOINED = "strata, strata joined"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of runs of strata 0 and 4, copies of the latter that say they are the others, and one without."""
    folder = tmp_path_factory.mktemp("joined")
    survey = write_galaxies(folder / "survey", 160, cut=CUT)
    words = [*WORDS, "survey=path", f"survey.path={survey.path}", f"runs={folder}/runs", "stage.pretrain.max_epochs=1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "fit_propensity", by_colour)
        strata = [["name=strata", "shift=strata", f"shift.stratum={stratum}"] for stratum in (0, 4)]
        _, far, _ = (
            run(compose_run(given), given) for given in ([*words, *more] for more in (*strata, ["name=plain"]))
        )
    for stratum in (1, 2, 3):
        as_stratum(far, stratum, far.parent / f"fold0-seed0-{stratum}")
    return folder / "runs"


def test_a_comparison_has_a_row_of_all_strata_together(sweep: Path) -> None:
    found = compare(sweep)
    (joined,) = [entry for entry in found.entries if entry.name == JOINED]
    of = {run.options.shift.stratum: run for runs in found.collection.runs.values() for run in runs.values()}
    stratum = RunFolder(of[0].folder).read_columns("test")["stratum"]
    (predictions,) = joined.predictions.values()
    for number in range(5):
        own = of[number].predictions
        np.testing.assert_array_equal(predictions.at("row")[stratum == number], own.at("row")[stratum == number])
    assert joined.parameters == sum(of[number].result["parameters"] for number in range(5))
    assert len(found.table.rows) == 7


def test_what_they_predict_is_one_table_with_its_scores(sweep: Path, tmp_path: Path) -> None:
    file = tmp_path / "joined.parquet"
    result = CliRunner().invoke(app, ["join", str(sweep), "-o", str(file)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    table = pq.read_table(file).to_pydict()
    assert len(set(table["id"])) == len(table["id"])
    scores = json.loads((tmp_path / "joined.json").read_text())["scores"]["fold0-seed0"]
    for part in ("test", "extra_test"):
        here = [place for place, one in enumerate(table["part"]) if one == part]
        z, predicted = (np.array([table[name][place] for place in here]) for name in ("z", "z_mean"))
        assert scores[part]["objects"] == len(here)
        assert scores[part]["bias"] == pytest.approx(np.mean((predicted - z) / (1 + z)), abs=1e-6)
        assert scores[part]["bias_beyond_95"] is not None  # of the training of all strata
    assert {"pdf", "stratum", "z_low", "odds"} <= table.keys()


def test_an_answer_that_is_not_whole_is_refused_and_said(sweep: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    shutil.copytree(sweep, few)
    shutil.rmtree(few / "strata" / "fold0-seed0-2")
    with refused(UsageError, "E-COMPARE-INCOMPLETE", "4 runs"):
        write_joined(few, tmp_path / "a.parquet")
    found = compare(few)
    assert JOINED not in [entry.name for entry in found.entries]
    assert [remark for remark in found.remarks if remark.startswith(JOINED) and "2" in remark]
    with refused(UsageError, "E-COMPARE-INCOMPLETE", "strata", where=few / "plain"):
        write_joined(few / "plain", tmp_path / "a.parquet")
    with refused(UsageError, "E-FILES-ENDING", where=tmp_path / "a.csv"):
        write_joined(sweep, tmp_path / "a.csv")
    assert not list(tmp_path.glob("a.*"))
