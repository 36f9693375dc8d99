"""Pages of real and of made-up runs, and a reader of what they hold. Neighbours: the tests of this folder. Asserts only
that a page is well-formed, which every reader of one relies on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from typing import Any

from emu.campaign.replay import follow
from emu.campaign.token import token_for
from emu.campaign.update_map import UpdateMap
from emu.campaign.verdict import Verdict
from emu.firmware import ModelFirmware
from emu.report.document import to_document
from emu.report.html.case import Case, to_tell
from emu.report.html.page import to_html
from tests.emu.broken import EagerLoader
from tests.emu.helpers import explorer_on, rig_on
from tests.emu.verdicts import as_asked
from tests.mutants.zoo import ZOO

VOID = {"meta", "link", "input", "br", "hr", "img"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str | None]
    text: str = ""
    inside: list[Element] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        return (self.attributes.get("class") or "").split()


class Page(HTMLParser):
    """A page, read strictly: every element is closed in the order it was opened."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(source)
        self.close()
        assert not self._open, f"never closed: {[element.name for element in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice"
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        for around in self._open:
            around.inside.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].name == tag, f"</{tag}> closes <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, name: str, *, within: str = "", class_: str = "") -> list[Element]:
        pool = self.by_id(within).inside if within else self.elements
        return [e for e in pool if e.name == name and (not class_ or class_ in e.classes)]

    def by_id(self, name: str) -> Element:
        (found,) = [element for element in self.elements if element.attributes.get("id") == name]
        return found

    def has(self, name: str) -> bool:
        return any(element.attributes.get("id") == name for element in self.elements)

    def table(self, name: str) -> list[list[str]]:
        """The cells of a table's rows, headings left out."""
        rows = [element for element in self.by_id(name).inside if element.name == "tr"]
        cells = [[cell.text for cell in row.inside if cell.name == "td"] for row in rows]
        return [row for row in cells if row]


@dataclass(frozen=True)
class Run:
    """A campaign with everything a page is made of."""

    verdict: Verdict
    document: dict[str, Any]
    update: UpdateMap
    cases: tuple[Case, ...]

    @property
    def page(self) -> str:
        return to_html(self.document, self.update, self.cases)


def run_of(explorer: Any, rig: Any) -> Run:
    verdict = explorer.explore()
    asked = as_asked(rig)
    judge = explorer_on(rig).judge
    cases = tuple(
        Case(
            verdict.findings.index(group.mildest),
            follow(rig, judge, token_for(verdict.attempts, rig.inputs, group.mildest.path)),
            group.others,
        )
        for group in to_tell(verdict.findings)
    )
    return Run(verdict, to_document(verdict, asked), explorer.update_map(rig.regions), cases)


@cache
def held() -> Run:
    rig = rig_on("demo")
    return run_of(explorer_on(rig), rig)


@cache
def broken(firmware: type[ModelFirmware] = EagerLoader) -> Run:
    rig = rig_on("stm32f103", firmware=firmware())
    return run_of(explorer_on(rig, events=("reset", "hang")), rig)


@cache
def mutant(name: str) -> Run:
    """The campaign in which the zoo catches a mutant."""
    row = next(row for row in ZOO if row.name == name)
    rig = row.campaign.rig(row.firmware)
    options = row.campaign.options
    asked = {"tears": options.tears, "depth": options.depth, "attempts": options.attempts, "events": options.events}
    return run_of(explorer_on(rig, **asked), rig)
