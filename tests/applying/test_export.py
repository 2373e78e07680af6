"""A run's model as a file: it gives the run's probabilities from raw fluxes, says of what it is, or is not there."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from ictconvention import __version__
from ictconvention.applying import export as exporting
from ictconvention.applying import model_file
from ictconvention.applying.export import export_run, exportable_run
from ictconvention.cli.main import main
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.feeding.views import even_nights
from ictconvention.measuring.photometry import photometry_recipe
from ictconvention.runs.run_record import portable
from ictconvention.runs.status import write_json
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.survey.series import night_index
from ictconvention.survey.survey import Survey
from tests.refusals import refused
from tests.reporting.made_up_runs import BANDS, CLASSES, EVERY_KIND, MAX_FRAMES, OFFSET, SCALE, made_up_run
from tests.small_runs import read_json

Kind = tuple[str, ...]
SMALL: Kind = ("supervised", "cnn_lstm")
# Each network, scaling, contents of the pixels, form of the attention and kind of padding, in one format; one of them
# in both. ICT in the published form as .pt2 is the trained run's below, light curves as .pt2 are in the tests of the
# public API. All that the transformer of light curves has is in that of frames, too.
EXPORTED: list[tuple[Kind, dict[str, Any], tuple[str, ...]]] = [
    (("ict", "convention"), {"blocks": 1, "padding": "paper"}, ("onnx",)),
    (
        ("supervised", "convention", "direct+residual", "standardise"),
        {"blocks": 1, "attention": "query"},
        ("onnx", "pt2"),
    ),
    (("supervised", "cnn_gru", "direct+residual"), {}, ("onnx",)),
    (SMALL, {}, ("pt2",)),
    (("supervised", "light_curve", "direct", "asinh", "points"), {}, ("onnx",)),
    (
        ("supervised", "frame_transformer", "direct+residual", "asinh", "points"),
        {"size": 16, "layers": 1},
        ("onnx",),
    ),
    (
        ("supervised", "frame_transformer", "direct", "asinh", "points"),
        {"size": 16, "layers": 1, "host": False},
        ("pt2",),
    ),
    (("supervised", "light_curve_transformer"), {"size": 16, "layers": 1}, ("pt2",)),
]
Run = Callable[[Mapping[str, Tensor]], Mapping[str, Any]]


def open_file(path: Path) -> tuple[dict[str, Any], Run]:
    """Return what a file says and the function that runs it, as whoever got it would open it: without this package."""
    if path.suffix == ".pt2":
        extra = {"ictconvention.json": ""}
        module = torch.export.load(path, extra_files=extra).module()

        @torch.no_grad()
        def run_pt2(arguments: Mapping[str, Tensor]) -> Mapping[str, Any]:
            outputs: dict[str, Any] = module(*arguments.values())
            return outputs

        return json.loads(extra["ictconvention.json"]), run_pt2

    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra [export]")
    session = onnxruntime.InferenceSession(path)
    entries = session.get_modelmeta().custom_metadata_map
    known: dict[str, Any] = json.loads(entries["ictconvention"])
    assert [json.loads(entries[key]) for key in ("classes", "bands")] == [known["classes"], known["bands"]]  # too

    def run_onnx(arguments: Mapping[str, Tensor]) -> Mapping[str, Any]:
        assert [one.name for one in session.get_inputs()] == list(arguments)
        outputs = session.run(["probability", "logits"], {name: x.numpy() for name, x in arguments.items()})
        return dict(zip(("probability", "logits"), outputs, strict=True))

    return known, run_onnx


def unwatched(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that coverage does not watch, which would double its time; nothing of ours runs in it."""

    def called(*arguments: Any, **keywords: Any) -> Any:
        watching = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*arguments, **keywords)
        finally:
            sys.settrace(watching)
            (lambda: None)()  # from this call on coverage watches again, in time to see the return

    return called


@pytest.fixture
def _unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.onnx, "export", unwatched(torch.onnx.export))
    monkeypatch.setattr(torch.export, "load", unwatched(torch.export.load))


