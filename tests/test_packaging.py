"""The wheel and the editable form both hold the configuration, the types marker and the console script."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ictconvention.configuration.compose import read_group
from ictconvention.configuration.composing.folders import config_folder
from ictconvention.survey.split_drawing import PROTOCOLS, make_split
from tests.conftest import ROOT, crowd

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
CLEAN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # it may name this folder
OFFLINE = CLEAN | {"PIP_NO_INDEX": "1"}
FIND_CONFIG = (
    "import ictconvention; from ictconvention.configuration.compose import read_group;"
    "from ictconvention.configuration.composing.folders import config_folder;"
    "print(ictconvention.__file__); print(config_folder()); print(read_group('fold', 'fixed')['protocol'])"
)
FIND_LAUNCHERS = (
    "from hydra.core.plugins import Plugins; from hydra.plugins.launcher import Launcher;"
    "found = Plugins.instance().discover(Launcher);"
    "print(*sorted(kind.__name__ for kind in found if 'ictconvention' in kind.__module__))"
)


def environment_beside_ours(folder: Path) -> Path:
    """Make an environment that sees our packages but not our own installation, and return its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    # A folder added through a .pth file is searched, but the .pth files in it (our editable install) are not run.
    (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def install(python: Path, *what: str) -> None:
    command = [*PIP, "--python", str(python), "install", "--no-deps", "--no-build-isolation", *what]
    subprocess.run(command, check=True, env=OFFLINE, cwd=python.parent)


def found_by(python: Path) -> list[str]:
    return told(python.parent, python, "-c", FIND_CONFIG).splitlines()


def told(cwd: Path, *command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd, env=CLEAN).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, env=OFFLINE)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_finds_its_configuration(wheel: Path, tmp_path: Path) -> None:
    python = environment_beside_ours(tmp_path / "env")
    install(python, str(wheel))
    package, folder, protocol = found_by(python)
    assert Path(package).is_relative_to(tmp_path)
    assert Path(folder) == Path(package).parent / "conf"
    assert not Path(folder).is_symlink()
    assert protocol == "fixed"
    assert told(tmp_path, python.parent / "ictconvention", "--version").startswith("ictconvention ")
    assert told(tmp_path, python, "-c", FIND_LAUNCHERS).split() == ["FreshProcesses", "Slurm"]


@pytest.mark.slow
def test_the_editable_form_finds_its_configuration(tmp_path: Path) -> None:
    python = environment_beside_ours(tmp_path / "env")
    install(python, "--editable", str(ROOT))
    package, folder, protocol = found_by(python)
    assert Path(package) == ROOT / "ictconvention" / "__init__.py"
    assert Path(folder).resolve() == ROOT / "conf"
    assert protocol == "fixed"


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_configuration_file(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(("ictconvention/", "hydra_plugins/"))}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    expected = {name for name in tracked if name.startswith("ictconvention/") and name != "ictconvention/conf"}
    expected |= {f"ictconvention/{name}" for name in tracked if name.startswith("conf/")}
    expected |= {name for name in tracked if name.startswith("hydra_plugins/")}
    assert "ictconvention/survey/survey.py" in expected
    assert "ictconvention/py.typed" in expected
    assert "hydra_plugins/ictconvention_launcher/launchers.py" in expected
    assert expected <= held


def test_configuration_is_reached_through_a_link() -> None:
    assert (ROOT / "ictconvention" / "conf").is_symlink()
    assert config_folder().resolve() == ROOT / "conf"


def test_every_fold_configuration_draws_a_split() -> None:
    objects = crowd()
    assert sorted(path.stem for path in (config_folder() / "fold").glob("*.yaml")) == sorted(PROTOCOLS)
    for protocol in PROTOCOLS:
        rule = read_group("fold", protocol)
        assert make_split(objects, **rule).rule == rule == OmegaConf.load(config_folder() / "fold" / f"{protocol}.yaml")


def test_every_requirement_is_pinned_and_says_why() -> None:
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    text = (ROOT / "pyproject.toml").read_text().split("dependencies = [", 1)[1].split("[project.scripts]")[0]
    requirements = [line for line in text.splitlines() if ">=" in line]
    assert len(requirements) > 25
    for line in requirements:
        name = line.split('"')[1].split(">")[0].split("[")[0]
        bound = line.split(">=")[1].split('"')[0].split(",")[0]
        reason = line.partition("#")[2]
        assert name in pinned, f"{name} has no tested version"
        assert f"{bound}:" in reason or name in ("lightning", "hydra-core"), f"{name} does not say why {bound}"
        assert len(reason.split()) > 3, f"{name} does not say what for"
