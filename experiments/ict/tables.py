"""The tables of the study, from its results alone."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np

from experiments.ict.arms import ARMS, ONE_VIEW
from experiments.ict.averaging import lines_of_means
from experiments.ict.jobs import Job
from experiments.ict.pairs import ENOUGH, SCORES, Comparison, Pair, compare, of_arms, scores_of
from experiments.ict.regimes import REGIMES
from experiments.ict.results import Result
from experiments.markdown import head, line
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, pluralize

FILE = "tables.md"
BEGIN, END = "<!-- tables, by --tables -->", "<!-- end of tables -->"  # of those of the recorded results in the README


def write_tables(folder: Path, results: Mapping[Job, Result]) -> str:
    """Write the tables into the folder of the results, and return them."""
    text = "\n".join(lines_of(results))
    with whole_file(folder / FILE, "writing the tables") as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    return text


def show_tables(readme: Path, results: Mapping[Job, Result]) -> None:
    """Write the tables of the recorded results into the README, in the place of those that it has.

    Raises
    ------
    UsageError
        It has no place for them.
    """
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UsageError("the README has no place for tables", readme, f"write {BEGIN} and {END}", "E-FILES-KIND")
    with whole_file(readme, "writing the tables") as partial:
        partial.write_text("\n".join([before + BEGIN, "", *lines_of(results), END + after]), encoding="utf-8")


def lines_of(results: Mapping[Job, Result]) -> Iterator[str]:
    """Yield the lines of all tables: for each regime and survey the scores, and differences from one view."""
    surveys = sorted({job.survey for job in results})
    for regime, survey in product(REGIMES, surveys):
        if arms := of_arms(results, regime, survey):
            yield from _regime(regime, survey, arms)
            yield from lines_of_means(arms)


def _regime(regime: str, survey: int, arms: Mapping[str, Mapping[Pair, Result]]) -> Iterator[str]:
    one = next(iter(next(iter(arms.values())).values()))
    of = f"{one.record['title']}, seed {survey}: {len(one.ids)} extra test objects, at equal class shares"
    yield f"**{regime}**: {of}. Means over pairs of fold and seed, in per cent."
    yield ""
    recalls = [f"recall {name}" for name in one.record["names"]]
    yield from head("form", "pairs", "passes", "core-seconds", *SCORES.values(), *recalls)
    for name in [name for name in ARMS if name in arms]:
        found = [*arms[name].values()]
        each = [scores_of(result) for result in found]
        means = [f"{np.mean([of[score] for of in each]):.1f}" for score in (*SCORES, *recalls)]
        passes = "+".join(f"{passes:.0f}" if passes >= 10 else f"{passes:.2g}" for passes in found[0].record["passes"])
        yield line(name, str(len(found)), passes, _cost(found), *means)
    yield ""
    reference = arms.get(ONE_VIEW, {})
    compared = {name: compare(arms[name], reference) for name in ARMS if name in arms and name != ONE_VIEW}
    rows = {name: found for name, found in compared.items() if found is not None}
    if not rows:
        return
    yield from head(f"form minus {ONE_VIEW}, points", "pairs", *SCORES.values(), *recalls)
    for name, one_arm in sorted(rows.items(), key=lambda row: -row[1].difference["auroc_pairs"]):
        cells = [_difference(one_arm, score) for score in (*SCORES, *recalls)]
        yield line(name + (" (given up)" if one_arm.is_given_up else ""), str(len(one_arm.pairs)), *cells)
    yield ""
    yield (
        "Differences with their standard errors: of the scatter of pairs, and of balanced accuracy of the choice of "
        f"objects too. Given up: behind by more than two standard errors after {pluralize(ENOUGH, 'pair')}."
    )
    yield ""


def _cost(found: list[Result]) -> str:
    spent = [one.record["core_seconds"] for one in found if one.record["core_seconds"] is not None]
    return f"{np.mean(spent):.0f}" if spent else "-"


def _difference(found: Comparison, score: str) -> str:
    value, error = found.difference[score], found.error[score]
    return f"{value:+.1f}" + (f" ± {error:.1f}" if np.isfinite(error) else "")
