"""Which rows Table 2 has, by what each is asked for, and how long the rows of networks train."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from ictconvention.configuration.options import Stage
from ictconvention.configuration.stages import STAGES, stage_of
from ictconvention.core.errors import UsageError, did_you_mean

if TYPE_CHECKING:  # heavy
    from ictconvention.sweeping.sweep import Job

LEAD = "ICT-ConvEntion"
MODELS = {
    LEAD: ["experiment=ict_sdss"],
    "ConvEntion": ["experiment=convention_sdss"],
    "CNN+GRU": ["experiment=cnn_gru_sdss"],
    "CNN+LSTM": ["experiment=cnn_lstm_sdss"],
    "light-curve RNN": ["experiment=light_curve_sdss"],
}
CONSTANT, CADENCE = "constant answer", "forest without pixels"
FOREST, HOST = "forest, photometry", "forest, photometry + host"  # on the networks' frames, and on all
ALL_FRAMES = ", all frames"
BASELINES = (CONSTANT, CADENCE, FOREST, HOST, FOREST + ALL_FRAMES, HOST + ALL_FRAMES)
OURS = {  # with ROWS=all
    "frame transformer": ["experiment=frame_transformer_sdss"],
    "ICT on frame transformer": ["experiment=ict_frame_transformer_sdss"],
    "light-curve transformer": ["experiment=light_curve_transformer_sdss"],
}
MEANS = {  # of log-probabilities, with ROWS=all
    "mean of frame and light-curve transformer": ("frame transformer", "light-curve transformer"),
    "mean of frame transformer and forest": ("frame transformer", HOST),
}
NORMS = [f"stage.{stage}.optimiser.decay_norms_and_biases=true" for stage in STAGES]
CONTROLS = {  # what else might make ICT better: two views, another recipe; more compute stands below
    "two-view cross-entropy": ["experiment=ict_sdss", "name=two_view", "learner.consistency=0"],
    "ConvEntion, published recipe": [
        "experiment=convention_sdss",
        "name=convention_published",
        "imbalance=focal",
        *NORMS,
    ],
}
EQUAL = {  # controls that train for as long as another row: of which row, as long as which, and their name
    "ConvEntion, equal compute": ("ConvEntion", LEAD, "name=convention_equal_compute"),
    "frame transformer, equal compute": ("frame transformer", LEAD, "name=frame_transformer_equal_compute"),
    "light-curve RNN, equal compute": (
        "light-curve RNN",
        "light-curve transformer",
        "name=light_curve_equal_compute",
    ),
}
# Of a run of profile laptop, its start, test and figures included (AMD EPYC without AMX, float32): the 72 core-minutes
# of the first table of README.md, shared by its column of times; of transformers about the CPU time of one run each.
CORE_SECONDS = {
    LEAD: 504,
    "ConvEntion": 222,
    "CNN+GRU": 64,
    "CNN+LSTM": 71,
    "light-curve RNN": 11,
    "frame transformer": 125,
    "ICT on frame transformer": 230,
    "light-curve transformer": 52,
}
FORESTS = 130  # core-seconds of a fold: five forests, which took 21 each there on that processor, and their features


def networks(asked: str) -> dict[str, list[str]]:
    """Return the rows of networks, by name, and what each is asked for by.

    Parameters
    ----------
    asked : str
        "paper", "all", or names of rows with commas between them.

    Raises
    ------
    UsageError
        There is no row of such a name.
    """
    every = MODELS | OURS
    if asked in ("paper", "all"):
        return every if asked == "all" else dict(MODELS)
    wanted = [name.strip() for name in asked.split(",")]
    for name in wanted:
        if name not in every:
            found = f"there is no row {name!r}{did_you_mean(name, every)}"
            raise UsageError(found, "ROWS", f"take paper, all, or of these: {', '.join(every)}", "E-COMMAND-VALUE")
    return {name: words for name, words in every.items() if name in wanted}


def rows(asked: str, controls: bool, bands: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each row's name and overrides, those of equal compute aside."""
    chosen = networks(asked)
    yield from (chosen | CONTROLS if controls and LEAD in chosen else chosen).items()
    if bands:
        for name, overrides in chosen.items():
            yield f"{name}, {''.join(bands)}", [*overrides, f"survey.bands=[{','.join(bands)}]"]


