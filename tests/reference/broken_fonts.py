#!/usr/bin/python3
"""Write small fonts for the tests of the figures' text, some of them made to do harm.

    apt-get install fonttools
    /usr/bin/python3 tests/reference/broken_fonts.py

Each has a letter of the Yi script, U+A000, which no bundled font has.
"""

import pathlib
import struct

from fontTools.cffLib import SubrsIndex
from fontTools.fontBuilder import FontBuilder
from fontTools.misc.psCharStrings import T2CharString
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection
from fontTools.ttLib.tables.DefaultTable import DefaultTable

FOLDER = pathlib.Path(__file__).parents[2] / "pkg/figure/internal/outline/testdata"
YI = 0xA000


def square(pen, side):
    pen.moveTo((0, 0))
    pen.lineTo((0, side))
    pen.lineTo((side, side))
    pen.lineTo((side, 0))
    pen.closePath()
    return pen


def builder(glyphs, truetype, em=1000):
    b = FontBuilder(em, isTTF=truetype)
    b.font.recalcTimestamp = False
    b.font.recalcBBoxes = False  # it would take years
    b.setupGlyphOrder(glyphs)
    b.setupCharacterMap({YI: "letter"})
    return b


def finish(b, advance, name="Test"):
    b.setupHorizontalMetrics({g: (advance, 0) for g in b.font.getGlyphOrder()})
    b.setupHorizontalHeader(ascent=800, descent=-200)
    b.setupNameTable({"familyName": name, "styleName": "Regular", "fullName": name})
    header = b.font["hhea"]
    header.advanceWidthMax, header.minLeftSideBearing, header.minRightSideBearing, header.xMaxExtent = advance, 0, 0, advance
    b.setupOS2()
    b.setupPost(keepGlyphNames=False)
    b.font["head"].created = b.font["head"].modified = 0
    return b.font


def truetype(side, advance, name="Test", em=1000):
    b = builder([".notdef", "letter"], True, em=em)
    letter = square(TTGlyphPen(None), side).glyph()
    letter.xMin, letter.yMin, letter.xMax, letter.yMax = 0, 0, side, side
    b.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "letter": letter}, calcGlyphBounds=False)
    return finish(b, advance, name)


def compound():
    """Return a font whose letter is made of 8 others, each of 8 others, and so on: 8**7 squares."""
    parts = [f"part{i}" for i in range(7)]
    b = builder([".notdef", "letter", *parts], True)
    glyphs = {".notdef": TTGlyphPen(None).glyph(), "part6": square(TTGlyphPen(None), 700).glyph()}
    for name, part in zip(["letter", *parts], parts):
        pen = TTGlyphPen({part: None})
        for i in range(8):
            pen.addComponent(part, (1, 0, 0, 1, i, 0))
        glyphs[name] = pen.glyph()
    for glyph in glyphs.values():
        glyph.xMin = glyph.yMin = 0
        glyph.xMax = glyph.yMax = 700
    b.setupGlyf(glyphs, calcGlyphBounds=False)
    return finish(b, 1000)


def subroutines():
    """Return a font whose letter calls a subroutine 100 times, which calls another 100 times …, 9 deep."""
    b = builder([".notdef", "letter"], False)
    pen = square(T2CharStringPen(1000, None), 700)
    empty = T2CharStringPen(1000, None).getCharString()
    b.setupCFF("Test", {}, {".notdef": empty, "letter": pen.getCharString()}, {})
    top = b.font["CFF "].cff.topDictIndex[0]
    bias = 107
    calls = [[i + 1 - bias, "callsubr"] * 100 for i in range(8)]
    subrs = [T2CharString(program=program + ["return"]) for program in [*calls, [0, "hmoveto"]]]
    top.Private.Subrs = SubrsIndex()
    top.Private.Subrs.items = subrs
    letter = top.CharStrings["letter"]
    letter.program = [1000, 0, 0, "rmoveto"] + [-bias, "callsubr"] * 100 + ["endchar"]
    return finish(b, 1000)


def kerning():
    """Return a font whose kerning refers to a second list of one."""
    font = truetype(700, 800)
    font["GPOS"] = DefaultTable("GPOS")
    scripts = struct.pack(">H4sH HH HHHH", 1, b"DFLT", 8, 4, 0, 0, 0xFFFF, 1, 0)
    features = struct.pack(">H4sH HHH", 1, b"kern", 8, 0, 1, 1)
    lookups = struct.pack(">HH", 1, 4)
    head = struct.pack(">HHHHH", 1, 0, 10, 10 + len(scripts), 10 + len(scripts) + len(features))
    font["GPOS"].data = head + scripts + features + lookups
    return font


FOLDER.mkdir(parents=True, exist_ok=True)
truetype(700, 800).save(FOLDER / "good.ttf")
truetype(32000, 12, em=16).save(FOLDER / "far.ttf")
truetype(10, 32000, em=16).save(FOLDER / "wide.ttf")
kerning().save(FOLDER / "kerning.ttf")
compound().save(FOLDER / "compound.ttf")
subroutines().save(FOLDER / "subroutines.otf")
both = TTCollection()
both.fonts = [truetype(700, 800, "Test JP"), truetype(700, 900, "Test SC")]
both.save(FOLDER / "two.ttc")
