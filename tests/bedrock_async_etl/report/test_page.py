"""The page is one file, and what it shows is data."""

import base64
import hashlib
import json
import re

from bedrock_async_etl.report.page import PAGE, SCRIPTS, embedded_json, render

PUBLISHED = {
    "vendor/d3.min.js": "912111098ea99503a6f4967361d2bbdc9dbf58cf9c678c8e27e5b02d1a07f0c1",
    "vendor/plot.umd.min.js": "4358086467740777dd788d6b27a95cebdbaefdd50c730a3060117073bd7134cb",
}
"""Hashes of the libraries, as npm has them: they are never edited."""
HOSTILE = "</script><script>alert(1)</script><!-- {scripts} {data} & \u2028"


def test_data_cannot_end_the_element_that_it_is_in() -> None:
    text = embedded_json({"message": HOSTILE})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"message": HOSTILE}


def test_a_placeholder_in_the_data_stays_what_it_is() -> None:
    page = render({"message": HOSTILE, "cells": {}})
    assert page.count('id="data"') == 1
    [data] = re.findall(r'id="data">(.*?)</script>', page)
    assert json.loads(data) == {"message": HOSTILE}


def test_only_scripts_of_its_own_run() -> None:
    page = render({"cells": {}})
    [allowed] = re.findall(r"script-src ([^;]+);", page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    assert allowed.split() == [
        f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests
    ]
    assert len(scripts) == len(SCRIPTS)


def test_it_has_nothing_to_fetch() -> None:
    assert "default-src 'none'" in render({"cells": {}})
    own = "".join((PAGE / name).read_text("utf-8") for name in ("page.html", "style.css"))
    assert not re.findall(r"href=\"(?!data:,)|src=|@import|url\(|https?:", own)


def test_the_libraries_are_as_they_were_published() -> None:
    found = {name: hashlib.sha256((PAGE / name).read_bytes()).hexdigest() for name in PUBLISHED}
    assert found == PUBLISHED
