"""A run knows the state of the survey that it was trained on, and nights that are added later change nothing of it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ictconvention.api.run import Run
from ictconvention.applying.seen_objects import cannot_be_known, name_parts
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SplitError
from ictconvention.ingestion.found import Found, FoundFrame
from ictconvention.ingestion.options import IngestOptions
from ictconvention.ingestion.pipeline import ingest
from ictconvention.runs.plan import name_unfinished, plan_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.growth.compact import compact
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import join_shards
from ictconvention.sweeping.sweep import prepare_jobs
from ictconvention.training.retest import retest
from tests.conftest import HEADER
from tests.miniature import write_miniature
from tests.refusals import refused
from tests.small_runs import read_json


def night(number: int) -> list[Found]:
    """Read two frames of each of the first five objects, and of three that are new: two at places of others."""
    rng = np.random.default_rng(number)
    stamps = rng.normal(size=(16, 32, 32)).astype(np.float32)
    ids = [*(f"sn{n:04d}" for n in range(5)), *NEW]
    return [
        FoundFrame(id_, stamps[2 * n + k], "gr"[k], 53700.0 + number + k, "night", ra=ra, dec=dec)
        for n, id_ in enumerate(ids)
        for ra, dec in (NEW.get(id_, NOWHERE),)
        for k in range(2)
    ]


NOWHERE = (np.nan, np.nan)
NEW: dict[str, tuple[float, float]] = {}  # places of the new objects


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    """Write the survey in miniature, in a shard that others may join."""
    write_miniature(tmp_path / "s" / "shard-00000", replace(HEADER, name="miniature"))
    NEW.update(dict.fromkeys(("taught", "tested", "nowhere"), NOWHERE))
    join_shards(tmp_path / "s")
    return tmp_path / "s"


def grow(survey: Path) -> Survey:
    options = IngestOptions(survey, "a test", HEADER.pixel_scale, orientation="unknown", into=True)
    return ingest(options, night, [0], {}).survey


def words(survey: Path, *more: str) -> list[str]:
    place = ["survey=path", f"survey.path={survey}", f"runs={survey.parent}/runs"]
    return [*place, "experiment=ict_sdss", "profile=tiny", "trainer.batch_size=16", "figures=false", *more]


def test_a_run_stays_that_of_its_state_when_nights_are_added(survey: Path) -> None:
    from ictconvention.training.run import run

    asked = words(survey)
    folder = run(compose_run(asked), asked)
    before = Survey.open(survey)
    old = Run(folder).predict(before)
    split = plan_run(compose_run(asked)).split
    split.save(survey.parent / "split.json")
    parts = read_trained(folder).split["parts"]
    for name, part in (("taught", "finetune_train"), ("tested", "test")):
        row = before[parts[part][0]].metadata
        NEW[name] = float(row["ra"]), float(row["dec"])
    grown = grow(survey)
    assert read_json(folder / "result.json")["survey"]["hash"] == before.hash == grown.lineage[0]
    assert Run(folder).survey.hash == before.hash
    assert retest(folder, compose_run(words(survey)))  # the same numbers, of the survey as it was
    again = Run(folder).predict(Survey.open(survey, state=before.hash))
    assert again.pformat() == old.pformat()
    now = Run(folder).predict(grown)
    seen = {id_ for id_, seen in zip(old["id"], old["seen_in_training"], strict=True) if seen}
    plain = compact(shutil.copytree(survey, survey.parent / "plain")).survey
    assert Run(folder).predict(plain).pformat(max_width=-1) == now.pformat(max_width=-1)
    known = {id_ for id_, seen in zip(now["id"], now["seen_in_training"], strict=True) if seen}
    assert known == seen | {"taught"}  # it is at the place of one
    trained = read_trained(folder)
    part_of = dict(zip(grown.ids, name_parts(trained, grown), strict=True))
    assert {part_of[id_] for id_ in parts["test"]} == {"test"}
    assert [part_of[id_] for id_ in ("taught", "tested", "nowhere")] == ["seen", "", ""]
    assert {id_ for id_ in part_of if part_of[id_] in ("training", "validation", "seen")} == known
    assert cannot_be_known(trained, grown) == 1  # the new one that is nowhere
    assert cannot_be_known(trained, before) == 0
    with refused(SplitError, "E-SPLIT-MISMATCH", "taught", "survey.state", where=survey.parent / "split.json"):
        plan_run(compose_run(words(survey, f"split={survey.parent}/split.json")))
    plan = plan_run(
        compose_run(words(survey, f"split={survey.parent}/split.json", f"survey.state='{before.hash[:12]}'"))
    )
    assert plan.survey.hash == before.hash


def test_an_unfinished_run_resumes_on_the_state_that_it_began_on(survey: Path) -> None:
    options = compose_run(words(survey))
    began = plan_run(options)
    folder = began.folder.path
    folder.mkdir(parents=True)
    began.folder.begin(options, words(survey), began.split, {})
    began.folder.open_status().set(
        state="stopped", hashes=began.hashes, survey=str(survey), survey_hash=began.survey.hash
    )
    grow(survey)
    now = plan_run(compose_run(words(survey)))
    assert now.folder.path != folder
    said = name_unfinished(compose_run(words(survey)), now)
    assert str(folder) in said
    (state,) = (word for word in said.replace("'", "").replace('"', "").split() if word.startswith("survey.state="))
    resumed = plan_run(compose_run(words(survey, f"survey.state='{state.partition('=')[2]}'")))
    assert resumed.folder.path == folder
    assert not name_unfinished(compose_run(words(survey)), resumed)
    shutil.rmtree(folder)
    assert not name_unfinished(compose_run(words(survey)), now)
    assert RunFolder(folder).title


def test_the_jobs_of_a_sweep_stay_on_the_state_that_it_was_planned_on(survey: Path) -> None:
    grow(survey)
    (job,) = prepare_jobs([words(survey)])
    ingest(IngestOptions(survey, "a test", HEADER.pixel_scale, orientation="unknown", into=True), night, [7], {})
    assert plan_run(compose_run(words(survey))).folder.path != job.folder
    assert plan_run(compose_run(job.words)).folder.path == job.folder
