#!/usr/bin/env python3
"""Makes tests/data/formats/: small pictures of the kinds that came after make_image.py's, their pages,
and what Pillow with its plugins makes of them.

    pip install pillow numpy pillow-heif pillow-jxl-plugin pypdfium2
    python tests/golden/make_formats.py

Written with Pillow 13, pillow-heif 1.8, pillow-jxl-plugin 1.3, pypdfium2 5.15. cases.txt has one case a line:
FILE EXPECTED_PNG TOLERANCE PAGE PAGES OPTIONS; OPTIONS are - | drop (alpha) | stored (not turned).
"""

import io
import pathlib
import struct

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 (registers itself)
import pypdfium2
from make_image import H, W, alpha, exif_bytes, over_white, picture
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()
OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "formats"
cases = []


def expect(name, image, tolerance, page=0, pages=1, options="-"):
    stem = name.replace(".", "_") + (f"_{page}" if page else "")
    stem += "" if options == "-" else "_" + options
    Image.fromarray(np.asarray(image)).save(OUT / "expected" / f"{stem}.png", optimize=True)
    cases.append(f"{name} expected/{stem}.png {tolerance} {page} {pages} {options}")


def read_back(name, tolerance, turned=False):
    with Image.open(OUT / name) as stored:
        pages = getattr(stored, "n_frames", 1)
        for page in range(pages):
            if pages > 1:
                stored.seek(page)
            stored.load()
            image = ImageOps.exif_transpose(stored) if turned else stored
            if image.has_transparency_data:
                expect(name, over_white(image), tolerance, page, pages)
                if pages == 1:
                    expect(name, image.convert("RGB"), tolerance, options="drop")
            else:
                expect(name, image.convert("RGB"), tolerance, page, pages)


def case(name, tolerance, image, turned=False, **save):
    image.save(OUT / name, **save)
    read_back(name, tolerance, turned)


def raw(name, content, tolerance=0, image=None):
    (OUT / name).write_bytes(content)
    if image is None:
        read_back(name, tolerance)
    else:
        expect(name, image, tolerance)


