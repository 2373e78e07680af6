"""`--classes` chooses whose labels are taken: the objects of other classes come without one, whatever the kind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.ingestion.alert_packets import alert
from tests.ingestion.commands import Made, made, refusal, write_table
from tests.ingestion.images import Sky, beside
from tests.ingestion.readers.test_tao import write_object
from tests.ingestion.readers.test_ztf import from_avro
from tests.ingestion.test_pipeline import SCALE, frames, stamps
from tests.refusals import check_refusal

LABELS = {"one": "AGN", "two": "rare", "three": "SN Ia"}


def of_stamps(folder: Path, *options: str) -> Made:
    rows = [frames(1)[0] | {"id": id_, "file": f"{id_}.fits", "class": LABELS[id_]} for id_ in LABELS]
    rows[1]["label_source"] = "spectroscopic"
    return made("stamps", stamps(folder / "in", rows), folder / "s", *SCALE, *options)


def of_ccd(folder: Path, *options: str) -> Made:
    places = {id_: beside(5 * number, 0) for number, id_ in enumerate(LABELS)}
    sky = Sky()
    sky.sources = [(*place, 1000.0) for place in places.values()]
    (folder / "images").mkdir()
    sky.hdu(noise=0.1).writeto(folder / "images" / "a.fits")
    rows = [{"id": id_, "ra": ra, "dec": dec, "class": LABELS[id_]} for id_, (ra, dec) in places.items()]
    listed = write_table(folder / "objects.csv", rows)
    return made("ccd", folder / "images", folder / "s", "--positions", listed, *options)


def of_tao(folder: Path, *options: str) -> Made:
    for id_, name in LABELS.items():
        write_object(folder / "in" / f"{id_}.fits", id_, name)
    return made("tao", folder / "in", folder / "s", *options)


def of_ztf(folder: Path, *options: str) -> Made:
    table = write_table(folder / "o.csv", [{"id": id_, "class": name} for id_, name in LABELS.items()])
    packets = [alert(id_) for id_ in LABELS]
    return made("ztf", from_avro(folder, *packets), folder / "s", "--objects", table, *options)


@pytest.mark.parametrize("ingest", [of_stamps, of_ccd, of_tao, of_ztf])
def test_objects_of_other_classes_come_without_a_label(tmp_path: Path, ingest: Callable[..., Made]) -> None:
    result = ingest(tmp_path, "--classes", "SN Ia,AGN")
    assert result.survey.header.classes == ("SN Ia", "AGN")
    found = {series.id: series.metadata["class"] for series in result.survey}
    assert found == {"one": "AGN", "two": None, "three": "SN Ia"}
    assert result.survey["two"].metadata["label_source"] is None
    assert all(np.isfinite(series.frames).any() for series in result.survey)
    assert any(line.startswith("1 object of the class rare") for line in result.lines)


def test_no_label_left_is_a_mistake(tmp_path: Path) -> None:
    table = stamps(tmp_path / "in", frames(2, **{"class": "AGN"}))
    error = refusal("stamps", table, tmp_path / "s", *SCALE, "--classes", "agns,SN Ia")
    check_refusal(error, "E-CLASS-UNKNOWN", "agns, SN Ia", "AGN")
    assert not (tmp_path / "s").exists()


def test_another_spelling_of_a_class_is_a_mistake(tmp_path: Path) -> None:
    rows = [one | {"id": f"o{n}", "class": ("AGN", "SN ia")[n]} for n, one in enumerate(frames(2))]
    error = refusal("stamps", stamps(tmp_path / "in", rows), tmp_path / "s", *SCALE, "--classes", "AGN,SN Ia")
    check_refusal(error, "E-CLASS-UNKNOWN", "'SN ia'", "did you mean SN Ia?", where="object o1")
