"""An exported model on disk, as ONNX or of torch.export: its endings, and how it is written and read back.

Imports nothing heavy before it writes or reads: a wrong ending is refused at once.
"""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ictconvention.core.errors import UsageError
from ictconvention.core.output_place import check_place

if TYPE_CHECKING:
    from torch import Tensor, nn

NEEDED: dict[str, tuple[str, ...]] = {".onnx": ("onnx", "onnxscript", "onnxruntime"), ".pt2": ()}  # packages, by ending
ENTRY = "ictconvention"  # under which a file keeps what must be known of its model
Outputs = dict[str, "Tensor"]
Loaded = tuple[Mapping[str, Any], Callable[[Mapping[str, "Tensor"]], Outputs]]


def check_model_file(path: Path) -> None:
    """Refuse a path whose ending says no format, one whose packages are not here, and one where no output may go.

    Raises
    ------
    UsageError, FileSystemError
        Any of these; see `check_place`.
    """
    if path.suffix not in NEEDED:
        found = f"{path.name} ends in no format of an exported model"
        raise UsageError(found, path, f"end the name in {' or '.join(NEEDED)}", "E-FILES-ENDING")
    check_place(path, "exporting the model")
    if absent := find_absent(path.name):
        fix = "install the extra: pip install -c constraints.txt '.[export]'; or export to .pt2, which needs none"
        raise UsageError(f"the package {absent} is not installed", path, fix, "E-PACKAGE-MISSING")


def find_absent(name: str) -> str:
    """Return the first package that a file of this name needs and that is not installed; or nothing."""
    return next((package for package in NEEDED[Path(name).suffix] if find_spec(package) is None), "")


def write_model(path: Path, model: "nn.Module", example: Mapping[str, "Tensor"], known: Mapping[str, Any]) -> None:
    """Export a module for any number of objects.

    Parameters
    ----------
    path : Path
        Ends in .onnx or .pt2.
    model : Module
        Takes any number of arrays, and returns outputs by name.
    example : mapping
        Arguments of the module by name, in their order, the objects first; of at least two objects.
    known : mapping
        What must be known of the model, in plain values; see `read_model`.
    """
    import torch

    arguments = tuple(example.values())
    objects = torch.export.Dim("objects", min=1)
    shapes = (tuple({0: objects} for _ in example),)  # the module takes its arrays as *arrays
    text = json.dumps(known, allow_nan=False)
    with silent(), torch.no_grad():
        program = torch.export.export(model, arguments, dynamic_shapes=shapes)
        for part in program.graph_module.modules():
            for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
                node.meta.pop("stack_trace", None)  # names folders of this machine
        if path.suffix == ".pt2":
            content = io.BytesIO()
            torch.export.save(program, content, extra_files={f"{ENTRY}.json": text})
            path.write_bytes(content.getbuffer())
            return
        made = torch.onnx.export(
            program,
            input_names=list(example),
            output_names=list(model(*arguments)),
            dynamo=True,
            verbose=False,
        )
    if made is None:
        raise RuntimeError("torch.onnx.export returned no program")
    graph = made.model_proto
    for key in ("classes", "edges", "bands"):
        if key in known:
            graph.metadata_props.add(key=key, value=json.dumps(known[key]))
    graph.metadata_props.add(key=ENTRY, value=text)
    path.write_bytes(graph.SerializeToString())


def read_model(path: Path) -> Loaded:
    """Return what a file says of its model, and the function that runs it: outputs by name, of arguments by name."""
    import torch
    from torch import Tensor

    if path.suffix == ".pt2":
        extra = {f"{ENTRY}.json": ""}
        with silent():
            module = torch.export.load(path, extra_files=extra).module()

        @torch.no_grad()
        def exported(arguments: Mapping[str, Tensor]) -> Outputs:
            outputs: Outputs = module(*arguments.values())
            return outputs

        return json.loads(extra[f"{ENTRY}.json"]), exported

    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]

    def run(arguments: Mapping[str, Tensor]) -> Outputs:
        found = session.run(names, {name: x.numpy() for name, x in arguments.items()})
        return {name: torch.from_numpy(x) for name, x in zip(names, found, strict=True)}

    return json.loads(session.get_modelmeta().custom_metadata_map[ENTRY]), run


@contextmanager
def silent() -> Iterator[None]:
    """Keep off the screen what torch's exporters say of their own deprecated parts and of their progress."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
