"""A user's own choices join ours, and nothing in their folder is silently left out."""

from pathlib import Path

import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.folders import ConfigFolders, config_folder
from ictconvention.configuration.options import Augmentation
from ictconvention.configuration.overrides import hydra_words
from ictconvention.core.errors import FileSystemError, UsageError
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
    with refused(UsageError, "E-CONFIG-CHOICE", "'gentl'", "gentle, none, paper, quarter_turns, strong") as caught:
        compose_run([f"--config-dir={own}", "augmentation=gentl"])
    assert caught.value.found == "augmentation has no choice 'gentl' (did you mean gentle?)"
    assert caught.value.fix == "choose gentle, none, paper, quarter_turns, strong"
    assert str(caught.value.where) == f"{config_folder()}/augmentation, {own}/augmentation"
    with refused(UsageError, "E-CONFIG-CHOICE", "'gentle'"):
        compose_run(["augmentation=gentle"])


@pytest.mark.parametrize(
    ("choices", "words", "found", "file"),
    [
        (
            {"augmentation__a": "kep: 0.9\n"},
            "augmentation=a",
            "unknown key 'augmentation.kep' (did you mean augmentation.keep?)",
            "augmentation/a.yaml",
        ),
        ({"augmentation__a": "keep: 7\n"}, "augmentation=a", "augmentation.keep is 7", "augmentation/a.yaml"),
        ({"augmentation__a": "- keep\n"}, "augmentation=a", "augmentation is ['keep']", "augmentation/a.yaml"),
        (
            {"experiment__a": "# @package _global_\ntrainer: {batch_sise: 3}\n", "imbalance__b": "focal: 1.0\n"},
            "experiment=a imbalance=b",
            "unknown key 'trainer.batch_sise' (did you mean trainer.batch_size?)",
            "experiment/a.yaml",
        ),
        (
            {"augmentation__a": "keep: 1.0\nkeep: 0.5\n"},
            "augmentation=a",
            "this file is no yaml: found duplicate key keep",
            "augmentation/a.yaml, line 2",
        ),
        ({"augmentation__a": "keep: [1\n"}, "augmentation=a", "this file is no yaml: ", "augmentation/a.yaml, line 2"),
        ({"augmentation__a": "keep: 1.0\n"}, "augmentation=a augmentation.keep=7", "augmentation.keep is 7", None),
        ({"augmentation__a": "keep: 1.0\n"}, "augmentation=a learner.tau=2", "learner.tau", None),
    ],
)
def test_a_mistake_in_a_file_of_ones_own_names_the_file(
    choices: dict[str, str], words: str, found: str, file: str | None, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        compose_run([f"--config-dir={write(tmp_path, **choices)}", *words.split()])
    assert caught.value.found.startswith(found) or found in str(caught.value)
    if file is None:
        assert "/" not in str(caught.value.where)
    else:
        assert str(caught.value.where) == f"{tmp_path}/{file}"


@pytest.mark.parametrize("word", ["--config-dir={}", "hydra.searchpath=['file://{}']"])
def test_a_folder_that_would_silently_do_nothing_is_refused(word: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    for text, found in (
        (empty, "no such folder"),
        (write(tmp_path / "one", gentle="keep: 1.0\n"), "names a folder without a choice of any group"),
        (write(tmp_path / "two", augmentation__paper="keep: 1.0\n"), "augmentation/paper.yaml in this folder would"),
        (write(tmp_path / "three", train="seed: 1\n", fold__mine="index: 1\n"), "train.yaml in this folder would"),
    ):
        with pytest.raises(UsageError) as caught:
            compose_run([word.format(text)])
        assert found in caught.value.found
        assert str(caught.value.where) == str(text)


def test_of_two_folders_of_ones_own_neither_hides_the_other(own: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", augmentation__gentle="keep: 0.8\n")
    with refused(UsageError, "E-CONFIG-FOLDER", "augmentation/gentle.yaml", where=tmp_path / "other"):
        compose_run([f"--config-dir={own}", f"--config-dir={other}"])
    (other / "augmentation" / "gentle.yaml").write_bytes((own / "augmentation" / "gentle.yaml").read_bytes())
    assert compose_run([f"--config-dir={own}", f"--config-dir={other}", "augmentation=gentle"]).augmentation.keep == 0.9


@pytest.mark.parametrize(
    ("word", "where"),
    [
        ("hydra.searchpath=conf", "hydra.searchpath"),
        ("hydra.searchpath=[1]", "hydra.searchpath"),
        ("hydra.searchpath=[conf", "hydra.searchpath"),
        ("hydra.searchpath=[a],[b]", "hydra.searchpath"),
        ("hydra.searchpath=[pkg://no_such_package]", "hydra.searchpath=[pkg://no_such_package]"),
        ("hydra.searchpath=[http://x]", "hydra.searchpath=[http://x]"),
        ("--config-dir=", "--config-dir="),
        ("--config-dir=~/no such folder", "~/no such folder"),
    ],
)
def test_what_names_no_folder_is_refused(word: str, where: str) -> None:
    with pytest.raises(UsageError) as caught:
        compose_run([word])
    assert str(caught.value.where) == where


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, augmentation__a="") / "augmentation" / "a.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises((UsageError, FileSystemError)) as caught:
        compose_run([f"--config-dir={tmp_path}", "augmentation=a"])
    assert caught.value.where == path
