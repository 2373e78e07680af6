"""The commands: what they print, their exit codes, and that a fixable problem shows no traceback."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ictconvention import __version__
from ictconvention.cli.main import app, main
from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.survey import Survey
from tests.alerts import measurement, write_alerts
from tests.conftest import HEADER, image_series, write_survey
from tests.refusals import check_refusal, refused

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in the process of the test, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("ICTCONVENTION_DEBUG", raising=False)

    def command(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = ["ictconvention", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return subprocess.CompletedProcess(words, code or 0, *capsys.readouterr())

    return command


@pytest.fixture
def labelled(tmp_path: Path) -> Survey:
    return write_survey(tmp_path / "labelled", [image_series(n, 5) | {"label_source": None} for n in range(40)])


def test_help_and_version_import_nothing_heavy() -> None:
    """What makes `--help` come within a second: no numpy, torch, astropy, matplotlib or pyarrow."""
    script = (
        "import sys\nfrom ictconvention.cli.main import main\n"
        "for option in ('--help', '--version'):\n"
        "    sys.argv = ['ictconvention', option]\n"
        "    try:\n        main()\n    except SystemExit as stop:\n        assert not stop.code\n"
        "heavy = {'numpy', 'torch', 'astropy', 'matplotlib', 'pyarrow', 'lightning', 'sklearn'}\n"
        "print(sorted(sys.modules.keys() & heavy))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-2:] == [f"ictconvention {__version__}", "[]"]


def test_a_process_that_fails_shows_no_traceback(tmp_path: Path) -> None:
    script = "from ictconvention.cli.main import main; main()"
    command = [sys.executable, "-c", script, "report", "one", "another"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "  where", "  fix", "  code"]


def test_check_reports_a_sound_survey(labelled: Survey, run: Run) -> None:
    result = run("check", labelled.path)
    assert result.returncode == 0, result.stderr
    assert "survey tiny: 40 objects, 200 frames in 1 shard" in result.stdout
    assert "no flaw" in result.stdout
    assert re.search(r"SN Other +10 +10", result.stdout)
    assert "neighbours within 13 arcsec: none" in result.stdout


def test_check_names_a_flaw_and_exits_with_2(labelled: Survey, run: Run) -> None:
    frames = np.load(labelled.path / "frames.npy", mmap_mode="r+")
    frames[5 * 7, 3, 4] = 1e3
    frames.flush()
    result = run("check", labelled.path)
    assert result.returncode == 2
    assert "flaw: the frames have changed since they were written" in result.stdout
    assert "object sn0007" in result.stdout
    assert "no flaw" not in result.stdout


def test_show_draws_the_picture_it_names(
    labelled: Survey, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("show", labelled.path, "sn0003")
    assert (result.returncode, result.stdout) == (0, "sn0003.png\n")
    assert (tmp_path / "sn0003.png").stat().st_size > 10_000
    result = run("show", labelled.path, "sn0003", "-o", tmp_path / "strip.svg")
    assert result.returncode == 0
    assert (tmp_path / "strip.svg").read_text().startswith("<?xml")


def test_show_draws_an_object_without_photometry_in_another_unit_and_says_so(tmp_path: Path, run: Run) -> None:
    one = image_series(0, 3)
    survey = write_alerts(tmp_path / "nJy", [one], [measurement(one["id"], 53600.5)], replace(HEADER, flux_unit="nJy"))
    result = run("show", survey.path, one["id"], "-o", tmp_path / "strip.png")
    assert (result.returncode, result.stdout) == (0, f"{tmp_path}/strip.png\n")
    assert "nJy" in result.stderr
    assert "sequence.photometry" not in result.stderr
    assert not audit_survey(survey.path).flaws


def test_show_without_an_id_draws_a_sheet_of_the_classes(
    labelled: Survey, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(folder)
    result = run("show", labelled.path)
    assert (result.returncode, result.stdout) == (0, f"{labelled.path.name}.png\n")
    assert (folder / f"{labelled.path.name}.png").stat().st_size > 10_000


def test_split_counts_and_saves_a_fold(labelled: Survey, run: Run, tmp_path: Path) -> None:
    result = run("split", labelled.path, "--index", 1, "-o", tmp_path / "split.json")
    assert result.returncode == 0, result.stderr
    assert "survey tiny: fold 1 of 5, rotating, seed 0" in result.stdout
    assert re.search(r"all +12 +4 +12 +4 +8 +0", result.stdout)
    loaded = run("split", labelled.path, "--load", tmp_path / "split.json")
    assert loaded.returncode == 0
    assert re.search(r"all +12 +4 +12 +4 +8 +0", loaded.stdout)
    assert "tested against labels that are not spectroscopic: AGN, SN Ia, SN Other, Variable" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "fact"),
    [
        (["check", "nowhere"], "E-SURVEY-MISSING", "nowhere"),
        (["show", "nowhere", "1"], "E-SURVEY-MISSING", "nowhere"),
        (["show", "labelled", "sn003"], "E-ID-UNKNOWN", "did you mean sn0039?"),
        (["show", "labelled", "sn0003", "-o", "x.doc"], "E-FILES-ENDING", "'.doc'"),
        (["split", "labelled", "--index", "7"], "E-SPLIT-RULE", "fold.index is 7"),
        (["split", "labelled", "--protocol", "rotate"], "E-CONFIG-CHOICE", "did you mean rotating?"),
        (["split", "labelled", "--protocol", "../model"], "E-CONFIG-CHOICE", "'../model'"),
        (["split", "labelled", "--count", "11"], "E-SPLIT-LABELS", "class AGN has 10 objects"),
        (["split", "labelled", "--load", "nowhere.json"], "E-FILES-MISSING", "nowhere.json"),
        (["split", "labelled", "-o", "nowhere/split.json"], "E-FILES-MISSING", "nowhere"),
        (["split", "labelled", "-o", "labelled"], "E-FILES-KIND", "labelled"),
        (["split", "labelled", "-o", "."], "E-FILES-KIND", "folder"),
        (["check", "x" * 300], "E-FILES-SYSTEM", "x" * 300),
        (["split", "labelled", "--load", "split.json", "--index", "1"], "E-COMMAND-CONFLICT", "--index"),
    ],
)
def test_a_mendable_problem_is_one_message_and_exit_code_2(
    labelled: Survey, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: str, fact: str
) -> None:
    monkeypatch.chdir(labelled.path.parent)
    result = run(*arguments)
    assert result.returncode == 2
    lines = result.stderr.splitlines()
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("  where: ")
    assert lines[2].startswith("  fix:   ")
    assert lines[3:] == [f"  code:  {code}"]
    assert fact in result.stderr
    assert sorted(entry.name for entry in labelled.path.parent.iterdir()) == ["labelled"]  # nothing half-written


def test_no_number_is_cut_short_on_a_narrow_terminal(
    labelled: Survey, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for command in ("check", "split"):
        result = run(command, labelled.path)
        assert result.returncode == 0
        assert "\u2026" not in result.stdout


def test_ids_that_look_like_markup_are_printed_as_they_are(tmp_path: Path, run: Run) -> None:
    odd = write_survey(tmp_path / "odd", [image_series(0, 3) | {"id": "[bold]x[/]"}])
    frames = np.load(odd.path / "frames.npy", mmap_mode="r+")
    frames[0, 0, 0] += 1
    frames.flush()
    result = run("check", odd.path)
    assert result.returncode == 2
    assert "object [bold]x[/]" in result.stdout


def test_debug_lets_the_traceback_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICTCONVENTION_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["ictconvention", "check", str(tmp_path / "nowhere")])
    with refused(SurveyError, "E-SURVEY-MISSING", where=tmp_path / "nowhere"):
        main()


def test_a_wrong_option_is_refused_with_exit_code_2(run: Run) -> None:
    assert run("check").returncode == 2
    assert run("chek", "x").returncode == 2
    assert run("split", "x", "--index", "one").returncode == 2


def test_every_command_that_applies_runs_says_the_same_of_a_module_of_ones_own() -> None:
    commands = typer.main.get_group(app).commands.values()
    options = [one for command in commands for one in command.params if "--module" in one.opts]
    assert len(options) >= 8
    assert len({getattr(one, "help", None) for one in options}) == 1


@pytest.mark.parametrize(
    "name", ["predict", "rank", "explain", "compare-survey", "publish", "export", "test", "features"]
)
def test_the_help_of_a_command_says_what_may_stand_in_the_place_of_a_run(name: str) -> None:
    (run,) = (one for one in typer.main.get_group(app).commands[name].params if one.name == "run")
    said = getattr(run, "help", "")
    assert "demo" in said
    assert "hf://OWNER/NAME" in said


def test_devices_of_this_machine_and_the_workers_of_a_scheduler_are_not_asked_for_together(tmp_path: Path) -> None:
    words = [
        "predict",
        "demo",
        str(tmp_path),
        "-o",
        str(tmp_path / "p.csv"),
        "--devices",
        "2",
        "--scheduler",
        "local:2",
    ]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, UsageError)
    check_refusal(result.exception, "E-COMMAND-CONFLICT", "--scheduler", where="--devices")
