"""From alert packets to probabilities: a throw-away run learns a two-band survey of alerts, and judges new ones."""

import csv
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from ictconvention.cli.main import app
from ictconvention.configuration.compose import compose_run
from ictconvention.survey.survey import Survey
from ictconvention.training.run import run
from tests.ingestion.alert_packets import SIDE, Alert, alert, cutout, detection, source, write_avro, write_parquet

CLASSES = ("AGN", "SN Ia")
NOISE = 10.0  # [counts] of a pixel
LEARN = [
    *("experiment=convention_sdss", "profile=tiny", "survey=path", "name=alerts", "figures=false"),
    *("stage.pretrain.max_epochs=0", "stage.finetune.max_epochs=10", "stage.finetune.optimiser.learning_rate=2e-3"),
    *("sequence.max_frames=12", "sequence.select=frames", "trainer.batch_size=8"),
]


def sequence(number: int, class_name: str) -> list[Alert]:
    """Return the alerts of an object: a supernova rises and fades, an AGN goes up and down about its mean."""
    rng = np.random.default_rng([number, CLASSES.index(class_name)])
    days = np.sort(rng.uniform(0, 40, 10))
    if class_name == "SN Ia":
        counts = 4000 * np.exp(-(((days - 15) / 10) ** 2)) + 200
    else:
        counts = 1500 * rng.choice([-1, 1], 10) * rng.uniform(0.5, 1.5, 10)
    alerts = [
        alert(f"ZTF{class_name[0]}{number:04d}", day, fid=1 + k % 2, counts=c, previous=[detection(-3.0)])
        for k, (day, c) in enumerate(zip(days.tolist(), counts.tolist(), strict=True))
    ]
    for one, c in zip(alerts, counts.tolist(), strict=True):
        one["cutoutDifference"] = cutout(source(abs(c)) + rng.normal(0, NOISE, (SIDE, SIDE)))
        one["candidate"] |= {"ra": 10 + number * 0.1, "dec": 5.0 + 5 * CLASSES.index(class_name)}
    return alerts


def ingested(alerts: Path, out: Path, *options: object) -> Survey:
    arguments = ["ingest", "ztf", alerts, out, "--cutout", "difference", "--bands", "g,r", "--simulated", *options]
    result = CliRunner().invoke(app, [str(x) for x in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return Survey.open(out)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that was trained on labelled alerts, which came in two formats."""
    work = tmp_path_factory.mktemp("alerts")
    (work / "alerts").mkdir()
    known = [(number, name) for number in range(30) for name in CLASSES]
    packets = [one for number, name in known for one in sequence(number, name)]
    write_avro(work / "alerts" / "night.avro", packets[::2])
    write_parquet(work / "alerts" / "night.parquet", packets[1::2])
    with (work / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "class"])
        writer.writerows([f"ZTF{name[0]}{number:04d}", name] for number, name in known)
    survey = ingested(work / "alerts", work / "survey", "--objects", work / "labels.csv")
    assert (len(survey), survey.lengths.tolist()) == (60, [10] * 60)
    assert (survey.header.bands, survey.header.classes) == (("g", "r"), CLASSES)
    return run(compose_run([*LEARN, f"survey.path={survey.path}", f"runs={work}/runs"]))


def predictions(run_folder: Path, survey: Survey, out: Path, *options: object) -> Table:
    arguments = ["predict", run_folder, survey.path, "-o", out, *options]
    result = CliRunner().invoke(app, [str(x) for x in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return Table.read(out)


@pytest.mark.slow
def test_new_alerts_are_classified_and_an_odd_one_is_flagged(finished: Path, tmp_path: Path) -> None:
    new = [one for number in range(100, 110) for name in CLASSES for one in sequence(number, name)]
    odd = sequence(200, "SN Ia")
    noise = np.random.default_rng(0).normal(0, NOISE, (SIDE, SIDE))
    for one in odd:  # a ring, as of a ghost
        ring = sum(source(3000, 9 * np.cos(a), 9 * np.sin(a)) for a in np.linspace(0, 6.2, 20))
        one["objectId"], one["cutoutDifference"] = "ghost", cutout(ring + noise)
    survey = ingested(write_avro(tmp_path / "new.avro", [*new, *odd]), tmp_path / "new")
    table = predictions(finished, survey, tmp_path / "predictions.ecsv", "--prior", "uniform")
    found = dict(zip(table["id"], table["predicted"], strict=True))
    truth = {id_: "SN Ia" if id_.startswith("ZTFS") else "AGN" for id_ in survey.ids if id_ != "ghost"}
    assert np.mean([found[id_] == name for id_, name in truth.items()]) > 0.9
    assert not any(table["seen_in_training"])
    distance = dict(zip(table["id"], table["distance"], strict=True))
    assert distance["ghost"] > max(distance[id_] for id_ in truth)
    assert table[table["id"] == "ghost"]["novelty"][0] == 1.0


@pytest.mark.slow
def test_first_days_count_from_the_detection_before_the_first_cutout(finished: Path, tmp_path: Path) -> None:
    survey = ingested(write_avro(tmp_path / "one.avro", sequence(300, "SN Ia")), tmp_path / "one")
    days = survey[0].mjd - 58_000
    assert survey[0].metadata["first_detection"] == pytest.approx(58_000 - 3.0)
    for first_days in (10, 30):
        table = predictions(finished, survey, tmp_path / f"{first_days}.ecsv", "--first-days", first_days)
        assert table["frames"][0] == np.count_nonzero(days <= first_days - 3)
