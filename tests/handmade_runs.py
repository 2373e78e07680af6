"""Folders of finished runs, made by hand: predictions are drawn, not learned."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import OmegaConf

from ictconvention.configuration.learner_options import LearnerOptions
from ictconvention.configuration.run_groups import FoldOptions, SurveyOptions
from ictconvention.configuration.schema import RunOptions
from ictconvention.evaluation.calibration import probabilities
from ictconvention.evaluation.scores import scores
from ictconvention.runs.run_folder import TESTED
from ictconvention.runs.run_record import portable
from ictconvention.runs.status import MetricsTable, write_json
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey

ENVIRONMENT = {"packages": {"torch": "2.13", "numpy": "2.4"}, "system": "Linux", "threads": 2, "gpus": []}


def handmade_sweep(
    root: Path,
    survey: Survey,
    models: Mapping[str, float],
    folds: Sequence[int] = (0, 1),
    seeds: Sequence[int] = (0, 1),
    **changes: Any,
) -> Path:
    """Make a run of each model, by name and skill, in each fold for each seed; those called ict are of ICT."""
    for name, skill in models.items():
        for fold in folds:
            split = make_split(survey.object_table(), index=fold)
            for seed in seeds:
                handmade_run(root, survey, split, name, fold, seed, skill, **changes)
    return root


def handmade_run(
    root: Path,
    survey: Survey,
    split: Split,
    name: str,
    fold: int,
    seed: int,
    skill: float,
    environment: Mapping[str, Any] = ENVIRONMENT,
    tau: float = 0.99,
    absent: str | None = None,
    on_extra: float | None = None,
) -> Path:
    """Make a finished run; a class that is `absent` is left out of its predictions' objects.

    Additional test objects of the split are predicted too, with a skill of their own where it is given.
    """
    ict = name.startswith("ict")
    options = RunOptions(
        name=name,
        seed=seed,
        runs=str(root),
        survey=SurveyOptions(path=str(survey.path)),
        fold=FoldOptions(index=fold),
        learner=replace(LearnerOptions(), kind="ict" if ict else "supervised", tau=tau),
    )
    folder = root / name / f"fold{fold}-seed{seed}-{tau:g}"
    folder.mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(asdict(options)), folder / "config.yaml")
    split.save(folder / "split.json")
    write_json(folder / "environment.json", environment)
    seconds = {"pretrain": 10.0, "finetune": 5.0}
    write_json(folder / "status.json", {"state": "finished", "seconds": seconds, "survey": str(survey.path)})
    classes = survey.header.classes
    rng = np.random.default_rng([fold, seed, len(name), round(1000 * skill)])
    natural = np.bincount(
        [classes.index(str(split.classes[id_])) for id_ in split.parts["finetune_train"]], minlength=len(classes)
    )
    scored: dict[str, Any] = {}
    for part, able in {"test": skill, "extra_test": skill if on_extra is None else on_extra}.items():
        ids = [id_ for id_ in split.parts[part] if split.classes[id_] != absent]
        if not ids:
            continue
        label = np.array([classes.index(str(split.classes[id_])) for id_ in ids])
        logits = rng.normal(size=(len(ids), len(classes))) + able * np.eye(len(classes))[label] + np.log(natural)
        likely = probabilities(logits)
        uniform = likely / natural
        columns: dict[str, Any] = {"id": ids, "fold": [fold] * len(ids), "label": [classes[c] for c in label]}
        columns |= {c: likely[:, k] for k, c in enumerate(classes)}
        pq.write_table(pa.table(columns), folder / TESTED[part])
        scored[part] = scores(likely, label, classes)
        scored[f"{part}_uniform"] = scores(uniform / uniform.sum(1, keepdims=True), label, classes)
    header = survey.header
    result = {
        "temperature": 1.0,
        **scored,
        "survey": {"name": header.name, "simulated": header.simulated, "hash": survey.hash},
        "split": split.hash,
        "init_from": None,
        "precision": "32-true",
        "parameters": 1000,
        "config": portable(asdict(options)),
        "version": "0",
    }
    write_json(folder / "result.json", result)
    metrics = MetricsTable(folder / "metrics.csv")
    for stage in ("pretrain", "finetune"):
        for epoch in range(1, 6):
            better = 1 - np.exp(-0.4 * epoch * skill) + rng.normal(0, 0.02)
            row = {"train/loss": 1.5 - better, "val/loss_balanced": 1.6 - better, "val/f1_macro": 0.8 * better}
            row["val/balanced_accuracy"] = 0.9 * better
            row |= {"val/collapse/spread": 0.08 * (1 - better / 3)} if ict else {}
            metrics.rows[stage, epoch] = {f"{stage}/{end}": value for end, value in row.items()}
    metrics.save()
    return folder


def changed(path: Path, **entries: Any) -> None:
    """Change entries of a JSON file."""
    write_json(path, json.loads(path.read_text()) | entries)
