"""shift=adversarial in a run: its record, what its checkpoints hold, and that it resumes to the same weights."""

from pathlib import Path

import pytest
import torch

import ictconvention as ict
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SplitError, UsageError
from ictconvention.learning.learner import Learner
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.runs.plan import plan_run
from ictconvention.training.retest import retest
from ictconvention.training.run import run
from tests.refusals import refused
from tests.runs.shift.test_shift import CUT, WORDS
from tests.small_runs import result_of
from tests.tasks.redshift.galaxies import write_galaxies

ICT = ["learner=ict", "learner.unlabelled=true"]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("adversarial")
    survey = write_galaxies(folder / "survey", 240, cut=CUT)
    return [*WORDS, "survey=path", f"survey.path={survey.path}", f"runs={folder}/runs", "stage.pretrain.max_epochs=3"]


def trained(words: list[str], *more: str) -> Path:
    given = [*words, *more]
    return run(compose_run(given), given)


@pytest.fixture(scope="module")
def against(words: list[str]) -> Path:
    return trained(words, "shift=adversarial", "name=against")


def test_the_record_says_how_well_the_domains_are_still_told(against: Path, words: list[str]) -> None:
    shift = result_of(against)["shift"]
    parts = plan_run(compose_run(words)).split.parts
    assert shift["kind"] == "adversarial"
    assert (shift["objects"], shift["unlabelled"]) == tuple(
        len(parts[name]) for name in ("pretrain_train", "pretrain_unlabelled")
    )
    assert (shift["part"], shift["apart"]) == ("extra_test", len(parts["extra_test"]))
    assert 0 <= shift["head_auc"] <= 1
    assert 0 <= shift["auc"] <= 1


def test_it_predicts_is_tested_again_and_counts_whom_it_has_seen(against: Path, words: list[str]) -> None:
    result = result_of(against)
    assert retest(against, compose_run([]))["extra_test"] == result["extra_test"]
    plain = plan_run(compose_run(words))
    predicted = ict.load(against).predict(plain.survey)
    seen = {str(id_) for id_, trained in zip(predicted["id"], predicted["seen_in_training"], strict=True) if trained}
    assert {*plain.split.parts["pretrain_unlabelled"], *plain.split.parts["pretrain_train"]} <= seen
    weights = load_checkpoint(against / "checkpoints" / "pretrain.ckpt")["state_dict"]
    assert not [name for name in weights if name.startswith("domain")]


def test_a_run_that_was_stopped_ends_with_the_same_weights(
    against: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    step = Learner.training_step

    def stopped(self: Learner, *given: object) -> object:
        if self.current_epoch == 1:
            raise KeyError
        return step(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "training_step", stopped)
    own = [*words, f"runs={tmp_path}", "shift=adversarial", "name=against"]
    with pytest.raises(KeyError):
        trained(own)
    monkeypatch.undo()
    resumed = trained(own)
    one, other = (load_checkpoint(folder / "checkpoints" / "pretrain.ckpt") for folder in (against, resumed))
    for kind in ("state_dict", "domain"):
        assert all(torch.equal(x, other[kind][name]) for name, x in one[kind].items())
    assert result_of(resumed) == result_of(against)


def test_ict_trains_against_it_in_its_last_stage_alone(words: list[str]) -> None:
    more = ["fold=rotating", "stage.pretrain.max_epochs=1", "stage.finetune.max_epochs=1", "figures=false"]
    folder = trained(words, *ICT, *more, "shift=adversarial", "name=ict")
    stages = {stage: load_checkpoint(folder / "checkpoints" / f"{stage}.ckpt") for stage in ("pretrain", "finetune")}
    assert {stage: "domain" in content for stage, content in stages.items()} == {"pretrain": False, "finetune": True}
    plain, other = (plan_run(compose_run([*words, *ICT, *more, *one])).hashes for one in ([], ["shift=adversarial"]))
    assert plain["pretrain"] == other["pretrain"]


def test_what_it_has_no_meaning_for_is_refused(words: list[str], tmp_path: Path) -> None:
    with refused(UsageError, "E-CONFIG-VALUE", "adversarial", "learner.unlabelled"):
        compose_run([*words, "shift=adversarial", "learner=ict"])
    frozen = ["model=cnn1", "model.freeze=encoder", "init_from=a", "sequence.select=nights"]
    with refused(UsageError, "E-CONFIG-CONFLICT", "adversarial", where="shift.kind"):
        compose_run([*words, "shift=adversarial", *frozen])
    few = write_galaxies(tmp_path / "few", 60, cut=0.25)
    with refused(SplitError, "E-SPLIT-EMPTY", "pretrain_unlabelled", where="galaxies"):
        plan_run(compose_run([*words, f"survey.path={few.path}", "shift=adversarial"]))


def test_its_strength_is_no_setting_of_other_runs(words: list[str]) -> None:
    plain, same, other = (
        plan_run(compose_run([*words, *more])).hashes["run"]
        for more in (["shift=weights"], ["shift=weights", "+shift.strength=1.0"], ["shift=adversarial"])
    )
    assert plain == same != other
