"""What the headers of an image say: the keywords of its own and those of its file, numbers written as text too."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits

NOTHING = ("", "UNKNOWN", "NONE", "N/A", "NAN", "NULL")  # text that stands for no value, in any case of letters
EXPOSURE_KEYS = ("EXPTIME", "EXPOSURE", "EXPOSED", "XPOSURE")  # [s]


@dataclass(frozen=True)
class Headers:
    """The headers that hold for an image: of its file, and its own, which comes first.

    Parameters
    ----------
    primary, own : Header
    """

    primary: fits.Header
    own: fits.Header

    def value(self, *keys: str) -> Any:
        """Return the first of these keywords that has a value; None where none has."""
        for key in keys:
            for header in (self.own, self.primary):
                value = header.get(key)
                text = value.strip() if isinstance(value, str) else value
                if isinstance(text, str | bool | int | float) and not (
                    isinstance(text, str) and text.upper() in NOTHING
                ):
                    return text
        return None

    def number(self, *keys: str) -> float:
        """Return the first of these keywords that is a finite number, also one written as text; NaN where none is."""
        for key in keys:
            value = self.value(key)
            try:
                number = float("nan" if isinstance(value, bool) or value is None else value)
            except ValueError:
                continue
            if np.isfinite(number):
                return number
        return np.nan

    def text(self, *keys: str) -> str:
        """Return the first of these keywords that has a value as text; empty where none has."""
        value = self.value(*keys)
        return "" if value is None else str(value)

    @property
    def exposure(self) -> float:
        """The exposure time [s], NaN where no keyword says it."""
        exposure = self.number(*EXPOSURE_KEYS)
        return exposure if exposure >= 0 else np.nan

    def seeing(self, scale: float) -> float:
        """Return SEEING [arcsec], or FWHM where its comment says that it is in pixels [arcsec]; NaN without them."""
        seeing = self.number("SEEING")
        if seeing > 0:
            return seeing
        for header in (self.own, self.primary):
            if "FWHM" in header and "pix" in header.comments["FWHM"].lower():
                return self.number("FWHM") * scale
        return np.nan
