"""rasterio, which reads and writes georeferenced rasters: imported only where one is needed."""

from importlib import import_module
from typing import Any

from ictconvention.core.errors import UsageError

EXTRA = "scenes"  # that brings it


def need_rasterio(doing: str) -> Any:
    """Return the module rasterio; `doing`, such as "writing a GeoTIFF", begins what is said where it is not here.

    Raises
    ------
    UsageError
        It is not installed.
    """
    try:
        rasterio = import_module("rasterio")
        for part in ("errors", "windows"):
            import_module(f"rasterio.{part}")
    except ImportError as error:
        fix = f"install the extra: pip install -c constraints.txt '.[{EXTRA}]'"
        raise UsageError(f"{doing} needs rasterio, which is not installed", EXTRA, fix, "E-PACKAGE-MISSING") from error
    return rasterio
