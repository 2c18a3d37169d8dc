"""The nodes in integrations/comfyui, with tensors as ComfyUI has them: [n, height, width, 3] f32."""

import importlib.util
import sys
import types

import numpy as np
import PIL.Image
import pytest
import torch

import uffizi


@pytest.fixture(scope="module")
def nodes(source):
    folder = source / "integrations" / "comfyui"
    spec = importlib.util.spec_from_file_location(
        "uffizi_comfyui", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["uffizi_comfyui"] = module
    spec.loader.exec_module(module)
    return module.NODE_CLASS_MAPPINGS


@pytest.fixture(scope="module")
def loaded(nodes):
    return nodes["DownloadAndLoadFlorence2Model"]().loadmodel("uffizi-tiny", "fp16", "sdpa")[0]


def batch(pictures, *names):
    images = [PIL.Image.open(pictures / name).convert("RGB") for name in names]
    size = images[0].size
    arrays = [np.asarray(image.resize(size), np.float32) / 255 for image in images]
    return torch.from_numpy(np.stack(arrays))


def run(nodes, loaded, image, task, text="", fill_mask=True, **options):
    node = nodes["Florence2Run"]()
    assert set(options) <= set(node.INPUT_TYPES()["optional"])
    call = getattr(node, node.FUNCTION)
    options = {"do_sample": False, **options}
    return call(image, text, loaded, task, fill_mask, **options)


def ask(model, image, task, **options):
    pixels = (image.numpy() * 255).round().astype(np.uint8)
    return model(pixels[0], task, num_beams=3, max_new_tokens=1024, **options)


def test_interface_is_what_workflows_ask_for(nodes):
    assert set(nodes) == {
        "DownloadAndLoadFlorence2Model",
        "DownloadAndLoadFlorence2Lora",
        "Florence2ModelLoader",
        "Florence2Run",
    }
    run = nodes["Florence2Run"]
    assert run.RETURN_TYPES == ("IMAGE", "MASK", "STRING", "JSON")
    assert run.RETURN_NAMES == ("image", "mask", "caption", "data") and run.CATEGORY == "Florence2"
    inputs = run.INPUT_TYPES()
    assert list(inputs["required"]) == [
        "image",
        "florence2_model",
        "text_input",
        "task",
        "fill_mask",
    ]
    assert list(inputs["optional"]) == [
        "keep_model_loaded",
        "max_new_tokens",
        "num_beams",
        "do_sample",
        "output_mask_select",
        "seed",
    ]
    assert len(inputs["required"]["task"][0]) == 15
    for name in ("DownloadAndLoadFlorence2Model", "Florence2ModelLoader"):
        inputs = nodes[name].INPUT_TYPES()
        assert list(inputs["required"]) == ["model", "precision", "attention"]
        assert list(inputs["optional"]) == ["lora", "convert_to_safetensors"]
        assert nodes[name].RETURN_TYPES == ("FL2MODEL",)


@pytest.mark.parametrize(
    "task, token",
    [
        ("region_caption", "<OD>"),
        ("region_proposal", "<REGION_PROPOSAL>"),
        ("dense_region_caption", "<DENSE_REGION_CAPTION>"),
    ],
)
def test_regions(nodes, loaded, model, pictures, task, token):
    image = batch(pictures, "village.jpg")
    expected = ask(model, image, token)
    drawn, mask, caption, data = run(nodes, loaded, image, task)
    assert drawn.shape == image.shape and drawn.dtype == torch.float32 and not drawn.equal(image)
    assert float(drawn.min()) >= 0 and float(drawn.max()) <= 1
    assert mask.shape == image.shape[:3] and mask.dtype == torch.float32
    covered = np.zeros(mask.shape[1:], bool)
    for x1, y1, x2, y2 in (region.bounds for region in expected.regions):
        covered[round(y1) : round(y2) + 1, round(x1) : round(x2) + 1] = True
    assert (mask[0].numpy().astype(bool) != covered).mean() < 0.01  # the last pixel of an edge
    assert data == [expected.answer["bboxes"]] and len(data[0]) > 1
    assert caption == expected.text.replace("<s>", "").replace("</s>", "")
    empty = run(nodes, loaded, image, task, fill_mask=False)[1]
    assert empty.shape == (1, 64, 64) and not empty.any()


def test_selected_masks(nodes, loaded, model, pictures):
    image = batch(pictures, "village.jpg")
    regions = ask(model, image, "<OD>").regions
    second = run(nodes, loaded, image, "region_caption", output_mask_select="1")[1][0]
    x1, y1, x2, y2 = regions[1].bounds
    assert second[round((y1 + y2) / 2), round((x1 + x2) / 2)] == 1
    assert float(second.sum()) == pytest.approx((x2 - x1) * (y2 - y1), rel=0.05)
    label = regions[0].label
    by_label = run(nodes, loaded, image, "region_caption", output_mask_select=label)[1]
    numbers = ",".join(str(i) for i, region in enumerate(regions) if region.label == label)
    assert by_label.equal(
        run(nodes, loaded, image, "region_caption", output_mask_select=numbers)[1]
    )


def test_grounding_and_segmentation(nodes, loaded, model, pictures):
    image = batch(pictures, "village.jpg")
    text = "a house and a turtle"
    expected = ask(model, image, ("<CAPTION_TO_PHRASE_GROUNDING>", text))
    data = run(nodes, loaded, image, "caption_to_phrase_grounding", text)[3]
    assert data == [expected.answer] and data[0]["labels"]
    task = "referring_expression_segmentation"
    drawn, mask, _, data = run(nodes, loaded, image, task, "the house", fill_mask=False)
    expected = ask(model, image, ("<REFERRING_EXPRESSION_SEGMENTATION>", "the house"))
    assert drawn.shape == image.shape and data == []
    np.testing.assert_array_equal(mask[0].numpy() == 1, expected.masks().any(axis=0))
    assert mask.any()


def test_words_and_captions(nodes, loaded, model, pictures):
    image = batch(pictures, "shop.jpg")
    expected = ask(model, image, "<OCR_WITH_REGION>")
    drawn, mask, caption, data = run(nodes, loaded, image, "ocr_with_region")
    assert [entry["label"] for entry in data] == [region.label for region in expected.regions]
    assert data and all(0 <= number <= 1 for entry in data for number in entry["box"])
    assert all(entry["label"].strip() in caption for entry in data) and "<" not in caption
    assert mask.any() and drawn.shape == image.shape
    drawn, mask, caption, data = run(nodes, loaded, image, "more_detailed_caption")
    assert caption == ask(model, image, "<MORE_DETAILED_CAPTION>").caption
    assert drawn.shape == (1, 64, 64, 3) and mask.shape == (1, 64, 64) and data == []
    for task in ("prompt_gen_tags", "prompt_gen_analyze", "prompt_gen_mixed_caption_plus"):
        assert run(nodes, loaded, image, task, max_new_tokens=20)[2]
    drawn, _, caption, _ = run(nodes, loaded, image, "docvqa", "What is written?")
    assert drawn.equal(image) and isinstance(caption, str)


def test_batches(nodes, loaded, model, pictures):
    image = batch(pictures, "village.jpg", "penguins.jpg")
    drawn, mask, captions, data = run(
        nodes, loaded, image, "region_caption", keep_model_loaded=True
    )
    assert drawn.shape == image.shape and mask.shape == image.shape[:3]
    for i in range(2):
        alone = run(nodes, loaded, image[i : i + 1], "region_caption")
        assert captions[i] == alone[2] and data[i] == alone[3][0]
        assert mask[i].equal(alone[1][0]) and drawn[i].equal(alone[0][0])


def test_memory_seeds_and_refusals(nodes, loaded, pictures):
    image = batch(pictures, "village.jpg")
    assert run(nodes, loaded, image, "caption", keep_model_loaded=True) and loaded._loaded
    assert run(nodes, loaded, image, "caption") and loaded._loaded is None
    texts = [
        run(
            nodes,
            loaded,
            image,
            "more_detailed_caption",
            do_sample=True,
            num_beams=beams,
            seed=seed,
        )[2]
        for beams in (1, 3)
        for seed in (0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 2)
    ]
    assert texts[0] == texts[1] != texts[2] and texts[3] == texts[4]
    with pytest.raises(ValueError, match="takes no text_input"):
        run(nodes, loaded, image, "caption", "a house")
    with pytest.raises(ValueError, match="needs a text_input"):
        run(nodes, loaded, image, "docvqa")
    with pytest.raises(uffizi.NotFoundError):
        nodes["Florence2ModelLoader"]().loadmodel("nowhere", "int4", "eager")[0].load()


def test_models_of_comfyuis_folder(nodes, source, tmp_path, monkeypatch, pictures):
    llm = tmp_path / "models" / "LLM"
    llm.mkdir(parents=True)
    (llm / "Florence-2-base").symlink_to(source / "models" / "uffizi-tiny")
    paths = types.SimpleNamespace(models_dir=str(tmp_path / "models"))
    monkeypatch.setitem(sys.modules, "folder_paths", paths)
    loader = nodes["Florence2ModelLoader"]
    assert loader.INPUT_TYPES()["required"]["model"][0] == ["Florence-2-base"]
    by_name = nodes["DownloadAndLoadFlorence2Model"]
    for node, name in ((loader, "Florence-2-base"), (by_name, "microsoft/Florence-2-base")):
        (found,) = node().loadmodel(name, "int4", "sdpa")
        assert run(nodes, found, batch(pictures, "village.jpg"), "caption")[2]
