"""A finished run as a module of science for the broker Fink: a folder that runs without this package."""

import json
import re
from pathlib import Path
from shutil import copyfile
from typing import Any

from ictconvention.applying.export import describe_model, export_run, exportable_run
from ictconvention.applying.model_file import check_model_file
from ictconvention.applying.watching.kind import Cutout, HowRead, choose_kind
from ictconvention.core.atomic import WholeFolder
from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.runs.shift.kept import check_network_predicts
from ictconvention.runs.trained_run import TrainedRun, read_trained

MODEL, READING = "model.onnx", "reading.json"
TAKEN = {"frames", "band", "median", "observed", "nights"}  # inputs that onnx_client.py makes
SOURCES = ("processor.py", "onnx_client.py", "ztf_stamps.py")
REQUIREMENTS = """numpy
pandas
pyspark
pyarrow # what Spark hands columns to pandas with
astropy # FITS cutouts
onnxruntime
"""


def export_for_fink(folder: str | Path, output: Path, cutout: Cutout | None = None) -> str:
    """Write the module of a finished run on ZTF alerts to a new folder, whole or not at all; return what it gives.

    Parameters
    ----------
    folder : str or Path
        Folder of the run.
    output : Path
        The folder to make, whose name can be that of a Python package.
    cutout : "science" or "difference", optional
        Which cutout the run was trained on; by default what its survey says, or science.

    Raises
    ------
    UsageError
        The run knows no classes, or other images than ZTF's; its network takes more than frames, such as measured
        fluxes; or as of `export`.
    FileSystemError
        The folder exists, or the disk does not allow it.
    """
    if not output.name.isidentifier():
        found = f"{output.name!r} cannot be the name of a Python package"
        raise UsageError(
            found, output, "give a name of letters, digits and _, such as ictconvention_ztf", "E-FILES-ENDING"
        )
    run = read_trained(folder)
    reading = describe_reading(run, cutout)
    place = WholeFolder(output)
    place.take()
    try:
        check_model_file(place.partial / MODEL)
        with readable_os_errors("writing the module", output):
            export_run(run, place.partial / MODEL)
            for name in SOURCES:
                copyfile(Path(__file__).with_name(name), place.partial / name)
            text = {
                READING: json.dumps(reading, indent=2) + "\n",
                "requirements.txt": REQUIREMENTS,
                "README.md": _readme(run, reading, output.name),
                "__init__.py": f'"""Probabilities of {", ".join(run.task.names)} by the stamps of ZTF alerts."""\n',
            }
            for name, content in text.items():
                (place.partial / name).write_text(content, encoding="utf-8")
            place.complete()
    finally:
        place.discard()
    return f"pandas_udf ictconvention_probabilities: a struct of {', '.join(reading['columns'])}"


def describe_reading(run: TrainedRun, cutout: Cutout | None = None) -> dict[str, Any]:
    """Return how ZTF's cutouts become stamps for a run, and the columns of its probabilities, in plain values.

    Raises
    ------
    UsageError
        As of `export_for_fink`.
    """
    check_network_predicts(run)
    if run.options.task.kind != "classes":
        found = f"this run has learned {run.options.task.kind}, and the module gives probabilities of classes"
        raise UsageError(found, run.folder, "export a run with task=classes", "E-RUN-TASK")
    kind = choose_kind(run, HowRead(cutout))
    if kind.name != "ztf":
        fix = f"export the model (-o {MODEL}) and call it by examples/onnx_client.py"
        raise UsageError("modules are written for runs on ZTF alerts", run.folder, fix, "E-SURVEY-UNSUITED")
    others = sorted(set(describe_model(run, exportable_run(run))["inputs"]) - TAKEN)
    if others:
        found = f"the network takes {', '.join(others)} too, which a module without this package cannot measure"
        fix = "export a run with model=convention, cnn_gru or cnn_lstm"
        raise UsageError(found, run.folder, fix, "E-EXPORT-NETWORK")
    settings = kind.settings
    return {
        **{name: settings[name] for name in ("size", "sky", "cutout", "zero_point")},
        "fit": settings["how"],
        "columns": _columns(run.task.names),
        "classes": list(run.task.names),
        "bands": list(kind.bands),
    }


def _columns(names: tuple[str, ...]) -> list[str]:
    """Return a name of a column for each class: small letters, digits and _; a number follows one that stands twice."""
    found: list[str] = []
    for name in names:
        column = re.sub(r"\W+", "_", name.casefold()).strip("_") or "class"
        found.append(column if column not in found else f"{column}_{len(found)}")
    return found


def _readme(run: TrainedRun, reading: dict[str, Any], name: str) -> str:
    column = "cutoutDifference" if reading["cutout"] == "difference" else "cutoutScience"
    classes = "\n".join(f"- `{one}`: {cls}" for one, cls in zip(reading["columns"], reading["classes"], strict=True))
    return f"""# {name}

Probabilities of classes by the stamps of ZTF alerts: run {run.hash[:8]} ({run.options.model.kind}), trained on
{run.survey["name"]}{" (simulated)" if run.survey["simulated"] else ""}. They are at the class shares of its training.

{classes}

Takes `{column}.stampData` and `jd`, `fid`, `magzpsci`, `xpos`, `ypos`, `isdiffpos` of `candidate`: of one alert, or
arrays of all alerts of an object, in any order (the model was trained on series). Null: no stamp could be used.

    pip install -r {name}/requirements.txt
    python -m {name}.processor      # the doctest, on Spark local[2]

    from {name}.processor import ictconvention_probabilities
    columns = ["{column}.stampData", *(f"candidate.{{one}}" for one in
               ("jd", "fid", "magzpsci", "xpos", "ypos", "isdiffpos"))]
    alerts = alerts.withColumn("p", ictconvention_probabilities(*columns))                    # of each alert alone
    names = ["stamp", "jd", "fid", "magzpsci", "xpos", "ypos", "isdiffpos"]
    whole = F.struct(*(F.col(one).alias(name) for name, one in zip(names, columns)))  # a null stays in its place
    series = alerts.groupBy("objectId").agg(F.collect_list(whole).alias("s"))
    series = series.withColumn("p", ictconvention_probabilities(*(f"s.{{name}}" for name in names)))  # of whole series

Stamps are those of `ictconvention ingest ztf`, but a cutout with blocks of equal pixels, of which `ingest` finds out
what shows no sky, is left out here. The workers must find the folder: put it into fink_science/ztf/, or on their path.
"""