def rows_of_equal_compute(jobs: Sequence["Job"], asked: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows that train for as long as another one, by what the finished jobs have cost."""
    chosen = networks(asked)
    for row in names_of_equal_compute(asked):
        model, longest, name = EQUAL[row]
        yield row, [*chosen[model], name, *equal_passes(jobs, model, longest)]


def names_of_equal_compute(asked: str) -> list[str]:
    """Return the rows that train for as long as another one, of which both are asked for."""
    chosen = networks(asked)
    return [row for row, (model, longest, _) in EQUAL.items() if {model, longest} <= chosen.keys()]


def check_equal_compute(jobs: Sequence["Job"]) -> None:
    """Refuse patience in what is to train for as long: a longest time fixes no cost where a stage may end before it.

    Parameters
    ----------
    jobs : sequence of Job
        Runs of the rows, before any of them begins.

    Raises
    ------
    UsageError
        Naming the row and the stage.
    """
    models = {name for of in EQUAL.values() for name in of[:2]}
    for job in jobs:
        for stage in STAGES:
            if job.model in models and (patience := stage_of(job.options, stage).patience) is not None:
                found = f"{job.model} may end early, and equal compute cannot be set by its number of training epochs"
                fix = "leave out the patience, or the controls (CONTROLS=1)"
                raise UsageError(found, f"stage.{stage}.patience={patience}", fix, "E-CONFIG-CONFLICT")


def equal_passes(jobs: Sequence["Job"], model: str, longest: str) -> list[str]:
    """Return the training epochs of a model that cost in each stage what another one's cost there.

    The cost is core-seconds; seconds where no CPU time was kept, as on GPUs. Where neither was, as of a pre-training
    that was found finished, it is that of whole runs at the sizes of a laptop, and that is said. Errors as of
    `check_equal_compute`.
    """
    check_equal_compute(jobs)
    words = []
    for stage in STAGES:
        passes = stage_of(next(job for job in jobs if job.model == model).options, stage).max_epochs
        kinds = "core_seconds", "seconds"
        ratios = next(filter(None, (_ratios(jobs, (longest, model), stage, kind) for kind in kinds)), [])
        times = median(ratios) if ratios else CORE_SECONDS[longest] / CORE_SECONDS[model]
        if passes and not ratios:
            said = f"no cost of {longest} and {model} was kept in {stage}"
            print(f"{model}, equal compute: {said}; {times:.2f} times the passes, as on a laptop", flush=True)
        words.append(f"stage.{stage}.max_epochs={max(1, round(times * passes)) if passes else 0}")
    return words


def _ratios(jobs: Sequence["Job"], models: tuple[str, str], stage: Stage, kind: str) -> list[float]:
    """Return the cost of the first model relative to the second's, of each fold and seed that has both."""
    from ictconvention.runs.run_folder import RunFolder

    costs: dict[str | None, dict[tuple[int, int], float]] = {name: {} for name in models}
    for job in jobs:
        if job.model in costs:
            spent = RunFolder(job.folder).read_status().get(kind, {}).get(stage)
            if spent:
                costs[job.model][job.options.fold.index, job.options.seed] = spent
    first, second = (costs[name] for name in models)
    return [spent / second[key] for key, spent in first.items() if key in second]


def expected_core_seconds(jobs: Sequence["Job"], equal: Mapping[str, int] | None = None) -> float:
    """Return what jobs cost at the sizes of a laptop, and the forests of their folds.

    A model on one band is taken to cost what it costs on all, and a control that was not measured as much as
    ICT-ConvEntion.

    Parameters
    ----------
    jobs : sequence of Job
        Runs that wait.
    equal : mapping of str to int, optional
        How many runs of each row of equal compute come after them.
    """
    folds = {job.options.fold.index for job in jobs}
    after = sum(number * _cost(name) for name, number in (equal or {}).items())
    return float(sum(_cost(str(job.model)) for job in jobs) + after + FORESTS * len(folds))


def _cost(row: str) -> int:
    model = EQUAL[row][1] if row in EQUAL else row.partition(", ")[0]
    return CORE_SECONDS.get(model, CORE_SECONDS[LEAD])
