"""How far the networks of the laptop profile are from a random forest on the same objects, and why.

    python experiments/forest_gap/compare.py

Photometry is of all frames or of those that the networks see, and the host's median stamps are of all in both.
Runs that are finished are not run again; they are in runs/, the simulated survey in surveys/.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.configuration.compose import compose_run
from ictconvention.core.console import lines_on_terminal
from ictconvention.evaluation.forest import forest_on_split, light_curve_features
from ictconvention.evaluation.scores import scores
from ictconvention.feeding.views import even_nights
from ictconvention.measuring.host import survey_host_features
from ictconvention.measuring.measured_cache import CachedPhotometry
from ictconvention.runs.assembly.run_data import load_or_draw_split
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.series import night_index
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.training.run import run


def epochs(number: int) -> list[str]:
    return [f"stage.{stage}.max_epochs={number}" for stage in ("pretrain", "finetune")]


RUNS = {
    "ConvEntion": ["experiment=convention_sdss"],
    "ICT-ConvEntion": ["experiment=ict_sdss"],
    "ConvEntion, direct+residual": ["experiment=convention_sdss", "pixels.channels=direct+residual"],
    "ICT-ConvEntion, direct+residual": ["experiment=ict_sdss", "pixels.channels=direct+residual"],
    "ConvEntion, 5+5 training epochs": ["experiment=convention_sdss", *epochs(5)],
    "ICT-ConvEntion, 5+5": ["experiment=ict_sdss", *epochs(5)],
    "ConvEntion, direct+residual, 5+5": ["experiment=convention_sdss", "pixels.channels=direct+residual", *epochs(5)],
    "ICT-ConvEntion, direct+residual, 5+5": ["experiment=ict_sdss", "pixels.channels=direct+residual", *epochs(5)],
    "ConvEntion, 11+11": ["experiment=convention_sdss", *epochs(11)],
}
PARTS = ("test", "extra_test")
FOREST, HOST = "forest, photometry", "forest, photometry + host"  # as in Table 2


def features(survey: Survey, max_frames: int | None) -> NDArray[np.float64]:
    """Return the forest's features of every object, of all its frames or of those that a network is tested on."""
    photometry, rows = CachedPhotometry(survey), []
    for series in survey:
        seen = np.arange(len(series))
        if max_frames is not None:
            seen = even_nights(night_index(series.mjd), max_frames, 3)
        flux, error = photometry[series.id][seen].astype(np.float64).T
        rows.append(light_curve_features(flux, error, series.band[seen], series.mjd[seen], len(survey.header.bands)))
    return np.array(rows)


def forests(survey: Survey, split: Split, max_frames: int) -> Iterator[tuple[str, dict[str, Any]]]:
    table, classes = survey.object_table(), survey.header.classes
    ids, names = np.asarray(table["id"]), np.ma.filled(np.ma.asarray(table["class"]), "")
    host = survey_host_features(survey)  # of all frames
    for said, most in (("all frames", None), (f"{max_frames} frames", max_frames)):
        photometric = features(survey, most)
        for name, columns in ((FOREST, photometric), (HOST, np.hstack([photometric, host]))):
            found = {}
            for part in PARTS:
                known, likely = forest_on_split(columns, table, split, part)
                label = np.array([classes.index(c) for c in names[np.isin(ids, split.parts[part])]])
                found[part] = scores(likely[:, [list(known).index(c) for c in classes]], label, classes)
            yield f"{name}, {said}", found


@lines_on_terminal()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--surveys", type=Path, default=Path("surveys"))
    parser.add_argument("--extra-test", type=int, default=1600)
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--objects", type=int, help="of the survey; the paper's 8208 by default")
    parser.add_argument("--rows", nargs="+", choices=RUNS, default=list(RUNS), help="the networks; all by default")
    given = parser.parse_args()
    common = [f"profile={given.profile}", f"survey.extra_test={given.extra_test}", f"surveys={given.surveys}"]
    common += [f"survey.objects={given.objects}"] if given.objects else []
    options = compose_run(common)
    survey = open_or_simulate(options)
    rows = list(forests(survey, load_or_draw_split(options, survey), options.sequence.max_frames))
    for name in given.rows:
        folder = run(compose_run([*common, *RUNS[name], f"runs={given.runs}", "figures=false"]))
        result = RunFolder(folder).read_result()
        rows.append((name, {part: result[f"{part}_uniform"] for part in PARTS}))
    classes = survey.header.classes
    heads = ["test: balanced accuracy", "macro F1", "extra test: balanced accuracy", "macro F1"]
    print(
        "| " + " | ".join(["at equal class shares (simulated)", *heads, *(f"recall {name}" for name in classes)]) + " |"
    )
    print("|" + "---|" * (5 + len(classes)))
    for name, found in rows:
        chief = [f"{found[part][key]:.3f}" for part in PARTS for key in ("balanced_accuracy", "f1_macro")]
        recalls = [f"{entry['recall']:.2f}" for entry in found["extra_test"]["classes"].values()]
        print("| " + " | ".join([name, *chief, *recalls]) + " |")


if __name__ == "__main__":
    main()
