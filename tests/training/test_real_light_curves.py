"""From real light curves to a tested classifier: what it knows, it knows from the pixels."""

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table, vstack

from ictconvention.configuration.compose import compose_run
from ictconvention.evaluation.forest import cadence_features, forest_on_split
from ictconvention.evaluation.scores import scores
from ictconvention.simulation.painted.light_curve_table import RealCurve, read_light_curves
from ictconvention.simulation.sdss.passbands import BANDS
from ictconvention.simulation.simulate import paint_light_curves
from ictconvention.survey.split import Split
from ictconvention.training.run import run
from tests.conftest import ROOT, long_test
from tests.small_runs import result_of

A_CLASS, CHANCE = 32, 0.25
POINTS = 100  # of a light curve that are fitted, the time of which grows with their cube
FILES = {"AGN": "quasars", "Variable": "rr_lyrae", "SN Ia": "sn_ia"}


def table_of(curve: RealCurve) -> Table:
    columns = {"id": [curve.id] * len(curve.mjd), "class": [curve.class_name] * len(curve.mjd), "mjd": curve.mjd}
    return Table(columns | {"band": [BANDS[b] for b in curve.band], "flux": curve.flux, "error": curve.error})[:POINTS]


@long_test
@pytest.mark.real_data
@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the projections have collapsed")
def test_a_classifier_learns_real_light_curves_and_one_without_pixels_does_not(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    study = runpy.run_path(str(ROOT / "experiments" / "real_light_curves" / "paint_and_train.py"))
    templates = study["template_curves"](shared("sn_other_templates"), each=A_CLASS // 8)
    curves = [
        table_of(curve)
        for name, file in FILES.items()
        for curve in read_light_curves([f"{name}={shared(f'light_curves/{file}.npz')}"])[:A_CLASS]
    ]
    vstack([*curves, templates], metadata_conflicts="silent").write(tmp_path / "curves.ecsv")
    survey = paint_light_curves(tmp_path / "painted", [str(tmp_path / "curves.ecsv")])
    assert len(survey) == 4 * A_CLASS

    choices = ["experiment=convention_sdss", "profile=laptop", "survey=path", f"survey.path={survey.path}"]
    choices += ["fold.count=3", "survey.bands=[g,r,i]", "sequence.max_frames=18", "model.width=0.125", "figures=false"]
    choices += ["pixels.channels=direct+residual"]
    for stage, epochs in (("pretrain", 12), ("finetune", 8)):
        choices += [f"stage.{stage}.max_epochs={epochs}", f"stage.{stage}.optimiser.learning_rate=3e-3"]
    folder = run(compose_run([*choices, f"runs={tmp_path}/runs"]))
    found = result_of(folder)
    assert found["survey"]["simulated"]  # the stamps are
    tested = found["test_uniform"]
    assert tested["objects"] >= 4 * A_CLASS // 3
    noise = np.sqrt(CHANCE * (1 - CHANCE) / tested["objects"])
    assert tested["balanced_accuracy"] > CHANCE + 4 * noise

    features = np.array([cadence_features(s.psf_fwhm, s.sky_sigma, s.band, s.mjd, len(BANDS)) for s in survey])
    table, classes = survey.object_table(), survey.header.classes
    split = Split.load(folder / "split.json", table)
    known, likely = forest_on_split(features, table, split)
    names = np.asarray(table["class"])[np.isin(np.asarray(table["id"]), split.parts["test"])]
    blind = scores(
        likely[:, [list(known).index(c) for c in classes]], np.array([classes.index(n) for n in names]), classes
    )
    assert blind["balanced_accuracy"] < CHANCE + 2.5 * noise
