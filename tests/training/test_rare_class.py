"""A class of two objects is refused with what helps, and each such word makes a run that ends."""

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ictconvention.api.keywords import words_of_survey
from ictconvention.api.run import Run
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SplitError, UsageError
from ictconvention.runs.collection import group_runs
from ictconvention.runs.finished_run import find_runs
from ictconvention.survey.survey import Survey
from ictconvention.training.retest import retest
from ictconvention.training.run import run
from tests.own_survey import QUICK, write_own
from tests.refusals import refused
from tests.small_runs import result_of


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rare")
    write_own(folder / "own")
    return folder


def trained(own: Path, *words: str) -> Path:
    given = [*QUICK, f"survey.path={own}/own", f"runs={own}/runs", "experiment=convention_sdss", *words]
    return run(compose_run(given), given)


def fixes_of(error: SplitError) -> list[list[str]]:
    """Return the words of each fix that an error names."""
    said = [part.removeprefix("take ") for part in error.fix.split(", or ")]
    assert said.pop() == "label more objects"
    return [shlex.split(words) for words in said]


@pytest.mark.parametrize(
    "words",
    [[], ["fold.count=2"], ["stage.pretrain.max_epochs=0"], ["fold.index=3", "fold=fixed"], ["fold=single"]],
    ids=" ".join,
)
def test_every_fix_that_a_refusal_names_makes_a_run(own: Path, words: list[str]) -> None:
    with refused(SplitError, "E-SPLIT-LABELS", "class rare", "2 objects", where="survey own") as caught:
        trained(own, *words)
    fixes = fixes_of(caught.value)
    assert len(fixes) >= 2
    assert not list(own.glob("runs/*/*/status.json")) or words
    for fix in fixes:
        result = result_of(trained(own, *words, *fix))
        kept = ["common", "other"] if any("survey.classes" in word for word in fix) else ["common", "other", "rare"]
        assert list(result["test"]["classes"]) == kept


def test_an_empty_validation_is_refused_with_what_makes_a_run(tmp_path: Path) -> None:
    write_own(tmp_path / "own", (4, 4, 0))
    survey = ["survey.classes=[common,other]"]
    with refused(SplitError, "E-SPLIT-EMPTY", "finetune_validation") as caught:
        trained(tmp_path, *survey, "fold.count=4", "fold.index=3")
    for fix in fixes_of(caught.value):
        assert result_of(trained(tmp_path, *survey, "fold.count=4", "fold.index=3", *fix))["test"]["objects"] > 0


def test_a_class_without_an_object_is_left_out_as_the_refusal_says(tmp_path: Path) -> None:
    write_own(tmp_path / "own", (10, 10, 0))
    with refused(SplitError, "E-SPLIT-LABELS", "rare", "survey.classes=[common,other]", where="survey own"):
        trained(tmp_path)
    assert list(result_of(trained(tmp_path, "survey.classes=[common,other]"))["test"]["classes"]) == ["common", "other"]


def test_one_class_is_nothing_to_tell_apart(own: Path) -> None:
    with refused(SplitError, "E-SPLIT-LABELS", "common", "two", where="survey own"):
        trained(own, "survey.classes=[common]", "fold=single")


def test_a_stage_that_is_off_needs_no_part_of_its_own(own: Path, tmp_path: Path) -> None:
    whole = json.loads((trained(own, "fold=single", "fold.count=2") / "split.json").read_text())["parts"]
    parts = {
        part.replace("pretrain_t", "finetune_t").replace("pretrain_v", "finetune_v"): whole[part]
        for part in whole
        if whole[part]
    }
    (tmp_path / "mine.json").write_text(json.dumps({"parts": parts}))
    words = [f"split={tmp_path}/mine.json"]
    folder = trained(own, *words, "stage.pretrain.max_epochs=0")
    assert retest(folder, compose_run(["mode=test", f"run={folder}"]))
    with refused(SplitError, "E-SPLIT-LABELS", "pretrain_train"):
        trained(own, *words)


@pytest.fixture(scope="module")
def without_rare(own: Path) -> Path:
    return trained(own, "survey.classes=[other,common]", "experiment=ict_sdss")


