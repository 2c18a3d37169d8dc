"""The small Florence-2: its configuration, its initialization, and the dense heads, which are used only in
training."""

import math
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import Florence2Config, Florence2ForConditionalGeneration

from answers import NUMBERS
from things import CLASS_NAMES, WORDS
from tokens import BOS, EOS, IMAGE_TOKEN, PAD

IMAGE_SIDE = 256
GRID = 8  # image tokens a side
IMAGE_TOKENS = GRID * GRID + 1
WIDTH = 192
MAX_POSITIONS = 256
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
# The label after the last one means: nothing here.
DENSE_LABELS = (*CLASS_NAMES, *WORDS, *(word.capitalize() for word in WORDS))


def small_config(tokenizer: Tokenizer) -> Florence2Config:
    """A small Florence-2. Every Linear reads a multiple of 64 values, so that 4-bit groups divide it."""
    return Florence2Config(
        vision_config=dict(
            depths=[1, 2, 1, 1],
            patch_size=[11, 3, 3, 3],
            patch_stride=[8, 2, 2, 1],
            patch_padding=[4, 1, 1, 1],
            embed_dim=[64, 128, 192, 192],
            num_heads=[2, 4, 6, 6],
            num_groups=[2, 4, 6, 6],
            window_size=8,
            projection_dim=WIDTH,
            drop_path_rate=0.0,
        ),
        text_config=dict(
            model_type="bart",
            vocab_size=tokenizer.get_vocab_size(),
            d_model=WIDTH,
            encoder_layers=2,
            decoder_layers=3,
            encoder_attention_heads=6,
            decoder_attention_heads=6,
            encoder_ffn_dim=384,
            decoder_ffn_dim=448,
            max_position_embeddings=MAX_POSITIONS,
            dropout=0.0,
            bos_token_id=BOS,
            pad_token_id=PAD,
            eos_token_id=EOS,
            decoder_start_token_id=EOS,
            forced_eos_token_id=EOS,
        ),
        image_token_id=tokenizer.token_to_id(IMAGE_TOKEN),
        bos_token_id=BOS,
        pad_token_id=PAD,
        eos_token_id=EOS,
    )


def fresh_model(tokenizer: Tokenizer) -> Florence2ForConditionalGeneration:
    """A new model whose location embeddings start as Fourier features of the bin."""
    model = Florence2ForConditionalGeneration(small_config(tokenizer))
    first = tokenizer.token_to_id("<loc_0>")
    with torch.no_grad():
        model.get_input_embeddings().weight[first : first + 1000] = fourier_features(1000, WIDTH)
    return model


def exported_model(folder: Path) -> Florence2ForConditionalGeneration:
    """A model that export.py wrote, in float32."""
    return Florence2ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).train()


def fourier_features(bins: int, width: int) -> Tensor:
    """[bins, width]: sines and cosines of rising frequency and falling weight, so that near bins look alike."""
    half = width // 2
    place = torch.arange(bins)[:, None] / bins
    angle = math.pi * place * 2 ** torch.linspace(-1, 7, half)[None]
    weight = 0.12 / (1 + torch.arange(half) / 8)
    return torch.cat([torch.sin(angle) * weight, torch.cos(angle) * weight], dim=1)


def image_features(model: Florence2ForConditionalGeneration, pictures: Tensor) -> Tensor:
    """pictures: [batch, 3, side, side] u8 -> image tokens [batch, IMAGE_TOKENS, WIDTH]; the first one is the mean."""
    mean, std = pictures.new_tensor([IMAGE_MEAN, IMAGE_STD], dtype=torch.float32)[:, :, None, None]
    pixels = (pictures.float() / 255 - mean) / std
    tower = model.model.vision_tower(pixels).last_hidden_state
    return model.model.multi_modal_projector(tower)


def answer_states(
    model: Florence2ForConditionalGeneration, features: Tensor, prompts: Tensor, answers: Tensor
) -> tuple[Tensor, Tensor]:
    """The decoder's last hidden states [batch, answer, WIDTH] for given answers (teacher forcing), and the encoder's of
    the image tokens [batch, IMAGE_TOKENS, WIDTH]."""
    words = model.get_input_embeddings()(prompts)
    mask = torch.cat([prompts.new_ones(features.shape[:2]), (prompts != PAD).long()], dim=1)
    start = answers.new_full((len(answers), 1), EOS)
    output = model.model.language_model(
        inputs_embeds=torch.cat([features, words], dim=1),
        attention_mask=mask,
        decoder_input_ids=torch.cat([start, answers[:, :-1]], dim=1),
    )
    return output.last_hidden_state, output.encoder_last_hidden_state[:, :IMAGE_TOKENS]


class DenseHead(nn.Module):
    """Predicts the label and the box at each image token; discarded after training."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, len(DENSE_LABELS) + 1 + 4)

    def loss(
        self, features: Tensor, labels: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """labels: [batch, cells]; boxes: [batch, cells, 4], 0 to 1. Returns the losses of label and box, and
        the share of right labels where there is something."""
        output = self.linear(features[:, 1:]).float()
        names, places = output[..., :-4], output[..., -4:].sigmoid()
        filled = labels < len(DENSE_LABELS)
        label_loss = nn.functional.cross_entropy(names.flatten(0, 1), labels.flatten())
        box_loss = (places[filled] - boxes[filled]).abs().mean()
        right = (names.argmax(-1) == labels)[filled].float().mean()
        return label_loss, box_loss, right


class CountHead(nn.Module):
    """Predicts at each image token of the encoder how many things there are of the class that is there; discarded after
    training."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, len(NUMBERS))

    def loss(self, states: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """states: [batch, IMAGE_TOKENS, WIDTH]; counts: [batch, cells], 0 where nothing is counted. Returns the loss and
        the share of right counts."""
        counted = counts > 0
        logits = self.linear(states[:, 1:][counted]).float()
        numbers = counts[counted]
        # Not their mean, which is NaN where no question asks for a caption.
        loss = nn.functional.cross_entropy(logits, numbers, reduction="sum") / max(1, len(numbers))
        return loss, (logits.argmax(-1) == numbers).float().mean()


def text_losses(logits: Tensor, targets: Tensor, first_location: int, spread: float) -> Tensor:
    """logits: [tokens, vocabulary], targets: [tokens]. Cross-entropy [tokens]; a location's target is a Gaussian over
    the neighbouring bins."""
    log_probability = torch.log_softmax(logits.float(), dim=-1)
    losses = -log_probability.gather(1, targets[:, None])[:, 0]
    is_location = (targets >= first_location) & (targets < first_location + 1000)
    bins = torch.arange(1000, device=logits.device)[None].float()
    away = bins - (targets[is_location] - first_location)[:, None].float()
    soft = torch.softmax(-((away / spread) ** 2) / 2, dim=1)
    located = -(soft * log_probability[is_location][:, first_location : first_location + 1000]).sum(
        1
    )
    return losses.masked_scatter(is_location, located)
