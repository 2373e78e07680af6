"""Train and test on stamps into which real light curves were painted; see README.md here for the data.

    python experiments/real_light_curves/paint_and_train.py --data FOLDER --folds 5 --simulated-run RUN

FOLDER holds light_curves/{quasars,rr_lyrae,sn_ia}.npz and sn_other_templates/*.SED. What is finished is not done again.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sncosmo
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.overrides import override
from ictconvention.core.console import lines_on_terminal
from ictconvention.drawing.figure_file import save_figure
from ictconvention.drawing.film_strip import draw_film_strip
from ictconvention.evaluation.forest import cadence_features, forest_on_split, photometry_features
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.evaluation.scores import scores
from ictconvention.measuring.host import survey_host_features
from ictconvention.runs.assembly.run_data import make_data
from ictconvention.runs.assembly.run_learner import make_learner
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.runs.machine import precision_of
from ictconvention.runs.run_folder import RunFolder
from ictconvention.simulation.sdss.passbands import BANDS, SDSS, band_maggies
from ictconvention.simulation.sdss.supernovae import distance_modulus
from ictconvention.simulation.simulate import paint_light_curves
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.training.evaluate import evaluate
from ictconvention.training.lightning_noise import silence_lightning
from ictconvention.training.run import run

HERE = Path(__file__).parent
CURVES = {"AGN": "quasars", "Variable": "rr_lyrae", "SN Ia": "sn_ia"}
A_TEMPLATE = 12  # light curves drawn from each template
REDSHIFT_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95), (0.022, 0.054, 0.08, 0.14, 0.23)  # of SDSS-II's SN Other
MAGNITUDE, SCATTER = -17.3, 0.9  # peak M_r
NIGHTS = np.arange(-20.0, 81.0, 4.0)  # rest-frame days at which a template is sampled
EPOCHS = 5  # of each stage; the survey is small
EXPERIMENTS = ("convention_sdss", "ict_sdss")


def template_curves(folder: Path, each: int = A_TEMPLATE) -> Table:
    """Draw light curves of SN Other from spectral templates built from real ones.

    Parameters
    ----------
    folder : Path
        Holds `*.SED`: rows of day, wavelength [Angstrom] and flux density.
    each : int
        Number of objects of every template.

    Returns
    -------
    Table
        As `ictconvention simulate --light-curves` reads it.
    """
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.SED")):
        phase, wavelength, flux = sncosmo.read_griddata_ascii(str(path))
        peak = band_maggies(wavelength, flux, ("sdss2010-r",)).max()
        for number in range(each):
            redshift = float(np.interp(rng.uniform(0.05, 0.95), *REDSHIFT_QUANTILES))
            magnitude = rng.normal(MAGNITUDE, SCATTER) + distance_modulus(redshift)
            inside = NIGHTS[(phase[0] <= NIGHTS) & (phase[-1] >= NIGHTS)]
            spectra = np.array([[np.interp(day, phase, column) for column in flux.T] for day in inside])
            maggies = band_maggies(wavelength * (1 + redshift), spectra / (1 + redshift), SDSS) / peak
            for day, values in zip(inside, maggies * 10 ** (-0.4 * (magnitude - 22.5)), strict=True):
                for band, value in zip(BANDS, values, strict=True):
                    time = {"mjd": 53650.0 + day * (1 + redshift), "band": band}
                    name = {"id": f"{path.stem}-{number:02d}", "class": "SN Other", "redshift": redshift}
                    rows.append(name | time | {"flux": value, "error": 0.05 + 0.03 * abs(value)})
    return Table(rows)


def painted_survey(data: Path, work: Path) -> Survey:
    """Paint all light curves, once."""
    path = work / "painted"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        template_curves(data / "sn_other_templates").write(work / "sn_other.ecsv", overwrite=True)
        sources = [f"{name}={data}/light_curves/{file}.npz" for name, file in CURVES.items()]
        paint_light_curves(path, [*sources, str(work / "sn_other.ecsv")], jobs=2)
    return Survey.open(path)


def pooled(folders: list[Path], survey: Survey) -> dict[str, Any]:
    """Return the scores of the predictions of several folds together, at equal class shares."""
    likely, labels = [], []
    for folder in folders:
        found = RunFolder(folder).read_predictions()
        likely.append(found.at(Prior.UNIFORM))
        labels += found.label.tolist()
    return scores(np.concatenate(likely), np.array(labels), survey.header.classes)


def evened(likely: NDArray[np.float64], split: Split, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """Return probabilities (n, classes) at equal class shares; they were at those of the fine-tuning part."""
    counts = split.counts()["finetune_train"]
    return at_equal_shares(likely, np.array([counts[name] for name in classes]))


def forests(survey: Survey, folds: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield forests on the same test parts: without pixels, on photometry, and with the host's shape beside it."""
    table, classes = survey.object_table(), survey.header.classes
    ids, names = np.asarray(table["id"]), np.asarray(table["class"])
    photometric = photometry_features(survey)
    columns: Mapping[str, NDArray[np.float64]] = {
        "forest without pixels": np.array(
            [cadence_features(s.psf_fwhm, s.sky_sigma, s.band, s.mjd, len(BANDS)) for s in survey]
        ),
        "forest on photometry": photometric,
        "forest on photometry + host": np.hstack([photometric, survey_host_features(survey)]),
    }
    for name, features in columns.items():
        likely, labels = [], []
        for index in range(folds):
            split = make_split(table, index=index)
            known, found = forest_on_split(features, table, split)
            likely.append(found[:, [list(known).index(c) for c in classes]])
            labels += [classes.index(c) for c in names[np.isin(ids, split.parts["test"])]]
        yield name, scores(np.concatenate(likely), np.array(labels), classes)  # balanced in training