@pytest.fixture
def _traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the formats of a test's network hold one program: most of an export's time is tracing."""
    trace, programs = torch.export.export, list[torch.export.ExportedProgram]()

    def traced(model: torch.nn.Module, arguments: tuple[Tensor, ...], **keywords: Any) -> Any:
        if not programs:
            programs.append(trace(model, arguments, **keywords))
        return programs[0]

    monkeypatch.setattr(torch.export, "export", traced)


@pytest.mark.slow
@pytest.mark.usefixtures("_unwatched", "_traced_once")
@pytest.mark.parametrize(("kind", "sizes", "endings"), EXPORTED, ids=["-".join(kind) for kind, *_ in EXPORTED])
def test_a_file_gives_the_numbers_of_its_run_for_any_number_of_objects_and_says_of_what_it_is(
    kind: Kind, sizes: dict[str, Any], endings: tuple[str, ...], tmp_path: Path
) -> None:
    run = made_up_run(*kind, **sizes)
    model = exportable_run(run)
    paths = [tmp_path / f"model.{ending}" for ending in endings]
    for path in paths:
        words = export_run(run, path)
        known, outputs_of = open_file(path)
        assert known == exporting.describe_model(run, model)
        assert words == exporting.in_words(known, run.task.format.gives)
        for objects in (1, 2, 5):
            arguments = model.sequences(objects, torch.Generator().manual_seed(100 + objects))
            with torch.no_grad():
                expected = model(**arguments)
            found = outputs_of(arguments)
            for name in ("probability", "logits"):
                assert found[name].shape == (objects, 4)
                assert expected[name].std() > 1e-3  # else it would prove nothing
                np.testing.assert_allclose(found[name], expected[name], atol=1e-4)
        assert str(Path(exporting.__file__).parent.parent).encode() not in path.read_bytes()  # nothing of this machine
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_what_must_be_known_of_a_model() -> None:
    run = made_up_run(*SMALL)
    known = exporting.describe_model(run, exportable_run(run))
    words = exporting.in_words(known, run.task.format.gives)
    assert known.pop("scaling") == {
        "kind": "asinh",
        "offset": pytest.approx(OFFSET),
        "scale": pytest.approx(SCALE),
    }
    assert known == {
        "format": "ictconvention model",
        "version": 1,
        "ictconvention": __version__,
        "run": "0123abcd",
        "survey": {"name": "tiny", "simulated": True},
        "model": "cnn_lstm",
        "learner": "supervised",
        "classes": list(CLASSES),
        "prior": [0.5, 0.25, 0.15, 0.1],
        "temperature": 1.7,
        "logit_shift": [pytest.approx(np.log(share / 0.25)) for share in (0.5, 0.25, 0.15, 0.1)],
        "bands": list(BANDS),
        "pixel_scale": 0.396,
        "flux_unit": "nanomaggy",
        "stamp_size": 32,
        "max_frames": MAX_FRAMES,
        "frames_per_group": 3,
        "select": "frames",
        "contents": "direct",
        "inputs": {
            "frames": {"dtype": "float32", "shape": ["objects", MAX_FRAMES, 3, 32, 32], "meaning": ANY},
            "observed": {"dtype": "bool", "shape": ["objects", MAX_FRAMES, 3], "meaning": ANY},
            "nights": {"dtype": "int64", "shape": ["objects"], "meaning": ANY},
        },
        "outputs": {name: {"dtype": "float32", "shape": ["objects", 4]} for name in ("probability", "logits")},
    }
    assert words.startswith("takes frames (objects, 6, 3, 32, 32) float32, observed (objects, 6, 3) bool, nights ")
    assert words.endswith("the probability of AGN, SN Ia, Variable, SN Other; trained on survey tiny (simulated)")


@pytest.mark.parametrize("kind", EVERY_KIND, ids=["-".join(kind) for kind in EVERY_KIND])
def test_every_input_has_a_text_with_its_unit(kind: Kind) -> None:
    run = made_up_run(*kind)
    inputs = exporting.describe_model(run, exportable_run(run))["inputs"]
    units = {"days": "[days]"} | dict.fromkeys(("frames", "flux", "error", "photometry", "median"), "[nanomaggy]")
    assert all(units.get(name, "") in one["meaning"] for name, one in inputs.items())
    assert not [name for name, one in inputs.items() if "flux_unit" in one["meaning"]]
    if "conditions" in inputs:
        assert re.findall(r"\[\w+\]", inputs["conditions"]["meaning"]) == ["[arcsec]", "[nanomaggy]"]  # in order
        assert run.spec.photometry


def test_the_photometry_of_a_light_curve_is_told() -> None:
    run = made_up_run("supervised", "light_curve")
    known = exporting.describe_model(run, exportable_run(run))
    recipe = photometry_recipe(run.survey["pixel_scale"], run.spec.stamp_size, "here")
    assert {name: known["photometry"][name] for name in recipe.as_dict()} == recipe.as_dict()
    assert set(known["photometry"]) == {"method", *recipe.as_dict()}
    assert list(known["inputs"]) == ["flux", "error", "days", "observed", "nights"]


def stub_file(monkeypatch: pytest.MonkeyPatch, run: TrainedRun, differs: Callable[[Tensor], Tensor]) -> None:
    """Let a model be written as a word, and read back with outputs that differ from the run's as told."""
    model = exportable_run(run)

    @torch.no_grad()
    def outputs_of(arguments: Mapping[str, Tensor]) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = model(**arguments)
        return outputs | {"probability": differs(outputs["probability"])}

    def write(path: Path, module: Any, example: Any, known: Any) -> None:
        path.write_text("made")

    def read(path: Path) -> Any:
        assert path.read_text() == "made"
        return exporting.describe_model(run, model), outputs_of

    monkeypatch.setattr(exporting, "write_model", write)
    monkeypatch.setattr(exporting, "read_model", read)


