"""A published run predicts bit for bit as the run, says what it is and nothing of the machine, or is refused."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from astropy.table import Table
from typer.testing import CliRunner

import ictconvention as ict
from ictconvention.applying.apply import apply_runs
from ictconvention.applying.choose_runs import choose_runs
from ictconvention.applying.comparing.compare import compare_survey
from ictconvention.applying.predict import PredictOptions
from ictconvention.applying.publishing import publish as publishing
from ictconvention.applying.publishing.publish import publish, without_places
from ictconvention.applying.seen_objects import seen_by
from ictconvention.cli.main import app
from ictconvention.configuration import registry
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import FileSystemError, SplitError, UsageError
from ictconvention.runs.assembly.run_data import load_or_draw_split
from ictconvention.runs.checkpoints import weights_hash
from ictconvention.runs.plan import Plan, name_unfinished, plan_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import read_trained
from ictconvention.runs.warm_start import check_start, pin_start
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter
from ictconvention.sweeping.sweep import prepare_jobs
from tests.hub import FIRST, SECOND, Hub
from tests.refusals import refused
from tests.small_runs import Smoke, places, result_of

WORDS = ("experiment=frame_transformer_sdss", "model.size=16", "model.layers=1")


@pytest.fixture(scope="module")
def trained(smoke: Smoke) -> Path:
    return smoke(*WORDS)


@pytest.fixture(scope="module")
def published(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "small"
    assert publish(trained, folder, "mit", onnx=False).size == sum(path.stat().st_size for path in folder.iterdir())
    return folder


@pytest.fixture(scope="module")
def own(work: Path) -> Survey:
    return Survey.open(work / "miniature")


def predicted(folder: Path, survey: Survey, **keywords: Any) -> Table:
    runs, _ = choose_runs(folder)
    return apply_runs(runs, survey, PredictOptions(), **keywords).table


def test_it_predicts_bit_for_bit_as_the_run(trained: Path, published: Path, own: Survey) -> None:
    run, again = (predicted(folder, own, prior="uniform", coverage=0.9) for folder in (trained, published))
    assert run.colnames == again.colnames
    for name in run.colnames:
        np.testing.assert_array_equal(run[name], again[name], err_msg=name)
    assert ict.load(published).result == ict.load(trained).result
    assert ict.load(published).predictions().values_equal(ict.load(trained).predictions())


def test_it_says_nothing_of_the_machine(trained: Path, published: Path, work: Path) -> None:
    for path in published.iterdir():
        assert str(work).encode() not in path.read_bytes(), path.name
    assert str(work) in (trained / "config.yaml").read_text()
    options = ict.load(published).options
    assert options.survey.path == "miniature"
    assert replace(options, runs="", survey=options.survey) == replace(options, runs="")
    assert without_places(options)["trainer"]["batch_size"] == 16


def test_its_title_is_of_model_task_and_survey_and_says_no_folder(trained: Path, own: Survey, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "secret-project" / "for-the-rival"))
    made = publish(folder, tmp_path / "new", onnx=False).folder
    for path in made.iterdir():
        content = path.read_bytes()
        assert not any(word in content for word in (b"secret", b"rival", trained.name.encode())), path.name
    title = "frame_transformer: classes of miniature (simulated)"
    assert json.loads((made / "config.json").read_text())["title"] == title
    assert (made / "README.md").read_text().split("---\n")[2].startswith(f"\n# {title}\n")
    assert compare_survey(read_trained(made), own).run == title
    publish(folder, tmp_path / "named", title="Mine", onnx=False)
    assert "\n# Mine\n" in (tmp_path / "named" / "README.md").read_text()


def test_a_run_of_a_hub_predicts_as_the_run(trained: Path, published: Path, own: Survey, hub: Hub) -> None:
    hub.publish(published)
    (run, again) = (predicted(Path(folder), own) for folder in (trained, "hf://me/small"))
    assert run.values_equal(again)
    assert again.meta["RUNS"] == ict.load("hf://me/small").trained().hash[:8]


def test_a_run_that_begins_with_one_of_a_hub_keeps_its_weights_when_the_hub_moves(
    smoke: Smoke, published: Path, work: Path, tmp_path: Path, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """The configuration and the words of the run name the commit, so that these words go on with it, and no others."""
    hub.publish(published)
    words = [*WORDS, "seed=3", "init_from=hf://me/small"]
    folder = smoke(*words)
    pinned = f"hf://me/small@{FIRST}"
    assert any(line.startswith(f"hf://me/small: commit {FIRST}") for line in caplog.messages)
    assert ict.load(folder).options.init_from == pinned
    recorded = RunFolder(folder).read_overrides()
    publish(smoke(*WORDS, "seed=1"), tmp_path / "other", onnx=False)
    hub.publish(tmp_path / "other", SECOND)
    assert plan_run(compose_run([*places(work), *recorded])).folder.path == folder
    now = compose_run([*places(work), *words])
    assert plan_run(now).folder.path != folder  # other weights are another run
    assert result_of(folder)["init_from"] == weights_hash(RunFolder(published).last_weights())
    with unfinished(folder / "result.json"):
        said = name_unfinished(*planned(now, words))
        assert str(folder) in said
        assert f"@{FIRST}" in said
    assert not name_unfinished(*planned(now, words))
    (job,) = prepare_jobs([[*places(work), *words]])
    assert f"hf://me/small@{SECOND}" in str(job.words)
    publish(folder, tmp_path / "begun", onnx=False)
    assert ict.load(tmp_path / "begun").options.init_from == pinned  # of no machine
    assert f"`{pinned}`" in (tmp_path / "begun" / "README.md").read_text()


def planned(options: RunOptions, words: list[str]) -> tuple[RunOptions, Plan]:
    pinned, _ = pin_start(options, words)
    return pinned, plan_run(pinned)


@contextmanager
def unfinished(result: Path) -> Iterator[None]:
    """Let a run be unfinished."""
    kept = result.read_bytes()
    result.unlink()
    try:
        yield
    finally:
        result.write_bytes(kept)


def test_a_run_that_begins_with_it_is_the_run_that_begins_with_the_original(
    trained: Path, published: Path, work: Path
) -> None:
    plans = [
        plan_run(compose_run([*places(work), *WORDS, "seed=1", f"init_from={folder}"]))
        for folder in (trained, published)
    ]
    assert plans[0].hashes == plans[1].hashes


def test_what_runs_before_it_have_seen_goes_with_it(smoke: Smoke, published: Path, own: Survey, tmp_path: Path) -> None:
    """The second run is of another split, so that its own says nothing of the first's objects."""
    options = ict.load(published).options
    splits = [load_or_draw_split(replace(options, fold=replace(options.fold, index=k)), own) for k in (0, 1)]
    second = tmp_path / "second"
    shutil.copytree(published, second)
    config = yaml.safe_load((second / "config.yaml").read_text())
    (second / "config.yaml").write_text(yaml.safe_dump({**config, "init_from": "first"}))
    changed(second, "result.json", init_from="0" * 64, split=splits[1].hash)
    splits[1].save(second / "split.json", record=True)
    resealed(second)
    own_options = replace(options, survey=replace(options.survey, path=str(own.path)))
    with refused(SplitError, "E-SPLIT-LEAK", where="second"):
        check_start(second, own_options, splits[1], own)


