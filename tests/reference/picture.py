#!/usr/bin/python3
"""Reference values from Pillow and torchvision for pkg/picture.

    apt-get install python3-torchvision python3-pil libjpeg-turbo-progs
    /usr/bin/python3 tests/reference/picture.py

The script writes transform.json, decode.json and jpeg.json in pkg/picture/testdata.
It was last run with Pillow 9.4, libjpeg-turbo 2.1.5 and torchvision 0.14; on one
machine it writes the same bytes every time.  The Go tests only read the files; they
need no Python.

  transform.json   small images, and what Resize and CenterCrop make of them
  decode.json      small files of all formats, and Pillow's pixels for them,
                   turned upright and blended with white
  jpeg.json        small JPEG files of all kinds, and the SHA-256 of Pillow's pixels

Bytes are encoded in base64.  Pixels are stored row by row, as red, green and blue.
"""

import base64
import hashlib
import io
import json
import os
import subprocess
import tempfile

import numpy as np
import PIL
import torchvision
from PIL import Image, ImageOps, features
from torchvision import transforms

TESTDATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "pkg", "picture", "testdata")

FILTERS = {
    "bilinear": transforms.InterpolationMode.BILINEAR,
    "bicubic": transforms.InterpolationMode.BICUBIC,
}

# Width and height of a source image, and its transforms: resize, height, width.
TRANSFORMS = [
    ((13, 7), [(7, 7, 13), (5, 5, 5), (9, 6, 7), (20, 11, 9)]),
    ((7, 13), [(4, 4, 4), (6, 5, 3), (15, 10, 10)]),
    ((16, 16), [(16, 16, 16), (16, 9, 12), (8, 8, 8), (24, 13, 13)]),
    ((50, 37), [(16, 14, 14), (36, 12, 12), (5, 8, 8), (6, 3, 12)]),
    ((37, 50), [(16, 14, 14), (3, 5, 4), (6, 12, 3)]),
    ((97, 61), [(20, 17, 18), (7, 7, 7), (1, 1, 1), (2, 5, 5)]),
    ((1, 1), [(1, 1, 1), (5, 4, 4), (2, 5, 5)]),
    ((3, 40), [(2, 3, 3), (9, 8, 8)]),
    ((41, 2), [(1, 3, 30), (8, 8, 9)]),
]


def encoded(content):
    return base64.b64encode(content).decode()


def source(rng, width, height):
    """Noise on a gradient, with hard edges where bicubic overshoots."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), 255.0 * ((x // 4 + y // 4) % 2)], axis=-1)
    pixels += rng.integers(-40, 41, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGB")


def transform_values():
    rng = np.random.default_rng(1)
    sources = []
    for (width, height), cases in TRANSFORMS:
        picture = source(rng, width, height)
        values = []
        for resize, crop_height, crop_width in cases:
            for name, interpolation in FILTERS.items():
                transform = transforms.Compose(
                    [transforms.Resize(resize, interpolation), transforms.CenterCrop((crop_height, crop_width))]
                )
                values.append(
                    {
                        "transform": {"resize": resize, "height": crop_height, "width": crop_width, "filter": name},
                        "want": encoded(transform(picture).tobytes()),
                    }
                )
        sources.append({"width": width, "height": height, "pixels": encoded(picture.tobytes()), "cases": values})
    return sources


def smooth(width, height):
    """An image without symmetry that JPEG compresses well."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([40 + 180 * x / width, 30 + 200 * y / height, 220 - 150 * x * y / (width * height)], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8), "RGB")


def tinted(width, height):
    """An image with the same chroma everywhere, for lossy WebP, which subsamples chroma.

    Pillow's decoder interpolates between the samples; Go's does not.
    """
    y, x = np.mgrid[:height, :width]
    grey = 180 * (x + y) // (width + height - 2)
    return Image.fromarray(np.stack([grey + 70, grey + 30, grey], axis=-1).astype(np.uint8), "RGB")


