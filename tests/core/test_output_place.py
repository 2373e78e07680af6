"""An output never costs an input: it stays out of surveys and runs, follows links, and replaces only plain files."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ictconvention.cli.main import app
from ictconvention.core.atomic import WholeFolder, whole_file
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.core.output_place import check_place
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter, join_shards, shard_name
from tests.conftest import HEADER, image_series, write_survey
from tests.refusals import refused


def write(path: Path, text: str = "new", record: bool = False) -> None:
    with whole_file(path, "saving", record) as partial:
        partial.write_text(text)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return what marks the folder of a run."""
    folder = tmp_path / "runs" / "ict" / "fold0"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "status.json", "predictions.parquet"):
        (folder / name).write_text("own")
    return folder


@pytest.mark.parametrize(
    "name", ["objects.parquet", "survey.json", "new.parquet", "derived/p.csv", "../tiny/x.csv", "new/x.csv"]
)
def test_no_output_goes_into_a_survey(survey: Survey, name: str) -> None:
    (survey.path / "derived").mkdir()
    before = content(survey.path)
    missing = name == "new/x.csv"
    kind, code = (FileSystemError, "E-FILES-MISSING") if missing else (UsageError, "E-FILES-PROTECTED")
    place = (survey.path / name).resolve()
    with refused(kind, code, where=place.parent if missing else place):
        write(survey.path / name)
    assert content(survey.path) == before


def test_nor_into_a_shard(tmp_path: Path) -> None:
    with SurveyWriter(tmp_path / "s" / shard_name(0), HEADER) as writer:
        writer.add(**image_series(0, 2))
    path = tmp_path / "s" / shard_name(0) / "objects.parquet"
    with refused(UsageError, "E-FILES-PROTECTED", where=path):
        write(path)  # not joined yet
    join_shards(tmp_path / "s")
    with refused(UsageError, "E-FILES-PROTECTED", where=path):
        write(path)


@pytest.mark.parametrize("name", ["predictions.parquet", "new.csv", "checkpoints/finetune.ckpt"])
def test_nor_into_a_run(run: Path, name: str) -> None:
    before = content(run)
    with refused(UsageError, "E-FILES-PROTECTED", where=run / name):
        write(run / name)
    assert content(run) == before
    (run / "status.json").unlink()
    (run / "result.json").touch()
    with refused(UsageError, "E-FILES-PROTECTED", where=run / name):
        write(run / name)


