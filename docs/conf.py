"""The settings of the documentation site: `sphinx-build -W -b html docs build/site`."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # the reference imports the package

import kerasnas  # noqa: E402

project = "KerasNAS"
author = "The KerasNAS authors"
copyright = f"2026, {author}"
release = version = kerasnas.__version__

extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx.ext.viewcode",
    "generated",
]
exclude_patterns = ["_*.md", "tutorials/sources", "build"]

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks hold the outputs of `python docs/tutorials/execute.py`
smartquotes = False  # it makes a dash of the two of a flag
nitpicky = True  # a name that the reference lacks is a warning
nb_merge_streams = True
nb_mime_priority_overrides = [("html", "text/html", 0), ("html", "image/png", 10)]

add_module_names = False
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 96
python_display_short_literal_types = True
viewcode_follow_imported_members = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "KerasNAS"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#b3261e", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#ff8a80", "color-brand-content": "#7ab8ff"},
}
