"""Who teaches has seen nothing that is to be tested, and speaks of the same objects and classes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SplitError, UsageError
from ictconvention.runs.plan import Plan, plan_run
from ictconvention.runs.run_folder import RunFolder
from tests.miniature import write_miniature
from tests.refusals import refused
from tests.small_runs import Smoke, places

pytestmark = pytest.mark.slow
SETTINGS = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=0"]
Planned = Callable[..., Plan]


@pytest.fixture(scope="module")
def folds(smoke: Smoke) -> list[Path]:
    return [smoke(*SETTINGS, "name=teacher", f"fold.index={fold}") for fold in (0, 1)]


@pytest.fixture
def planned(work: Path) -> Planned:
    """Return a function to plan a run of fold 0 that is taught."""
    return lambda *words: plan_run(compose_run([*places(work), *SETTINGS, "name=student", *words]))


def sweep_of(folder: Path, *runs: Path) -> Path:
    folder.mkdir()
    jobs = [{"folder": str(run), "state": "finished"} for run in runs]
    (folder / "sweep.json").write_text(json.dumps({"jobs": jobs}))
    return folder


def copied(run: Path, to: Path) -> Path:
    return Path(shutil.copytree(run, to))


def test_a_teacher_that_was_trained_on_what_is_tested_is_refused(planned: Planned, folds: list[Path]) -> None:
    tested = set(RunFolder(folds[0]).read_split()["parts"]["test"])
    assert tested & set(RunFolder(folds[1]).read_split()["parts"]["finetune_train"])
    assert planned(f"learner.teacher={folds[0]}").teachers.folders == (folds[0],)
    with refused(SplitError, "E-SPLIT-LEAK", where=folds[1]):
        planned(f"learner.teacher={folds[1]}")
    with refused(SplitError, "E-SPLIT-LEAK", where=folds[1]):
        planned(f"learner.teacher=[{folds[0]},{folds[1]}]")
    assert planned(f"learner.teacher={folds[1]}", "fold.index=1").teachers.folders == (folds[1],)


def test_the_runs_of_a_sweep_teach_in_their_own_fold(planned: Planned, folds: list[Path], tmp_path: Path) -> None:
    both = sweep_of(tmp_path / "both", *folds)
    found = [planned(f"learner.teacher={both}", f"fold.index={fold}").teachers for fold in (0, 1)]
    assert [of.folders for of in found] == [(folds[0],), (folds[1],)]
    assert folds[1].name in found[0].left_out[0]
    alone = planned(f"learner.teacher={folds[0]}")
    assert found[0].hashes == alone.teachers.hashes
    assert planned(f"learner.teacher={both}").hashes == alone.hashes
    with refused(SplitError, "E-SPLIT-LEAK", where=folds[1]):
        planned(f"learner.teacher={sweep_of(tmp_path / 'one', folds[1])}")


@pytest.mark.parametrize("key", ["learner.teacher", "init_from"])
def test_what_taught_a_teacher_counts_as_seen(
    key: str, planned: Planned, smoke: Smoke, folds: list[Path], tmp_path: Path
) -> None:
    """A taught run carries what its teachers have seen; so it need not know where these are."""
    taught = copied(smoke(*SETTINGS, "name=taught", f"learner.teacher={folds[0]}"), tmp_path / "taught")
    planned(f"{key}={taught}")
    seen = RunFolder(taught).read_seen()
    assert seen is not None
    parts = RunFolder(taught).read_split()["parts"]
    columns = {"id": [parts["test"][0]], "ra": [float("nan")], "dec": [float("nan")], "part": ["finetune_train"]}
    pq.write_table(pa.concat_tables([seen, pa.table(columns, seen.schema)]), taught / "seen_objects.parquet")
    with refused(SplitError, "E-SPLIT-LEAK", parts["test"][0], where=taught):
        planned(f"{key}={taught}")
    (taught / "seen_objects.parquet").unlink()
    with refused(UsageError, "E-RUN-DAMAGED", where=taught):
        planned(f"{key}={taught}")


def test_a_teacher_that_is_not_there_or_not_finished_is_named(
    planned: Planned, folds: list[Path], tmp_path: Path
) -> None:
    with refused(UsageError, "E-RUN-MISSING", where=tmp_path / "none"):
        planned(f"learner.teacher={tmp_path}/none")
    with refused(UsageError, "E-RUN-MISSING", folds[0].name, where=folds[0].parent):  # a folder of runs is no sweep
        planned(f"learner.teacher={folds[0].parent}")
    half = copied(folds[0], tmp_path / "half")
    (half / "result.json").unlink()
    with refused(UsageError, "E-RUN-UNFINISHED", where=half):
        planned(f"learner.teacher=[{folds[0]},{half}]")
    sweep = sweep_of(tmp_path / "sweep", folds[0], half)
    with refused(UsageError, "E-RUN-UNFINISHED", "half", where=sweep):
        planned(f"learner.teacher={sweep}")
    old = copied(folds[0], tmp_path / "old")
    (old / "seen_objects.parquet").unlink()
    with refused(UsageError, "E-RUN-VERSION", where=old):
        planned(f"learner.teacher={old}")
    with refused(UsageError, "E-CONFIG-VALUE", "hf://someone/something", where="learner.teacher"):
        planned("learner.teacher=hf://someone/something")


def test_a_teacher_of_other_objects_or_classes_is_refused(planned: Planned, folds: list[Path], tmp_path: Path) -> None:
    other = write_miniature(tmp_path / "other", seed=1)
    with refused(UsageError, "E-SURVEY-MISMATCH", where=folds[0]):
        planned(f"learner.teacher={folds[0]}", f"survey.path={other.path}")
    for classes in ('[AGN,"SN Ia",Variable]', '["SN Ia",AGN,Variable,"SN Other"]'):
        with refused(UsageError, "E-CLASS-UNKNOWN", where=folds[0]):
            planned(f"learner.teacher={folds[0]}", f"survey.classes={classes}")


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["survey=galaxies", "task=redshift", "model=resnet18", "fold=single", "learner.teacher=a"], "learner.teacher"),
        (["survey=scenes", "task=mask", "model=unet", "fold=single", "learner.teacher=[a,b]"], "learner.teacher"),
        (["learner=ict", "learner.teacher=a", "learner.weak_labels=forward"], "learner.weak_labels"),
        (["learner.teacher=[]"], "learner.teacher"),
        (["learner.teacher=5"], "learner.teacher"),
        (["learner.teacher_weight=0.5"], "learner.teacher_weight"),
        (["learner.teacher_temperature=2"], "learner.teacher_temperature"),
        (["learner.teacher=a", "learner.teacher_weight=1.5"], "learner.teacher_weight"),
        (["learner.teacher=a", "learner.teacher_temperature=0"], "learner.teacher_temperature"),
        (["learner.unlabelled=true"], "learner.unlabelled"),
        (["learner.unlabelled=true", "learner.teacher=a", "learner.teacher_weight=0"], "learner.unlabelled"),
    ],
)
def test_what_no_teacher_can_do_is_refused_before_anything_starts(words: list[str], key: str) -> None:
    with pytest.raises(UsageError) as error:
        compose_run(words)
    assert error.value.code.startswith("E-CONFIG")
    assert key in f"{error.value.where} {error.value.found}"
    assert error.value.fix
