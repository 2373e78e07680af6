"""What an object that an arm draws costs in training, beside one view: measured once, and recorded.

    python -m experiments.ict.study --stage costs --surveys SURVEYS

Core-seconds of one process with one thread: feeding, forward and backward passes, optimiser, target. The arms take
turns, and a ratio is the median over rounds, so that other programs of the machine disturb all of them alike.
"""

import json
import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

from experiments.ict.arms import ARMS, ONE_VIEW
from experiments.ict.jobs import EVERY
from experiments.ict.relabel import relabel_survey
from experiments.study import describe_machine
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.overrides import override
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError

FILE = Path(__file__).parent / "costs.json"
ROUNDS, OBJECTS = 12, 400


@dataclass(frozen=True)
class Costs:
    """The recorded costs.

    Parameters
    ----------
    milliseconds : float
        Core-milliseconds of an object of one view.
    ratios : mapping of str to float
        Of each arm, in units of that.
    """

    milliseconds: float
    ratios: Mapping[str, float]


def read_costs(path: Path = FILE) -> Costs:
    """Read what was measured.

    Raises
    ------
    UsageError
        There is no such file, or it lacks an arm.
    """
    fix = "measure it: python -m experiments.ict.study --stage costs"
    if not path.exists():
        raise UsageError("what an arm costs was not measured", path, fix, "E-FILES-MISSING")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    own = {name: arm.costs or name for name, arm in ARMS.items()}
    if missing := [name for name in own.values() if name not in content["ratios"]]:
        raise UsageError(f"what these cost was not measured: {', '.join(missing)}", path, fix, "E-FILES-MISSING")
    return Costs(content["milliseconds"], {name: content["ratios"][of] for name, of in own.items()})


def measure_costs(surveys: str, path: Path = FILE, rounds: int = ROUNDS) -> Costs:
    """Measure all arms on a small survey, and record it."""
    import torch

    from experiments.speed.step import Stepper, stepper
    from ictconvention.runs.assembly.run_survey import open_or_simulate
    from ictconvention.runs.machine import environment
    from ictconvention.training.memory import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(1)
    place = [override("surveys", surveys), f"survey.objects={OBJECTS}", f"survey.extra_test={OBJECTS // 4}"]
    steppers: dict[str, Stepper] = {}
    plain = open_or_simulate(compose_run([*EVERY, *place]))
    relabelled = relabel_survey(plain, Path(surveys), errors=1)
    for arm in [arm for arm in ARMS.values() if arm.costs is None]:
        survey = relabelled if arm.relabelled else plain
        words = ["survey=path", override("survey.path", str(survey.path))]
        words += ["learner.unlabelled=true"] if arm.unlabelled else []
        options = compose_run([*EVERY, *arm.words, *words])
        steppers[arm.name] = stepper(options, survey, phases=False)
    spent: dict[str, list[float]] = {name: [] for name in steppers}
    for number in range(rounds + 2):
        for name in random.Random(number).sample([*steppers], len(steppers)):
            begin = process_time()
            objects = _step(steppers[name])
            if number > 1:  # the first two fill caches
                spent[name].append((process_time() - begin) / objects)
    of_one = spent[ONE_VIEW]
    ratios = {
        name: round(statistics.median(own / one for own, one in zip(times, of_one, strict=True)), 3)
        for name, times in spent.items()
    }
    content = {
        "milliseconds": round(1e3 * statistics.median(of_one), 3),
        "ratios": ratios,
        "rounds": rounds,
        "machine": describe_machine(environment("32-true", options.trainer)),
    }
    with whole_file(path, "recording the costs") as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return read_costs(path)


def _step(stepper: Any) -> int:
    """Make a training step, and return how many objects it took."""
    views = stepper.next_views()
    stepper.train(views)
    return len(views[0])
