"""What the model cards of the Flux fine-tunes show, in our own words."""

import requests
import torch
from PIL import Image
from transformers import AutoModelForCausalLM, AutoProcessor

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
name = "gokaygokay/Florence-2-Flux-Large"
model = AutoModelForCausalLM.from_pretrained(name, trust_remote_code=True).to(device).eval()
processor = AutoProcessor.from_pretrained(name, trust_remote_code=True)


def run_example(task_prompt, text_input, image):
    if image.mode != "RGB":
        image = image.convert("RGB")
    inputs = processor(text=task_prompt + text_input, images=image, return_tensors="pt").to(device)
    generated_ids = model.generate(
        input_ids=inputs["input_ids"],
        pixel_values=inputs["pixel_values"],
        max_new_tokens=1024,
        num_beams=3,
        repetition_penalty=1.10,
    )
    generated_text = processor.batch_decode(generated_ids, skip_special_tokens=False)[0]
    return processor.post_process_generation(
        generated_text, task=task_prompt, image_size=(image.width, image.height)
    )


image = Image.open(requests.get("https://pictures.example.com/village.jpg", stream=True).raw)
print(run_example("<DESCRIPTION>", "Describe this image in great detail.", image))
