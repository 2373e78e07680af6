"""What a GPU makes of it: golden numbers, steps, memory, a fold of the paper, feeding, prediction, DDP.

    python experiments/speed/gpu.py [-o gpu.md] [--survey PATH] [--minutes 8] [--tiny]

Writes gpu.md for people and gpu.json for programs: what was measured, and on what. After --minutes no further part
begins, and what is left out is said. One that fails is named with the reason, and the others go on (exit code 1); an
interruption leaves what was measured before it. Objects are noise of about 100 frames, unless --survey names a survey.
--tiny, which a machine without a GPU takes by itself, runs every part to its end with networks and batches whose times
mean nothing.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the clone, where golden numbers live with the tests
from experiments.speed.bench import Bench, Row, save, set_precision
from experiments.speed.step import NETWORKS, Stepper, stepper
from experiments.speed.survey import write
from ictconvention.networks.convention import ConvEntion
from ictconvention.runs.assembly.run_data import load_or_draw_split, make_data
from ictconvention.runs.assembly.run_learner import make_learner
from ictconvention.runs.machine import environment, precision_of, processors
from ictconvention.survey.survey import Survey
from ictconvention.training.infer import infer
from ictconvention.training.lightning_noise import silence_lightning
from ictconvention.training.memory import keep_freed_memory
from tests.networks.test_convention import GOLDEN, golden_input, golden_tensors, relative

CLASSES = ("AGN", "SN Ia", "SN Other", "Variable")
COMPARED = ("supervised", "ICT", "ICT, asymmetric")
ROWS = {"ConvEntion": "convention", "ICT-ConvEntion": "convention", "CNN+GRU": "cnn_gru", "CNN+LSTM": "cnn_lstm"}
FOLDS = 5
AHEAD = 2  # batches that a process of a DataLoader reads ahead
TRAINED = {"pretrain": (4111, 50), "finetune": (1698, 30)}  # objects of a fold, simulated as the paper's; epochs


def golden(bench: Bench) -> list[Row]:
    """Compare with the outputs of the published code: largest relative differences."""
    frames, band = (x.to(bench.device) for x in golden_input())
    tensors, label, rows = golden_tensors(), torch.tensor([1, 3], device=bench.device), []
    for name in ("float64", *(() if bench.tiny else bench.precisions())):
        set_precision("float32" if name == "float64" else name)
        dtype = torch.float64 if name == "float64" else torch.float32
        model = ConvEntion.from_published(tensors, padding="paper").to(bench.device, dtype)
        with torch.autocast(bench.device.type, torch.bfloat16, enabled=name == "bf16"):
            with torch.no_grad():  # but for the gradients below, which a tiny run leaves out
                logits = model.forward_padded(frames.to(dtype), band)
            row = {"precision": name, "logits": relative(logits.double().cpu(), GOLDEN["logits"])}
            if not bench.tiny:
                loss = F.cross_entropy(model.forward_padded(frames.to(dtype), band).to(dtype), label)
                torch.autograd.backward(loss)
                norm = model.get_parameter("head.1.weight").grad
                assert norm is not None
                row["gradient of head.1"] = relative(norm.norm().double().cpu(), GOLDEN["grad_norm"]["head_1"])
        if name == "float64" and row["logits"] > 1e-6:
            raise ValueError(f"the golden numbers are missed in float64: {row}")
        rows.append(row)
    return rows


def peak(bench: Bench) -> float:
    """Return the operations a second [FLOP/s] of a large product of matrices in bfloat16."""
    size = 256 if bench.tiny else 8192
    a, b = (torch.randn(size, size, device=bench.device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / bench.time(lambda: a @ b)


def networks(bench: Bench) -> list[Row]:
    """Time forward passes and training steps on batches that are on the device."""
    reached, rows = peak(bench), []
    for network in NETWORKS:
        for learner in COMPARED:
            one = stepper(
                bench.options(network, learner, "trainer.workers=0"), bench.survey, device=bench.device, phases=False
            )
            batches = [one.next_views() for _ in range(1 if bench.tiny else 4)]
            for name in bench.precisions()[: 1 if bench.tiny and learner != "supervised" else None]:
                one.precision = set_precision(name)  # type: ignore[assignment]
                if learner == "supervised":
                    rows.append(timed_pass(bench, one, batches, f"{network}, forward", name, reached, train=False))
                rows.append(timed_pass(bench, one, batches, f"{network}, step, {learner}", name, reached, train=True))
    return rows


def timed_pass(
    bench: Bench, one: Stepper, batches: list[Any], what: str, precision: str, reached: float, train: bool
) -> Row:
    """Return objects a second, share of the peak and largest memory, over batches of more and fewer frames."""

    def forward() -> None:
        bf16 = torch.autocast(bench.device.type, torch.bfloat16, enabled=precision == "bf16")
        with torch.inference_mode(), bf16:
            for views in batches:
                one.learner.logits(views[0])

    def step() -> None:
        for views in batches:
            one.train(views)

    work = step if train else forward
    one.learner.train(train)
    with FlopCounterMode(display=False) as counter:
        work()
    if bench.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    objects, seconds = sum(len(views[0]) for views in batches), bench.time(work, warm_up=1)
    row = {
        "what": what,
        "precision": precision,
        "ms an object": 1e3 * seconds / objects,
        "objects a second": objects / seconds,
        "share of the bf16 peak": counter.get_total_flops() / seconds / reached,
    }
    if bench.device.type == "cuda":
        row["memory [GiB]"] = torch.cuda.max_memory_allocated() / 2**30
    return row


class Clock:
    """Notes when the device is done with the first optimiser steps, which warm it, and with the last.

    Parameters
    ----------
    bench : Bench
    first, last : int
        Steps after which the clock starts and ends.
    """

    def __init__(self, bench: Bench, first: int, last: int) -> None:
        self.bench, self.first, self.last = bench, first, last
        self.begin, self.end, self.objects = 0.0, 0.0, 0

    def note(self, trainer: Any, learner: Any, outputs: Any, batch: Any, index: int) -> None:
        """Count the objects of a step that has ended, once it is warm."""
        if trainer.global_step > self.first:
            self.objects += len(batch[0])
        elif trainer.global_step == self.first:
            self.begin = self.bench.now()
        if trainer.global_step == self.last:  # what Lightning does after it is no training
            self.end = self.bench.now()


def trained(bench: Bench, options: Any, steps: int, strategy: str = "auto") -> float:
    """Train with Lightning for some steps, as a run does; return objects a second."""
    from lightning.pytorch import Trainer  # after our package, which lets a torchvision be that does not fit torch
    from lightning.pytorch.callbacks import LambdaCallback

    set_precision("TF32")
    data = make_data(options, bench.survey, load_or_draw_split(options, bench.survey), "pretrain")
    first = 1 if bench.tiny else 10
    clock = Clock(bench, first, first + steps)
    trainer = Trainer(
        accelerator="gpu" if bench.device.type == "cuda" else "cpu",
        devices=1,
        strategy=strategy,
        precision=precision_of(options.trainer),
        max_steps=clock.last,
        limit_val_batches=0,
        callbacks=[LambdaCallback(on_train_batch_end=clock.note)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(make_learner(options, data), data)
    return clock.objects / (clock.end - clock.begin)


def fold_of_paper(bench: Bench) -> list[Row]:
    """Train each row of Table 2 for a few hundred steps, and say how long five folds would take at that pace."""
    rows, hours = [], 0.0
    for name, network in ROWS.items():
        learner = "ICT" if name.startswith("ICT") else "supervised"
        steps = 2 if bench.tiny else 200 if network == "convention" else 100
        rate = trained(bench, bench.options(network, learner), steps)
        own = FOLDS * sum(objects * epochs for objects, epochs in TRAINED.values()) / rate / 3600
        hours += own
        rows.append({"row": name, "steps": steps, "objects a second": rate, "five folds [h]": own})
    return [*rows, {"row": "Table 2, training alone", "five folds [h]": hours}]


def several_devices(bench: Bench) -> list[Row]:
    """Train with DDP on one device, beside the same without."""
    options, steps = bench.options("convention", "supervised"), 2 if bench.tiny else 50
    return [{"strategy": kind, "objects a second": trained(bench, options, steps, kind)} for kind in ("auto", "ddp")]


def prediction(bench: Bench) -> list[Row]:
    """Apply each network to the training part of pre-training, the largest, reading included."""
    rows = []
    for network in NETWORKS:
        options = bench.options(network, "supervised")
        data = make_data(options, bench.survey, load_or_draw_split(options, bench.survey), "pretrain")
        learner, part = make_learner(options, data), "finetune_validation" if bench.tiny else "pretrain_train"
        precision = precision_of(options.trainer)

        def predict(learner: Any = learner, data: Any = data, precision: Any = precision, part: str = part) -> None:
            infer(learner, data.evaluation_loader(part), precision, bench.device)

        rate = len(data.positions(part)) / bench.time(predict, warm_up=1)
        rows.append({"network": network, "precision": precision, "objects a second": rate})
    return rows


def endless(loader: Any) -> Iterator[Any]:
    """Yield the batches of epoch after epoch."""
    for epoch in count():
        loader.sampler.set_epoch(epoch)
        yield from loader


def feeding_rate(bench: Bench, loader: Any, ready: int, batches: int) -> tuple[float, Any]:
    """Return objects a second over some batches after those that were ready, and the last of them."""
    objects, begin = 0, 0.0
    for number, views in enumerate(islice(endless(loader), ready + batches), 1):
        for view in views:
            view.to(bench.device)
        objects += len(views[0]) if number > ready else 0
        if number == ready:
            begin = bench.now()
    return objects / (bench.now() - begin), views


def feeding(bench: Bench) -> list[Row]:
    """Read batches and bring them to the device, with nothing else to do, and compare with the fastest step above.

    Epoch after epoch, as training does. The clock starts when the batches that the processes had ready are used up.
    """
    rows: list[Row] = []
    steps = bench.parts.get("Networks, batches on the device", [])
    counts = (0, 1) if bench.tiny else (0, 2, 4, 8, 16)
    for network in NETWORKS:
        for workers in (n for n in counts if n <= processors()):
            options = bench.options(network, "supervised", f"trainer.workers={workers}")
            data = make_data(options, bench.survey, load_or_draw_split(options, bench.survey), "pretrain")
            rate, views = feeding_rate(bench, data.train_dataloader(), AHEAD * workers + 1, 2 if bench.tiny else 40)
            row: Row = {"network": network, "workers": workers, "objects a second": rate}
            fastest = max(
                (s["objects a second"] for s in steps if s["what"] == f"{network}, step, supervised"), default=0
            )
            if fastest:
                row["times what a step takes"] = row["objects a second"] / fastest
            if bench.device.type == "cuda" and (frames := views[0].frames) is not None:
                row["pinned"] = frames.is_pinned()
                for name, one in (("pinned", frames.pin_memory()), ("pageable", frames.clone())):
                    copy = partial(one.to, bench.device, non_blocking=True)
                    row[f"copy of a batch, {name} [ms]"] = 1e3 * bench.time(copy)
            rows.append(row)
    return rows


PARTS: dict[str, Callable[[Bench], list[Row]]] = {
    "The golden numbers of the published code, relative differences": golden,
    "Networks, batches on the device": networks,
    "A fold of the paper, and Table 2": fold_of_paper,
    "The input's ceiling": feeding,
    "Prediction": prediction,
    "DDP on one device": several_devices,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("gpu.md"))
    parser.add_argument("--survey", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0, help="after which no further part begins")
    parser.add_argument("--tiny", action="store_true", help="sizes that mean nothing: whether it runs")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tiny = arguments.tiny or device.type == "cpu"
    keep_freed_memory()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, silence_lightning():
        survey = (
            Survey.open(arguments.survey)
            if arguments.survey
            else write(Path(folder) / "noise", 120 if tiny else 4096, 1, CLASSES)
        )
        bench = Bench(device, survey, tiny, begin + 60 * arguments.minutes)
        options = bench.options("convention", "supervised").trainer
        machine = {**environment(precision_of(options), options), "tensors on": str(device)}
        try:
            for name, part in PARTS.items():
                bench.measure(name, part)
        finally:
            save(bench, machine, time.perf_counter() - begin, arguments.output)
    sys.exit(1 if bench.failed else 0)


if __name__ == "__main__":
    main()
