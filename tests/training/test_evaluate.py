"""What is tested decides nothing: calibration sees the validation part, pictures of views the training part."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ictconvention.configuration.options import Imbalance, SequenceOptions
from ictconvention.evaluation.calibration import fit_temperature, prior_shift, probabilities
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.quantities import quantities_of
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.classes import Classes
from ictconvention.training import evaluate as testing
from ictconvention.training.infer import Inferred
from ictconvention.training.run_figures import _examples, _plain
from tests.conftest import image_series, write_survey
from tests.learning.conftest import supervised


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SeriesDataModule:
    objects = [image_series(number, 4 + number % 5) | {"label_source": None} for number in range(80)]
    survey = write_survey(tmp_path_factory.mktemp("survey") / "mine", objects)
    split = make_split(survey.object_table())
    sequence, balanced = SequenceOptions(max_frames=9), Imbalance(1.0, 0.0, 0.0)
    return SeriesDataModule(survey, split, "finetune", sequence=sequence, imbalance=balanced, batch_size=8)


def test_the_validation_part_calibrates_and_the_test_part_is_tested(
    data: SeriesDataModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = supervised(data, "convention")
    known: dict[str, Inferred] = {}
    predicted = testing._predicted

    def spied(*arguments: Any) -> Any:
        known[arguments[2]] = predicted(*arguments)
        return known[arguments[2]]

    monkeypatch.setattr(testing, "_predicted", spied)
    result, parts, reference, sample, neighbours, held = testing.evaluate(learner, data, "32-true")
    assert len(sample.ids) == len(known["finetune_validation"].position) + len(known["test"].position)
    assert neighbours is None
    assert held is not None
    assert set(known) == {"finetune_train", "finetune_validation", "test"}
    labels = data.training.labels
    natural = np.bincount(labels[data.positions("finetune_train")], minlength=4) / len(data.positions("finetune_train"))
    shift = prior_shift(np.full(4, 0.25), natural)
    validation = known["finetune_validation"].position
    assert sorted(validation) == sorted(data.positions("finetune_validation"))
    assert result["temperature"] == fit_temperature(known["finetune_validation"].logits, labels[validation], shift)
    assert parts["test"].ids.tolist() == [data.survey.ids[place] for place in data.positions("test")]
    calibrated = probabilities(known["finetune_validation"].logits, result["temperature"], shift)
    np.testing.assert_allclose(held.at(Prior.SURVEY), calibrated)
    assert held.label.tolist() == labels[validation].tolist()
    assert list(result["sets"]["validation"].values()) == np.bincount(held.label, minlength=4).tolist()
    likely = probabilities(known["test"].logits, result["temperature"], shift)
    np.testing.assert_allclose(parts["test"].at(Prior.SURVEY), likely)
    nearest = reference.distance(known["finetune_validation"].features)
    np.testing.assert_allclose(reference.validation, np.sort(nearest))
    ratio = parts["test"].at(Prior.SURVEY) / parts["test"].at(Prior.UNIFORM)
    np.testing.assert_allclose(ratio / ratio[:, :1], np.tile(natural / natural[0], (len(ratio), 1)))
    np.testing.assert_allclose(parts["test"].at(Prior.UNIFORM).sum(1), 1)


def test_views_are_shown_of_training_objects_about_as_long_as_a_sequence(data: SeriesDataModule) -> None:
    examples = _examples(data, Classes(data.names))
    assert set(examples) <= set(data.positions("finetune_train").tolist())
    assert [int(data.training.labels[place]) for place in examples] == [0, 1, 2, 3]
    for place in examples:
        own = data.positions("finetune_train")
        own = own[data.training.labels[own] == data.training.labels[place]]
        distances = np.abs(data.survey.lengths[own] - 9)
        assert abs(int(data.survey.lengths[place]) - 9) == distances.min()


def test_the_quantities_are_those_of_the_objects(tmp_path: Path) -> None:
    objects = [image_series(number, 12) for number in range(4)]
    for number, given in enumerate(objects):
        given["frames"] = given["frames"] + 10.0 * (number + 1) * _blob()
    objects[2]["redshift"] = None
    survey: Survey = write_survey(tmp_path / "mine", objects)
    found = quantities_of(survey, np.array([3, 2, 0]))
    np.testing.assert_allclose(found["redshift"], [objects[3]["redshift"], np.nan, objects[0]["redshift"]])
    series = survey[3]
    red = series.band == 2
    flux = measure_photometry(series, photometry_recipe(0.396, 32, survey.path))[red, 0]
    magnitudes = found["r magnitude when bright"]
    assert magnitudes[0] == pytest.approx(22.5 - 2.5 * np.log10(np.percentile(flux, 90)))
    assert magnitudes[0] < magnitudes[1] < magnitudes[2]  # brighter by number


def _blob() -> NDArray[np.float64]:
    pixel = np.arange(32) - 15.5
    return np.asarray(np.exp(-(pixel[:, None] ** 2 + pixel**2) / 8))


def test_a_name_can_stand_in_a_file_name() -> None:
    assert [_plain(name) for name in ("SN Ia", "a/b", "../x", "é")] == ["SN_Ia", "a_b", "x", "class"]
