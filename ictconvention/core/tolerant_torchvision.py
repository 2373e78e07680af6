"""Let `import torchvision` succeed beside a build of torch that its compiled operators do not fit.

PyPI's torchvision is compiled for PyPI's torch. Beside another build (that for CPUs, one of a cluster's own) its
library cannot be loaded, and it dies where it describes operators that nothing defined: "operator torchvision::nms does
not exist". torchmetrics imports it wherever it is installed, so lightning dies too, and with it every training; timm
dies as well. None of them needs these operators, which find boxes. Known as pytorch/vision issues 9077 and 9085.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


def tolerate_torchvision() -> None:
    """See to it that a later `import torchvision` leaves out the operators that are not there."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torchvision":
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is not None and found.loader is not None:
            found.loader = _Loader(found.loader)
        return found


class _Loader(Loader):
    def __init__(self, own: Loader):
        self.own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)  # its resources, its file

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        import torch

        register = torch.library.register_fake

        def register_defined(op: Any, /, *args: Any, **options: Any) -> Any:
            if isinstance(op, str) and op.startswith("torchvision::") and not _is_defined(op):
                return lambda function: function
            return register(op, *args, **options)

        torch.library.register_fake = register_defined
        try:
            self.own.exec_module(module)
        finally:
            torch.library.register_fake = register


def _is_defined(op: str) -> bool:
    import torch

    return hasattr(torch.ops.torchvision, op.removeprefix("torchvision::").partition(".")[0])
