"""From a folder of pictures to predictions and maps: the whole way of one's own pictures, as the pages have it."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.cli.test_own_survey import command


def write_pictures(folder: Path, count: int) -> None:
    """Write pictures on plain black of two classes: a square at the left or at the right, of changing size and grey."""
    rng = np.random.default_rng(0)
    for number in range(count):
        name = ("left", "right")[number % 2]
        pixels, side = np.zeros((24, 24), dtype=np.uint8), rng.integers(5, 9)
        row, column = rng.integers(2, 22 - side), 2 if name == "left" else 22 - side
        pixels[row : row + side, column : column + side] = rng.integers(120, 255)
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")


@pytest.mark.slow
def test_a_folder_of_pictures_is_taken_checked_learned_predicted_and_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "folder", 60)
    assert not command(monkeypatch, "ingest images folder mine --jobs 1")
    capsys.readouterr()
    assert not command(monkeypatch, "check mine")
    (next_,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("next: "))
    words = "profile=tiny augmentation=none model.width=0.5 trainer.batch_size=8 stage.pretrain.max_epochs=8"
    assert not command(monkeypatch, f"{next_.removeprefix('next: ictconvention ')} {words} figures=false")
    (run,) = (tmp_path / "runs" / "my_pictures").iterdir()
    assert "accuracy 1.000" in capsys.readouterr().out

    write_pictures(tmp_path / "others", 10)
    assert not command(monkeypatch, "ingest images others mine2 --jobs 1")
    assert not command(monkeypatch, f"predict {run} mine2 -o all.parquet")
    table = pq.read_table("all.parquet").to_pydict()
    assert [id_.split("/")[0] for id_ in table["id"]] == table["predicted"]
    assert not command(monkeypatch, f"explain {run} mine2 -o maps.png")
    assert (tmp_path / "maps.png").stat().st_size > 10_000
