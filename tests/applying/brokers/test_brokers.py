"""A run in a broker's hands: from raw frames, or from cutouts, the probabilities are those of `predict`."""

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ictconvention.applying.apply import apply_runs
from ictconvention.applying.brokers.ztf_stamps import read_series, read_stamp
from ictconvention.applying.export import describe_model, export, exportable_run
from ictconvention.applying.predict import PredictOptions
from ictconvention.cli.main import app
from ictconvention.core.errors import FileSystemError, IctConventionError, UsageError
from ictconvention.ingestion.fitting import Fitting
from ictconvention.ingestion.readers.ztf import ZtfOptions, take_ztf
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey
from tests.applying.watching.streams import packets_of, ztf_alerts, ztf_run, ztf_survey
from tests.conftest import ROOT
from tests.ingestion.alert_packets import cutout
from tests.refusals import refused
from tests.reporting.made_up_runs import made_up_run
from tests.small_runs import Smoke

pytest.importorskip("onnxruntime", reason="needs the extra [export]")
SPARK_PYTHON = os.environ.get("ICTCONVENTION_SPARK_PYTHON", sys.executable)  # one that has pyspark and pandas
COLUMNS = ("jd", "fid", "magzpsci", "xpos", "ypos", "isdiffpos")


def client() -> Any:
    """Import the example as whoever copied it would."""
    spec = importlib.util.spec_from_file_location("copied_client", ROOT / "examples" / "onnx_client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def probabilities(run: Path, survey: Survey) -> np.ndarray:
    trained = read_trained(run)
    table = apply_runs([trained], survey, PredictOptions()).table
    return np.stack([np.asarray(table[name]) for name in trained.task.names], axis=1)


def check_same(found: np.ndarray, expected: np.ndarray) -> None:
    """Check that probabilities differ by far less than objects do, which a network that hardly trained tells apart."""
    spread = expected.std(0).max()
    assert spread > 3e-6
    assert np.abs(found - expected).max() < max(0.02 * spread, 2e-7)


@pytest.fixture(scope="module")
def fink_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ztf_run(tmp_path_factory.mktemp("fink"), "experiment=convention_sdss", cutout="difference")


def for_fink(run: Path, out: Path, *words: str) -> list[str]:
    result = CliRunner().invoke(app, ["export", str(run), "--for", "fink", "-o", str(out), *words])
    if isinstance(result.exception, IctConventionError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def module(fink_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a module for Fink: an export takes ten seconds, and the client's tests read the same model."""
    out = tmp_path_factory.mktemp("modules") / "module"
    assert for_fink(fink_run, out)[0] == str(out)
    return out


def check_client(model: Path, run: Path, survey: Survey) -> None:
    """Check that the client predicts what `predict` does, from frames in any order, some of which are chosen."""
    copied = client()
    known, session = copied.open_model(str(model))
    rng = np.random.default_rng(0)
    series = []
    for one in survey:
        order = rng.permutation(len(one))  # whoever calls it need not sort
        series.append((one.frames[order], [survey.header.bands[b] for b in one.band[order]], one.mjd[order]))
    expected = probabilities(run, survey)
    assert max(len(one) for one in survey) > known["max_frames"]
    check_same(copied.predict(known, session, series), expected)
    with pytest.raises(ValueError, match="Y"):
        copied.arrays_of(known, series[0][0][:1], ["Y"], [0.0])


def test_the_client_predicts_from_raw_frames_as_predict_does(fink_run: Path, module: Path, tmp_path: Path) -> None:
    survey = ztf_survey(tmp_path / "s", packets_of(ztf_alerts(range(6), each=15)), cutout="difference")
    check_client(module / "model.onnx", fink_run, survey)


def test_the_client_predicts_from_whole_nights_and_the_median_as_predict_does(
    smoke: Smoke, work: Path, tmp_path: Path
) -> None:
    run = smoke("experiment=cnn_gru_sdss", "pixels.channels=direct+residual", "sequence.max_frames=9")
    export(run, tmp_path / "model.onnx")
    check_client(tmp_path / "model.onnx", run, Survey.open(work / "miniature"))


def test_the_client_runs_by_itself(module: Path, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).normal(size=(2, 24, 24))
    np.savez(tmp_path / "one.npz", frames=frames, band=["g", "r"], mjd=[58000.0, 58001.0])
    script = ROOT / "examples" / "onnx_client.py"
    code = "import sys, runpy; sys.modules['ictconvention'] = None; runpy.run_path(sys.argv[0], run_name='__main__')"
    given = [str(script), str(module / "model.onnx"), "one.npz"]
    words = [sys.executable, "-c", f"import sys; sys.argv = {given}; {code}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("one.npz {'AGN': ")


def test_the_client_refuses_a_model_that_takes_measured_fluxes(tmp_path: Path) -> None:
    """By what the file says of its model."""
    import onnx

    run = made_up_run("supervised", "light_curve")
    known = describe_model(run, exportable_run(run))
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("flux", "logits")]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["flux"], ["logits"])], "stub", ends[:1], ends[1:]
    )
    model = onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 18)])
    onnx.helper.set_model_props(model, {"ictconvention": json.dumps(known)})
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="days"):
        client().open_model(str(tmp_path / "model.onnx"))


