"""The weights of a published run: safetensors, which hold tensors and text, and no code. Knows no folder of a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ictconvention.core.atomic import whole_file
from ictconvention.core.plain_file import read_plain

ENDING = ".safetensors"
ENTRY = "ictconvention"  # of the file's own text: what the network was fed, as a checkpoint names it


def write_published_weights(path: Path, checkpoint: Mapping[str, Any]) -> None:
    """Write the tensors of a checkpoint, and what their network was fed; what training alone needs stays behind.

    Raises
    ------
    FileSystemError
        The file cannot be written.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {
        name: value.detach().clone().contiguous() for name, value in checkpoint["state_dict"].items()
    }
    content = save(tensors, {"format": "pt", ENTRY: json.dumps({"task": checkpoint["task"]}, sort_keys=True)})
    with whole_file(path, "saving the weights", record=True) as partial:
        partial.write_bytes(content)


def read_published_weights(path: Path) -> dict[str, Any]:
    """Return the content of such a file as that of a checkpoint: `state_dict` and `task`.

    Raises
    ------
    OSError, ValueError and what safetensors raises
        It cannot be read, or is damaged.
    """
    from safetensors.torch import load

    content = read_plain(path)
    size = int.from_bytes(content[:8], "little")
    known = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][ENTRY])
    return {"state_dict": load(content), "task": known["task"]}
