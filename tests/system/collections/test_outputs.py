"""Every form of output, read by programs that we did not write."""

import csv
import io
import json
import subprocess
import tarfile

import numpy
import pytest
import supervision
from conftest import COMMAND, annotate, make_pictures, read_records
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

TASKS = [
    "--task",
    "od",
    "--prompt",
    "<REGION_TO_SEGMENTATION><loc_200><loc_200><loc_800><loc_800>",
    "--task",
    "ocr_with_region",
    "--task",
    "caption",
]


@pytest.fixture(scope="module")
def answered(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("answered")
    annotate(
        pictures,
        *TASKS,
        "--output",
        out / "a.jsonl",
        "--csv",
        out / "a.csv",
        "--coco",
        out / "coco.json",
        "--label-studio",
        out / "studio.json",
        "--sidecar-folder",
        out / "text",
        "--draw",
        out / "drawn",
        code=1,
    )
    annotate(pictures, "--task", "od", "--yolo", out / "yolo", "--coco", out / "boxes.json", code=1)
    return out


def regions_of(record):
    """Label, box, and polygons of each region of a JSON record."""
    result, width, height = record["result"], record["width"], record["height"]
    if isinstance(result, str):
        return
    key = next(k for k in ("bboxes", "quad_boxes", "polygons") if k in result)
    for label, shape in zip(result["labels"], result[key]):
        polygons = {"bboxes": [], "quad_boxes": [shape]}.get(key, shape)
        points = numpy.array(sum(polygons, []) or shape).reshape(-1, 2)
        low = points.min(0).clip(0, (width, height))
        high = points.max(0).clip(0, (width, height))
        yield label, [*low, *(high - low)], [p for p in polygons if len(p) >= 6]


def good(records):
    return [record for record in records if "error" not in record]


def test_pycocotools_loads_boxes_and_masks(answered):
    coco = COCO(answered / "coco.json")
    records = good(read_records(answered / "a.jsonl"))
    names = {image["file_name"]: image["id"] for image in coco.dataset["images"]}
    assert list(names) == list(dict.fromkeys(record["image"] for record in records))
    annotations = iter(coco.dataset["annotations"])
    masks = 0
    for record in records:
        for label, box, polygons in regions_of(record):
            annotation = next(annotations)
            assert annotation["image_id"] == names[record["image"]]
            assert coco.cats[annotation["category_id"]]["name"] == (label or "object")
            assert annotation["bbox"] == pytest.approx(box, abs=1e-2)
            if not polygons:
                continue
            masks += 1
            mask = coco.annToMask(annotation)
            assert mask.shape == (record["height"], record["width"])
            assert mask.sum() == annotation["area"] == coco_mask.area(annotation["segmentation"])
            theirs = coco_mask.frPyObjects(polygons, record["height"], record["width"])
            expected = coco_mask.decode(coco_mask.merge(theirs))
            # Their outline is drawn on a grid five times as fine, and differs along the edge.
            perimeter = sum(
                numpy.abs(numpy.diff(numpy.array(p + p[:2]).reshape(-1, 2), axis=0)).sum()
                for p in polygons
            )
            assert (mask != expected).sum() <= perimeter + 4
    assert next(annotations, None) is None and masks > 10
    ids = [annotation["id"] for annotation in coco.dataset["annotations"]]
    assert ids == list(range(1, len(ids) + 1))


def test_supervision_reads_the_boxes(pictures, answered):
    boxes = supervision.DetectionDataset.from_coco(
        images_directory_path="/", annotations_path=str(answered / "boxes.json")
    )
    records = [r for r in good(read_records(answered / "a.jsonl")) if r["task"] == "<OD>"]
    assert len(boxes) == len(records) == 60
    found = {path: detections for path, _, detections in boxes}
    for record in records:
        expected = [(label, x, y, x + w, y + h) for label, (x, y, w, h), _ in regions_of(record)]
        detections = found[record["image"]]
        assert [boxes.classes[i] for i in detections.class_id] == [e[0] for e in expected]
        for box, (_, *corners) in zip(detections.xyxy, expected):
            assert list(box) == pytest.approx(corners, abs=1e-2)


def test_supervision_reads_yolo(answered):
    for part in ("part0", "part1", "part2"):
        yolo = supervision.DetectionDataset.from_yolo(
            images_directory_path=str(answered / "yolo" / "images" / part),
            annotations_directory_path=str(answered / "yolo" / "labels" / part),
            data_yaml_path=str(answered / "yolo" / "data.yaml"),
        )
        records = {
            r["image"].rsplit("/", 1)[1]: r
            for r in good(read_records(answered / "a.jsonl"))
            if r["task"] == "<OD>" and f"/{part}/" in r["image"]
        }
        read = 0
        for path, detections in yolo.annotations.items():
            record = records[path.rsplit("/", 1)[1]]
            expected = list(regions_of(record))
            assert [yolo.classes[i] for i in detections.class_id] == [e[0] for e in expected]
            for box, (_, (x, y, w, h), _) in zip(detections.xyxy, expected):
                assert list(box) == pytest.approx([x, y, x + w, y + h], abs=0.05)
            read += 1
        assert read > 0


def test_csv_has_a_row_for_each_region_or_text(answered):
    rows = list(csv.DictReader(io.StringIO((answered / "a.csv").read_text())))
    expected = []
    for record in read_records(answered / "a.jsonl"):
        if "error" in record:
            expected.append((record["image"], "", "", record["error"]["code"]))
        elif isinstance(record["result"], str):
            expected.append((record["image"], record["result"], "", ""))
        else:
            labels = record["result"]["labels"]
            expected += [(record["image"], "", label, "") for label in labels]
            if not labels:
                expected.append((record["image"], "", "", ""))
    assert [(r["image"], r["text"], r["label"], r["error"]) for r in rows] == expected
    assert all(float(r["x1"]) <= float(r["x2"]) for r in rows if r["x1"])


def test_label_studio(answered):
    tasks = json.loads((answered / "studio.json").read_text())
    records = good(read_records(answered / "a.jsonl"))
    assert [t["data"]["image"] for t in tasks] == list(dict.fromkeys(r["image"] for r in records))
    results = [item for task in tasks for item in task["predictions"][0]["result"]]
    assert {item["type"] for item in results} == {"rectanglelabels", "polygonlabels", "textarea"}
    ids = [item["id"] for item in results]
    assert len(set(ids)) == len(ids)
    for item in results:
        value = item["value"]
        assert item["type"] in value or item["type"] == "textarea"
        if item["type"] == "rectanglelabels":
            assert 0 <= value["x"] <= value["x"] + value["width"] <= 100.001
        if item["type"] == "polygonlabels":
            assert all(len(point) == 2 for point in value["points"])


def test_sidecars_and_drawings(pictures, answered, tmp_path):
    records = good(read_records(answered / "a.jsonl"))
    captions = {r["image"]: r["result"] for r in records if r["task"] == "<CAPTION>"}
    for image, caption in captions.items():
        relative = image[len(str(pictures)) + 1 :].rsplit(".", 1)[0]
        assert (answered / "text" / f"{relative}.txt").read_text().endswith(caption + "\n")
        drawn = list(answered.glob(f"drawn/{relative}.od.*"))
        assert len(drawn) == 1
        Image.open(drawn[0]).verify()
    folder = tmp_path / "beside"
    make_pictures(folder, 4)
    (folder / "part0" / "0000.tiff").write_bytes(b"II*\0")
    annotate(folder, "--task", "caption", "--sidecar", code=1, cwd=tmp_path)
    assert sorted(p.name for p in folder.rglob("*.txt")) == [f"000{i}.txt" for i in range(4)]


def test_drop_invalid(pictures, answered, tmp_path):
    done = annotate(pictures, *TASKS, "--output", tmp_path / "a.jsonl", "--drop-invalid", code=1)
    assert "1 of 61 pictures failed" in done.stderr
    assert read_records(tmp_path / "a.jsonl") == good(read_records(answered / "a.jsonl"))


def test_lists_globs_tables_and_tars_give_the_same(pictures, tmp_path):
    names = sorted(str(p) for p in (pictures / "part0").iterdir())
    reference = annotate(pictures / "part0", "--task", "od", "--format", "jsonl").stdout
    texts = [json.loads(line)["text"] for line in reference.splitlines()]
    (tmp_path / "list.csv").write_text("n,path\n" + "".join(f"1,{name}\n" for name in names))
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name in names:
            tar.add(name, arcname=name.rsplit("/", 1)[1])
    listed = subprocess.run(
        [COMMAND, "annotate", "-", "--task", "od", "--format", "jsonl"],
        input="\n".join(names),
        capture_output=True,
        text=True,
    )
    outputs = [listed.stdout] + [
        annotate(source, "--task", "od", "--format", "jsonl").stdout
        for source in (pictures / "part0" / "*", tmp_path / "list.csv", tmp_path / "shard.tar")
    ]
    for output in outputs:
        assert [json.loads(line)["text"] for line in output.splitlines()] == texts
    assert json.loads(outputs[-1].splitlines()[0])["image"].startswith(str(tmp_path / "shard.tar/"))


def test_cascades_encode_each_picture_once(pictures):
    tasks = ["--task", "caption", "--then", "grounding", "--task", "od"]
    tasks += ["--then", "region_to_category", "--then", "grounding"]
    output = annotate(pictures / "part0", *tasks, "--format", "jsonl").stdout
    by_image = {}
    for line in output.splitlines():
        record = json.loads(line)
        by_image.setdefault(record["image"], []).append(record)
    asked = 0
    for caption, grounding, objects, *rest in by_image.values():
        encodings = [
            r["timings"]["vision_encoder"] > 0 for r in (caption, grounding, objects, *rest)
        ]
        assert encodings == [True] + [False] * (len(encodings) - 1)
        assert grounding["prompt"] == f"Locate the phrases in the caption: {caption['result']}"
        found = len(objects["result"]["bboxes"])
        categories = [r for r in rest if r["task"] == "<REGION_TO_CATEGORY>"]
        assert len(categories) == found
        asked += found
    assert asked > 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--then", "grounding"], "--then must follow a --task"),
        (["--task", "caption", "--then", "od"], "takes no input"),
        (["--task", "caption", "--then", "region_to_ocr"], "needs regions"),
        (["--task", "caption", "--coco", "x.json"], "--coco needs a task that finds regions"),
    ],
)
def test_usage_errors(pictures, arguments, message):
    assert message in annotate(pictures, *arguments, code=2).stderr
