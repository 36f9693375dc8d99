"""What stands around every page: style, script, theme button, table of contents.

Style and script are files of this package and stand in the page; its content security policy allows no request and no
other script. Neighbours: `page` and `bench` fill it. Knows nothing of what it shows.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from string import Template

from emu.report.html.markup import Markup, element, joined, text


def in_shell(kind: str, title: str, header: Markup, sections: Sequence[Markup]) -> str:
    """One offline page. ``kind``: what it is, beside the name on top. ``sections``: made by `markup.section`."""
    script = _file("page.js")
    return Template(_file("page.html")).substitute(
        kind=text(kind),
        title=text(title),
        style=_file("style.css").replace("/* DARK */", _file("dark.css")),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        header=header,
        contents=_contents(sections),
        body=joined(sections, Markup("\n")),
    )


@cache
def _file(name: str) -> str:
    return resources.files("emu.report.html").joinpath(name).read_text(encoding="utf-8")


def _contents(sections: Sequence[Markup]) -> Markup:
    """Links to the sections there are."""
    links = []
    for part in sections:
        name, title = part.split('id="', 1)[1].split('"', 1)[0], part.split("<h2>", 1)[1].split("</h2>", 1)[0]
        links.append(element("li", element("a", Markup(title), href=f"#{name}")))
    return joined(links)
