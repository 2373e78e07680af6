"""What a refusal tells a user to type is read back as it was meant, by a shell and then by Hydra."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ictconvention.applying import fitting_survey
from ictconvention.applying.fitting_survey import check_survey_fits
from ictconvention.cli.train import train
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.identity import SHAPES, values_with
from ictconvention.configuration.overrides import check_overrides, command, override
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError
from ictconvention.runs.run_folder import RunFolder
from tests.conftest import image_series, write_survey
from tests.refusals import refused
from tests.reporting.made_up_runs import EVERY_KIND, made_up_run

TEXTS = ("init_from", "split", "runs", "surveys", "logger.group")  # keys that take any text
ODD_NAMES = [
    "my survey (v2)",
    "a=b",
    "\u00e9lan",
    "g,r",
    "it's",
    'say "x"',
    "[v2]",
    "{v2}",
    "$HOME",
    "${seed}",
    "back\\slash",
    "ends\\",
    "2024",
    "1e3",
    "null",
    "true",
    "~",
    " led",
    "#1",
    "!x",
    "`x`",
    "a;b",
    "\u201cx\u201d",
    "glob(*)",
    "-x",
]


@pytest.mark.parametrize("names", [ODD_NAMES[first : first + 5] for first in range(0, len(ODD_NAMES), 5)])
def test_a_folder_of_any_name_comes_back_from_a_pasted_command(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    for values in (names, [str(tmp_path / name) for name in names]):
        folder = str(tmp_path / names[0])
        line = command(["survey=path", override("survey.path", folder), "logger=wandb", *map(override, TEXTS, values)])
        options = compose_run(shlex.split(line))
        assert options.survey.path == folder
        assert texts_of(options) == values


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12)


@settings(deadline=None, max_examples=8)
@given(st.lists(TEXT, min_size=5, max_size=5))
def test_any_text_comes_back(texts: list[str]) -> None:
    assert texts_of(compose_run(shlex.split(command(["logger=wandb", *map(override, TEXTS, texts)])))) == texts


def texts_of(options: RunOptions) -> list[str | None]:
    return [options.init_from, options.split, options.runs, options.surveys, options.logger.group]


def test_values_of_every_type_come_back() -> None:
    values = {"survey.bands": ("g", "zd DECam"), "seed": 3, "learner.tau": 0.5}
    words = [override(key, values[key]) for key in ("survey.bands", "seed", "learner.tau")]
    options = compose_run(["experiment=ict_sdss", *shlex.split(command(words))])
    assert (options.survey.bands, options.seed, options.learner.tau) == (("g", "zd DECam"), 3, 0.5)
    assert override("init_from", None) == "init_from=null"
    assert override("trainer.x", True) == "trainer.x=true"


@pytest.mark.parametrize("several", [[], ["-m", "seed=0,1"]])
@pytest.mark.parametrize("name", ["my survey (v2)", "a=b", "\u00e9lan", "[x", "\u201cmine\u201d"])
def test_an_unquoted_name_is_answered_with_the_quoted_one(name: str, several: list[str], tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with refused(UsageError, "E-CONFIG-SYNTAX", where="survey.path") as caught:
        train([*several, "survey=path", f"survey.path={tmp_path}/{name}"])
    (meant,) = re.findall(r"\"?survey\.path=.*", caught.value.fix)
    assert compose_run(["survey=path", *shlex.split(meant)]).survey.path == f"{tmp_path}/{name}"


def test_a_name_that_the_shell_has_split_is_put_together_again(tmp_path: Path) -> None:
    (tmp_path / "my survey").mkdir()
    with refused(UsageError, "E-CONFIG-SYNTAX", where="survey") as caught:
        compose_run(["survey=path", f"survey.path={tmp_path}/my", "survey"])
    (meant,) = re.findall(r"\".*?\"", caught.value.fix)
    assert compose_run(["survey=path", *shlex.split(meant)]).survey.path == f"{tmp_path}/my survey"


@pytest.mark.parametrize(
    ("words", "kind", "meant"),
    [
        ("experiment = ict_sdss", "SYNTAX", "experiment=ict_sdss"),
        ("experiment= ict_sdss", "SYNTAX", "experiment=ict_sdss"),
        ("experiment =ict_sdss", "SYNTAX", "experiment=ict_sdss"),
        ("experiment:ict_sdss", "SYNTAX", "experiment=ict_sdss"),
        ("seed==1", "SYNTAX", "seed=1"),
        ("seed=1e3", "VALUE", "seed=1000"),
        ("init_from=2024", "VALUE", "\"init_from='2024'\""),
        ("survey.bands=g,r", "SWEEP", "'survey.bands=[g,r]'"),
        ("learner.tau=0,99", "SWEEP", "learner.tau=0.99"),
        ("fold.index=0-4", "VALUE", "'fold.index=range(0,5)'"),
        ("model=conf/model/cnn_gru.yaml", "CHOICE", "model=cnn_gru"),
        ("imbalance=weighted.yaml", "CHOICE", "imbalance=weighted"),
        ("survey=surveys/mine", "CHOICE", "survey=path survey.path=surveys/mine"),
        ("survey=tests", "CHOICE", "survey=path survey.path=tests"),
        ("experiment=my.yaml", "CHOICE", "ict_sdss"),
        ("fold=2", "CHOICE", "rotating"),
        ("--fold 1", "SYNTAX", "fold.index"),
        ("--seed=1", "SYNTAX", "seed"),
        ("~learner", "SYNTAX", "learner=..."),
        ("~trainer.batch_size", "SYNTAX", "trainer.batch_size=..."),
        ("model=null", "CHOICE", "convention"),
        ("model=[convention,cnn_gru]", "SWEEP", "model=CHOICE"),
        ("+model=convention", "SYNTAX", "model=CHOICE"),
        ("+name=x", "SYNTAX", "name=VALUE"),
        ("trainer=4", "VALUE", "trainer.devices=..."),
        ("hydra/launcher=slurm", "SWEEP", "-m"),
        ("survey.path=~/mine", "SYNTAX", f"survey.path={Path.home()}/mine"),
        ("name=${nothing}", "SYNTAX", "quote"),
        ("learner=", "CHOICE", "supervised"),
        ("=1", "SYNTAX", "KEY=VALUE"),
        ("train seed=1", "SYNTAX", "leave it out"),
    ],
)
def test_a_wrong_line_is_answered_with_what_to_type(words: str, kind: str, meant: str) -> None:
    with refused(UsageError, f"E-CONFIG-{kind}", meant) as caught:
        compose_run(words.split())
    error = caught.value
    assert "\n" not in f"{error.found}{error.fix}"
    for hydras in ("Lexer", "mismatched", "struct", "full_key", "object_type", "viable", "defaults list"):
        assert hydras not in str(error)


def test_a_sweep_refuses_before_hydra_speaks(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for kind, *words in (
        ("SYNTAX", "--fold", "1"),
        ("SYNTAX", "--config-name=x"),
        ("CHOICE", "fold=2"),
        ("CHOICE", "survey=a/b,c/d"),
        ("SYNTAX", "seed"),
    ):
        with refused(UsageError, f"E-CONFIG-{kind}"):
            train(["-m", f"runs={tmp_path}/runs", *words])
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())
    assert [one.key_or_group for one in check_overrides(["model=cnn_gru,cnn_lstm", "fold=fixed"], True)]


@pytest.mark.parametrize(("learner", "model", "channels"), EVERY_KIND)
def test_the_command_after_other_bands_trains_a_network_of_the_same_kind(
    learner: Any, model: Any, channels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting_survey, "compose_run", composed)
    survey = write_survey(tmp_path / "it's (v2), [gri]", [image_series(0, 4)])
    run = made_up_run(learner, model, channels)
    run = replace(run, folder=tmp_path / "a run=1")
    run.folder.mkdir()
    experiment = "ict_sdss" if learner == "ict" else f"{model}_sdss"
    typed = [f"experiment={experiment}", "profile=laptop"]
    if learner == "ict" and model != "convention":  # whose experiment has ConvEntion
        typed += [f"model={model}", f"pixels.channels={channels}"]
    named = composed(typed)
    assert (named.learner.kind, named.model.kind) == (learner, model)
    for kept in ([], typed, ["experiment=gone", "profile=smoke"]):
        (run.folder / "overrides.txt").write_text("".join(f"{word}\n" for word in [*kept, "seed=7"]))
        with refused(UsageError, "E-SURVEY-UNSUITED", where="/it's (v2), [gri]") as caught:
            check_survey_fits(run, survey)
        options = composed(_pasted(caught.value.fix))
        assert (options.survey.path, options.init_from) == (str(survey.path), str(run.folder))
        assert values_with(options, SHAPES) == values_with(run.options, SHAPES)
        if "profile=laptop" in kept:
            assert options.name == experiment
            assert options.stage == composed(kept).stage
        assert options.seed == RunOptions().seed


def test_an_unfinished_run_says_the_command_that_finishes_it(tmp_path: Path) -> None:
    words = ["survey=path", override("survey.path", str(tmp_path)), override("init_from", "a (b)"), "seed=3"]
    (tmp_path / "config.yaml").write_text("")
    (tmp_path / "overrides.txt").write_text("".join(f"{word}\n" for word in words))
    with refused(UsageError, "E-RUN-UNFINISHED", where=tmp_path) as caught:
        RunFolder(tmp_path).last_weights()
    assert _pasted(caught.value.fix) == words


def composed(words: Sequence[str]) -> RunOptions:
    """Return `compose_run`, which always says the same of the same words, but once."""
    return _composed(tuple(words))


_composed = cache(compose_run)


def _pasted(fix: str) -> list[str]:
    """Return the overrides of the command at the end of a message."""
    python, script, *words = shlex.split(fix[fix.index("python train.py") :])
    assert (python, script) == ("python", "train.py")
    return words