def test_objects_of_a_class_left_out_are_unlabelled_and_never_tested(own: Path, without_rare: Path) -> None:
    split = json.loads((without_rare / "split.json").read_text())
    label = dict(zip(Survey.open(own / "own").ids, Survey.open(own / "own").object_table()["class"], strict=True))
    rare = {id_ for id_, name in label.items() if name == "rare"}
    assert len(rare) == 2
    assert set(split["parts"]["pretrain_unlabelled"]) == rare
    predictions = Run(without_rare).predictions()
    assert predictions.colnames == ["id", "fold", "label", "other", "common"]
    assert not rare & set(predictions["id"])
    assert result_of(without_rare)["survey"]["classes_left_out"] == ["rare"]


def test_the_classes_count_for_what_a_run_is(own: Path, without_rare: Path) -> None:
    other = trained(own, "survey.classes=[common,other]", "experiment=ict_sdss")
    assert other != without_rare
    assert trained(own, "survey.classes=[other,common]", "experiment=ict_sdss") == without_rare
    runs, _ = find_runs(without_rare.parent)
    assert {run.task.names for run in runs} == {("other", "common"), ("common", "other")}
    with refused(UsageError, "E-COMPARE-MISMATCH", "other, common", "common, other"):
        group_runs(runs)


def test_all_that_reads_the_run_knows_its_classes(own: Path, without_rare: Path) -> None:
    assert retest(without_rare, compose_run(["mode=test", f"run={without_rare}"]))
    done = Run(without_rare)
    assert done.survey.header.classes == ("other", "common")
    table = done.predict(own / "own")
    assert {"other", "common"} <= set(table.colnames)
    assert "rare" not in table.colnames
    assert len(table) == 30
    assert {row["id"] for row in table if row["seen_in_training"]}.isdisjoint(done.predictions()["id"])


def test_a_survey_without_some_classes_trains_so_from_python(own: Path, without_rare: Path) -> None:
    whole = Survey.open(own / "own")
    assert [word for word in words_of_survey(Run(without_rare).survey) if "classes" in word] == [
        "survey.classes=[other,common]"
    ]
    assert [word for word in words_of_survey(whole.with_classes(["rare", "other", "common"])) if "classes" in word]
    assert not [word for word in words_of_survey(whole) if "classes" in word]


def test_another_unknown_class_is_still_refused(own: Path, without_rare: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from tests.conftest import image_series, write_survey
    from tests.own_survey import OWN

    header = replace(OWN, classes=("common", "unheard"))
    rows: list[Any] = [image_series(n, 4, header) | {"label_source": None} for n in range(4)]
    write_survey(tmp_path / "new", rows, header)
    with refused(UsageError, "E-SURVEY-UNSUITED", "unheard"):
        Run(without_rare).predict(tmp_path / "new")


def test_a_split_is_held_against_the_classes_that_are_left(own: Path, tmp_path: Path) -> None:
    import ictconvention as ict

    split = ict.split(own / "own", "single", count=2)
    split.save(tmp_path / "all.json")
    words = ["fold=single", "survey.classes=[common,other]"]
    with refused(SplitError, "E-SPLIT-MISMATCH", "2 ids", where="all.json"):
        trained(own, *words, f"split={tmp_path}/all.json")
    parts = {part: list(ids) for part, ids in split.parts.items()}
    (tmp_path / "hand.json").write_text(json.dumps({"parts": parts}))
    with refused(SplitError, "E-SPLIT-LABELS", where="hand.json"):
        trained(own, *words, f"split={tmp_path}/hand.json")
    ict.split(ict.open(own / "own").with_classes(["common", "other"]), "single").save(tmp_path / "some.json")
    assert list(result_of(trained(own, *words, f"split={tmp_path}/some.json"))["test"]["classes"]) == [
        "common",
        "other",
    ]


def test_extra_test_objects_of_a_class_left_out_are_nowhere(tmp_path: Path) -> None:
    import ictconvention as ict

    written = write_own(tmp_path / "own", (10, 10, 10))
    table = written.with_classes(["common", "other"]).object_table()
    extra = [number % 5 == 0 for number in range(len(table))]
    table["extra_test"] = extra
    from ictconvention.survey.split_drawing import make_split

    split = make_split(table)
    reasons = Counter(split.excluded.values())
    assert reasons == {"extra test object without a class": 2}
    assert len(split.parts["extra_test"]) == 4
    assert isinstance(ict.split(written), type(split))
