#!/usr/bin/env python3
"""Makes tests/data/image/: small pictures of every kind, and what Pillow makes of them.

    pip install pillow numpy
    python tests/golden/make_image.py

Written with Pillow 13. The pictures are synthetic (waves, edges, a few letters' worth of noise), so
that nothing but this file is needed. Layout:

    cases.txt        one case a line: FILE EXPECTED_PNG TOLERANCE OPTIONS
                     OPTIONS: - | drop (alpha) | stored (EXIF not applied)
    resize.txt       one case a line: INPUT_PNG WIDTH HEIGHT FILTER CRC32
                     (of the resized picture's packed RGB bytes)
    *.jpg ...        the inputs;  expected/*.png  Pillow's pixels
"""

import pathlib
import zlib

import numpy as np
from PIL import Image, ImageOps

from picture_files import big_endian_tiff, png

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "image"
W, H = 61, 43


def picture(w=W, h=H, seed=1):
    """Smooth waves, hard edges and a noisy corner: [h, w, 3] u8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    rgb = np.stack(
        [
            127 + 120 * np.sin(x / 7 + seed),
            127 + 120 * np.cos(y / 5 + x / 11),
            255 * ((x + 2 * y) % (w + h)) / (w + h),
        ],
        -1,
    )
    rgb[h // 4 : h // 2, w // 5 : w // 2] = [250, 20, 30]
    rgb[h // 2 : h // 2 + 2, :] = 0
    noise = rng.integers(0, 256, (h, w, 3))
    rgb[2 * h // 3 :, 2 * w // 3 :] = noise[2 * h // 3 :, 2 * w // 3 :]
    return np.clip(rgb, 0, 255).astype(np.uint8)


def alpha(w=W, h=H):
    y, x = np.mgrid[0:h, 0:w]
    a = (255 * x / (w - 1)).astype(np.uint8)
    a[:5] = 0
    a[-5:] = 255
    return a


cases = []


def expect(name, image, tolerance, options="-"):
    stem = name.replace(".", "_") + ("" if options == "-" else "_" + options)
    pixels = Image.fromarray(np.array(image))  # without a transparent colour to be saved along
    pixels.save(OUT / "expected" / f"{stem}.png", optimize=True)
    cases.append(f"{name} expected/{stem}.png {tolerance} {options}")


def over_white(image):
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def case(name, tolerance, **save):
    """`save` holds the image and Pillow's options; what Pillow reads back is expected."""
    image = save.pop("image")
    image.save(OUT / name, **save)
    read_back(name, tolerance)


def read_back(name, tolerance):
    with Image.open(OUT / name) as stored:
        stored.load()
        transparent = stored.has_transparency_data
        if transparent:
            expect(name, over_white(stored), tolerance)
            expect(name, stored.convert("RGB"), tolerance, "drop")
        else:
            expect(name, stored.convert("RGB"), tolerance)


