"""POST /v1/thumbnail and GET /v1/limits: what a page needs to show any picture that the server reads."""

import io
import json
import threading
import time

import pytest
from PIL import Image

from conftest import SAMPLES, SLOW


def thumbnail(server, name, data, **fields):
    return server.client.post("/v1/thumbnail", files={"image": (name, data)}, data=fields)


def picture(kind, size=(300, 200), **options):
    """A red picture whose upper left quarter is blue."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (0, 0, size[0] // 2, size[1] // 2))
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "PNG", "JPEG", "WEBP", "JPEG2000", "ICO"])
def test_kinds(server, kind):
    size = (128, 64) if kind == "ICO" else (300, 200)
    sizes = {"sizes": [size]} if kind == "ICO" else {}
    response = thumbnail(server, "a", picture(kind, size, **sizes), size="100")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/jpeg"
    width, height = (int(response.headers[f"uffizi-{side}"]) for side in ("width", "height"))
    assert (width, height) == size
    with Image.open(io.BytesIO(response.content)) as small:
        assert small.size == (100, round(100 * height / width))
        blue, red = small.getpixel((20, 10)), small.getpixel((80, small.height - 10))
    assert blue[2] > 200 and blue[0] < 60 and red[0] > 200 and red[2] < 60


def test_small_pictures_keep_their_size(server):
    response = thumbnail(server, "shop.jpg", (SAMPLES / "shop.jpg").read_bytes())
    with (
        Image.open(io.BytesIO(response.content)) as shown,
        Image.open(SAMPLES / "shop.jpg") as shop,
    ):
        assert shown.size == shop.size


def test_pages(server):
    pages = [Image.new("RGB", (40, 30), color) for color in ("red", "lime", "blue")]
    data = io.BytesIO()
    pages[0].save(data, "TIFF", save_all=True, append_images=pages[1:])
    response = thumbnail(server, "a.tif", data.getvalue(), options='{"page": 2}')
    assert response.headers["uffizi-pages"] == "3"
    with Image.open(io.BytesIO(response.content)) as page:
        red, green, blue = page.getpixel((20, 15))
    assert green > 200 and red < 60 and blue < 60
    assert thumbnail(server, "a.tif", data.getvalue(), options='{"page": 4}').status_code == 422


def test_turned_as_exif_says(server):
    exif = Image.Exif()
    exif[274] = 6  # turn it to the right
    response = thumbnail(server, "a.jpg", picture("JPEG", exif=exif))
    with Image.open(io.BytesIO(response.content)) as upright:
        assert upright.size == (200, 300)
    assert response.headers["uffizi-width"] == "200"


def test_mistakes(server, serve):
    shop = (SAMPLES / "shop.jpg").read_bytes()
    for fields, status in [
        ({"size": "15"}, 400),
        ({"size": "4097"}, 400),
        ({"size": "big"}, 400),
        ({"task": "od"}, 400),
        ({"options": '{"num_beams": 2}'}, 400),
        ({"options": "no json"}, 400),
    ]:
        response = thumbnail(server, "a", shop, **fields)
        assert response.status_code == status, fields
        assert response.headers["content-type"] == "application/problem+json"
    assert thumbnail(server, "a", b"no picture").status_code == 422
    assert thumbnail(server, "n" * 256, shop).status_code == 400
    assert server.client.post("/v1/thumbnail", data={"size": "100"}).status_code == 415
    assert server.client.post("/v1/thumbnail", files={"size": (None, "100")}).status_code == 400
    small = serve("--max-pixels", "10000")
    assert thumbnail(small, "a", shop).status_code == 413


def test_limits(serve):
    server = serve("--max-body", "7", "--max-pixels", "12345", "--max-beams", "5")
    limits = server.client.get("/v1/limits").json()
    assert limits["max_body"] == 7 << 20
    assert limits["max_pixels"] == 12345 and limits["max_beams"] == 5
    assert {".jpg", ".tif", ".pdf"} <= set(limits["extensions"])


def events(server, **fields):
    """The names and data of a stream's events, in their order."""
    with server.client.stream(
        "POST",
        "/v1/annotate",
        files={"image": ("a.jpg", (SAMPLES / "shop.jpg").read_bytes())},
        data={"task": "caption", "stream": "true"} | fields,
    ) as response:
        name = None
        for line in response.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            if line.startswith("data: "):
                yield name, json.loads(line[6:])


def test_who_waits_is_told_for_how_many(serve):
    server = serve("--max-batch", "1", "--workers", "1")
    slow = {"options": json.dumps(SLOW), "task": ["caption"] * 16}
    first = events(server, **slow)
    assert next(first)[0] in ("text", "progress")
    seen = [[], []]

    def wait(index):
        for name, data in events(server, **(slow if index == 0 else {})):
            if name == "progress":
                seen[index].append(data)
            if index == 0 and name == "text":
                break

    threads = []
    for index in range(2):
        threads.append(threading.Thread(target=wait, args=(index,)))
        threads[-1].start()
        server.wait_for("uffizi_waiting_requests", index + 1)
    time.sleep(1.5)  # the first second tells nothing
    first.close()  # its place is free
    for thread in threads:
        thread.join()
    assert seen[0][0] == {"stage": "waiting", "ahead": 0}
    assert seen[1][0] == {"stage": "waiting", "ahead": 1}
    # The one ahead may be answered before the next event, and then the picture is looked at.
    after = ({"stage": "waiting", "ahead": 0}, {"stage": "looking"})
    assert all(told in after for told in seen[1][1:])
