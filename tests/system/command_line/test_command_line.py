"""The command line as a user meets it: output, exit codes, messages."""

import json
import os
import pathlib
import shutil
import struct
import subprocess

import pytest
from PIL import Image, ImageDraw

COMMAND = os.environ["UFFIZI_COMMAND"]
SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
MODEL = SOURCE / "models" / "uffizi-tiny"
ALL_TASKS = [
    "caption",
    "detailed_caption",
    "more_detailed_caption",
    "ocr",
    "ocr_with_region",
    "od",
    "dense_region_caption",
    "region_proposal",
    "caption_to_phrase_grounding",
    "referring_expression_segmentation",
    "region_to_segmentation",
    "open_vocabulary_detection",
    "region_to_category",
    "region_to_description",
    "region_to_ocr",
]


def run(*arguments, code=0, stdin=None, env=None):
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=300,
        env=os.environ | (env or {}),
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def records(*arguments, code=0):
    done = run("annotate", *arguments, "--format", "jsonl", code=code)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "two shapes é.png"
    image = Image.new("RGB", (320, 200), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 30, 120, 130), fill="red")
    draw.rectangle((180, 60, 290, 170), fill="blue")
    image.save(path)
    return path


def test_all_tasks_on_one_picture_that_is_encoded_once(picture):
    arguments = [picture]
    for task in ALL_TASKS:
        arguments += ["--task", task]
    answers = records(*arguments, "--text", "a red circle", "--region", "20,30,120,130")
    assert [a["task"].strip("<>").lower() for a in answers] == ALL_TASKS
    for answer in answers:
        assert answer["image"] == str(picture)
        assert (answer["width"], answer["height"]) == (320, 200)
        assert answer["token_ids"] and isinstance(answer["text"], str)
        assert answer["timings"]["total"] > 0
    assert answers[0]["timings"]["vision_encoder"] > 0
    assert all(a["timings"]["vision_encoder"] == 0 for a in answers[1:])
    by_task = dict(zip(ALL_TASKS, answers))
    assert "a red circle" in by_task["caption_to_phrase_grounding"]["prompt"]
    assert "<loc_62><loc_150><loc_375><loc_650>" in by_task["region_to_ocr"]["prompt"]
    for name, keys in {
        "od": {"bboxes", "labels", "scores"},
        "ocr_with_region": {"quad_boxes", "labels", "scores"},
        "region_to_segmentation": {"polygons", "labels", "scores"},
    }.items():
        result = by_task[name]["result"]
        assert set(result) == keys
        assert len({len(values) for values in result.values()}) == 1
    assert isinstance(by_task["caption"]["result"], str)


def test_task_names_and_raw_prompts(picture):
    named = [records(picture, "--task", name)[0] for name in ("od", "OD", "<OD>")]
    prompt = records(picture, "--prompt", "<OD>")[0]
    assert len({answer["text"] for answer in [*named, prompt]}) == 1
    assert prompt["task"] == "<OD>"
    raw = records(picture, "--prompt", "What color is it?")[0]
    assert raw["task"] == "" and raw["prompt"] == "What color is it?"
    assert isinstance(raw["result"], str)
    aliased = records(picture, "--task", "grounding", "--text", "a dog")[0]
    assert aliased["task"] == "<CAPTION_TO_PHRASE_GROUNDING>"


def test_inputs_go_to_tasks_in_order(picture):
    answers = records(
        picture,
        "--task",
        "grounding",
        "--task",
        "segmentation",
        "--text",
        "a cat",
        "--text",
        "a dog",
        "--task",
        "region-to-ocr",
        "--region",
        "<loc_1><loc_2><loc_3><loc_4>",
        "--task",
        "open_vocabulary",
        "--class",
        "car",
        "--class",
        "bus",
    )
    assert [a["prompt"] for a in answers] == [
        "Locate the phrases in the caption: a cat",
        "Locate a dog in the image with mask",
        "What text is in the region <loc_1><loc_2><loc_3><loc_4>?",
        "Locate car <and> bus in the image.",
    ]


def test_one_bad_picture_does_not_cost_the_others(picture, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not really")
    answers = records(picture, broken, tmp_path / "gone.png", picture, "--task", "od", code=1)
    codes = [a.get("error", {}).get("code") for a in answers]
    assert codes == [None, "invalid_image", "not_found", None]
    assert str(broken) in answers[1]["error"]["message"]
    assert answers[0]["text"] == answers[3]["text"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "--task od"),
        (["--task", "nope"], "no task is called nope"),
        (["--task", "grounding"], "needs"),
        (["--task", "od", "--text", "a cat"], "none of the tasks takes a --text"),
        (["--task", "region_to_ocr", "--region", "1,2,3"], "x1,y1,x2,y2"),
        (["--prompt", ""], "text"),
        (["--prompt", "<OD> and more"], "<OD>"),
        (["--task", "od", "--max-length", "100000"], "max_length"),
        (["--task", "od", "--bogus"], "--bogus"),
    ],
)
def test_usage_errors_say_how_to_write_it(picture, arguments, message):
    done = run("annotate", picture, *arguments, code=2)
    assert message in done.stderr.decode()
    assert not done.stdout


def test_a_prompt_that_is_not_utf8_and_one_too_long(picture):
    command = [COMMAND, "annotate", str(picture), "--task", "grounding", "--text"]
    done = subprocess.run([*command, b"caf\xe9"], capture_output=True)
    assert done.returncode == 2 and b"UTF-8" in done.stderr
    answers = records(picture, "--task", "grounding", "--text", "a cat " * 3000, code=1)
    assert answers[0]["error"]["code"] == "prompt_too_long"