def transferred(folder: Path, survey: Survey, folds: int) -> dict[str, Any]:
    """Return the scores of a run of another survey on the same test parts, its scaling and weights as they are."""
    run = RunFolder(folder)
    options = run.read_options()
    likely, labels = [], []
    for index in range(folds):
        split = make_split(survey.object_table(), index=index)
        data = make_data(options, survey, split, "finetune")
        learner = make_learner(options, data)
        learner.load_state_dict(load_checkpoint(run.last_weights())["state_dict"])
        with silence_lightning():
            parts = evaluate(learner, data, precision_of(options.trainer)).parts
        likely.append(evened(parts["test"].at(Prior.SURVEY), split, survey.header.classes))
        labels.append(parts["test"].label)
    return scores(np.concatenate(likely), np.concatenate(labels), survey.header.classes)


def row(name: str, found: dict[str, Any]) -> str:
    """Return a line of the table."""
    chief = " | ".join(f"{found[key]:.3f}" for key in ("balanced_accuracy", "f1_macro", "worst_class_recall"))
    recalls = " | ".join(f"{entry['recall']:.2f}" for entry in found["classes"].values())
    return f"| {name} | {chief} | {recalls} |"


@lines_on_terminal()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the light curves")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/real_light_curves"), help="where the survey and runs go"
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--simulated-run", type=Path, action="append", default=[], help="run to apply; may be repeated")
    parser.add_argument("--forests-only", action="store_true", help="train no network")
    parser.add_argument("--pictures", type=Path, help="folder of the pictures; none are drawn without it")
    given = parser.parse_args()
    survey = painted_survey(given.data, given.work)
    classes = survey.header.classes
    lines = [
        "| | balanced accuracy | macro F1 | worst recall | " + " | ".join(f"recall {name}" for name in classes) + " |",
        "|" + "---|" * (4 + len(classes)),
    ]
    lines += [row(name, found) for name, found in forests(survey, given.folds)]
    for experiment in () if given.forests_only else EXPERIMENTS:
        choices = [
            f"experiment={experiment}",
            f"profile={given.profile}",
            "survey=path",
            override("survey.path", str(survey.path)),
        ]
        choices += [f"stage.{stage}.max_epochs={EPOCHS}" for stage in ("pretrain", "finetune")]
        folders = [
            run(compose_run([*choices, f"fold.index={index}", f"runs={given.work}/runs"]))
            for index in range(given.folds)
        ]
        lines.append(row(f"{experiment}, trained here", pooled(folders, survey)))
    for folder in given.simulated_run:
        name = f"{folder.parent.name}, trained on the simulated survey"
        lines.append(row(name, transferred(folder, survey, given.folds)))
    print("\n".join(lines))
    if given.pictures is not None:
        table = survey.object_table()
        for name in classes:
            place = int(np.flatnonzero(np.asarray(table["class"]) == name)[3])
            file = f"{name.lower().replace(' ', '_')}.png"
            save_figure(draw_film_strip(survey[place], survey.header), given.pictures / file)


if __name__ == "__main__":
    main()
