"""What the model cards of Florence-2 base, large and their -ft show, in our own words."""

import requests
import torch
from PIL import Image
from transformers import AutoModelForCausalLM, AutoProcessor

device = "cuda:0" if torch.cuda.is_available() else "cpu"
torch_dtype = torch.float16 if torch.cuda.is_available() else torch.float32

name = "microsoft/Florence-2-base"
model = AutoModelForCausalLM.from_pretrained(
    name, torch_dtype=torch_dtype, trust_remote_code=True
).to(device)
processor = AutoProcessor.from_pretrained(name, trust_remote_code=True)

url = "https://pictures.example.com/village.jpg?download=true"
image = Image.open(requests.get(url, stream=True).raw)

# Getting started
inputs = processor(text="<OD>", images=image, return_tensors="pt").to(device, torch_dtype)
generated_ids = model.generate(
    input_ids=inputs["input_ids"],
    pixel_values=inputs["pixel_values"],
    max_new_tokens=1024,
    do_sample=False,
    num_beams=3,
)
generated_text = processor.batch_decode(generated_ids, skip_special_tokens=False)[0]
parsed_answer = processor.post_process_generation(
    generated_text, task="<OD>", image_size=(image.width, image.height)
)
print(parsed_answer)


# Tasks
def run_example(task_prompt, text_input=None):
    prompt = task_prompt if text_input is None else task_prompt + text_input
    inputs = processor(text=prompt, images=image, return_tensors="pt").to(device, torch_dtype)
    generated_ids = model.generate(
        input_ids=inputs["input_ids"],
        pixel_values=inputs["pixel_values"],
        max_new_tokens=1024,
        early_stopping=False,
        do_sample=False,
        num_beams=3,
    )
    generated_text = processor.batch_decode(generated_ids, skip_special_tokens=False)[0]
    print(
        processor.post_process_generation(
            generated_text, task=task_prompt, image_size=(image.width, image.height)
        )
    )


run_example("<CAPTION>")
run_example("<DETAILED_CAPTION>")
run_example("<MORE_DETAILED_CAPTION>")
run_example("<CAPTION_TO_PHRASE_GROUNDING>", text_input="A house in front of a hill.")
run_example("<OD>")
run_example("<DENSE_REGION_CAPTION>")
run_example("<REGION_PROPOSAL>")
run_example("<REFERRING_EXPRESSION_SEGMENTATION>", text_input="the house")
run_example("<OPEN_VOCABULARY_DETECTION>", text_input="a house")
run_example("<REGION_TO_CATEGORY>", text_input="<loc_52><loc_332><loc_932><loc_774>")
run_example("<OCR>")
run_example("<OCR_WITH_REGION>")


# Confidence scores
def run_example_with_score(task_prompt):
    inputs = processor(text=task_prompt, images=image, return_tensors="pt").to(device, torch_dtype)
    generated = model.generate(
        input_ids=inputs["input_ids"],
        pixel_values=inputs["pixel_values"],
        max_new_tokens=1024,
        num_beams=3,
        return_dict_in_generate=True,
        output_scores=True,
    )
    transition_beam_scores = model.compute_transition_scores(
        sequences=generated.sequences,
        scores=generated.scores,
        beam_indices=generated.beam_indices,
    )
    print(
        processor.post_process_generation(
            sequence=generated.sequences[0],
            transition_beam_score=transition_beam_scores[0],
            task=task_prompt,
            image_size=(image.width, image.height),
        )
    )


run_example_with_score("<OD>")
