"""A value that no survey can hold is refused, also where all checksums fit: somebody else has written it."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ictconvention.core.errors import SurveyError
from ictconvention.survey.format import _digest, sha256
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import verify_survey
from tests.refusals import refused


def seal(folder: Path) -> None:
    """Give the header the checksums that fit."""
    header = json.loads((folder / "survey.json").read_text())
    header.pop("sha256")
    header["checksums"] = {name: sha256(folder / name) for name in header["checksums"]}
    (folder / "survey.json").write_text(json.dumps({**header, "sha256": _digest(header)}))


@pytest.mark.parametrize(
    ("name", "value", "always"),
    [
        ("band", 5, True),
        ("band", 200, True),
        ("sky_sigma", -1.0, False),
        ("psf_fwhm", 0.0, False),
        ("gain", -1.0, False),
        ("mjd", np.nan, False),
        ("mjd", 1e300, False),
        ("x", np.inf, False),
    ],
)
def test_an_impossible_value_of_a_frame_is_refused(survey: Survey, name: str, value: float, always: bool) -> None:
    values = np.load(survey.path / f"{name}.npy")
    values[3] = value
    np.save(survey.path / f"{name}.npy", values)
    seal(survey.path)
    with refused(SurveyError, "E-SURVEY-DAMAGED"):
        verify_survey(Survey.open(survey.path), not always)


@pytest.mark.parametrize(("name", "value"), [("dec", 95.0), ("dec", np.inf), ("ra", -1e9), ("redshift", 50.0)])
def test_an_impossible_value_of_an_object_is_refused_with_its_id(survey: Survey, name: str, value: float) -> None:
    path = survey.path / "objects.parquet"
    table = pq.read_table(path)
    values = table.column(name).to_pylist()
    values[2] = value
    column = pa.array(values, table.schema.field(name).type)
    pq.write_table(table.set_column(table.column_names.index(name), name, column), path)
    seal(survey.path)
    with refused(SurveyError, "E-SURVEY-DAMAGED", name, where="object sn0002"):
        verify_survey(Survey.open(survey.path), False)
