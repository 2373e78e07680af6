"""Print the lowest versions that pyproject.toml allows, as constraints for pip; torch as in constraints.txt."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTRAS = ("dev", "export", "simulation", "ztf")


def lowest_versions() -> dict[str, str]:
    """Return the floor of each direct dependency, by its name.

    Raises
    ------
    ValueError
        A dependency has no floor, or two.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *(line for name in EXTRAS for line in project["optional-dependencies"][name])]
    floors: dict[str, str] = {}
    for line in needed:
        found = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)(?:,<[\d.]+)?", line)
        if found is None or floors.setdefault(found[1], found[2]) != found[2]:
            raise ValueError(f"pyproject.toml: {line!r} is not a name>=version, or names another version than before")
    tested = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    if tested is None:
        raise ValueError("constraints.txt has no line torch==version")
    return floors | {"torch": tested[1]}


if __name__ == "__main__":
    print("\n".join(f"{name}=={version}" for name, version in lowest_versions().items()))
