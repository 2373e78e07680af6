"""The bench of a machine: how long a call takes on its device, part by part, and a report of what was measured."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from experiments.speed.step import options_of
from ictconvention.runs.machine import processors
from ictconvention.survey.survey import Survey

PRECISIONS = {"float32": ("32-true", False), "TF32": ("32-true", True), "bf16": ("bf16-mixed", True)}
Row = dict[str, Any]


@dataclass
class Bench:
    """Where and how long is measured, and what was.

    Parameters
    ----------
    device : device
    survey : Survey
    tiny : bool
        Whether sizes and times are such that it only runs.
    end : float
        When no further part begins [s of `time.perf_counter`].
    """

    device: torch.device
    survey: Survey
    tiny: bool
    end: float
    parts: dict[str, list[Row]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long one number is measured [s]."""
        return 0.0 if self.tiny else 2.0

    def measure(self, name: str, part: Callable[["Bench"], list[Row]]) -> None:
        """Measure a part, where time is left."""
        if time.perf_counter() > self.end:
            self.parts[name] = [{"left out": "no time was left"}]
            return
        begin = time.perf_counter()
        try:
            self.parts[name] = part(self)
        except Exception as error:  # noqa: BLE001  (whatever it is, the other parts are measured)
            first, *_ = str(error).strip().splitlines() or ["it says nothing more"]
            self.failed[name] = f"{type(error).__name__}: {first}"
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        print(f"{time.perf_counter() - begin:6.1f} s  {name}{': FAILED' * (name in self.failed)}", flush=True)

    def time(self, work: Callable[[], object], warm_up: int = 3) -> float:
        """Return the time of one call [s], over as many as fill the time; the device is waited for at the ends."""
        for _ in range(0 if self.tiny else warm_up):
            work()
        calls, begin = 0, self.now()
        while calls < 1 or (calls < 500 and time.perf_counter() - begin < self.seconds):
            work()
            calls += 1
        return (self.now() - begin) / calls

    def now(self) -> float:
        """Return the time [s] when the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def options(self, network: str, learner: str, *words: str) -> Any:
        """Return the options of a run at the paper's sizes."""
        sizes = ("tiny", 4) if self.tiny else ("paper", 128)
        sized = [f"trainer.batch_size={sizes[1]}", f"trainer.workers={0 if self.tiny else min(8, processors())}"]
        return options_of(network, learner, sizes[0], self.survey, [*sized, *words])

    def precisions(self) -> list[str]:
        """Return those that differ on this device."""
        return [*PRECISIONS] if self.device.type == "cuda" else ["float32", "bf16"]


def set_precision(name: str) -> str:
    """Let products of float32 be exact, or rounded to TF32; return what a Trainer calls the precision."""
    precision, tf32 = PRECISIONS[name]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    return precision


def as_markdown(found: dict[str, Any]) -> str:
    """Return what was measured for people."""
    lines = ["# Measured on " + (", ".join(found["machine"]["gpus"]) or found["machine"]["processor"]), ""]
    lines += [f"{key}: {value}  " for key, value in found["machine"].items()]
    lines += ["", "**Tiny sizes: these numbers mean nothing.**"] * found["tiny"]
    for name, rows in found["parts"].items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        lines += ["", f"## {name}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        for row in rows:
            cells = (row.get(column, "") for column in columns)
            lines.append(f"| {' | '.join(f'{cell:.3g}' if isinstance(cell, float) else str(cell) for cell in cells)} |")
    lines += [f"\nFAILED: {name}: {error}" for name, error in found["failed"].items()]
    return "\n".join(lines) + "\n"


def save(bench: Bench, machine: dict[str, Any], seconds: float, output: Path) -> None:
    """Write what was measured, for people and for programs, and print it."""
    measured = {"parts": bench.parts, "failed": bench.failed}
    found = {"machine": machine, "tiny": bench.tiny, "seconds": seconds, **measured}
    output.with_suffix(".json").write_text(json.dumps(found, indent=2), encoding="utf-8")
    output.write_text(as_markdown(found), encoding="utf-8")
    print(as_markdown(found))
