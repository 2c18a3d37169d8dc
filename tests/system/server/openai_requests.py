"""What OpenAI's client sends about a picture."""

from conftest import SAMPLES, encoded

SHOP = SAMPLES / "shop.jpg"


def picture_uri(picture):
    kind = {"jpg": "jpeg"}.get(picture.suffix[1:], picture.suffix[1:])
    return f"data:image/{kind};base64," + encoded(picture)


def picture_part(picture):
    return {"type": "image_url", "image_url": {"url": picture_uri(picture)}}


def messages(text, picture=SHOP):
    return [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": [{"type": "text", "text": text}, picture_part(picture)]},
    ]


def response_input(text, picture=SHOP):
    image = {"type": "input_image", "image_url": picture_uri(picture), "detail": "auto"}
    return [{"role": "user", "content": [{"type": "input_text", "text": text}, image]}]