def make_simple(rgb, rgba):
    case("rgb.bmp", 0, rgb)
    case("palette.bmp", 0, rgb.quantize(100))
    case("one_bit.bmp", 0, rgb.convert("1"))
    case("grey.bmp", 0, rgb.convert("L"))
    case("rgbx.bmp", 0, rgba)  # 32 bits without masks: no alpha
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    pixels = np.asarray(rgba)[::-1, :, [2, 1, 0, 3]].tobytes()
    header = struct.pack("<IiiHHIIiiII", 108, W, H, 1, 32, 3, len(pixels), 2835, 2835, 0, 0)
    header += masks + b"BGRs" + bytes(48)
    raw(
        "masks.bmp", b"BM" + struct.pack("<IHHI", 122 + len(pixels), 0, 0, 122) + header + pixels, 1
    )
    top_down = struct.pack("<IiiHHIIiiII", 40, W, -H, 1, 32, 0, len(pixels), 0, 0, 0, 0)
    flipped = np.asarray(rgba)[:, :, [2, 1, 0, 3]].tobytes()
    raw(
        "top_down.bmp",
        b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + top_down + flipped,
    )
    case("rgb.tga", 0, rgb)
    case("rle.tga", 0, rgb, compression="tga_rle")
    case("rgba.tga", 1, rgba)
    case("grey.tga", 0, rgb.convert("L"))
    case("palette.tga", 0, rgb.quantize(64))
    for name, image in (
        ("rgb.ppm", rgb),
        ("grey.pgm", rgb.convert("L")),
        ("bits.pbm", rgb.convert("1")),
    ):
        case(name, 0, image)
    array = np.asarray(rgb)
    text = "\n".join(" ".join(str(v) for v in row.reshape(-1)) for row in array)
    raw("text.ppm", f"P3\n# a comment\n{W} {H}\n255\n{text}\n".encode())
    grey = array[..., 1]
    text = "\n".join(" ".join(str(v // 16) for v in row) for row in grey)
    raw("text.pgm", f"P2 {W} {H} 15\n{text}".encode())
    bits = (grey > 127).astype(int)
    raw(
        "text.pbm",
        f"P1\n{W} {H}\n".encode() + "\n".join("".join(map(str, row)) for row in bits).encode(),
    )
    wide = (array.astype(np.uint16) * 257 - (array > 9) * 100).astype(">u2")
    raw("wide.ppm", f"P6 {W} {H} 65535\n".encode() + wide.tobytes(), 1)
    head = f"P7\nWIDTH {W}\nHEIGHT {H}\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    raw("alpha.pam", head.encode() + np.asarray(rgba).tobytes(), 1, over_white(rgba))
    shares = (grey[::-1] / np.float32(255.001)).astype("<f4")
    raw(
        "shares.pfm",
        f"Pf\n{W} {H}\n-1.0\n".encode() + shares.tobytes(),
        1,
        rgb.getchannel(1).convert("RGB"),
    )
    case("rgb.qoi", 0, rgb)
    case("rgba.qoi", 1, rgba)
    case("png.ico", 1, rgba.resize((64, 64)), sizes=[(16, 16), (64, 64), (32, 32)])
    case("bmp.ico", 1, rgba.resize((48, 48)), sizes=[(48, 48)], bitmap_format="bmp")
    case(
        "palette.ico",
        1,
        rgb.quantize(16).convert("RGB").resize((32, 32)).quantize(16).convert("RGBA"),
        sizes=[(32, 32)],
        bitmap_format="bmp",
    )


def make_heavy(rgb, rgba):
    case("lossy.avif", 3, rgb, quality=80)
    case("444.avif", 2, rgb, quality=100, subsampling="4:4:4")
    case("alpha.avif", 3, rgba, quality=90)
    for n in range(1, 9):
        case(f"turned_{n}.avif", 3, rgb, turned=True, quality=90, exif=exif_bytes(n))
    case(
        "frames.avif",
        3,
        rgb,
        save_all=True,
        duration=500,
        quality=90,
        append_images=[Image.fromarray(picture(seed=s)) for s in (5, 6)],
    )
    case("lossy.heic", 3, rgb, quality=80)
    case("alpha.heic", 3, rgba, quality=90)
    even = Image.fromarray(picture(64, 48))  # libheif 1.15 shifts the colours of odd sides
    for n in (3, 6):
        case(f"turned_{n}.heic", 3, even, quality=90, exif=exif_bytes(n))
    case(
        "several.heic",
        3,
        rgb,
        quality=90,
        save_all=True,
        append_images=[Image.fromarray(picture(seed=5))],
    )
    case("phone.jpg", 3, rgb, format="HEIF", quality=80)  # HEIC under the name of a JPEG
    case("lossless.jxl", 0, rgb, lossless=True)
    case("lossy.jxl", 2, rgb, quality=85)
    case("alpha.jxl", 1, rgba, lossless=True)
    case("grey.jxl", 0, rgb.convert("L"), lossless=True)
    case("lossless.jp2", 0, rgb)
    case("lossy.jp2", 2, rgb, irreversible=True, quality_mode="rates", quality_layers=[10])
    case("tiled.j2k", 0, rgb, tile_size=(32, 32))
    case("alpha.jp2", 1, rgba)
    case("grey.jp2", 0, rgb.convert("L"))


def make_pages(rgb):
    others = [Image.fromarray(picture(seed=s)) for s in (5, 6)]
    case("pages.tif", 0, rgb, save_all=True, append_images=[o.convert("L") for o in others])
    case("frames.webp", 1, rgb, save_all=True, append_images=others, duration=300, lossless=True)
    # Frames that cover a part, with each kind of disposal.
    base = Image.new("RGBA", (W, H), (0, 0, 0, 0))
    frames = []
    for i in range(5):
        frame = base.copy()
        frame.paste((250 - 40 * i, 30 + 50 * i, 90), (5 + 7 * i, 4 + 5 * i, 25 + 7 * i, 18 + 5 * i))
        frames.append(frame)
    for disposal in (1, 2, 3):
        name = f"disposal_{disposal}.gif"
        case(
            name,
            0,
            frames[0],
            save_all=True,
            append_images=frames[1:],
            duration=200,
            disposal=disposal,
        )
    pdf(others)


def pdf(others):
    """Two pages of different sizes, drawn by pypdfium2 at 200 dots an inch."""
    content = [
        b"1 0 0 rg 20 30 60 40 re f 0 0 0 rg BT /F 18 Tf 20 80 Td (Total 42) Tj ET",
        b"0 0.5 0 RG 4 w 10 10 m 190 90 l S BT /F 12 Tf 30 60 Td (second) Tj ET",
    ]
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[4 0 R 6 0 R]/Count 2>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for i, size in enumerate((b"120 110", b"200 100")):
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 "
            + size
            + b"]/Contents "
            + str(5 + 2 * i).encode()
            + b" 0 R/Resources<</Font<</F 3 0 R>>>>>>"
        )
        objects.append(
            b"<</Length "
            + str(len(content[i])).encode()
            + b">>stream\n"
            + content[i]
            + b"\nendstream"
        )
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += str(number).encode() + b" 0 obj" + body + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += (b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)) + table
    out += b"trailer<</Size %d/Root 1 0 R>>startxref\n%d\n%%%%EOF" % (
        len(objects) + 1,
        out.rindex(b"xref"),
    )
    (OUT / "two_pages.pdf").write_bytes(out)
    with pypdfium2.PdfDocument(out) as document:
        for page in range(2):
            image = document[page].render(scale=200 / 72).to_pil().convert("RGB")
            expect("two_pages.pdf", image, 1, page, 2)


def tiff(array, photometric, sample_format, extra=(), more=()):
    """Little-endian, one strip: what Pillow does not write."""
    height, width = array.shape[:2]
    samples = 1 if array.ndim == 2 else array.shape[2]
    bits = array.dtype.itemsize * 8
    tags = [
        (256, 3, [width]),
        (257, 3, [height]),
        (258, 3, [bits] * samples),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (273, 4, [0]),
        (277, 3, [samples]),
        (278, 3, [height]),
        (279, 4, [array.nbytes]),
        (339, 3, [sample_format] * samples),
    ]
    if extra:
        tags.append((338, 3, list(extra)))
    tags = sorted(tags + list(more))
    code = {3: "H", 4: "I", 12: "d"}
    start = 8 + 2 + 12 * len(tags) + 4
    entries, tail = b"", b""
    for tag, kind, values in tags:
        packed = struct.pack("<" + code[kind] * len(values), *values)
        if tag == 273:
            packed = b"OFFS"
        if len(packed) > 4:
            field, tail = struct.pack("<I", start + len(tail)), tail + packed
        else:
            field = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, len(values)) + field
    head = (
        b"II*\0"
        + struct.pack("<IH", 8, len(tags))
        + entries.replace(b"OFFS", struct.pack("<I", start + len(tail)))
        + bytes(4)
        + tail
    )
    return head + array.tobytes()


