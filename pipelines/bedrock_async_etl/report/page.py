"""The page as one file: markup, style, scripts and data, and a policy that lets nothing else in."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).with_name("page")
SCRIPTS: Final = (
    "vendor/d3.min.js",
    "vendor/plot.umd.min.js",
    "cells.js",
    "estimates.js",
    "selection.js",
    "findings.js",
    "format.js",
    "elements.js",
    "charts.js",
    "sections.js",
    "page.js",
)
PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
MARKUP: Final = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})


def render(figures: Mapping[str, Any]) -> str:
    """The page that shows the figures. It asks for nothing, and runs no scripts but its own.

    The cells are compressed: they are most of the page.
    """
    scripts = [(PAGE / name).read_text("utf-8") for name in SCRIPTS]
    parts = {
        "policy": _policy(scripts),
        "style": (PAGE / "style.css").read_text("utf-8"),
        "data": embedded_json({name: figures[name] for name in figures if name != "cells"}),
        "cells": _compressed(figures["cells"]),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    template = (PAGE / "page.html").read_text("utf-8")
    # In one pass, so that a placeholder within what was put in stays what it is.
    return PLACEHOLDER.sub(lambda match: parts[match[1]], template)


def embedded_json(document: Mapping[str, Any]) -> str:
    """JSON that can stand in a script element: nothing in it can end the element."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.translate(MARKUP)


def _compressed(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, separators=(",", ":")).encode()
    return base64.b64encode(gzip.compress(text, compresslevel=6, mtime=0)).decode()


def _policy(scripts: Sequence[str]) -> str:
    """Only these scripts run, named by their hashes; what Plot draws has styles of its own."""
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
