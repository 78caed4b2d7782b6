#!/usr/bin/python3
"""Reference values from Pillow and torchvision for pkg/picture.

    apt-get install python3-torchvision python3-pil
    /usr/bin/python3 tests/reference/picture.py

The script writes transform.json and decode.json in pkg/picture/testdata.  It was
last run with Pillow 9.4 and torchvision 0.14; on one machine it writes the same
bytes every time.  The Go tests only read the files; they need no Python.

  transform.json   small images, and what Resize and CenterCrop make of them
  decode.json      small files of all formats, and Pillow's pixels for them,
                   turned upright and blended with white

Bytes are encoded in base64.  Pixels are stored row by row, as red, green and blue.
"""

import base64
import io
import json
import os

import numpy as np
import PIL
import torchvision
from PIL import Image, ImageOps
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
    """An image with the same chroma everywhere, for formats that subsample chroma.

    Pillow's decoders interpolate between the samples; Go's do not.
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
        seen = ImageOps.exif_transpose(Image.open(buffer))
        if seen.mode in ("RGBA", "LA", "P"):
            seen = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen.convert("RGBA"))
        seen = seen.convert("RGB")
        files.append(
            {
                "name": name,
                "file": encoded(buffer.getvalue()),
                "width": seen.width,
                "height": seen.height,
                "tolerance": tolerance,
                "want": encoded(seen.tobytes()),
            }
        )

    add("JPEG baseline", 3, picture, "JPEG", quality=95, subsampling=0)
    add("JPEG subsampled", 2, one_tint, "JPEG", quality=95, subsampling=2)
    add("JPEG progressive", 3, picture, "JPEG", quality=95, subsampling=0, progressive=True)
    add("JPEG grey", 1, picture.convert("L"), "JPEG", quality=95)
    add("JPEG CMYK", 3, picture.convert("CMYK"), "JPEG", quality=95)
    add("PNG", 0, picture, "PNG")
    add("PNG grey", 0, picture.convert("L"), "PNG")
    add("PNG palette", 0, picture.quantize(16), "PNG")
    add("PNG transparent", 1, clear, "PNG")
    add("WebP lossy", 3, one_tint, "WebP", quality=95)
    add("WebP lossless", 0, picture, "WebP", lossless=True)
    add("WebP lossy transparent", 3, one_tint_clear, "WebP", quality=95)
    add("WebP lossless transparent", 1, clear, "WebP", lossless=True, exact=True)
    for value in range(1, 9):
        exif = oriented(value)
        add("JPEG orientation %d" % value, 3, picture, "JPEG", quality=95, subsampling=0, exif=exif)
        add("PNG orientation %d" % value, 0, picture, "PNG", exif=exif)
        add("WebP orientation %d" % value, 0, picture, "WebP", lossless=True, exif=exif)

    frames = [smooth(8, 8), smooth(8, 8).transpose(Image.Transpose.ROTATE_90)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WebP", save_all=True, append_images=frames[1:], lossless=True)
    return files, buffer.getvalue()


def write(name, values):
    with open(os.path.join(TESTDATA, name), "w") as f:
        json.dump(values, f, indent=1)
        f.write("\n")


def main():
    os.makedirs(TESTDATA, exist_ok=True)
    versions = {"pillow": PIL.__version__, "torchvision": torchvision.__version__}
    write("transform.json", {"versions": versions, "sources": transform_values()})
    files, animated = decode_values()
    write("decode.json", {"versions": versions, "files": files, "animated": encoded(animated)})


if __name__ == "__main__":
    main()
