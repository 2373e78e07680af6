"""Hydra's flags as its users know them: what is composed, how, and from which folders."""

import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ictconvention.cli.flags import Request, read_flags
from ictconvention.cli.main import app
from ictconvention.cli.train import sweep_name, train
from ictconvention.configuration.checking.validation import validate_config
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from tests.conftest import ROOT
from tests.forked import Command
from tests.refusals import refused
from tests.small_runs import places, read_json, result_of

QUICK = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=0"]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (folder := tmp_path / "my choices" / "augmentation").mkdir(parents=True)
    (folder / "gentle.yaml").write_text("keep: 0.9\nrotation: 5.0\n")
    return folder.parent


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (["seed=1", "-m"], Request(("seed=1",), several=True)),
        (["--multirun", "-cd", "x", "seed=1"], Request(("--config-dir=x", "seed=1"), several=True)),
        (["--config-dir=x"], Request(("--config-dir=x",))),
        (["--info", "seed=1"], Request(("seed=1",), shown=("--info=all",))),
        (["-i", "config", "seed=1"], Request(("seed=1",), shown=("--info=config",))),
        (
            ["-c", "job", "-p", "trainer", "--resolve"],
            Request((), shown=("--cfg=job", "--package=trainer", "--resolve")),
        ),
        (["--sed=1"], Request(("--sed=1",))),
        (["-h", "--cfg=job", "-m"], Request((), helps=True, several=True, shown=("--cfg=job",))),
    ],
)
def test_flags_are_read_in_every_spelling(words: list[str], request_: Request) -> None:
    assert read_flags(words) == request_


@pytest.mark.parametrize(
    ("words", "kind", "where"),
    [
        (["--cfg"], "VALUE", "--cfg"),
        (["--cfg", "seed=1"], "VALUE", "--cfg"),
        (["--cfg", "jo"], "VALUE", "--cfg"),
        (["--info=default"], "VALUE", "--info"),
        (["--config-dir"], "VALUE", "--config-dir"),
        (["-cd", "-m"], "VALUE", "-cd"),
        (["--package", "trainer"], "CONFLICT", "--package"),
        (["--resolve"], "CONFLICT", "--resolve"),
        (["-m", "--cfg", "job"], "CONFLICT", "--multirun"),
        (["--cfg", "job", "--info"], "CONFLICT", "--info"),
    ],
)
def test_a_flag_without_its_value_or_its_companion_is_refused(words: list[str], kind: str, where: str) -> None:
    with refused(UsageError, f"E-COMMAND-{kind}", where=where):
        train(words)


def test_cfg_shows_the_configuration_of_the_run(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config-dir", str(own), "experiment=ict_sdss", "augmentation=gentle", "seed=3"]
    app(["train", *words, "--cfg", "job"], standalone_mode=False)
    shown = OmegaConf.to_container(OmegaConf.create(capsys.readouterr().out))
    assert isinstance(shown, dict)
    assert validate_config({str(name): value for name, value in shown.items()}) == compose_run(
        [f"--config-dir={own}", *words[2:]]
    )
    train([*words, "--cfg", "job", "--package", "augmentation"])
    assert capsys.readouterr().out == "# @package augmentation\nkeep: 0.9\nrotation: 5.0\n"
    train([*words, "-c", "hydra", "-p", "hydra.searchpath"])
    assert str(own) in " ".join(capsys.readouterr().out.split())  # yaml breaks a long line at a space
    train(["--cfg", "job", "survey=path", "-p", "survey"])
    assert "\npath: ???\n" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        train(["--cfg", "job", "-p", "nowhere"])
    assert ended.value.code == 2


def test_help_lists_the_choices_of_all_folders(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(["--help", "-cd", str(own)])
    assert "augmentation  galaxies, gentle, none, paper" in capsys.readouterr().out


@pytest.mark.slow
def test_info_says_how_it_is_composed_and_mistakes_have_no_traceback(own: Path, tmp_path: Path) -> None:
    folder = ["--config-dir", str(own)]
    command = [sys.executable, "train.py", *folder, "--info", "searchpath"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, "")
    assert str(own) in told.stdout
    ended = Command(tmp_path / "said", [*folder, "--info", "augmentation=gentle"]).wait()
    assert ended.returncode == 0
    assert "augmentation/gentle" in ended.stdout
    for words in (["--cfg", "job", "sed=1"], ["augmentation=gentl"], ["-cd", "nowhere", "seed=1"]):
        ended = Command(tmp_path / "said", [*folder, *words]).wait()
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith("error: ")
        assert "Traceback" not in ended.stderr


def test_a_sweep_with_other_choices_is_another_one(own: Path, tmp_path: Path) -> None:
    words = ["experiment=ict_sdss", "augmentation=paper,none"]
    (other := tmp_path / "other" / "augmentation").mkdir(parents=True)
    (other / "gentle.yaml").write_text("keep: 0.8\n")
    names = [sweep_name([*words, *more]) for more in ([], [f"--config-dir={own}"], [f"--config-dir={other.parent}"])]
    assert len(set(names)) == 3
    assert sweep_name([*words, f"hydra.searchpath=['file://{own}']"]) == names[1]


@pytest.mark.slow
@pytest.mark.usefixtures("prepared_jobs")
def test_every_job_of_a_sweep_has_the_folder_and_a_run_keeps_values_and_flag(
    own: Path, work: Path, tmp_path: Path
) -> None:
    words = [*places(work), *QUICK, f"runs={tmp_path}/runs", "augmentation=gentle"]
    train(["-m", "--config-dir", str(own), *words, "seed=0"])
    (folder,) = (tmp_path / "runs" / "light_curve_sdss").iterdir()
    assert (folder / "overrides.txt").read_text().splitlines()[0] == f"--config-dir={own}"
    assert OmegaConf.load(folder / "config.yaml").augmentation.rotation == 5
    (record,) = tmp_path.glob("runs/sweeps/*/sweep.json")
    assert read_json(record)["jobs"][0]["state"] == "finished"
    assert result_of(folder)["config"]["augmentation"]["keep"] == 0.9
    own.rename(tmp_path / "gone")  # the run says what it was all the same
    train(["mode=test", f"run={folder}"])