@pytest.mark.parametrize("image", ["science", "difference"])
@pytest.mark.parametrize("fit", ["crop", "bin"])
def test_stamps_are_those_of_ingestion(image: Any, fit: Any) -> None:
    how = {"size": 24, "fit": fit, "sky": image == "science", "cutout": image, "zero_point": 26.0}
    reader = ZtfOptions(Path(), Fitting(24, fit, bool(how["sky"])), 26.0, image)
    rng = np.random.default_rng(0)
    packed = "cutoutScience" if image == "science" else "cutoutDifference"
    for number, one in enumerate(ztf_alerts(range(4), each=3)):
        candidate = one["candidate"]
        candidate |= {"xpos": 1000 + rng.uniform(-1, 1), "ypos": 1000 + rng.uniform(-1, 1)}
        candidate |= {"isdiffpos": "tf10"[number % 4], "magzpsci": None if number == 5 else 25 + rng.uniform()}
        if number == 7:  # at an edge of its chip
            candidate |= {"xpos": 10.3}
            one[packed] = cutout(rng.normal(100, 5, (63, 41)))
        found = next(take_ztf(reader, one, "here"))
        place = candidate["xpos"], candidate["ypos"]
        stamp = read_stamp(one[packed]["stampData"], candidate["magzpsci"], place, candidate["isdiffpos"], how)
        np.testing.assert_allclose(stamp, found.pixels, rtol=1e-5, atol=1e-7, equal_nan=True)  # type: ignore[union-attr]


def test_what_cannot_be_read_is_left_out_of_a_series() -> None:
    how = {"size": 24, "fit": "crop", "sky": True, "cutout": "science", "zero_point": None}
    good = cutout(np.random.default_rng(0).normal(100, 5, (63, 63)))["stampData"]
    flat = cutout(np.zeros((63, 63)))["stampData"]
    rows: list[tuple[Any, ...]] = [(good, 3.0, 1, 26.0, 1500.0, 1500.0, "t"), (good, 2.0, 2, 26.0, 1500.0, 1500.0, "t")]
    bad: list[tuple[Any, ...]] = [
        (b"x", 1.0, 1, 26.0, 1.0, 1.0, "t"),
        (flat, 4.0, 1, 26.0, 1500.0, 1500.0, "t"),
        (good, 5.0, 3, 26.0, 1.0, 1.0, "t"),
    ]
    bad += [(good, 6.0, 1, None, 1500.0, 1500.0, "t"), (None, None, None, None, None, None, None), rows[0]]
    columns = [list(column) for column in zip(*rows, *bad, strict=True)]
    found = read_series(columns, ["g", "r"], how)
    assert found is not None
    assert (found[0].shape, found[1], found[2].tolist()) == ((2, 24, 24), ["r", "g"], [2.0, 3.0])
    assert read_series([list(column) for column in zip(*bad[:5], strict=True)], ["g", "r"], how) is None
    no_date = [*rows, (good, None, 1, 26.0, 1500.0, 1500.0, "t")]
    found = read_series([list(column) for column in zip(*no_date, strict=True)], ["g", "r"], how)
    assert found is not None
    assert found[2].tolist() == [2.0, 3.0]
    shorter = [list(column) for column in zip(*rows, strict=True)]
    shorter[3] = shorter[3][1:]  # nulls were dropped: whose zero point is it?
    assert read_series(shorter, ["g", "r"], how) is None


