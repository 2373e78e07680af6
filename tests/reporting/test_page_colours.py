"""The colours of the page are read by everybody, by day and in the dark: contrasts of WCAG 2.1."""

import re
from importlib.resources import files

import numpy as np
import pytest

CSS = (files("ictconvention.reporting") / "templates" / "report.css").read_text(encoding="utf-8")


def colours(block: str) -> dict[str, str]:
    found = re.search(block + r"[^{}]*?:root \{([^}]*)\}" if block else r"^:root \{([^}]*)\}", CSS, re.DOTALL)
    assert found
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", found[1]))


def luminance(colour: str) -> float:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first: str, second: str) -> float:
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("block", ["", r"@media \(prefers-color-scheme: dark\) \{", r"@media print \{"])
def test_letters_stand_out_from_their_paper(block: str) -> None:
    own = colours("") | colours(block)
    for ground in ("paper", "tint"):
        for letters in ("ink", "soft", "link", "warn", "good"):
            assert contrast(own[letters], own[ground]) >= 4.5, (letters, ground)
    assert contrast(own["sort"], own["paper"]) >= 3  # a sign, no letter


def test_figures_stand_on_white_paper_in_the_dark_too() -> None:
    """Their letters are black, and they are pictures that no style of the page reaches."""
    dark = colours(r"@media \(prefers-color-scheme: dark\) \{")
    assert luminance(dark["paper"]) < 0.02
    assert "figure" not in dark
    assert colours("")["figure"] == "#ffffff"
    for rule in (r"figure img \{[^}]*background: var\(--figure\)", r"\.swatch \{ background: var\(--figure\)"):
        assert re.search(rule, CSS)
    assert not re.findall(r"#[0-9a-f]{3,6}", re.sub(r":root \{[^}]*\}", "", CSS))  # all others by their names