def make_samples(array):
    """What a sample's range makes of it is our own rule; Pillow has none."""
    grey = array[..., 1]
    image = Image.fromarray(grey).convert("RGB")
    near_infrared = np.dstack([array, alpha()])
    raw(
        "near_infrared.tif", tiff(near_infrared, 2, 1, extra=[0])
    )  # as Pillow: RGB, the rest ignored
    raw("alpha.tif", tiff(near_infrared, 2, 1, extra=[2]), 1)
    raw("grey16.tif", tiff(grey.astype("<u2") * 257, 1, 1), 1, image)
    raw("grey32.tif", tiff(grey.astype("<u4") * 257, 1, 1), 1, image)
    raw("bytes32.tif", tiff(grey.astype("<u4"), 1, 1), 1, image)
    raw("shares.tif", tiff((grey / np.float32(255)).astype("<f4"), 1, 3), 1, image)
    raw("doubles.tif", tiff((grey / 255.0).astype("<f8"), 1, 3), 1, image)
    raw("white_is_zero.tif", tiff((1 - grey / np.float32(255)).astype("<f4"), 0, 3), 1, image)
    stretched = (grey - grey.min()) * (255.0 / (grey.max() - grey.min()))
    expected = Image.fromarray(stretched.astype(np.uint8)).convert("RGB")
    raw("heights.tif", tiff((grey * np.float32(10) - 900).astype("<f4"), 1, 3), 1, expected)
    raw("signed16.tif", tiff(grey.astype("<i2") * 100 - 9000, 1, 2), 1, expected)
    twelve = tiff((grey.astype("<u2") * 16), 1, 1, more=[(280, 3, [0]), (281, 3, [4080])])
    raw("twelve_bits.tif", twelve, 1, image)
    raw(
        "rgb_float.tif",
        tiff((array / np.float32(255)).astype("<f4"), 2, 3),
        1,
        Image.fromarray(array),
    )
    buffer = io.BytesIO()
    Image.fromarray((grey / np.float32(255)).astype("<f4")).save(
        buffer, "TIFF", compression="tiff_adobe_deflate"
    )
    raw("deflated_float.tif", buffer.getvalue(), 1, image)


def main():
    (OUT / "expected").mkdir(parents=True, exist_ok=True)
    for old in list(OUT.glob("*.*")) + list((OUT / "expected").glob("*")):
        old.unlink()
    array = picture()
    rgb, rgba = Image.fromarray(array), Image.fromarray(np.dstack([array, alpha()]))
    make_simple(rgb, rgba)
    make_heavy(rgb, rgba)
    make_pages(rgb)
    make_samples(array)
    (OUT / "cases.txt").write_text("\n".join(cases) + "\n")
    size = sum(p.stat().st_size for p in OUT.rglob("*") if p.is_file())
    print(f"{len(cases)} cases, {size} bytes")


if __name__ == "__main__":
    main()