@pytest.mark.parametrize("sign", [None, "", "x"])
def test_a_difference_without_a_sign_is_left_out(sign: Any) -> None:
    how = {"size": 24, "fit": "crop", "sky": False, "cutout": "difference", "zero_point": None}
    content = cutout(np.random.default_rng(0).normal(0, 5, (63, 63)))["stampData"]
    with pytest.raises(ValueError, match="isdiffpos"):
        read_stamp(content, 26.0, (1500.0, 1500.0), sign, how)
    assert read_stamp(content, 26.0, (1500.0, 1500.0), sign, {**how, "cutout": "science"}).shape == (24, 24)


def test_a_module_says_what_it_reads_or_is_not_there(
    fink_run: Path, module: Path, smoke: Smoke, tmp_path: Path
) -> None:
    names = {path.name for path in module.iterdir()}
    assert names == {
        *("processor.py", "onnx_client.py", "ztf_stamps.py", "__init__.py"),
        *("model.onnx", "reading.json", "requirements.txt", "README.md"),
    }
    assert "cutoutDifference" in (module / "README.md").read_text()
    with refused(FileSystemError, "E-FILES-EXISTS", where=module):
        for_fink(fink_run, module)
    with refused(UsageError, "E-FILES-ENDING", "my-module"):
        for_fink(fink_run, tmp_path / "my-module")
    with refused(UsageError, "E-SURVEY-UNSUITED", "difference"):
        for_fink(fink_run, tmp_path / "other", "--cutout", "science")
    with refused(UsageError, "E-SURVEY-UNSUITED"):
        for_fink(smoke("experiment=convention_sdss", "sequence.max_frames=9"), tmp_path / "sdss")
    assert not list(tmp_path.iterdir())
    assert [path.name for path in module.parent.iterdir()] == ["module"]


def test_a_network_on_measured_fluxes_is_no_module(points_run: Path, tmp_path: Path) -> None:
    with refused(UsageError, "E-EXPORT-NETWORK", "photometry", "convention"):
        for_fink(points_run, tmp_path / "module")


SPARK = """
import sys, pandas as pd
from pyspark.sql import SparkSession, functions as F
from module.processor import ictconvention_probabilities
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
alerts = spark.createDataFrame(pd.read_parquet("alerts.parquet"))
names = ["stamp", "jd", "fid", "magzpsci", "xpos", "ypos", "isdiffpos"]
series = alerts.groupBy("id").agg(F.collect_list(F.struct(*names)).alias("s"))
series = series.withColumn("p", ictconvention_probabilities(*(f"s.{name}" for name in names)))
series.select("id", "p.*").toPandas().to_csv("series.csv")
alone = alerts.withColumn("p", ictconvention_probabilities(*names)).select("id", "p.*").toPandas()
assert len(alone) == alerts.count() and alone.iloc[:, 1:].notna().all().all()
"""


def _spark_is_here() -> str:
    """Return what is missing of Spark; nothing where it is here."""
    if shutil.which("java") is None:
        return "Java is not here"
    code = "import pandas, pyspark, pyarrow, astropy, onnxruntime"
    done = subprocess.run([SPARK_PYTHON, "-c", code], capture_output=True, check=False)
    return "" if done.returncode == 0 else "pyspark and pandas are not here: ICTCONVENTION_SPARK_PYTHON names a Python"


@pytest.mark.slow
def test_the_module_predicts_on_spark_as_predict_does(fink_run: Path, module: Path, tmp_path: Path) -> None:
    if missing := _spark_is_here():
        pytest.skip(missing)
    import pyarrow as pa
    import pyarrow.parquet as pq

    shutil.copytree(module, tmp_path / "module")
    alerts = ztf_alerts(range(6), each=4)
    for one in alerts[::5]:
        one["candidate"] |= {"xpos": None, "ypos": None}
    rows = [
        {"id": one["objectId"], "stamp": one["cutoutDifference"]["stampData"]}
        | {name: one["candidate"][name] for name in COLUMNS}
        for one in alerts
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "alerts.parquet")
    survey = ztf_survey(tmp_path / "all", packets_of(alerts), cutout="difference")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYSPARK_PYTHON": SPARK_PYTHON}
    for words in (["-c", SPARK], ["-m", "module.processor"]):
        done = subprocess.run(
            [SPARK_PYTHON, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "series.csv").open(newline="") as file:
        found = {row["id"]: (float(row["agn"]), float(row["sn_ia"])) for row in csv.DictReader(file)}
    expected = probabilities(fink_run, survey)
    check_same(np.array([found[id_] for id_ in survey.ids]), expected)
