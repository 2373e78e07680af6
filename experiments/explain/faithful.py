"""Whether the epochs that `explain` names are those that decide: leave out the most important ones, and random ones.

    python experiments/explain/faithful.py RUN SURVEY            # --objects 200 --count 3

Objects that the run has seen are left out. Of more frames than the network takes these alone are looked at, so that no
other comes in for one that is left out. What the log-odds of the predicted class lose together without the frames
whose loss is largest alone is set against what they lose without as many random frames (the mean of five draws).
"""

import argparse
from pathlib import Path

import numpy as np

from ictconvention.applying.explaining.epochs import deletion_costs, take_frames
from ictconvention.applying.fitting_survey import check_survey_fits, places_of_bands
from ictconvention.applying.seen_objects import seen_by
from ictconvention.feeding.dataset import whole_view
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.survey import Survey


class Taken(SurveyDataset):
    """The objects of a survey with the frames that the network takes, and no others."""

    def let_through(self, position: int) -> ImageSeries:
        """Return an object with these frames."""
        series = super().let_through(position)
        return take_frames(series, whole_view(series, self.sequence).rows)


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("survey", type=Path)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--count", type=int, default=3, help="frames that are left out together")
    given = parser.parse_args()
    run, survey = read_trained(given.run), Survey.open(given.survey)
    check_survey_fits(run, survey)
    read = (run.options.sequence, run.spec.contents, places_of_bands(run, survey))
    stream, rng = Taken(survey, *read, reddening=run.spec.reddening), np.random.default_rng(0)
    there = np.flatnonzero(~seen_by(run, survey) & (survey.lengths > 2 * given.count))
    chosen = np.sort(rng.permutation(there)[: given.objects])
    costs = np.array([deletion_costs(run, stream, position, given.count, rng) for position in chosen.tolist()])
    important, random = costs.T
    drawn = rng.integers(len(costs), size=(1000, len(costs)))
    low, high = np.percentile((important - random)[drawn].mean(1), [2.5, 97.5])
    print(
        f"{run.options.model.kind}, {survey.header.full_name}, {len(costs)} objects, {given.count} frames left out: "
        f"the log-odds lose {important.mean():.3f} without the most important ones, {random.mean():.3f} without random "
        f"ones, {(important - random).mean():.3f} more (95% {low:.3f} to {high:.3f}); more for "
        f"{(important > random).mean():.1%} of the objects"
    )


if __name__ == "__main__":
    main()
