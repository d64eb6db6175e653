"""Sphinx: the documentation, from docs/*.md and the docstrings. Loads nothing over the network."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "e3-event"
author = "the e3-event authors"
version = release = version_of("e3-event")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
default_role = "py:obj"  # `name` in a docstring: a link if the reference has that name, else just code
nitpicky = False

autoclass_content = "class"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 88
add_module_names = False

html_theme = "furo"
html_title = f"e3-event {release}"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["e3-event.css"]
pygments_style = "friendly"
pygments_dark_style = "monokai"
