"""A torchvision whose compiled operators do not fit torch is imported without them, and only without them."""

import subprocess
import sys
from pathlib import Path

TORCHVISION = """
import torch
from torch.library import Library

DEFINED = Library("torchvision", "DEF")
DEFINED.define("there(Tensor x) -> Tensor")
DEFINED.define("overloaded.twice(Tensor x) -> Tensor")


@torch.library.register_fake("torchvision::nms")
def nms(x):
    return x


@torch.library.register_fake("torchvision::there")
def there(x):
    return x.new_empty(7)


@torch.library.register_fake("torchvision::overloaded.twice")
def twice(x):
    return x.new_empty(14)
"""

PROGRAM = """
import importlib.resources

import ictconvention
import torch

plain = torch.library.register_fake
import torchvision

assert torch.library.register_fake is plain
assert torch.ops.torchvision.there(torch.zeros(2, device="meta")).shape == (7,)
assert torch.ops.torchvision.overloaded.twice(torch.zeros(2, device="meta")).shape == (14,)
assert importlib.resources.files(torchvision).joinpath("labels.txt").read_text() == "a"
try:
    torch.library.register_fake("elsewhere::nms")(lambda x: x)
except RuntimeError:
    print("as asked")
"""


def test_operators_that_nothing_defined_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text(TORCHVISION)
    (tmp_path / "torchvision/labels.txt").write_text("a")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "as asked\n", done.stderr
