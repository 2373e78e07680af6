"""The site of the documentation: Sphinx reads this file, and `make docs` builds with it."""

import hashlib
import os
import sys
from pathlib import Path

from sphinx_astropy.conf.v3 import *  # noqa: F403  # the astropy project's settings; what differs is below
from sphinx_astropy.conf.v3 import intersphinx_mapping as _everybody

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "site"), str(DOCS / "tutorials"), str(DOCS.parent)]
os.environ["PYTHONPATH"] = os.pathsep.join([str(DOCS.parent), os.environ.get("PYTHONPATH", "")])  # of the tutorials
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # commands
os.environ.setdefault("OMP_NUM_THREADS", "1")

from ictconvention import __version__  # noqa: E402

project = "ictconvention"
author = "The ictconvention developers"
copyright = author
version = release = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "mathml",  # docs/site: equations without a script
    "sphinx_copybutton",
    "sphinx_design",
    "repository_links",  # docs/site: links out of docs/ into the repository
    "reference_pages",  # docs/site: commands, configuration and errors, written from the code
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}  # the first is that of the pages of the public names
exclude_patterns = ["_build", "generated/*", "templates", "site"]
templates_path = ["templates"]
needs_sphinx = "8.2"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
# What ran is kept for these very sources of the package, the configuration and the tutorials' inputs.
_code = [
    path for name in ("ictconvention", "conf") for path in sorted((DOCS.parent / name).rglob("*")) if path.is_file()
]
_kept = [path for path in [*_code, DOCS / "tutorials" / "made.py"] if path.suffix in (".py", ".yaml", ".safetensors")]
_sum = hashlib.sha256(b"".join(path.read_bytes() for path in _kept)).hexdigest()[:12]
nb_execution_cache_path = str(DOCS / "_build" / "executed" / _sum)
nb_output_stderr = "remove"  # warnings about the machine that builds; an error ends the build
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

# Another project's names become links where its inventory can be fetched; without a network they stay names.
intersphinx_mapping = (
    {name: _everybody[name] for name in ("python", "numpy", "astropy")} if os.environ.get("DOCS_ONLINE") else {}
)

autodoc_typehints = "none"  # numpydoc's sections say them, with shapes and units
autoclass_content = "class"
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
html_math_renderer = "mathml"  # docs/site: no script from elsewhere

html_theme = (
    "pydata_sphinx_theme"  # the look of astropy's pages without astropy.org's menus and its counter of visitors
)
html_title = "ictconvention"
html_logo = None
html_favicon = None
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_last_updated_fmt = None  # the same pages from the same sources
html_theme_options = {
    "show_nav_level": 1,
    "navigation_depth": 3,
    "show_toc_level": 2,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {page: [] for page in ("index", "install", "ten-minutes", "gallery", "glossary")}
