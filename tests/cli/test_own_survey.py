"""From a table of stamps to predictions: the whole way of a survey of one's own, as the documentation has it."""

import shlex
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ictconvention.cli.main import main
from tests.conftest import long_test
from tests.own_survey import write_stamps

FEW = "few objects train"


def command(monkeypatch: pytest.MonkeyPatch, words: str) -> int:
    """Run a command in this process; return its exit code."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["ictconvention", *shlex.split(words)])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


RUN = "experiment=my_survey survey.path=surveys/mine profile=tiny trainer.batch_size=8 figures=false"


@pytest.mark.usefixtures("unsaved_figures")
def test_thirty_stamps_are_checked_trained_reported_and_predicted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_stamps(tmp_path / "in", (14, 14, 2))
    assert not command(monkeypatch, "ingest stamps in/frames.csv surveys/mine --pixel-scale 0.4 --jobs 1")
    capsys.readouterr()
    assert not command(monkeypatch, "check surveys/mine")
    checked = capsys.readouterr().out
    assert "class rare has 2 objects" in checked
    assert "fold.count=2" in checked
    assert command(monkeypatch, "split surveys/mine") == 2
    assert "--protocol single --count 2" in capsys.readouterr().err
    assert not command(monkeypatch, "split surveys/mine --protocol single --count 2 -o split.json")
    assert not command(monkeypatch, "split surveys/mine --load split.json")
    assert not command(monkeypatch, "split surveys/mine --classes common,other")
    printed = capsys.readouterr().out
    assert "at least 2 objects" in printed
    assert "no class" in printed  # the objects of the class left out

    for index in (0, 1):
        assert not command(monkeypatch, f"train {RUN} fold.count=2 fold.index={index}")
        said = capsys.readouterr().out
        assert 0 < said.index(FEW) < said.index("pretrain, training epoch 1")
    folders = sorted((tmp_path / "runs" / "my_survey").iterdir())
    tested = Counter(
        id_ for folder in folders for id_ in pq.read_table(folder / "predictions.parquet")["id"].to_pylist()
    )
    assert tested == Counter({f"o{number}": 1 for number in range(30)})

    assert not command(monkeypatch, "report runs/my_survey -o page.html")
    assert "rare" in (tmp_path / "page.html").read_text()
    assert not command(monkeypatch, f"test {folders[0]}")
    assert not command(monkeypatch, "predict runs/my_survey surveys/mine -o all.parquet")
    table = pq.read_table("all.parquet")
    assert {"common", "other", "rare"} <= set(table.column_names)
    assert table.num_rows == 30


@pytest.mark.slow
@long_test
def test_a_sweep_over_folds_of_one_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_stamps(tmp_path / "in", (15, 15, 0))
    assert not command(monkeypatch, "ingest stamps in/frames.csv surveys/mine --pixel-scale 0.4 --jobs 1")
    assert not command(monkeypatch, f"train -m {RUN} fold.index=0,1")
    said = capsys.readouterr().out
    assert 0 < said.index(FEW) < said.index("and 1 job more") < said.index("[1/2] started")
    (sweep,) = (tmp_path / "runs" / "sweeps").glob("my_survey-*")
    assert not command(monkeypatch, f"report {sweep} -o page.html")
