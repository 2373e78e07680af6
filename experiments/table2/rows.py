"""Which rows Table 2 has, by what each is asked for, and how long the rows of networks train."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from ictconvention.configuration.options import Stage
from ictconvention.configuration.stages import STAGES, stage_of
from ictconvention.core.errors import UsageError

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
EQUAL = {  # controls that train for as long as ICT-ConvEntion: of which row, and its name
    "ConvEntion, equal compute": ("ConvEntion", "name=convention_equal_compute"),
    "frame transformer, equal compute": ("frame transformer", "name=frame_transformer_equal_compute"),
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


def networks(everything: bool) -> dict[str, list[str]]:
    """Return the rows of networks, by name, and what each is asked for by."""
    return MODELS | OURS if everything else dict(MODELS)


def rows(everything: bool, controls: bool, bands: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each row's name and overrides, those of equal compute aside."""
    chosen = networks(everything)
    yield from (chosen | CONTROLS if controls else chosen).items()
    if bands:
        for name, overrides in chosen.items():
            yield f"{name}, {''.join(bands)}", [*overrides, f"survey.bands=[{','.join(bands)}]"]


def rows_of_equal_compute(jobs: Sequence["Job"], everything: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows that train for as long as ICT-ConvEntion, by what the finished jobs have cost."""
    chosen = networks(everything)
    for row, (model, name) in EQUAL.items():
        if model in chosen:
            yield row, [*chosen[model], name, *equal_passes(jobs, model)]


def count_rows_of_equal_compute(everything: bool) -> int:
    """Return how many rows train for as long as ICT-ConvEntion."""
    return sum(model in networks(everything) for model, _ in EQUAL.values())


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
    models = {LEAD, *(model for model, _ in EQUAL.values())}
    for job in jobs:
        for stage in STAGES:
            if job.model in models and (patience := stage_of(job.options, stage).patience) is not None:
                found = f"{job.model} may end early, and equal compute cannot be set by its number of training epochs"
                fix = "leave out the patience, or the controls (CONTROLS=1)"
                raise UsageError(found, f"stage.{stage}.patience={patience}", fix, "E-CONFIG-CONFLICT")


def equal_passes(jobs: Sequence["Job"], model: str) -> list[str]:
    """Return the training epochs of a model that cost in each stage what ICT-ConvEntion's cost there.

    The cost is core-seconds; seconds where no CPU time was kept, as on GPUs. Where neither was, as of a pre-training
    that was found finished, it is that of whole runs at the sizes of a laptop, and that is said. Errors as of
    `check_equal_compute`.
    """
    check_equal_compute(jobs)
    words = []
    for stage in STAGES:
        passes = stage_of(next(job for job in jobs if job.model == model).options, stage).max_epochs
        ratios = next(filter(None, (_ratios(jobs, model, stage, kind) for kind in ("core_seconds", "seconds"))), [])
        times = median(ratios) if ratios else CORE_SECONDS[LEAD] / CORE_SECONDS[model]
        if passes and not ratios:
            said = f"no cost of {LEAD} and {model} was kept in {stage}"
            print(f"{model}, equal compute: {said}; {times:.2f} times the passes, as on a laptop", flush=True)
        words.append(f"stage.{stage}.max_epochs={max(1, round(times * passes)) if passes else 0}")
    return words


def _ratios(jobs: Sequence["Job"], model: str, stage: Stage, kind: str) -> list[float]:
    """Return the cost of ICT-ConvEntion relative to a model's, of each fold and seed that has both."""
    from ictconvention.runs.run_folder import RunFolder

    costs: dict[str, dict[tuple[int, int], float]] = {LEAD: {}, model: {}}
    for job in jobs:
        if job.model in costs:
            spent = RunFolder(job.folder).read_status().get(kind, {}).get(stage)
            if spent:
                costs[job.model][job.options.fold.index, job.options.seed] = spent
    return [spent / costs[model][key] for key, spent in costs[LEAD].items() if key in costs[model]]


def expected_core_seconds(jobs: Sequence["Job"], equal: int = 0) -> float:
    """Return what jobs cost at the sizes of a laptop, and the forests of their folds.

    A model on one band is taken to cost what it costs on all, and a control that was not measured as much as
    ICT-ConvEntion, as one of equal compute does.

    Parameters
    ----------
    jobs : sequence of Job
        Runs that wait.
    equal : int
        Runs of equal compute that come after them.
    """
    folds = {job.options.fold.index for job in jobs}
    return sum(map(_cost, jobs)) + float(CORE_SECONDS[LEAD] * equal + FORESTS * len(folds))


def _cost(job: "Job") -> int:
    model = LEAD if job.model in EQUAL else str(job.model).partition(", ")[0]
    return CORE_SECONDS.get(model, CORE_SECONDS[LEAD])
