"""What matplotlib writes as SVG, made fit for a page: small, without absolute colours or fonts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final
from xml.etree import ElementTree as ET

NAMESPACE: Final = "http://www.w3.org/2000/svg"
GROW: Final = 1.15  # a figure may be drawn this much larger than its own size
NAME: Final = re.compile(r"[A-Za-z][\w-]*")
NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
REFERENCE: Final = re.compile(r"#([\w.-]+)(?=\)|$)")  # url(#id), or all of a href
LONG: Final = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
COMMAND: Final = re.compile(r"([A-Za-z])([^A-Za-z]*)")  # of path data, all of them absolute
RUN: Final = 3  # neighbours of one style from which a group for them is shorter


def plain(text: str) -> str:
    """Text on one line, with U+FFFD for what XML cannot hold."""
    return " ".join(NO_XML.sub("\ufffd", text).split())


def root(name: str, width: float, height: float, title: str, told: str) -> ET.Element:
    """An empty ``<svg>`` of a size in CSS pixels, with what a screen reader says of it.

    Raises:
        ValueError: ``name`` cannot begin an id.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"A figure is named {name!r}; expected letters, digits, - and _.")
    svg = ET.Element(
        "svg",
        {
            "xmlns": NAMESPACE,
            "viewBox": f"0 0 {width:g} {height:g}",
            "class": "figure",
            "role": "img",
            "aria-labelledby": f"{name}-title",
            "aria-describedby": f"{name}-desc",
            "style": f"width:100%;max-width:{round(width * GROW)}px;height:auto",
        },
    )
    for tag, text in (("title", title), ("desc", told)):
        ET.SubElement(svg, tag, {"id": f"{name}-{tag}"}).text = plain(text)
    return svg


def written(svg: ET.Element) -> str:
    """The element as text, without a prolog."""
    return ET.tostring(svg, encoding="unicode")


def adopt(svg: ET.Element, drawn: bytes, name: str, colours: Mapping[str, str]) -> None:
    """Put what matplotlib drew into ``svg``.

    Args:
        svg: an empty ``root``.
        drawn: an SVG document of matplotlib.
        name: which ids begin with.
        colours: what stands for each colour of the drawing.
    """
    source = ET.fromstring(drawn)
    for parent in source.iter():
        parent.tag = parent.tag.removeprefix(f"{{{NAMESPACE}}}")
        parent[:] = [child for child in parent if not _is_left_out(child)]
        parent.tail = None
        if parent.tag != "text":
            parent.text = None
        _shorten(parent, colours)
    _rename(source, name)
    body = _joined(_flat(_joined(_flat(source))))
    body.set("style", "stroke-linejoin:round;stroke-linecap:butt")
    svg.append(body)


def _is_left_out(element: ET.Element) -> bool:
    """Whether it says nothing, or would be taken for a style of the whole page."""
    tag = element.tag.rpartition("}")[2]
    empty = tag in ("g", "defs") and all(_is_left_out(child) for child in element)
    return empty or tag in ("metadata", "style") or element.get("style") == "fill: none"


def _shorten(element: ET.Element, colours: Mapping[str, str]) -> None:
    """Attributes with short numbers, roles for colours, and no font."""
    for key, value in list(element.attrib.items()):
        if key == "id":
            continue
        del element.attrib[key]
        text = LONG.sub(lambda number: f"{round(float(number[0]), 2) + 0.0:g}", value)
        if key == "style":
            text = _style(text, colours)
        elif key == "fill":  # of a hatch; only a style takes variables
            element.set("style", _style(f"fill:{text}", colours))
            continue
        elif key == "d":
            text = _path(text)
        elif key == "transform" and text.startswith("rotate(-0 "):
            continue
        element.set(key.rpartition("}")[2], text)


def _path(data: str) -> str:
    """Path data without spaces, level and upright lines by one number."""
    short, here = "", ("", "")
    for command, rest in COMMAND.findall(data):
        numbers = rest.split()
        there = (numbers[-2], numbers[-1]) if numbers else here
        if command == "L" and there[1] == here[1]:
            short += f"H{there[0]}"
        elif command == "L" and there[0] == here[0]:
            short += f"V{there[1]}"
        else:
            short += command + " ".join(numbers)
        here = there
    return short


def _style(style: str, colours: Mapping[str, str]) -> str:
    """CSS with roles for colours, opacity that neighbours can share, and the page's font."""
    rules = []
    for rule in style.split(";"):
        key, _, value = (piece.strip() for piece in rule.partition(":"))
        if key == "opacity":
            rules += [f"fill-opacity:{value}", f"stroke-opacity:{value}"]
        elif key != "font-family":
            rules.append(f"{key}:{colours.get(value, value)}")
    return ";".join(rules)


def _rename(source: ET.Element, name: str) -> None:
    """Ids that are referred to become ``name-1``, ``name-2``, ...; the others go."""
    used: dict[str, str] = {}
    for element in source.iter():
        for key in ("href", "clip-path", "style"):
            for found in REFERENCE.findall(element.get(key, "")):
                used.setdefault(found, f"{name}-{len(used) + 1}")
    for element in source.iter():
        if "id" in element.attrib and element.attrib["id"] not in used:
            del element.attrib["id"]
        elif "id" in element.attrib:
            element.set("id", used[element.attrib["id"]])
        for key in ("href", "clip-path", "style"):
            if key in element.attrib:
                element.set(key, REFERENCE.sub(lambda m: "#" + used[m[1]], element.attrib[key]))


def _flat(element: ET.Element) -> ET.Element:
    """A group of all that is drawn, without groups that only group."""
    flat = ET.Element("g")
    flat.extend(_unwrapped(element))
    return flat


def _unwrapped(element: ET.Element) -> Iterator[ET.Element]:
    for child in element:
        if child.tag == "g" and not child.attrib:
            yield from _unwrapped(child)
        else:
            if child.tag == "g":
                child[:] = list(_unwrapped(child))
            yield child


def _joined(element: ET.Element) -> ET.Element:
    """Runs of neighbours with one style and clip become a group that has them."""
    if element.tag != "g":
        return element

    def shared(child: ET.Element) -> tuple[str | None, str | None]:
        return child.get("style"), child.get("clip-path")

    children: list[ET.Element] = []
    for common, run in groupby([_joined(child) for child in element], key=shared):
        found = list(run)
        if len(found) < RUN or not any(common):
            children += found
            continue
        names = dict(zip(("style", "clip-path"), common, strict=True))
        kept = {key: value for key, value in names.items() if value is not None}
        group = ET.Element("g", kept)
        for child in found:
            for key in kept:
                del child.attrib[key]
        group.extend(found)
        children.append(group)
    element[:] = children
    return element
