"""Whether the column `novelty` finds objects of a class that training never saw, one class held back at a time.

    python experiments/unlike/held_back.py

For each class, the simulated survey is written anew with the labels of that class removed; a network learns the other
classes; and the objects of the held-back class are told from those of the test part by `distance`, and by two scores
that need no reference: the entropy of the probabilities, and one minus the largest of them.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from ictconvention.applying.combine import combine
from ictconvention.applying.predict import predict_survey
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.overrides import override
from ictconvention.core.console import lines_on_terminal
from ictconvention.drawing.figure_file import save_figure
from ictconvention.drawing.style import new_panel, style_of
from ictconvention.evaluation.significance import interval, object_weights
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.bands import OWN_NAMES, STANDARD
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter
from ictconvention.training.run import run

DRAWS = 1000  # of the bootstrap
HERE = Path(__file__).parent


def without_labels_of(survey: Survey, held_back: str, path: Path) -> Survey:
    """Write the survey with the labels of a class removed; column `held_back` keeps which these were."""
    classes = tuple(name for name in survey.header.classes if name != held_back)
    header = replace(survey.header, name=f"{survey.header.name} without {held_back}", classes=classes)
    with SurveyWriter(path, header) as writer:
        for series in survey:
            row = dict(series.metadata)
            columns = {OWN_NAMES.get(name, name): row.pop(name) for name in STANDARD if name in row}
            columns.pop("id")
            if hidden := columns["class_name"] == held_back:
                columns["class_name"] = columns["label_source"] = None
            frame_columns = {name: getattr(series, name) for name in ("band", "mjd", "psf_fwhm", "sky_sigma")}
            writer.add(series.id, series.frames, **frame_columns, **columns, **row, held_back=hidden)
    return Survey.open(path)


def area(
    score: NDArray[np.float64], held_back: NDArray[np.bool_], group: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Return the area under the ROC, and its 95 % interval by a bootstrap of the sky groups of both kinds."""
    weight = object_weights(held_back.astype(np.int64), group, DRAWS, np.random.default_rng(0))
    drawn = np.array([roc_auc_score(held_back, score, sample_weight=times) for times in weight])
    return float(roc_auc_score(held_back, score)), *interval(drawn)


def studied(survey: Survey, held_back: str, given: argparse.Namespace) -> dict[str, Any]:
    """Train without a class, and return what tells its objects from the test part's."""
    path = given.surveys / f"without-{held_back.replace(' ', '-')}"
    hidden = without_labels_of(survey, held_back, path)
    choices = [
        f"experiment={given.experiment}",
        f"profile={given.profile}",
        "survey=path",
        "figures=false",
        override("survey.path", str(path)),
    ]
    folder = run(compose_run([*choices, f"runs={given.runs}", f"name=without-{held_back.replace(' ', '-')}"]))
    trained = read_trained(folder)
    table = hidden.object_table()
    away = np.asarray(table["held_back"], dtype=bool)
    tested = np.isin(np.asarray(table["id"]), trained.split["parts"]["test"])
    found = combine([predict_survey(trained, hidden)], None)
    shutil.rmtree(path)
    chosen = away | tested
    scores = {
        "distance": found.distance[chosen],
        "entropy": found.task.format.further_columns(found.row)["entropy"][chosen],
        "1 - largest probability": 1 - found.row[chosen].max(1),
    }
    return {
        "truth": away[chosen],
        "group": trained.task.groups_of(hidden, np.asarray(table["id"])[chosen].tolist()),
        "scores": scores,
        "flagged": float((found.novelty[away] > 0.95).mean()),
        "flagged of the test part": float((found.novelty[tested] > 0.95).mean()),
    }


@lines_on_terminal()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--surveys", type=Path, default=Path("surveys"))
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--experiment", default="convention_sdss")
    parser.add_argument("--objects", type=int, default=4000, help="labelled ones of the simulated survey")
    parser.add_argument("--classes", nargs="+", help="to hold back, each in turn; every class by default")
    parser.add_argument("--figure", type=Path, default=HERE / "roc.png")
    given = parser.parse_args()
    survey = open_or_simulate(compose_run([f"surveys={given.surveys}", f"survey.objects={given.objects}"]))
    held_back = given.classes or survey.header.classes
    if unknown := set(held_back) - set(survey.header.classes):
        parser.error(f"--classes takes {', '.join(survey.header.classes)}; found {', '.join(sorted(unknown))}")
    found = {name: studied(survey, name, given) for name in held_back}
    kinds = list(next(iter(found.values()))["scores"])
    print(
        "| held back (simulated) | objects, test part | "
        + " | ".join(f"ROC area of {kind}" for kind in kinds)
        + " | above 0.95: held back | test part |"
    )
    print("|" + "---|" * (4 + len(kinds)))
    for name, one in found.items():
        areas = [
            "{:.3f} ({:.3f} to {:.3f})".format(*area(one["scores"][kind], one["truth"], one["group"])) for kind in kinds
        ]
        counts = f"{one['truth'].sum()}, {(~one['truth']).sum()}"
        shares = [f"{one[key]:.1%}" for key in ("flagged", "flagged of the test part")]
        print("| " + " | ".join([name, counts, *areas, *shares]) + " |")
    figure = new_panel(survey.header.full_name, height=3.6, width=3.9)
    axes = figure.add_subplot()
    for number, (name, one) in enumerate(found.items()):
        false, true, _ = roc_curve(one["truth"], one["scores"]["distance"])
        axes.plot(false, true, lw=1.2, label=name, **style_of(number).drawn)
    axes.plot([0, 1], [0, 1], color="0.7", lw=0.7)
    axes.set(xlabel="share of the test part above", ylabel="share of the held-back class above", aspect="equal")
    axes.set_title("unlike the training survey: class held back", fontsize=9, loc="left")
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    save_figure(figure, given.figure)


if __name__ == "__main__":
    main()
