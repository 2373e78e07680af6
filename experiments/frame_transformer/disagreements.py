"""Objects of the extra test part that the network of every fold gets right and the forests of every fold wrong.

    python -m experiments.frame_transformer.disagreements --survey survey

And how many are the other way round. Decisions are at equal class shares. The first object of each class is drawn.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.frame_transformer.study import SETTING, SIMULATED, settings_of
from experiments.frame_transformer.study_results import FORESTS, NETWORK, Result, read_results
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError, report_errors
from ictconvention.drawing.film_strip import save_film_strip
from ictconvention.evaluation.prior import Prior
from ictconvention.survey.survey import Survey

HERE = Path(__file__).parent
PART = "extra_test"  # which every fold predicts


def decisions(
    results: Sequence[Result], rows: Sequence[str]
) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.int64]]:
    """Return ids (n,) and labels (n,) of the part, and what each training of some rows decides for them (t, n)."""
    found = [result.parts[PART] for result in results if result.record["row"] in rows and PART in result.parts]
    if not found:
        raise UsageError(f"there is no result of {' or '.join(rows)}", HERE, "run the study first", "E-RUN-MISSING")
    return found[0].ids, found[0].label, np.array([one.at(Prior.UNIFORM).argmax(1) for one in found])


def disagreements(results: Sequence[Result]) -> tuple[list[tuple[str, int, list[int]]], int]:
    """Return id, label and the forests' decisions where the networks alone are right; and the number of the reverse."""
    ids, label, networks = decisions(results, [NETWORK])
    _, _, forests = decisions(results, FORESTS)
    right_alone = (networks == label).all(0) & (forests != label).all(0)
    wrong_alone = (networks != label).all(0) & (forests == label).all(0)
    rows = [(str(ids[i]), int(label[i]), np.unique(forests[:, i]).tolist()) for i in np.flatnonzero(right_alone)]
    return rows, int(wrong_alone.sum())


def describe(rows: Sequence[tuple[str, int, list[int]]], reverse: int, classes: Sequence[str]) -> Iterator[str]:
    """Return the lines of a table, and the counts."""
    yield "| object | class | what forests say |"
    yield "|---|---|---|"
    for id_, label, said in rows:
        yield f"| {id_} | {classes[label]} | {', '.join(classes[c] for c in said)} |"
    yield ""
    yield f"{len(rows)} objects that all networks get right and all forests wrong; {reverse} the other way round."


@lines_on_terminal()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--survey", type=Path, help="the simulated survey: draws the first object of each class")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--figures", type=Path, default=HERE)
    given = parser.parse_args()
    survey = Survey.open(given.survey) if given.survey else None
    results = read_results(given.results, settings_of([*SETTING, *SIMULATED]), survey.hash if survey else None)
    rows, reverse = disagreements(results)
    classes = results[0].record["classes"]
    print("\n".join(describe(rows, reverse, classes)))
    if survey:
        for label, id_ in {label: id_ for id_, label, _ in reversed(rows)}.items():
            name = classes[label].lower().replace(" ", "_")
            save_film_strip(survey[id_], survey.header, given.figures / f"pixels_{name}.png")


if __name__ == "__main__":
    with report_errors():
        main()