@pytest.mark.parametrize("is_published", [False, True])
def test_a_chain_over_surveys_that_share_ids_knows_which_objects_each_has_seen(
    smoke: Smoke, trained: Path, own: Survey, tmp_path: Path, is_published: bool
) -> None:
    """Their objects are numbered alike and lie elsewhere: those of the first are seen, those of a third are not."""
    surveys = {name: written_elsewhere(tmp_path / name, own, east) for name, east in (("second", 1.0), ("third", 2.0))}
    second = smoke(*WORDS, f"survey.path={surveys['second'].path}", f"init_from={trained}")
    if is_published:
        second = publish(second, tmp_path / "published", onnx=False).folder
    options, run = ict.load(trained).options, read_trained(second)
    first = seen_by(read_trained(trained), own)
    assert first.any()
    assert seen_by(run, own).tolist() == first.tolist()
    assert seen_by(run, surveys["second"]).sum() == first.sum()
    assert not seen_by(run, surveys["third"]).any()
    for survey, leaks in ((own, True), (surveys["second"], True), (surveys["third"], False)):
        for fold in (0, 1):
            there = replace(
                options,
                survey=replace(options.survey, path=str(survey.path)),
                fold=replace(options.fold, index=fold),
            )
            with refused(SplitError, "E-SPLIT-LEAK") if leaks and fold else nullcontext():
                check_start(second, there, load_or_draw_split(there, survey), survey)


def written_elsewhere(path: Path, survey: Survey, east: float) -> Survey:
    """Write the objects of a survey again, so many degrees to the east."""
    with SurveyWriter(path, replace(survey.header, name=path.name)) as writer:
        for series in survey:
            columns = {name: getattr(series, name) for name in ("band", "mjd", "psf_fwhm", "sky_sigma")}
            known = series.metadata
            place = {"ra": (known["ra"] + east) % 360, "dec": known["dec"]}
            writer.add(series.id, series.frames, **columns, **place, class_name=known["class"])
    return Survey.open(path)


