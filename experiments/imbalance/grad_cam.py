"""Where a network looks that tells galaxies with a supernova from those without: its Grad-CAM beside the true places.

    python -m experiments.imbalance.grad_cam RUN... --survey SURVEY

For runs on a survey of hosts, such as those of the study. A supernova at the centre of its host says nothing, so that
those at least some pixels away count. The place on the other side of the host is as far from it and holds no supernova:
a map that follows the galaxy alone is nearer to either of the two as often.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ictconvention.applying.explaining.maps import check_explain, explain_batch
from ictconvention.applying.fitting_survey import check_survey_fits, places_of_bands
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError, report_errors
from ictconvention.evaluation.prior import at_equal_shares
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.survey.survey import Survey

CLASS = "supernova"


@dataclass(frozen=True)
class Peaks:
    """Where maps of supernovae have their peaks, each array (n,): distances in pixels, NaN where a map is zero.

    Parameters
    ----------
    supernova, centre, opposite : arrays
        Distances of the peak from the supernova, from its host's centre, and from the place opposite to the supernova.
    recognised : bool array
        Whether the network calls it a supernova at equal class shares.
    """

    supernova: NDArray[np.float64]
    centre: NDArray[np.float64]
    opposite: NDArray[np.float64]
    recognised: NDArray[np.bool_]

    def nearer(self, other: NDArray[np.float64]) -> float:
        """Return the share of maps whose peak is nearer to the supernova than to another place."""
        return float(np.mean(self.supernova < other))


def find_peaks(run: TrainedRun, survey: Survey, part: str = "extra_test", least: float = 4.0) -> Peaks:
    """Return the peaks of the maps of a part's supernovae at least so many pixels from their host's centre.

    Raises
    ------
    UsageError
        The network has no map, or the survey is none of hosts or does not fit it.
    """
    trunk = check_explain(run)
    check_survey_fits(run, survey)
    table, number = survey.object_table(), run.spec.classes.index(CLASS) if CLASS in run.spec.classes else None
    if number is None or not {"supernova_x", "supernova_y"} <= {*table.colnames}:
        where, fix = f"survey {survey.header.name}", "take a run and a survey of survey=hosts"
        raise UsageError("this survey does not say where supernovae lie", where, fix, "E-COMMAND-VALUE")
    columns: list[NDArray[np.float64]] = [
        np.ma.filled(np.ma.asarray(table[f"supernova_{axis}"], float), np.nan) for axis in "yx"
    ]
    places: NDArray[np.float64] = np.column_stack(columns)  # above the host's centre, and to the right
    read = (run.options.sequence, run.spec.contents, places_of_bands(run, survey))
    stream = SurveyDataset(survey, *read, reddening=run.spec.reddening)
    middle, rows = (run.spec.stamp_size - 1) / 2, []
    for position in (survey.position(id_) for id_ in run.split["parts"][part]):
        place = places[position]
        if not np.hypot(*place) >= least:  # nor where there is none
            continue
        (batch,) = stream[[position]]
        maps, logits, _ = explain_batch(run, trunk, batch, number)
        peak = np.array(np.unravel_index(int(maps[0].argmax()), maps[0].shape)) - middle
        if not maps[0].any():
            peak[:] = np.nan
        row = at_equal_shares(run.row(logits.numpy()), run.calibration.survey_prior)[0]
        distances = [float(np.hypot(*(peak - there))) for there in (place, 0 * place, -place)]
        rows.append((*distances, row.argmax() == number))
    supernova, centre, opposite, recognised = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Peaks(supernova, centre, opposite, recognised.astype(bool))


def describe(peaks: Peaks, least: float) -> str:
    """Return the shares in words."""
    known, median = peaks.recognised, np.nan
    if len(seen := peaks.supernova[np.isfinite(peaks.supernova)]):
        median = float(np.median(seen))
    among = Peaks(peaks.supernova[known], peaks.centre[known], peaks.opposite[known], known[known])
    return (
        f"{len(known)} supernovae at least {least:g} pixels from the centre of their host: the peak is nearer to the "
        f"supernova than to the centre for {peaks.nearer(peaks.centre):.0%}, and than to the opposite place for "
        f"{peaks.nearer(peaks.opposite):.0%}; of the {known.sum()} that are recognised for "
        f"{among.nearer(among.centre):.0%} and {among.nearer(among.opposite):.0%}; "
        f"median distance from the supernova {median:.1f} pixels, {len(known) - len(seen)} maps are zero"
    )


@lines_on_terminal()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--survey", type=Path, required=True, help="folder of its survey")
    parser.add_argument("--part", default="extra_test", help="of the split")
    parser.add_argument("--least", type=float, default=4.0, help="pixels from the host's centre")
    given = parser.parse_args()
    survey = Survey.open(given.survey)
    for folder in given.runs:
        peaks = find_peaks(read_trained(folder), survey, given.part, given.least)
        print(f"{folder.parent.name}/{folder.name}: {describe(peaks, given.least)}")


if __name__ == "__main__":
    with report_errors():
        main()