def oriented(value):
    exif = Image.Exif()
    exif[0x010E] = "a description before it"
    exif[0x0112] = value
    exif[0x013B] = "an artist behind it"
    return exif


def decode_values():
    picture = smooth(20, 12)
    one_tint = tinted(20, 12)
    opacity = Image.fromarray(np.tile(np.linspace(0, 255, 20).astype(np.uint8), (12, 1)), "L")
    clear, one_tint_clear = picture.copy(), one_tint.copy()
    clear.putalpha(opacity)
    one_tint_clear.putalpha(opacity)
    files = []

    def add(name, tolerance, image, format, **options):
        buffer = io.BytesIO()
        image.save(buffer, format, **options)
        add_file(name, tolerance, buffer.getvalue())

    def add_file(name, tolerance, content):
        seen = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        if seen.mode in ("RGBA", "LA", "P"):
            seen = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen.convert("RGBA"))
        seen = seen.convert("RGB")
        files.append(
            {
                "name": name,
                "file": encoded(content),
                "width": seen.width,
                "height": seen.height,
                "tolerance": tolerance,
                "want": encoded(seen.tobytes()),
            }
        )

    add("JPEG baseline", 0, picture, "JPEG", quality=95, subsampling=0)
    add("JPEG subsampled", 0, picture, "JPEG", quality=95, subsampling=2)
    add("JPEG progressive", 0, picture, "JPEG", quality=95, subsampling=0, progressive=True)
    add("JPEG grey", 0, picture.convert("L"), "JPEG", quality=95)
    add("JPEG CMYK", 0, picture.convert("CMYK"), "JPEG", quality=95)
    add("PNG", 0, picture, "PNG")
    add("PNG grey", 0, picture.convert("L"), "PNG")
    add("PNG palette", 0, picture.quantize(16), "PNG")
    add("PNG transparent", 1, clear, "PNG")
    add("WebP lossy", 3, one_tint, "WebP", quality=95)
    add("WebP lossless", 0, picture, "WebP", lossless=True)
    add("WebP lossy transparent", 3, one_tint_clear, "WebP", quality=95)
    add("WebP lossless transparent", 1, clear, "WebP", lossless=True, exact=True)
    add("GIF", 0, picture.quantize(16), "GIF")
    add("GIF transparent", 0, picture.quantize(16), "GIF", transparency=3)
    add("BMP", 0, picture, "BMP")
    add("BMP grey", 0, picture.convert("L"), "BMP")
    add("BMP palette", 0, picture.quantize(16), "BMP")
    add("BMP bilevel", 0, picture.convert("1"), "BMP")
    add("TIFF", 0, picture, "TIFF")
    add("TIFF deflate", 0, picture, "TIFF", compression="tiff_adobe_deflate")
    add("TIFF LZW", 0, picture, "TIFF", compression="tiff_lzw")
    add("TIFF PackBits", 0, picture, "TIFF", compression="packbits")
    add("TIFF grey", 0, picture.convert("L"), "TIFF")
    add("TIFF palette", 0, picture.quantize(16), "TIFF")
    add("TIFF bilevel", 0, picture.convert("1"), "TIFF")
    add("TIFF transparent", 1, clear, "TIFF")
    add("PPM", 0, picture, "PPM")
    add("PGM", 0, picture.convert("L"), "PPM")
    add("PBM", 0, picture.convert("1"), "PPM")
    values = np.asarray(picture)
    add_file("PPM text", 0, b"P3 # text\n20 12\n255\n" + " ".join(str(v) for v in values.flatten()).encode() + b"\n")
    add_file("PGM text", 0, b"P2\n20 12\n# rows\n15\n" + " ".join(str(v // 16) for v in values[..., 0].flatten()).encode())
    add_file("PBM text", 0, b"P1\n20 12\n" + "".join(str(v % 2) for v in values[..., 0].flatten()).encode())
    add_file("PPM of 16 bits", 0, b"P6 20 12 65535\n" + (values.astype(">u2") * 257 - 100).tobytes())
    add_file("PPM up to 100", 0, b"P6 20 12 100\n" + (values * (100 / 255)).astype(np.uint8).tobytes())
    turned = [picture, picture.transpose(Image.Transpose.ROTATE_180)]
    for name, format, options in [
        ("GIF", "GIF", {}),
        ("WebP", "WebP", {"lossless": True}),
        ("PNG", "PNG", {}),
        ("TIFF", "TIFF", {}),
    ]:
        add(name + " with frames", 1, turned[0], format, save_all=True, append_images=turned[1:], **options)
    # A first frame that does not fill its canvas: Pillow writes none, so the canvas is enlarged.
    buffer = io.BytesIO()
    picture.quantize(16).save(buffer, "GIF", transparency=3)
    content = bytearray(buffer.getvalue())
    content[6:10] = (24).to_bytes(2, "little") + (15).to_bytes(2, "little")
    add_file("GIF smaller than its canvas", 0, bytes(content))
    for value in range(1, 9):
        exif = oriented(value)
        add("JPEG orientation %d" % value, 0, picture, "JPEG", quality=95, subsampling=0, exif=exif)
        add("PNG orientation %d" % value, 0, picture, "PNG", exif=exif)
        add("WebP orientation %d" % value, 0, picture, "WebP", lossless=True, exif=exif)
    return files


# Options of cjpeg: the sampling factors of the components, and how they are stored.
SAMPLING = {
    "4:4:4": "1x1",
    "4:2:2": "2x1",
    "4:2:0": "2x2",
    "4:4:0": "1x2",
    "4:1:1": "4x1",
    "4:1:0": "4x2",
    "a third of the width": "3x1",
    "a quarter of the height": "1x4",
    "chroma of different sizes": "2x2,2x1,1x2",
    "luma of half the size": "1x1,2x2,2x2",
    "factors with a common divisor": "2x2,1x2,1x2",
    "all factors the same": "1x2,1x2,1x2",
}
STORAGE = {
    "": [],
    "progressive": ["-progressive"],
    "restarts": ["-restart", "3B"],
    "progressive, restarts": ["-progressive", "-restart", "2"],
}
SCANS = {
    "a scan for each component": "0; 1; 2;",
    "scans of one and two components": "0; 1 2;",
    "progressive, DC of each component apart": "0: 0 0 0 1; 1: 0 0 0 1; 2: 0 0 0 1; 0: 1 63 0 3; 1: 1 63 0 0; 2: 1 63 0 0;"
    "0: 1 63 3 2; 0: 1 63 2 1; 0: 1 63 1 0; 0 1 2: 0 0 1 0;",
}
SIZES = [(1, 1), (2, 3), (3, 2), (4, 5), (5, 4), (8, 8), (9, 17), (16, 16), (31, 33), (33, 15), (48, 47)]


def colourful(rng, width, height):
    """An image with gradients, noise and hard edges in all colours."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 / width, y * 255 / height, 128 + 120 * np.sin(x * y / 40)], axis=-1)
    for colour in ((255, 0, 0), (0, 0, 255), (0, 255, 0), (255, 255, 0), (0, 0, 0), (255, 255, 255)):
        left, top = rng.integers(0, width), rng.integers(0, height)
        pixels[top : top + 9, left : left + 7] = colour
    pixels += rng.normal(0, 12, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGB")


def cjpeg(image, *options):
    buffer = io.BytesIO()
    image.save(buffer, "PPM")
    return subprocess.run(["cjpeg", *options], input=buffer.getvalue(), stdout=subprocess.PIPE, check=True).stdout


def jpeg_values():
    rng = np.random.default_rng(3)
    picture = colourful(rng, 45, 39)
    files = []

    def add(name, content):
        seen = Image.open(io.BytesIO(content)).convert("RGB")
        files.append(
            {
                "name": name,
                "file": encoded(content),
                "width": seen.width,
                "height": seen.height,
                "sha256": hashlib.sha256(seen.tobytes()).hexdigest(),
            }
        )

    def saved(image, **options):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **options)
        return buffer.getvalue()

    for ratio, factors in SAMPLING.items():
        for storage, options in STORAGE.items():
            add(" ".join(filter(None, [ratio, storage])), cjpeg(picture, "-quality", "80", "-sample", factors, *options))
    for name, script in SCANS.items():
        with tempfile.NamedTemporaryFile("w") as f:
            f.write(script)
            f.flush()
            add(name, cjpeg(picture, "-quality", "80", "-sample", "2x2", "-scans", f.name))
    for width, height in SIZES:
        small = colourful(rng, width, height)
        for ratio in ("4:4:4", "4:2:2", "4:2:0", "4:4:0"):
            add("%dx%d %s" % (width, height, ratio), cjpeg(small, "-quality", "75", "-sample", SAMPLING[ratio]))
    for quality in (1, 10, 50, 95, 100):
        add("quality %d" % quality, cjpeg(picture, "-quality", str(quality), "-sample", "2x2"))
    noise = Image.fromarray(rng.choice(np.array([0, 255], np.uint8), (40, 40, 3)), "RGB")
    for quality in (1, 10, 50, 100):
        add("noise, quality %d" % quality, cjpeg(noise, "-quality", str(quality), "-sample", "1x1"))
    add("Huffman tables of its own", cjpeg(picture, "-quality", "80", "-optimize"))
    add("RGB", cjpeg(picture, "-quality", "80", "-rgb"))
    add("grey", saved(picture.convert("L"), quality=80))
    add("grey, progressive", saved(picture.convert("L"), quality=80, progressive=True))
    for factors in (0x21, 0x22):
        content = bytearray(saved(picture.convert("L"), quality=80))
        content[content.index(b"\xff\xc0") + 11] = factors
        add("grey with sampling factors %x" % factors, bytes(content))
    for name, options in (("", {}), (", progressive", {"progressive": True})):
        cmyk = saved(picture.convert("CMYK"), quality=80, **options)
        adobe = cmyk.index(b"Adobe")
        add("CMYK" + name, cmyk)
        add("YCCK" + name, cmyk[: adobe + 11] + b"\x02" + cmyk[adobe + 12 :])
        add("CMYK without Adobe's segment" + name, cmyk[: adobe - 4] + cmyk[adobe + 12 :])
    colour = saved(picture, quality=80)
    end = 2 + 2 + int.from_bytes(colour[4:6], "big")
    for transform in (0, 1):
        adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])
        add("Adobe's segment %d instead of JFIF's" % transform, colour[:2] + adobe + colour[end:])
        add("Adobe's segment %d besides JFIF's" % transform, colour[:end] + adobe + colour[end:])
    add("no segment for the colours", colour[:2] + colour[end:])
    add("bytes between the segments", colour[:end] + b"abc\xff\x00" + colour[end:])
    add("bytes behind the last scan", colour[:-2] + b"\x00\x01\xff\x00" + colour[-2:])
    add("bytes behind the image", colour + b"\xff\xd8\xff\xda")
    return files


def write(name, values):
    with open(os.path.join(TESTDATA, name), "w") as f:
        json.dump(values, f, indent=1)
        f.write("\n")


def main():
    os.makedirs(TESTDATA, exist_ok=True)
    versions = {"pillow": PIL.__version__, "torchvision": torchvision.__version__}
    write("transform.json", {"versions": versions, "sources": transform_values()})
    write("decode.json", {"versions": versions, "files": decode_values()})
    versions = {"pillow": PIL.__version__, "libjpeg-turbo": features.version("libjpeg_turbo")}
    write("jpeg.json", {"versions": versions, "files": jpeg_values()})


if __name__ == "__main__":
    main()
