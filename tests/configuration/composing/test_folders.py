"""A user's own choices join ours, and nothing in their folder is silently left out."""

from pathlib import Path

import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.composing.folders import ConfigFolders, config_folder
from ictconvention.configuration.options import Augmentation
from ictconvention.configuration.overrides import hydra_words
from ictconvention.core.errors import UsageError
from tests.refusals import refused

MINE = """# @package _global_
defaults:
  - override /model: light_curve
  - override /learner: supervised
  - override /augmentation: gentle
name: mine
stage: {pretrain: {max_epochs: 7}}
"""


def write(folder: Path, **choices: str) -> Path:
    """Write choices, such as augmentation__gentle, and return the folder."""
    for name, text in choices.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write(
        tmp_path / "my choices",
        augmentation__gentle="rotation: 5.0\nkeep: 0.9\n",
        imbalance__half="sampling: 0.5\n",
        experiment__mine=MINE,
        profile__short="# @package _global_\ndefaults:\n  - smoke\nsequence: {max_frames: 9}\n",
    )


@pytest.mark.parametrize("spelling", ["--config-dir={}", "hydra.searchpath=['file://{}']", "hydra.searchpath=['{}']"])
def test_choices_of_ones_own_join_ours(spelling: str, own: Path) -> None:
    words = [spelling.format(own), "experiment=mine", "imbalance=half", "profile=short"]
    options = compose_run(words)
    assert (options.name, options.model.kind, options.stage.pretrain.max_epochs) == ("mine", "light_curve", 7)
    assert options.augmentation == Augmentation(keep=0.9, rotation=5.0)  # what the file does not say is as ever
    assert (options.imbalance.sampling, options.sequence.max_frames, options.model.dropout) == (0.5, 9, 0.3)
    assert options == compose_run([*words, "augmentation=gentle"])
    assert compose_run([*words, "augmentation.keep=0.7"]).augmentation.keep == 0.7


