"""What photometry without pixels gains early on: networks on a simulated stream of alerts, with it and without.

    python -m experiments.photometry.study [--models frame_transformer light_curve_transformer] [--seeds 3]

A survey of alerts is simulated once (`survey.stream=alerts`): stamps of detections alone, forced photometry of every
visit since 30 days before the first. Each training differs from its twin in sequence.photometry alone. The extra test
objects are then classified from their first 5, 10 and 20 days after the first detection, and from all; with --forest
so does a forest beside each run. What has its result in `results` is not repeated.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import ictconvention as ict
from experiments.frame_transformer.study_tables import EqualShares
from experiments.study import RECORD, describe_machine, write_result
from ictconvention.core.console import lines_on_terminal
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.significance import describe_seeds, differences, mean_scores
from ictconvention.reading.parquet_file import read_parquet
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.neighbours import sky_groups

MODELS = ("frame_transformer", "light_curve_transformer")
DAYS: dict[str, float | None] = {"5": 5.0, "10": 10.0, "20": 20.0, "all": None}
WITH, WITHOUT, FOREST = "with photometry", "frames alone", "forest"
SURVEY = {"objects": 500, "extra_test": 400, "stream": "alerts"}
HOME = Path(__file__).parent


@dataclass(frozen=True)
class Job:
    """One training: a model, with photometry without pixels or not, and a seed."""

    model: str
    photometry: bool
    seed: int

    @property
    def name(self) -> str:
        """Its name, of its result's file and of its run."""
        return f"{self.model}-{'photometry' if self.photometry else 'frames'}-{self.seed}"

    def train(self, runs: str, surveys: str, epochs: int) -> ict.Run:
        """Train it; what is finished is not trained again."""
        stages = {stage: {"max_epochs": epochs} for stage in ("pretrain", "finetune")}
        sequence = {"max_frames": 99, "photometry": self.photometry}
        return ict.train(
            f"{self.model}_sdss",
            profile="laptop_all_frames",
            name="photometry",
            survey=SURVEY,
            sequence=sequence,
            stage=stages,
            seed=self.seed,
            figures=False,
            runs=runs,
            surveys=surveys,
        )


def predict_early(run: ict.Run, forest: bool) -> pa.Table:
    """Return what a run, and the forest beside it, predict of the extra test objects: a row for each, day and kind."""
    survey = run.survey
    table = survey.object_table()
    extra = survey.select(np.asarray(table["extra_test"]).astype(bool))
    truth = np.asarray(extra.object_table()["true_class"]).astype(str)
    if forest:
        run.train_forest(jobs=1)
    parts = []
    for kind in ("network", *([FOREST] if forest else [])):
        for days, until in DAYS.items():
            found = run.predict(extra, prior="uniform", first_days=until, forest="alone" if kind == FOREST else None)
            order = [list(found["id"]).index(id_) for id_ in extra.ids]
            columns: dict[str, Any] = {"id": list(extra.ids), "truth": truth, "days": [days] * len(extra)}
            columns["kind"] = [kind] * len(extra)
            columns |= {name: np.asarray(found[name], np.float32)[order] for name in survey.header.classes}
            columns |= {name: np.asarray(extra.object_table()[name], float) for name in ("ra", "dec")}
            parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def pooled(tables: Sequence[dict[str, NDArray[Any]]], classes: Sequence[str], kind: str, days: str) -> Pooled:
    """Return the predictions of several seeds as one model's."""
    chosen = [{name: x[(of["kind"] == kind) & (of["days"] == days)] for name, x in of.items()} for of in tables]
    orders = [np.argsort(of["id"]) for of in chosen]
    label = np.array([list(classes).index(name) for name in chosen[0]["truth"][orders[0]]])
    rows = np.stack(
        [np.stack([of[name][order] for name in classes], axis=1) for of, order in zip(chosen, orders, strict=True)]
    ).astype(float)
    ids = chosen[0]["id"][orders[0]]
    return Pooled(ids, label, np.zeros(len(ids), int), {Prior.UNIFORM: rows, Prior.SURVEY: rows})


def describe(folder: Path) -> list[str]:
    """Return the tables of all pairs that have their results."""
    found: dict[tuple[str, bool], dict[int, dict[str, NDArray[Any]]]] = {}
    classes: list[str] = []
    for path in sorted(folder.glob("[!.]*.parquet")):
        table = read_parquet(path)
        record = json.loads((table.schema.metadata or {})[RECORD])
        classes = record["classes"]
        columns = {name: np.array(table.column(name).to_pylist()) for name in table.column_names}
        found.setdefault((record["model"], record["photometry"]), {})[record["seed"]] = columns
    lines = []
    measures = EqualShares(tuple(classes))
    for model in dict.fromkeys(model for model, _ in found):
        arms = [found.get((model, photometry), {}) for photometry in (False, True)]
        seeds = sorted(arms[0].keys() & arms[1].keys())
        if not seeds:
            continue
        first = arms[0][seeds[0]]
        for kind in dict.fromkeys(first["kind"].tolist()):
            row = model if kind == "network" else f"forest beside it ({model})"
            heads = [f"{one.title}: {arm}" for one in measures.compared for arm in (WITHOUT, WITH, "difference")]
            lines += ["", _line(f"{row}, {len(seeds)} seeds, days", *heads), "|" + "---|" * (1 + len(heads))]
            for days in DAYS:
                without, by_it = (pooled([arm[seed] for seed in seeds], classes, kind, days) for arm in arms)
                here = (first["kind"] == kind) & (first["days"] == days)
                order = np.argsort(first["id"][here])
                group = sky_groups(first["ra"][here][order], first["dec"][here][order], 1.0)
                scores = [mean_scores(one, measures, measures.compared) for one in (without, by_it)]
                cells = []
                for one in differences(by_it, without, group, measures):
                    name = one.measure
                    cells += [name.write(of[name.name]) for of in scores]
                    low, high = (name.write(x, signed=True) for x in (one.low, one.high))
                    cells.append(f"{name.write(one.value, signed=True)} ({low} to {high})")
                lines.append(_line(days, *cells))
            lines += ["", describe_seeds(len(seeds), 1, measures)]
    return lines or ["No pair of trainings has its results."]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what has no result yet, one after the other, and print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12, help="training epochs of each stage")
    parser.add_argument("--forest", action="store_true", help="train a forest beside each run")
    parser.add_argument("--results", type=Path, default=HOME / "results")
    parser.add_argument("--runs", default="runs")
    parser.add_argument("--surveys", default="surveys")
    parser.add_argument("--tables", action="store_true", help="train nothing")
    wanted = parser.parse_args(arguments)
    wanted.results.mkdir(parents=True, exist_ok=True)
    with lines_on_terminal():
        for seed in range(0 if wanted.tables else wanted.seeds):
            for model in wanted.models:
                for photometry in (False, True):
                    job = Job(model, photometry, seed)
                    path = wanted.results / f"{job.name}.parquet"
                    if path.exists():
                        continue
                    run = job.train(wanted.runs, wanted.surveys, wanted.epochs)
                    record = {
                        **{"model": model, "photometry": photometry, "seed": seed, "epochs": wanted.epochs},
                        "classes": list(run.survey.header.classes),
                        "survey": run.result["survey"],
                        "core_seconds": RunFolder(run.folder).read_status()["core_seconds"],
                        "machine": describe_machine(RunFolder(run.folder).read_environment()),
                    }
                    write_result(path, predict_early(run, wanted.forest), record, {})
        print("\n".join(describe(wanted.results)))


if __name__ == "__main__":
    main()