def exif_bytes(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def orientation_case(name, tolerance, save):
    save(OUT / name)
    with Image.open(OUT / name) as stored:
        upright = ImageOps.exif_transpose(stored).convert("RGB")
        expect(name, upright, tolerance)
    # Pillow turns TIFFs while loading, so the untouched pixels are asked for before.
    with Image.open(OUT / name) as stored:
        if stored.format != "TIFF":
            expect(name, stored.convert("RGB"), tolerance, "stored")


def make_jpegs():
    rgb = Image.fromarray(picture())
    case("baseline.jpg", 2, image=rgb, quality=90)
    case("444.jpg", 2, image=rgb, quality=95, subsampling=0)
    case("422.jpg", 2, image=rgb, quality=80, subsampling=1)
    case("progressive.jpg", 2, image=rgb, quality=85, progressive=True)
    case("grey.jpg", 2, image=rgb.convert("L"), quality=90)
    case("restart.jpg", 2, image=rgb, quality=90, restart_marker_blocks=2)
    case("kept_rgb.jpg", 2, image=rgb, quality=90, keep_rgb=True)
    case("cmyk.jpg", 2, image=cmyk(rgb), quality=92)
    # The same with an Adobe marker that says YCCK (transform 2) instead of CMYK (0): libjpeg then
    # converts, so the colours are other ones, but Pillow reads them too.
    data = bytearray((OUT / "cmyk.jpg").read_bytes())
    adobe = data.find(b"\xff\xee")
    if adobe < 0:
        marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x02"
        data[2:2] = marker
    else:
        data[adobe + 15] = 2
    (OUT / "ycck.jpg").write_bytes(data)
    read_back("ycck.jpg", 2)
    plain = bytearray((OUT / "cmyk.jpg").read_bytes())
    adobe = plain.find(b"\xff\xee")
    if adobe >= 0:
        del plain[adobe : adobe + 16]
        (OUT / "cmyk_plain.jpg").write_bytes(plain)
        read_back("cmyk_plain.jpg", 2)


def cmyk(rgb):
    image = rgb.convert("CMYK")
    planes = np.array(image)
    planes[..., 3] = np.minimum(planes[..., :3].min(-1), 120) // 2  # some black ink
    return Image.fromarray(planes, "CMYK")


def make_pngs():
    array = picture()
    rgb = Image.fromarray(array)
    rgba = Image.fromarray(np.dstack([array, alpha()]))
    case("rgb.png", 0, image=rgb)
    case("rgba.png", 1, image=rgba)
    case("grey.png", 0, image=rgb.convert("L"))
    case("grey_alpha.png", 1, image=rgba.convert("LA"))
    case("one_bit.png", 0, image=rgb.convert("1"))
    palette = rgb.quantize(200)
    case("palette.png", 0, image=palette)
    case("palette4.png", 0, image=rgb.quantize(13), bits=4)
    case("palette2.png", 0, image=rgb.quantize(4), bits=2)
    case("palette_trns.png", 1, image=palette, transparency=bytes(range(0, 200)))
    case("rgb_trns.png", 1, image=rgb, transparency=(250, 20, 30))
    case("grey_trns.png", 1, image=rgb.convert("L"), transparency=int(array[0, 0].mean()))
    for name, depth, color, channels in [
        ("rgb16.png", 16, 2, 3),
        ("rgba16.png", 16, 6, 4),
        ("grey16.png", 16, 0, 1),
        ("grey_alpha16.png", 16, 4, 2),
    ]:
        write_png16(name, color, channels)
    write_interlaced("interlaced.png", array)
    write_interlaced("interlaced_rgba.png", np.dstack([array, alpha()]))


def write_png16(name, color, channels):
    """Pillow writes no 16-bit colour. Expected: the high byte of every sample."""
    array = np.dstack([picture(), alpha()]).astype(np.uint16)
    if channels <= 2:
        array = np.dstack([array[..., 1], array[..., 3]])
    array = array[..., :channels] * 256 + np.arange(W, dtype=np.uint16)[None, :, None] * 4
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    (OUT / name).write_bytes(png(W, H, 16, color, 0, raw))
    high = (array >> 8).astype(np.uint8)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    image = Image.fromarray(high[..., 0] if channels == 1 else high, mode)
    if channels in (2, 4):
        expect(name, over_white(image), 1)
        expect(name, image.convert("RGB"), 0, "drop")
    else:
        expect(name, image.convert("RGB"), 0)
    if color == 2:  # where Pillow reads all 16 bits, it agrees
        with Image.open(OUT / name) as stored:
            assert stored.convert("RGB").tobytes() == image.tobytes()


def write_interlaced(name, array):
    """Adam7, which Pillow reads but does not write."""
    raw = b""
    for x0, y0, dx, dy in [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]:
        for row in array[y0::dy, x0::dx]:
            raw += b"\0" + row.tobytes()
    color = 2 if array.shape[2] == 3 else 6
    (OUT / name).write_bytes(png(array.shape[1], array.shape[0], 8, color, 1, raw))
    read_back(name, 0 if color == 2 else 1)


def make_webps():
    array = picture()
    rgb = Image.fromarray(array)
    rgba = Image.fromarray(np.dstack([array, alpha()]))
    case("lossy.webp", 2, image=rgb, quality=80)
    case("lossless.webp", 0, image=rgb, lossless=True)
    case("alpha.webp", 2, image=rgba, quality=80)
    case("alpha_lossless.webp", 1, image=rgba, lossless=True, exact=True)
    other = Image.fromarray(picture(seed=5))
    case(
        "animated.webp",
        0,
        image=rgb,
        save_all=True,
        append_images=[other],
        duration=100,
        lossless=True,
    )


def make_gifs():
    rgb = Image.fromarray(picture())
    palette = rgb.quantize(100)
    case("plain.gif", 0, image=palette, interlace=0)
    case("interlaced.gif", 0, image=palette, interlace=1)
    case("transparent.gif", 0, image=palette, transparency=3, interlace=0)
    case(
        "animated.gif",
        0,
        image=palette,
        save_all=True,
        duration=100,
        append_images=[Image.fromarray(picture(seed=5)).quantize(100)],
    )


def make_tiffs():
    array = picture()
    rgb = Image.fromarray(array)
    rgba = Image.fromarray(np.dstack([array, alpha()]))
    case("rgb.tif", 0, image=rgb)
    case("lzw.tif", 0, image=rgb, compression="tiff_lzw")
    case("deflate.tif", 0, image=rgb, compression="tiff_adobe_deflate")
    case("jpeg.tif", 3, image=rgb, compression="jpeg", quality=90)
    case("packbits.tif", 0, image=rgb.convert("L"), compression="packbits")
    case("group4.tif", 0, image=rgb.convert("1"), compression="group4")
    case("palette.tif", 0, image=rgb.quantize(100))
    case("rgba.tif", 1, image=rgba)
    case("cmyk.tif", 2, image=cmyk(rgb))
    case(
        "two_pages.tif",
        0,
        image=rgb,
        save_all=True,
        append_images=[Image.fromarray(picture(seed=5))],
    )
    case("bigtiff.tif", 0, image=rgb, big_tiff=True)
    (OUT / "big_endian.tif").write_bytes(big_endian_tiff(array))
    read_back("big_endian.tif", 0)


def make_orientations():
    rgb = Image.fromarray(picture(37, 23))
    for n in range(1, 9):
        orientation_case(
            f"orientation_{n}.jpg", 2, lambda path: rgb.save(path, quality=92, exif=exif_bytes(n))
        )
    for n in (3, 6):
        orientation_case(f"orientation_{n}.png", 0, lambda path: rgb.save(path, exif=exif_bytes(n)))
        orientation_case(
            f"orientation_{n}.webp",
            0,
            lambda path: rgb.save(path, lossless=True, exif=exif_bytes(n)),
        )
    for n in (2, 5, 6, 8):
        orientation_case(f"orientation_{n}.tif", 0, lambda path: rgb.save(path, tiffinfo={274: n}))


def make_resizes():
    lines = []
    pictures = {}
    for name, w, h in [
        ("resize_a.png", 97, 71),
        ("resize_wide.png", 800, 3),
        ("resize_tall.png", 2, 501),
        ("resize_dot.png", 1, 1),
    ]:
        pictures[name] = Image.fromarray(picture(w, h, seed=3))
        pictures[name].save(OUT / name, optimize=True)
    # Noise is the hardest input: every rounding shows. The test makes it with the same generator.
    pictures["noise"] = Image.fromarray(lcg_noise(640, 480))
    sizes = {
        "resize_a.png": [
            (768, 768),
            (32, 32),
            (97, 40),
            (50, 71),
            (96, 72),
            (1, 1),
            (1, 300),
            (300, 1),
            (97, 71),
            (194, 142),
            (333, 17),
        ],
        "resize_wide.png": [(64, 64), (768, 768), (801, 3), (3, 800)],
        "resize_tall.png": [(64, 64), (768, 768), (1, 100), (2, 250)],
        "resize_dot.png": [(7, 5), (1, 9), (768, 768)],
        "noise": [
            (768, 768),
            (224, 224),
            (639, 481),
            (13, 479),
            (641, 7),
            (320, 240),
            (1, 2),
            (700, 479),
        ],
    }
    for name, targets in sizes.items():
        for w, h in targets:
            for number in range(6):
                resized = pictures[name].resize((w, h), resample=number)
                lines.append(f"{name} {w} {h} {number} {zlib.crc32(resized.tobytes()):08x}")
    (OUT / "resize.txt").write_text("\n".join(lines) + "\n")
    # A few in full, so that a difference can be measured and not only found.
    for number in range(6):
        for w, h in ((40, 57), (150, 100)):
            resized = pictures["resize_a.png"].resize((w, h), resample=number)
            resized.save(OUT / "expected" / f"resize_a_{number}_{w}x{h}.png", optimize=True)


def lcg_noise(w, h):
    """x -> 1664525 x + 1013904223 mod 2^32 from 1, the top byte of each."""
    count = w * h * 3
    out = np.empty(count, np.uint8)
    x = 1
    for i in range(count):
        x = (1664525 * x + 1013904223) & 0xFFFFFFFF
        out[i] = x >> 24
    return out.reshape(h, w, 3)


def main():
    (OUT / "expected").mkdir(parents=True, exist_ok=True)
    for old in list(OUT.glob("*.*")) + list((OUT / "expected").glob("*")):
        old.unlink()
    make_jpegs()
    make_pngs()
    make_webps()
    make_gifs()
    make_tiffs()
    make_orientations()
    make_resizes()
    (OUT / "cases.txt").write_text("\n".join(cases) + "\n")
    size = sum(p.stat().st_size for p in OUT.rglob("*") if p.is_file())
    print(f"{len(cases)} cases, {size} bytes")


if __name__ == "__main__":
    main()