def test_both_spellings_and_a_relative_folder_name_the_same_choices(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = write(tmp_path / "other", augmentation__wild="rotation: 90.0\n")
    words = ["--config-dir=my choices", "hydra.searchpath=[file://other]", "augmentation=wild"]
    assert ConfigFolders.named_in(words).paths == (config_folder(), own, other)
    assert hydra_words(words) == [f"hydra.searchpath=['file://{own}','file://{other}']", "augmentation=wild"]
    assert compose_run(words).augmentation.rotation == 90
    assert hydra_words(["seed=1"]) == ["seed=1"]


def test_a_package_may_hold_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "choices_of_mine", augmentation__packed="keep: 0.6\n")
    (tmp_path / "choices_of_mine" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert compose_run(["hydra.searchpath=[pkg://choices_of_mine]", "augmentation=packed"]).augmentation.keep == 0.6


def test_an_unknown_choice_is_answered_with_those_of_all_folders(own: Path) -> None:
    facts = ["'gentl'", "did you mean gentle?", "gentle, none, paper, pictures, quarter_turns, strong"]
    places = f"{config_folder()}/augmentation, {own}/augmentation"
    with refused(UsageError, "E-CONFIG-CHOICE", *facts, where=places):
        compose_run([f"--config-dir={own}", "augmentation=gentl"])
    with refused(UsageError, "E-CONFIG-CHOICE", "'gentle'", where=config_folder() / "augmentation"):
        compose_run(["augmentation=gentle"])


@pytest.mark.parametrize(
    ("choices", "words", "kind", "facts", "file"),
    [
        (
            {"augmentation__a": "kep: 0.9\n"},
            "augmentation=a",
            "UNKNOWN",
            ["'augmentation.kep'", "did you mean augmentation.keep?"],
            "augmentation/a.yaml",
        ),
        ({"augmentation__a": "keep: 7\n"}, "augmentation=a", "VALUE", ["keep is 7"], "augmentation/a.yaml"),
        ({"augmentation__a": "- keep\n"}, "augmentation=a", "VALUE", ["['keep']"], "augmentation/a.yaml"),
        (
            {"experiment__a": "# @package _global_\ntrainer: {batch_sise: 3}\n", "imbalance__b": "focal: 1.0\n"},
            "experiment=a imbalance=b",
            "UNKNOWN",
            ["'trainer.batch_sise'", "did you mean trainer.batch_size?"],
            "experiment/a.yaml",
        ),
        (
            {"augmentation__a": "keep: 1.0\nkeep: 0.5\n"},
            "augmentation=a",
            "FILE",
            ["duplicate key keep"],
            "augmentation/a.yaml, line 2",
        ),
        ({"augmentation__a": "keep: [1\n"}, "augmentation=a", "FILE", [], "augmentation/a.yaml, line 2"),
        ({"augmentation__a": "keep: 1.0\n"}, "augmentation=a augmentation.keep=7", "VALUE", ["keep is 7"], None),
        ({"augmentation__a": "keep: 1.0\n"}, "augmentation=a learner.tau=2", "UNKNOWN", ["learner.tau"], None),
    ],
)
def test_a_mistake_in_a_file_of_ones_own_names_the_file(
    choices: dict[str, str], words: str, kind: str, facts: list[str], file: str | None, tmp_path: Path
) -> None:
    with refused(UsageError, f"E-CONFIG-{kind}", *facts) as caught:
        compose_run([f"--config-dir={write(tmp_path, **choices)}", *words.split()])
    if file is None:
        assert "/" not in str(caught.value.where)
    else:
        assert str(caught.value.where) == f"{tmp_path}/{file}"


@pytest.mark.parametrize("word", ["--config-dir={}", "hydra.searchpath=['file://{}']"])
def test_a_folder_that_would_silently_do_nothing_is_refused(word: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    for text, code, *facts in (
        (empty, "E-FILES-MISSING"),
        (write(tmp_path / "one", gentle="keep: 1.0\n"), "E-CONFIG-FOLDER", "GROUP/NAME.yaml"),
        (write(tmp_path / "two", augmentation__paper="keep: 1.0\n"), "E-CONFIG-FOLDER", "augmentation/paper.yaml"),
        (write(tmp_path / "three", train="seed: 1\n", fold__mine="index: 1\n"), "E-CONFIG-FOLDER", "train.yaml"),
    ):
        with refused(UsageError, code, *facts, where=text):
            compose_run([word.format(text)])


def test_of_two_folders_of_ones_own_neither_hides_the_other(own: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", augmentation__gentle="keep: 0.8\n")
    with refused(UsageError, "E-CONFIG-FOLDER", "augmentation/gentle.yaml", where=tmp_path / "other"):
        compose_run([f"--config-dir={own}", f"--config-dir={other}"])
    (other / "augmentation" / "gentle.yaml").write_bytes((own / "augmentation" / "gentle.yaml").read_bytes())
    assert compose_run([f"--config-dir={own}", f"--config-dir={other}", "augmentation=gentle"]).augmentation.keep == 0.9


@pytest.mark.parametrize(
    ("word", "code", "where"),
    [
        ("hydra.searchpath=conf", "E-CONFIG-FOLDER", "hydra.searchpath"),
        ("hydra.searchpath=[1]", "E-CONFIG-FOLDER", "hydra.searchpath"),
        ("hydra.searchpath=[conf", "E-CONFIG-FOLDER", "hydra.searchpath"),
        ("hydra.searchpath=[a],[b]", "E-CONFIG-FOLDER", "hydra.searchpath"),
        ("hydra.searchpath=[pkg://no_such_package]", "E-PACKAGE-MISSING", "hydra.searchpath=[pkg://no_such_package]"),
        ("hydra.searchpath=[http://x]", "E-CONFIG-FOLDER", "hydra.searchpath=[http://x]"),
        ("--config-dir=", "E-FILES-MISSING", "--config-dir="),
        ("--config-dir=~/no such folder", "E-FILES-MISSING", "~/no such folder"),
    ],
)
def test_what_names_no_folder_is_refused(word: str, code: str, where: str) -> None:
    with refused(UsageError, code, where=where):
        compose_run([word])


def test_bytes_are_no_value(tmp_path: Path) -> None:
    """YAML has a word for them, and no key takes them."""
    own = write(tmp_path / "own", augmentation__mine="rotation: 5.0\nfunction: !!binary aGk=\n")
    with refused(UsageError, "E-CONFIG-VALUE", "augmentation.function", "b'hi'", where="mine.yaml"):
        compose_run([f"--config-dir={own}", "augmentation=mine"])


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, augmentation__a="") / "augmentation" / "a.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with refused(UsageError, "E-CONFIG-FILE", where=path):
        compose_run([f"--config-dir={tmp_path}", "augmentation=a"])