@pytest.mark.parametrize(
    ("differs", "difference"),
    [(lambda x: x + 1.5e-4, "0.00015"), (lambda x: x.masked_fill(x == x.max(), torch.nan), "nan")],
    ids=["numbers", "not a number"],
)
def test_a_file_that_gives_other_numbers_does_not_take_its_name(
    differs: Callable[[Tensor], Tensor], difference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, path = made_up_run(*SMALL), tmp_path / "model.pt2"
    path.write_text("the one before")
    stub_file(monkeypatch, run, differs)
    with refused(UsageError, "E-EXPORT-DIFFERS", difference, where=tmp_path / "model.pt2"):
        export_run(run, path)
    assert path.read_text() == "the one before"
    assert sorted(tmp_path.iterdir()) == [path]
    stub_file(monkeypatch, run, lambda x: x + 5e-5)
    export_run(run, path)
    assert path.read_text() == "made"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with refused(FileSystemError, "E-FILES-MISSING", where=tmp_path / "nowhere"):
        export_run(made_up_run(*SMALL), tmp_path / "nowhere" / "model.pt2")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "find_spec", lambda name: None if name == "onnxscript" else object())
    model_file.check_model_file(Path("model.pt2"))
    with refused(
        UsageError, "E-PACKAGE-MISSING", "onnxscript", "pip install -c constraints.txt '.[export]'", where="model.onnx"
    ):
        model_file.check_model_file(Path("model.onnx"))


def unfinished(folder: Path) -> Path:
    folder.mkdir()
    OmegaConf.save(OmegaConf.create(asdict(RunOptions())), folder / "config.yaml")
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "where"),
    [
        (["run", "-o", "model.h5"], "E-FILES-ENDING", "model.h5"),
        (["run", "-o", "model"], "E-FILES-ENDING", "model"),
        (["run", "-o", "model.pt2"], "E-RUN-UNFINISHED", "run"),
        (["nowhere", "-o", "model.pt2"], "E-RUN-MISSING", "nowhere"),
    ],
)
def test_a_mendable_problem_is_one_message_and_exit_code_2(
    arguments: list[str],
    code: str,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    unfinished(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ictconvention", "export", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: ")
    assert lines[1] == f"  where: {where}"
    assert lines[2].startswith("  fix:   ")
    assert lines[3:] == [f"  code:  {code}"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


class Payload:
    """Whoever unpickles it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    folder, made = unfinished(tmp_path / "run"), tmp_path / "made-by-the-payload"
    write_json(folder / "result.json", {"config": portable(asdict(RunOptions()))})
    (folder / "checkpoints").mkdir()
    torch.save({"state_dict": {}, "task": Payload(made)}, folder / "checkpoints" / "finetune.ckpt")
    with refused(UsageError, "E-WEIGHTS-DAMAGED", where=tmp_path / "run/checkpoints/finetune.ckpt"):
        read_trained(folder)
    assert not made.exists()
    torch.load(folder / "checkpoints" / "finetune.ckpt", weights_only=False)
    assert made.exists()  # it would have


@pytest.mark.slow
@pytest.mark.usefixtures("_unwatched")
def test_the_file_of_a_trained_run_gives_its_predictions(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.pt2"
    monkeypatch.setattr(sys, "argv", ["ictconvention", "export", str(finished), "-o", str(path)])
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in (0, None)
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [f"next: ictconvention predict {finished} NEW_SURVEY -o predictions.ecsv"]
    assert printed.out.startswith(f"{path}\ntakes frames (objects, ")
    assert len(printed.out.splitlines()) == 2
    known, outputs_of = open_file(path)
    predictions = pq.read_table(finished / "predictions.parquet").to_pydict()
    survey = Survey.open(read_json(finished / "status.json")["survey"])
    assert known["select"] == "nights"
    steps, ids = known["max_frames"], predictions["id"]
    frames = torch.full((len(ids), steps, 32, 32), torch.nan)
    band = torch.zeros(len(ids), steps, dtype=torch.int64)
    for i, id_ in enumerate(ids):
        series = survey[survey.position(id_)]
        rows = even_nights(night_index(series.mjd), steps, known["frames_per_group"])
        frames[i, : len(rows)] = torch.from_numpy(series.frames[rows].astype(np.float32))
        band[i, : len(rows)] = torch.from_numpy(series.band[rows].astype(np.int64) + 1)
    found = outputs_of({"frames": frames, "band": band})
    expected = np.stack([predictions[name] for name in known["classes"]], axis=1)
    np.testing.assert_allclose(found["probability"], expected, atol=1e-4)
