#!/usr/bin/python3
"""Write the font of the figures' Chinese, Japanese and Korean text.

    apt-get install fonttools fonts-noto-cjk
    /usr/bin/python3 tests/reference/figure_font.py

The font is a subset of Noto Sans CJK SC Regular, whose licence (OFL 1.1) allows
that.  It has the characters of the national standards that everyday text keeps to:

    GB 2312            all 6763 hanzi, kana and punctuation  (simplified Chinese)
    JIS X 0208         the 2965 kanji of level 1             (Japanese)
    KS X 1001          the 2350 syllables                    (Korean)

Han characters have the shapes that are usual in China.  Nothing is left but outlines
and widths: Go has no use for hints, features and vertical metrics.
"""

import gzip
import io
import pathlib

from fontTools import subset, ttLib

SOURCE = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
TARGET = pathlib.Path(__file__).parents[2] / "pkg/figure/internal/cjk/cjk.otf.gz"
NAME = "Residual CJK"  # Noto is a trademark


def characters(codec, rows):
    """Return the characters in some rows, counted from 1, of a standard of 94 by 94."""
    found = set()
    for row in rows:
        for cell in range(1, 95):
            try:
                found.add(bytes([0xA0 + row, 0xA0 + cell]).decode(codec))
            except UnicodeDecodeError:
                pass  # the standard has no character here
    return found


wanted = (
    characters("gb2312", range(1, 88))
    | characters("euc_jp", range(1, 9))
    | characters("euc_jp", range(16, 48))
    | characters("euc_kr", range(16, 41))
)

collection = ttLib.TTCollection(SOURCE)
font = next(f for f in collection.fonts if f["name"].getDebugName(4) == "Noto Sans CJK SC")
font.recalcTimestamp = False  # the same font gives the same bytes

options = subset.Options()
options.layout_features = []
options.hinting = False
options.desubroutinize = True
options.drop_tables += ["GPOS", "GSUB", "BASE", "VORG", "vhea", "vmtx"]
options.name_IDs = [0, 7, 13, 14]  # copyright, trademark, licence
subsetter = subset.Subsetter(options)
subsetter.populate(text="".join(wanted))
subsetter.subset(font)

for number, text in (1, NAME), (2, "Regular"), (3, NAME), (4, NAME), (6, NAME.replace(" ", "")):
    font["name"].setName(text, number, 3, 1, 0x409)
font["CFF "].cff.fontNames = [NAME.replace(" ", "")]
top = font["CFF "].cff.topDictIndex[0]
top.FullName, top.FamilyName = NAME, NAME

raw = io.BytesIO()
font.save(raw)
packed = gzip.compress(raw.getvalue(), 9, mtime=0)
TARGET.write_bytes(packed)
print(f"{TARGET.name}: {len(font.getBestCmap())} characters, {len(raw.getvalue())} bytes, {len(packed)} packed")
