"""What a refusal advises about a damaged file of a finished run is true: a user who does so can predict again."""

import shutil
from pathlib import Path

import pytest

import ictconvention as ict
from ictconvention.core.errors import UsageError
from ictconvention.runs.trained_run import read_trained
from tests.refusals import refused
from tests.small_runs import Smoke, read_json

SETTINGS = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=0"]


@pytest.mark.parametrize("left", ["", '{"state": "finished", "epochs": {}, "seconds": {}, "hashes": {}}'])
def test_a_damaged_status_is_removed_and_the_same_command_writes_it_anew(
    work: Path, smoke: Smoke, tmp_path: Path, left: str
) -> None:
    """Also the status that this advice left in runs of the versions before."""
    settings = [*SETTINGS, f"runs={tmp_path}"]
    folder = smoke(*settings)
    status = folder / "status.json"
    before = read_json(status)
    status.write_text(left)
    with refused(UsageError, "E-RUN-DAMAGED"):
        read_trained(folder)
    if not left:
        with refused(UsageError, "E-RUN-DAMAGED", "remove", "command", where=status):
            smoke(*settings)
        status.unlink()
    assert smoke(*settings) == folder
    after = read_json(status)
    assert {key: after[key] for key in ("state", "hashes", "survey")} == {
        key: before[key] for key in ("state", "hashes", "survey")
    }
    assert len(ict.Run(folder).predict(work / "miniature")) == 60


@pytest.mark.parametrize("lost", [False, True])
def test_weights_of_a_finished_run_come_from_a_copy_or_of_another_training(
    work: Path, smoke: Smoke, tmp_path: Path, lost: bool
) -> None:
    """The stage of a finished run does not train anew when its file is removed."""
    settings = [*SETTINGS, f"runs={tmp_path / 'runs'}"]
    folder = smoke(*settings)
    copy = shutil.copytree(folder, tmp_path / "copy")
    (path := folder / "checkpoints" / "finetune.ckpt").write_bytes(b"rubbish")
    if lost:
        path.unlink()
    with refused(UsageError, "E-RUN-DAMAGED" if lost else "E-WEIGHTS-DAMAGED", "copy", "folder", where=path):
        read_trained(folder)
    shutil.copy(copy / "checkpoints" / "finetune.ckpt", path)
    assert len(ict.Run(folder).predict(work / "miniature")) == 60
    shutil.rmtree(folder)
    assert smoke(*settings) == folder
    assert len(ict.Run(folder).predict(work / "miniature")) == 60