def test_truncated_answers_say_so(picture):
    whole = records(picture, "--task", "caption")[0]
    cut = records(picture, "--task", "caption", "--max-length", "4")[0]
    assert "truncated" not in whole and cut["truncated"] is True
    table = run("annotate", picture, "--task", "caption", "--max-length", "4").stdout
    assert b"cut off" in table


def test_search_options(picture):
    base = [picture, "--task", "detailed_caption"]
    sampled = [*base, "--sample", "--temperature", "3", "--top-k", "0", "--forced-bos", "off"]
    first, second = (records(*sampled, "--seed", "7")[0]["token_ids"] for _ in range(2))
    others = [records(*sampled, "--seed", str(seed))[0]["token_ids"] for seed in range(20, 24)]
    assert first == second and any(first != other for other in others)
    long = records(*base, "--min-length", "60", "--max-length", "80")[0]["token_ids"]
    assert len(long) >= 59
    assert records(*base, "--beams", "3", "--early-stopping", "never")[0]["text"]


def test_formats_and_files(picture, tmp_path):
    out = tmp_path / "new" / "answers.jsonl"
    run("annotate", picture, "--task", "od", "--output", out, "--draw", tmp_path / "drawn")
    assert json.loads(out.read_text())["task"] == "<OD>"
    drawn = list((tmp_path / "drawn").iterdir())
    assert [d.name for d in drawn] == ["two shapes é.od.png"]
    with Image.open(drawn[0]) as image:
        assert image.width == 320
    table = run("annotate", picture, "--task", "od").stdout.decode()
    assert "320 x 200" in table and "od" in table
    both = run("annotate", picture, "--task", "od", "--task", "caption", "--format", "json")
    assert [entry["task"] for entry in json.loads(both.stdout)] == ["<OD>", "<CAPTION>"]
    full = run("annotate", picture, "--task", "od", "--output", "/dev/full", code=4)
    assert b"/dev/full" in full.stderr


def test_picture_switches(tmp_path):
    Image.new("RGBA", (40, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    turned = Image.new("RGB", (40, 20), "green")
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    sizes = [
        (a["width"], a["height"])
        for extra in ([], ["--no-exif"])
        for a in records(tmp_path / "turned.jpg", "--task", "od", *extra)
    ]
    assert sizes == [(20, 40), (40, 20)]
    records(tmp_path / "clear.png", "--task", "od", "--drop-alpha")
    refused = records(tmp_path / "clear.png", "--task", "od", "--max-pixels", "799", code=1)
    assert refused[0]["error"]["code"] == "image_too_large"


def break_config(folder):
    (folder / "config.json").write_text('{"model_type": "bert"}')


def cut_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def lie_about_header(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(struct.pack("<Q", 1 << 60) + weights.read_bytes()[8:])


def leave_pickle(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"PK")


@pytest.mark.parametrize(
    "damage, named",
    [
        (break_config, "config.json"),
        (cut_weights, "model.safetensors"),
        (lie_about_header, "model.safetensors"),
        (leave_pickle, "safetensors"),
    ],
)
def test_broken_models(picture, tmp_path, damage, named):
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    damage(folder)
    done = run("annotate", picture, "--task", "od", "--model", folder, code=3)
    assert named in done.stderr.decode() and str(folder) in done.stderr.decode()
    run("info", folder, code=3)


def test_parse():
    lines = [
        {"size": [640, 480], "text": "cat<loc_10><loc_20><loc_500><loc_700>"},
        {"size": [640], "text": "x"},
    ]
    text = "\n".join(map(json.dumps, lines)) + "\nnot json\n"
    done = run("parse", "--task", "od", stdin=text.encode(), code=1)
    good, *bad = map(json.loads, done.stdout.decode().splitlines())
    result = good["result"]
    assert result["labels"] == ["cat"]
    assert result["scores"] == [None]  # the text does not contain the model's probabilities
    expected = [10.5 * 0.64, 20.5 * 0.48, 500.5 * 0.64, 700.5 * 0.48]
    assert result["bboxes"][0] == pytest.approx(expected, abs=1e-3)
    assert len(bad) == 2 and all("error" in line for line in bad)


def test_tokenize_goes_there_and_back():
    text = "Locate the objects <loc_5> naïve 🐱\n"
    ids = run("tokenize", "--no-special-tokens", stdin=text.encode()).stdout
    assert ids.split() and all(word.isdigit() for word in ids.decode().split())
    assert run("tokenize", "--decode", stdin=ids).stdout.decode() == text


def test_info_and_help():
    info = json.loads(run("info", MODEL, "--json").stdout)
    assert info["image_size"] == [256, 256] and len(info["tasks"]) == 15
    assert info["weight_bytes"] < (MODEL / "model.safetensors").stat().st_size
    forced = json.loads(run("info", MODEL, "--json", env={"UFFIZI_TARGET": "sse4"}).stdout)
    assert forced["kernels"] == "SSE4"
    assert b"UFFIZI_TARGET" in run("info", MODEL, env={"UFFIZI_TARGET": "mmx"}, code=2).stderr
    for command in ("annotate", "parse", "tokenize", "info"):
        assert b"Usage" in run(command, "--help").stdout
    assert b"od" in run("annotate", "--help").stdout