def test_a_configuration_alone_makes_no_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    write(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "new"


def test_a_page_may_lie_in_the_folder_of_a_sweep_beside_its_records(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "sweep.json").touch()
    write(tmp_path / "report.html")
    write(tmp_path / "report.html")
    for name in ("sweep.json", "baselines.parquet", "multirun.yaml", "logs/1.log"):
        with refused(UsageError, "E-FILES-PROTECTED", where=tmp_path / name):
            write(tmp_path / name)


def test_the_package_keeps_its_own_records_there(survey: Survey, run: Path) -> None:
    for folder in (survey.path, run):
        write(folder / "record", "own", record=True)
        assert (folder / "record").read_text() == "own"


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Return paths of what is not a plain file."""
    paths = {name: tmp_path / name for name in ("folder", "pipe", "socket")}
    paths["folder"].mkdir()
    os.mkfifo(paths["pipe"])
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(paths["socket"]))
        paths["device"] = Path("/dev/null")
        yield paths


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "device"])
@pytest.mark.parametrize("linked", [False, True])
def test_only_a_plain_file_is_replaced(odd: dict[str, Path], tmp_path: Path, kind: str, linked: bool) -> None:
    path, before = odd[kind], odd[kind].stat()
    if linked:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    with refused(FileSystemError, "E-FILES-KIND", "folder" if kind == "folder" else "plain file", where=path):
        check_place(path, "saving")  # whole_file begins with it; /dev/null is not put at risk here
    after = odd[kind].stat()
    assert stat.S_IFMT(after.st_mode) == stat.S_IFMT(before.st_mode)
    assert after.st_ino == before.st_ino


def test_a_device_node_stays_one(tmp_path: Path, survey: Survey) -> None:
    try:
        os.mknod(tmp_path / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device node needs privileges")
    found = CliRunner().invoke(app, ["split", str(survey.path), "-o", str(tmp_path / "null")])
    assert isinstance(found.exception, FileSystemError)
    assert stat.S_ISCHR((tmp_path / "null").stat().st_mode)


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "file.txt", tmp_path / "link.txt"
    link.symlink_to("there/file.txt")
    for text in ("first", "second"):  # the first time it dangles
        write(link, text)
        assert link.readlink() == Path("there/file.txt")
        assert target.read_text() == text
        assert not target.is_symlink()
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "far").symlink_to("absent/file.txt")
    with refused(FileSystemError, "E-FILES-MISSING", where=tmp_path / "absent"):
        write(tmp_path / "far")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with refused(FileSystemError, "E-FILES-KIND", "links", where=tmp_path / "a"):
        write(tmp_path / "a")
    assert all((tmp_path / name).is_symlink() for name in ("far", "a", "b"))


def test_a_link_into_a_survey_is_refused_as_the_place_itself(survey: Survey, tmp_path: Path) -> None:
    before = content(survey.path)
    (tmp_path / "file").symlink_to(survey.path / "objects.parquet")
    (tmp_path / "folder").symlink_to(survey.path)
    for path in (tmp_path / "file", tmp_path / "folder" / "objects.parquet", tmp_path / "folder" / "new"):
        with refused(UsageError, "E-FILES-PROTECTED", where=path.resolve()):
            write(path)
    assert content(survey.path) == before


def test_a_record_never_goes_through_a_link_to_what_is_another_runs(run: Path, tmp_path: Path) -> None:
    (tmp_path / "of another run").write_text("theirs")
    (run / "record").symlink_to(tmp_path / "of another run")
    write(run / "record", "own", record=True)
    assert (tmp_path / "of another run").read_text() == "theirs"
    assert (run / "record").read_text() == "own"


def test_an_input_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "in.json").touch()
    (tmp_path / "link.json").symlink_to("in.json")
    for name in ("in.json", "link.json"):
        with refused(UsageError, "E-FILES-PROTECTED", "in.json", where=tmp_path / name):
            check_place(tmp_path / name, "saving", [None, tmp_path / "absent", tmp_path / "in.json"])
    check_place(tmp_path / "out.json", "saving", [tmp_path / "in.json"])


def test_no_new_folder_goes_into_a_survey_but_a_shard(survey: Survey, run: Path) -> None:
    for folder in (survey.path / "more", survey.path / "a" / "b", run / "more"):
        with refused(UsageError, "E-FILES-PROTECTED", where=folder):
            WholeFolder(folder).take()
        with refused(UsageError, "E-FILES-PROTECTED", where=folder), SurveyWriter(folder, HEADER):
            pass
    assert not (survey.path / "a").exists()


def test_the_lock_of_a_process_that_was_killed_in_its_last_moment_goes_with_the_next_try(tmp_path: Path) -> None:
    first = WholeFolder(tmp_path / "made")
    first.take()
    first.complete()
    (lock,) = tmp_path.glob(".*.lock")
    for held in (True, False):
        with refused(FileSystemError, "E-FILES-EXISTS", where=tmp_path / "made"):
            WholeFolder(tmp_path / "made").take()
        assert lock.exists() == held  # while its process lives, it is its own
        if held:
            assert first._lock is not None
            first._lock.close()  # as a kill does


def test_the_root_of_all_folders_is_not_made() -> None:
    with refused(FileSystemError, "E-FILES-EXISTS", where="/"):
        WholeFolder(Path("/"))


def test_shards_are_still_added_to_a_survey(tmp_path: Path) -> None:
    for number in range(2):
        with SurveyWriter(tmp_path / "s" / shard_name(number), HEADER) as writer:
            writer.add(**image_series(number, 2))
        assert len(join_shards(tmp_path / "s")) == number + 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "SURVEY", "sn0001", "-o", "SURVEY/strip.png"),
        ("split", "SURVEY", "-o", "SURVEY/objects.parquet"),
        ("split", "SURVEY", "--load", "split.json", "-o", "split.json"),
        ("report", "RUNS", "-o", "RUN/report.html"),
        ("export", "RUN", "-o", "RUN/model.pt2"),
        ("predict", "RUN", "SURVEY", "-o", "SURVEY/objects.parquet"),
        ("predict", "RUN", "SURVEY", "-o", "RUN/predictions.parquet"),
        ("predict", "RUN", "SURVEY", "--prior", "shares.csv", "-o", "shares.csv"),
    ],
)
def test_each_command_refuses_before_it_reads_anything(
    survey: Survey, run: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """The run is none, and the survey cannot be opened: what is refused is the place."""
    monkeypatch.chdir(survey.path.parent)
    for name in ("split.json", "shares.csv"):
        Path(name).write_text("own")
    monkeypatch.setattr(Survey, "open", None)
    places = {"SURVEY": str(survey.path), "RUNS": str(run.parent), "RUN": str(run)}
    words = ["/".join(places.get(part, part) for part in word.split("/")) for word in arguments]
    before = content(survey.path.parent)
    found = CliRunner().invoke(app, words)
    assert isinstance(found.exception, UsageError)
    assert any(words in str(found.exception) for words in ("would write into", "would replace"))
    assert content(survey.path.parent) == before


def test_rejects_replace_no_source(tmp_path: Path) -> None:
    table = tmp_path / "mine-rejects.csv"
    table.write_text("id,file,band,mjd\n")
    words = ["ingest", "stamps", str(table), str(tmp_path / "mine"), "--pixel-scale", "0.4"]
    found = CliRunner().invoke(app, words)
    assert isinstance(found.exception, UsageError)
    assert table.read_text() == "id,file,band,mjd\n"


def test_a_survey_beside_a_survey_is_written(tmp_path: Path) -> None:
    assert len(write_survey(tmp_path / "one", [image_series(0, 2)])) == 1
    assert len(write_survey(tmp_path / "two", [image_series(0, 2)])) == 1
