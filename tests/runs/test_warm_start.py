"""A run may begin with the weights of another; classes and bands are found again by name, whatever their order."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import SplitError, UsageError
from ictconvention.learning.learner import Learner
from ictconvention.runs.assembly.run_data import make_data
from ictconvention.runs.assembly.run_learner import make_learner
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.run_record import portable
from ictconvention.runs.status import write_json
from ictconvention.runs.warm_start import check_start, start_from
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from tests.conftest import write_survey
from tests.handmade_runs import changed
from tests.refusals import refused

BANDS, CLASSES = ("g", "r", "i"), ("AGN", "SN Ia", "SN Other")
NETWORKS = [
    ["experiment=ict_sdss"],
    ["experiment=ict_sdss", "learner.projection=trunk"],
    ["experiment=ict_sdss", "learner.consistency_on=probabilities", "pixels.channels=direct+residual"],
    ["experiment=convention_sdss"],
    ["experiment=cnn_gru_sdss", "pixels.channels=direct+residual"],
    ["experiment=cnn_lstm_sdss"],
    ["experiment=light_curve_sdss"],
    ["model=inception_p19", "model.width=0.0625", "model.present=true", "sequence.select=nights"],
]


def survey_with(folder: Path, bands: Sequence[str], classes: Sequence[str], tested: Sequence[str] = ()) -> Survey:
    """Return the same 45 objects, whatever the order of bands and classes; where u is a band, some have a frame in it.

    None of those is tested.
    """
    objects = []
    for number in range(45):
        rng = np.random.default_rng(number)
        seen = rng.integers(0, 3, 8)
        names = [BANDS[b] for b in seen]
        if "u" in bands and f"o{number:02d}" not in tested:
            names[0] = "u"
        objects.append(
            {
                "id": f"o{number:02d}",
                "frames": rng.normal(0, 0.1 * (1 + seen)[:, None, None], (8, 32, 32)),
                "band": [bands.index(name) for name in names],
                "mjd": 53600 + np.sort(rng.uniform(0, 60, 8)),
                "psf_fwhm": np.full(8, 1.3),
                "sky_sigma": 0.1 * (1 + seen),
                "class_name": CLASSES[number % 3],
                "ra": float(number),
                "dec": 0.0,
            }
        )
    header = SurveyHeader(name="mine", bands=tuple(bands), classes=tuple(classes), pixel_scale=0.396)
    return write_survey(folder, objects, header)


def begun(survey: Survey, options: RunOptions, seed: int) -> Learner:
    split = make_split(survey.object_table())
    return make_learner(replace(options, seed=seed), make_data(options, survey, split, "finetune")).eval()


@cache
def options_of(*choices: str) -> RunOptions:
    other = any(word in choices[0] for word in ("cnn", "curve", "inception"))
    small = [] if other else ["model.padding=masked", "model.width=0.0625"]
    return compose_run([*choices, *small, "sequence.max_frames=9", "trainer.batch_size=8"])


@pytest.fixture(scope="module")
def surveys(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[str], Sequence[str]], Survey]:
    made: dict[tuple[Sequence[str], Sequence[str]], Survey] = {}

    def get(bands: Sequence[str], classes: Sequence[str]) -> Survey:
        key = tuple(bands), tuple(classes)
        if key not in made:
            tested = make_split(get(BANDS, CLASSES).object_table()).parts["test"] if "u" in bands else ()
            made[key] = survey_with(tmp_path_factory.mktemp("survey") / "mine", *key, tested)
        return made[key]

    return get


def saved(folder: Path, learner: Learner, options: RunOptions) -> Path:
    """Write what a run folder needs to begin another."""
    (folder / "checkpoints").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(asdict(options)), folder / "config.yaml")
    checkpoint = {"state_dict": learner.state_dict()}
    learner.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, folder / "checkpoints" / "finetune.ckpt")
    write_json(folder / "result.json", {"config": portable(asdict(options)), "init_from": options.init_from})
    return folder


def logits(learner: Learner, survey: Survey, options: RunOptions) -> torch.Tensor:
    data = make_data(options, survey, make_split(survey.object_table()), "finetune")
    with torch.no_grad():
        return torch.cat([learner.logits(views[0]) for views in data.evaluation_loader("test")])


@pytest.mark.parametrize("choices", NETWORKS, ids=lambda choices: "+".join(c.split("=")[1] for c in choices))
def test_another_order_of_bands_and_classes_changes_no_prediction(
    surveys: Callable[..., Survey], tmp_path: Path, choices: list[str]
) -> None:
    options = options_of(*choices)
    before, after = surveys(BANDS, CLASSES), surveys(BANDS[::-1], CLASSES[::-1])
    first = begun(before, options, seed=0)
    folder = saved(tmp_path / "run", first, options)
    second = begun(after, options, seed=1)
    wanted = logits(first, before, options)
    assert not torch.allclose(logits(second, after, options).flip(1), wanted, atol=1e-4)
    assert start_from(second, folder) == f"weights of {folder}"
    torch.testing.assert_close(logits(second, after, options).flip(1), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("choices", NETWORKS, ids=lambda choices: "+".join(c.split("=")[1] for c in choices))
def test_new_classes_and_bands_get_new_weights_and_the_others_keep_theirs(
    surveys: Callable[..., Survey], tmp_path: Path, choices: list[str]
) -> None:
    options = options_of(*choices)
    before, after = surveys(BANDS, CLASSES), surveys(("u", *BANDS), (*CLASSES, "Kilonova"))
    first = begun(before, options, seed=0)
    second = begun(after, options, seed=1)
    said = start_from(second, saved(tmp_path / "run", first, options))
    assert said.endswith("; new weights for class Kilonova; new weights for band u")
    found = logits(second, after, options)  # of objects without a frame in u
    assert found.shape[1] == 4
    torch.testing.assert_close(found[:, :3], logits(first, before, options), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("choices", "fix"),
    [
        (
            ["experiment=convention_sdss", "sequence.max_frames=12"],
            "model.width=0.0625 model.padding=masked sequence.m",
        ),
        (["experiment=cnn_gru_sdss"], "model.kind=convention"),
        (["experiment=ict_sdss"], "learner.kind=supervised"),
        (["experiment=convention_sdss", "pixels.channels=direct+residual"], "pixels.channels=direct"),
        (["experiment=convention_sdss", "pixels.scaling=standardise"], "pixels.scaling=asinh"),
        (["experiment=convention_sdss", "model.padding=paper"], "model.padding=masked"),
    ],
)
def test_another_architecture_is_refused_and_the_keys_are_named(
    surveys: Callable[..., Survey], tmp_path: Path, choices: list[str], fix: str
) -> None:
    survey, options = surveys(BANDS, CLASSES), options_of("experiment=convention_sdss")
    folder = saved(tmp_path / "run", begun(survey, options, 0), options)
    split = make_split(survey.object_table())
    with refused(UsageError, "E-WEIGHTS-MISMATCH", where=tmp_path / "run") as caught:
        check_start(folder, compose_run(choices), split, survey)
    assert fix in caught.value.fix
    assert "sequence.select" not in caught.value.fix  # which shapes nothing


def test_weights_of_another_stamp_size_are_refused(surveys: Callable[..., Survey], tmp_path: Path) -> None:
    survey, options = surveys(BANDS, CLASSES), options_of("experiment=convention_sdss")
    folder = saved(tmp_path / "run", begun(survey, options, 0), options)
    header = replace(survey.header, stamp_size=28)
    objects = [
        {"id": f"s{n:02d}", "frames": np.ones((6, 28, 28)), "band": [0, 1, 2] * 2, "mjd": 53600.0 + np.arange(6)}
        | {"sky_sigma": np.ones(6), "class_name": CLASSES[n % 3], "ra": float(n), "dec": 0.0}
        for n in range(45)
    ]
    small = write_survey(tmp_path / "small", objects, header)
    with refused(UsageError, "E-WEIGHTS-MISMATCH", where=tmp_path / "run"):
        start_from(begun(small, options, 0), folder)


def test_a_run_that_was_trained_on_what_is_tested_is_refused(surveys: Callable[..., Survey], tmp_path: Path) -> None:
    """Also where it was trained by the run before that one."""
    survey, options = surveys(BANDS, CLASSES), options_of("experiment=convention_sdss")
    splits = [make_split(survey.object_table(), index=index) for index in (0, 1)]
    first = saved(tmp_path / "first", begun(survey, options, 0), options)
    splits[0].save(first / "split.json", record=True)
    changed(first / "result.json", survey={"hash": survey.hash}, split=splits[0].hash)
    check_start(first, options, splits[0], survey)
    with refused(SplitError, "E-SPLIT-LEAK", "12 objects", "o02", where=first):
        check_start(first, options, splits[1], survey)
    check_start(first, options, splits[1], surveys(BANDS[::-1], CLASSES))
    changed(first / "result.json", survey={"hash": "of some bands of it", "origin": survey.hash}, split=splits[0].hash)
    with refused(SplitError, "E-SPLIT-LEAK", "12 objects", where=first):
        check_start(first, options, splits[1], survey)
    other = replace(options, init_from=str(first))
    second = saved(tmp_path / "second", begun(survey, options, 0), other)
    splits[1].save(second / "split.json", record=True)
    changed(second / "result.json", survey={"hash": "another"}, split=splits[1].hash)
    with refused(SplitError, "E-SPLIT-LEAK", "12 objects", "o02", where=first):
        check_start(second, options, splits[1], survey)
    drawn = json.loads((first / "split.json").read_text())
    drawn["parts"]["finetune_train"].pop()
    (first / "split.json").write_text(json.dumps(drawn))
    with refused(UsageError, "E-RUN-EDITED", where=first / "split.json"):  # what it has seen could be hidden so
        check_start(second, options, splits[1], survey)
    shutil.rmtree(first)
    with refused(UsageError, "E-RUN-MISSING", where=first):
        check_start(second, options, splits[1], survey)


def test_what_is_no_finished_run_is_refused(surveys: Callable[..., Survey], tmp_path: Path) -> None:
    survey, options = surveys(BANDS, CLASSES), options_of("experiment=convention_sdss")
    split = make_split(survey.object_table())
    with refused(UsageError, "E-RUN-MISSING", where=tmp_path):
        check_start(tmp_path, options, split, survey)
    folder = saved(tmp_path / "run", begun(survey, options, 0), options)
    assert RunFolder(folder).read_options() == options
    (folder / "checkpoints" / "finetune.ckpt").unlink()
    with refused(UsageError, "E-RUN-DAMAGED", where=tmp_path / "run/checkpoints/finetune.ckpt"):
        check_start(folder, options, split, survey)
    (folder / "result.json").unlink()
    with refused(UsageError, "E-RUN-UNFINISHED", where=tmp_path / "run"):
        check_start(folder, options, split, survey)
    path = folder / "config.yaml"
    for content, code, place in (
        (b"a: [1", "E-RUN-DAMAGED", path),
        (b"\xff\xfe\x00", "E-RUN-DAMAGED", path),
        (b"nonsense: 1", "E-CONFIG-UNKNOWN", "nonsense"),
    ):
        path.write_bytes(content)
        with refused(UsageError, code, where=place):
            RunFolder(folder).read_options()