def test_a_network_of_ones_own_is_refused_without_its_module(
    smoke: Smoke, own: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in the folder, nor what it names, is imported unless the command line says so."""
    monkeypatch.setattr(registry, "_networks", dict(registry._networks))
    monkeypatch.setattr(registry, "_modules", [])
    monkeypatch.delitem(sys.modules, "examples.my_network", raising=False)
    folder = smoke("model.module=examples.my_network", "model=mean_of_frames", "learner=supervised")
    made = publish(folder, tmp_path / "mine", onnx=False).folder
    assert "`examples.my_network`, which is not in this folder" in (made / "README.md").read_text()
    expected = predicted(folder, own)
    del registry._networks["mean_of_frames"], sys.modules["examples.my_network"]
    registry._modules.clear()
    words = ["predict", str(made), str(own.path), "-o", str(tmp_path / "table.parquet")]
    with refused(UsageError, "E-MODULE-UNKNOWN", "--module examples.my_network"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert "examples.my_network" not in sys.modules
    assert CliRunner().invoke(app, [*words, "--module", "examples.my_network"]).exit_code == 0
    assert pq.read_table(tmp_path / "table.parquet")["AGN"].to_pylist() == expected["AGN"].tolist()


def changed(folder: Path, name: str, **entries: Any) -> None:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def resealed(folder: Path) -> None:
    from ictconvention.runs.published.manifest import MANIFEST, write_manifest

    known = json.loads((folder / MANIFEST).read_text())
    files = [folder / name for name in known.pop("files")]
    write_manifest(folder, known, files)


def test_the_card_has_the_head_that_hubs_read_and_the_numbers_of_the_result(trained: Path, published: Path) -> None:
    _, head, body = (published / "README.md").read_text().split("---\n", 2)
    known, result = yaml.safe_load(head), result_of(trained)
    assert known["license"] == "mit"
    assert "simulated" in known["tags"]
    first = known["model-index"][0]["results"][0]
    assert first["dataset"] == {"type": "simulated", "name": "miniature (simulated), test part"}
    metrics = {one["type"]: one["value"] for one in first["metrics"]}
    assert metrics == {name: x for name, x in result["test"].items() if isinstance(x, float)}
    assert "The survey is simulated" in body
    for name, share in zip(("AGN", "SN Ia", "Variable", "SN Other"), result["prior"]["survey"], strict=True):
        assert f"| {name} | {share:.4f} |" in body
    assert f"{result['temperature']:.4f}" in body
    assert "ictconvention test FOLDER survey=path survey.path=SURVEY" in body
    hub = pytest.importorskip("huggingface_hub", reason="needs the extra [hub]")
    card = hub.ModelCardData(**known, ignore_metadata_errors=False)
    assert len(card.eval_results) == 2 * len(metrics)


def test_a_file_that_is_not_the_one_that_was_published_is_refused(published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(published, folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    with refused(UsageError, "E-RUN-EDITED", "model.safetensors", where=folder):
        RunFolder(folder).last_weights()
    (folder / "reference.npz").unlink()
    with refused(UsageError, "E-RUN-DAMAGED", "reference.npz", where=folder):
        RunFolder(folder).last_weights()


def test_what_is_no_run_to_publish_is_refused_before_anything_is_written(
    trained: Path, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refused(UsageError, "E-RUN-MISSING", "publish", where=trained.parent):
        publish(trained.parent, tmp_path / "new")
    with refused(FileSystemError, "E-FILES-EXISTS", where=published):
        publish(trained, published)
    with refused(UsageError, "E-FILES-PROTECTED"):
        publish(trained, trained / "inside")
    monkeypatch.setattr(publishing, "find_absent", lambda name: "onnxruntime")
    with refused(UsageError, "E-PACKAGE-MISSING", "onnxruntime"):
        publish(trained, tmp_path / "new")
    assert not [*tmp_path.iterdir()]


def test_a_network_that_does_not_export_is_published_without_onnx_and_says_why(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(run: object, output: Path) -> str:
        raise UsageError("it takes no padded arrays", output, "", "E-EXPORT-NETWORK")

    monkeypatch.setattr(publishing, "export_run", fails)
    made = publish(trained, tmp_path / "new")
    assert made.without_onnx == "it takes no padded arrays"
    assert "No ONNX file: it takes no padded arrays." in (made.folder / "README.md").read_text()
    assert "ask before you use" in (made.folder / "README.md").read_text()


def test_published_runs_in_one_folder_predict_together(
    smoke: Smoke, trained: Path, published: Path, own: Survey, tmp_path: Path
) -> None:
    """Seeds of one fold have one validation part, and their sets are those of the mean."""
    other = smoke(*WORDS, "seed=1")
    shutil.copytree(published, tmp_path / "both" / "first")
    publish(other, tmp_path / "both" / "second", onnx=False)
    together = predicted(tmp_path / "both", own, coverage=0.6)
    alone = [predicted(folder, own) for folder in (trained, other)]
    np.testing.assert_allclose(together["AGN"], np.mean([one["AGN"] for one in alone], axis=0), rtol=1e-12)
    assert len(set(together["set"])) > 1
