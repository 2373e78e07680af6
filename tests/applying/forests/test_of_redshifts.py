"""The forest on photometry beside a run of redshifts: what it predicts, its row in a comparison, and refusals."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import ictconvention as ict
from ictconvention.applying.forests.redshifts import FOREST, read_photometric_forest
from ictconvention.cli.main import app
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.redshift.scores import redshift_scores
from ictconvention.reporting.compare import compare
from ictconvention.runs.run_folder import RunFolder
from ictconvention.tasks.redshift.bins import edges_of
from ictconvention.training.run import run
from tests.refusals import refused
from tests.runs.shift.test_shift import CUT, WORDS
from tests.small_runs import result_of
from tests.tasks.redshift.galaxies import write_galaxies


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with a forest beside it, and what the command said."""
    folder = tmp_path_factory.mktemp("forest")
    survey = write_galaxies(folder / "survey", 200, cut=CUT, ebv=True)
    words = [*WORDS, "survey=path", f"survey.path={survey.path}", f"runs={folder}/runs", "stage.pretrain.max_epochs=1"]
    made = run(compose_run(words), words)
    done = CliRunner().invoke(app, ["forest", str(made), "--jobs", "1"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert FOREST in done.output
    assert "report" in done.output + done.stderr
    return made


def test_it_predicts_the_objects_of_the_run_and_is_scored_as_they_are(one: Path) -> None:
    scores, result = json.loads((one / "forest.json").read_text())["scores"], result_of(one)
    assert scores["network"]["test"]["crps"] == pytest.approx(result["test"]["crps"], abs=1e-6)
    found, _ = read_photometric_forest(RunFolder(one)) or (None, None)
    assert found is not None
    known = RunFolder(one).read_predictions()
    np.testing.assert_array_equal(found.ids, known.ids)
    np.testing.assert_array_equal(found.label, known.label)
    np.testing.assert_allclose(found.at("row").sum(1), 1)
    again = redshift_scores(found.at("row"), edges_of(result["task"]["names"]), found.label, None)
    assert again["crps"] == pytest.approx(scores[FOREST]["test"]["crps"])
    assert scores[FOREST]["test"]["crps"] < scores["network"]["test"]["crps"]  # of a network that has hardly begun
    assert {*scores[FOREST]} == {"test", "extra_test"}


def test_a_comparison_has_a_row_of_it(one: Path) -> None:
    found = compare(one.parent.parent)
    assert [entry.name for entry in found.entries] == ["run", FOREST]
    assert found.entries[1].core_seconds[0, 0] > 0
    again = ict.load(one).train_forest(jobs=1)
    assert again[FOREST] == json.loads((one / "forest.json").read_text())["scores"][FOREST]


def test_what_is_not_its_own_is_refused(one: Path, tmp_path: Path) -> None:
    with refused(UsageError, "E-RUN-TASK", "all-frames", where=one):
        ict.load(one).train_forest(all_frames=True)
    with refused(UsageError, "E-RUN-TASK", where=one):
        ict.load(one).predict(str(one.parents[2] / "survey"), forest="mean")
    other = tmp_path / "runs" / "run" / "other"
    shutil.copytree(one, other)
    file = RunFolder(other).predictions(by_forest=True)
    file.write_bytes(RunFolder(other).predictions().read_bytes())
    with refused(UsageError, "E-RUN-EDITED", where=file):
        compare(tmp_path / "runs")
    record = json.loads((other / "forest.json").read_text())
    (other / "forest.json").write_text(json.dumps(record | {"run": "0"}))
    with refused(UsageError, "E-RUN-EDITED", "run", where=other / "forest.json"):
        compare(tmp_path / "runs")
    (other / "forest.json").write_text("{}")
    with refused(UsageError, "E-RUN-DAMAGED", where=other / "forest.json"):
        compare(tmp_path / "runs")
    (other / "forest.json").unlink()
    assert len(compare(tmp_path / "runs").entries) == 1
