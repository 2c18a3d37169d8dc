"""Florence-2 with the structure of Microsoft's own model code, so that tracing it gives the graphs of the released
artifacts."""

import torch
from torch import nn
from torch.nn import functional as F

OFFSET = 2  # rows before position 0 in BART's tables


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.net = nn.ModuleDict({"fc1": nn.Linear(dim, hidden), "fc2": nn.Linear(hidden, dim)})

    def forward(self, x, size):
        return self.net["fc2"](F.gelu(self.net["fc1"](x)))


class Depthwise(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dw = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x, size):
        height, width = size
        batch, tokens, channels = x.shape
        x = self.dw(x.transpose(1, 2).view(batch, channels, height, width))
        return x.flatten(2).transpose(1, 2)


class WindowAttention(nn.Module):
    def __init__(self, dim, heads, window):
        super().__init__()
        self.heads, self.window = heads, window
        self.scale = (dim // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, size):
        height, width = size
        batch, tokens, channels = x.shape
        w = self.window
        x = x.view(batch, height, width, channels)
        right, below = (w - width % w) % w, (w - height % w) % w
        x = F.pad(x, (0, 0, 0, right, 0, below))
        _, high, wide, _ = x.shape
        x = (
            x.view(batch, high // w, w, wide // w, w, channels)
            .permute(0, 1, 3, 2, 4, 5)
            .contiguous()
        )
        x = x.view(-1, w, w, channels).view(-1, w * w, channels)
        windows, n, c = x.shape
        q, k, v = (
            self.qkv(x).reshape(windows, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        )
        scores = (q * self.scale) @ k.transpose(-2, -1)
        x = (scores.softmax(-1) @ v).transpose(1, 2).reshape(windows, n, c)
        x = self.proj(x).view(-1, w, w, channels)
        x = x.view(batch, high // w, wide // w, w, w, -1).permute(0, 1, 3, 2, 4, 5).contiguous()
        x = x.view(batch, high, wide, -1)
        if right > 0 or below > 0:
            x = x[:, :height, :width, :].contiguous()
        return x.view(batch, height * width, channels)


class ChannelAttention(nn.Module):
    def __init__(self, dim, groups):
        super().__init__()
        self.groups = groups
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, size):
        batch, n, c = x.shape
        q, k, v = (
            self.qkv(x).reshape(batch, n, 3, self.groups, c // self.groups).permute(2, 0, 3, 1, 4)
        )
        scores = (q * (float(n) ** -0.5)).transpose(-1, -2) @ k
        x = (scores.softmax(-1) @ v.transpose(-1, -2)).transpose(-1, -2)
        return self.proj(x.transpose(1, 2).reshape(batch, n, c))


class Residual(nn.Module):
    def __init__(self, dim, fn, norm):
        super().__init__()
        self.norm = nn.LayerNorm(dim) if norm else None
        self.fn = fn

    def forward(self, x, size):
        return x + self.fn(x if self.norm is None else self.norm(x), size)


class Block(nn.Module):
    def __init__(self, dim, name, attention, ratio):
        super().__init__()
        self.conv1 = Residual(dim, Depthwise(dim), norm=False)
        self.name = name
        setattr(self, name, Residual(dim, attention, norm=True))
        self.conv2 = Residual(dim, Depthwise(dim), norm=False)
        self.ffn = Residual(dim, Mlp(dim, int(dim * ratio)), norm=True)

    def forward(self, x, size):
        for part in (self.conv1, getattr(self, self.name), self.conv2, self.ffn):
            x = part(x, size)
        return x


class ConvEmbed(nn.Module):
    def __init__(self, inside, dim, patch, stride, padding, prenorm):
        super().__init__()
        self.proj = nn.Conv2d(inside, dim, patch, stride, padding)
        self.prenorm = prenorm
        self.norm = nn.LayerNorm(inside if prenorm else dim)

    def forward(self, x, size):
        if x.ndim == 3:
            x = self.norm(x) if self.prenorm else x
            x = x.reshape(x.shape[0], size[0], size[1], -1).permute(0, 3, 1, 2)
        x = self.proj(x)
        _, _, height, width = x.shape
        x = x.permute(0, 2, 3, 1).reshape(x.shape[0], height * width, -1)
        return (x if self.prenorm else self.norm(x)), (height, width)


class DaViT(nn.Module):
    def __init__(self, c):
        super().__init__()
        dims, ratio = c["dim_embed"], c.get("mlp_ratio", 4)
        self.convs, self.blocks = nn.ModuleList(), nn.ModuleList()
        for i, dim in enumerate(dims):
            self.convs.append(
                ConvEmbed(
                    dims[i - 1] if i else 3,
                    dim,
                    c["patch_size"][i],
                    c["patch_stride"][i],
                    c["patch_padding"][i],
                    c["patch_prenorm"][i],
                )
            )
            self.blocks.append(
                nn.ModuleList(
                    nn.ModuleDict(
                        {
                            "spatial_block": Block(
                                dim,
                                "window_attn",
                                WindowAttention(dim, c["num_heads"][i], c["window_size"]),
                                ratio,
                            ),
                            "channel_block": Block(
                                dim,
                                "channel_attn",
                                ChannelAttention(dim, c["num_groups"][i]),
                                ratio,
                            ),
                        }
                    )
                    for _ in range(c["depths"][i])
                )
            )

    def forward(self, x):
        size = x.shape[2:]
        for conv, blocks in zip(self.convs, self.blocks):
            x, size = conv(x, size)
            for block in blocks:
                x = block["channel_block"](block["spatial_block"](x, size), size)
        return x


class Positions(nn.Module):
    """Of a picture's columns and rows."""

    def __init__(self, dim, count):
        super().__init__()
        self.row_embeddings = nn.Embedding(count, dim // 2)
        self.column_embeddings = nn.Embedding(count, dim - dim // 2)

    def forward(self, x):
        height, width = x.shape[1:3]
        columns = self.column_embeddings(torch.arange(width))
        rows = self.row_embeddings(torch.arange(height))
        pos = torch.cat(
            [columns.unsqueeze(0).repeat(height, 1, 1), rows.unsqueeze(1).repeat(1, width, 1)],
            dim=-1,
        )
        pos = pos.permute(2, 0, 1).unsqueeze(0).repeat(x.shape[0], 1, 1, 1)
        return pos.permute(0, 2, 3, 1)


class Time(nn.Module):
    def __init__(self, dim, count):
        super().__init__()
        self.register_buffer("pos_idx_to_embed", torch.zeros(count, dim))

    def forward(self, x):
        return self.pos_idx_to_embed[: x.shape[1], :].unsqueeze(0)


class ImageEmbedding(nn.Module):
    """pixel_values [n, 3, side, side] to image tokens [n, 1 + tokens, projection]."""

    def __init__(self, c):
        super().__init__()
        v, dim = c["vision_config"], c["vision_config"]["dim_embed"][-1]
        self.vision_tower = DaViT(v)
        self.image_projection = nn.Parameter(torch.zeros(dim, v["projection_dim"]))
        self.image_proj_norm = nn.LayerNorm(v["projection_dim"])
        self.image_pos_embed = Positions(dim, v["image_pos_embed"]["max_pos_embeddings"])
        self.visual_temporal_embed = Time(
            dim, v["visual_temporal_embedding"]["max_temporal_embeddings"]
        )

    def forward(self, pixel_values):
        batch = pixel_values.shape[0]
        x = self.vision_tower(pixel_values)
        tokens = x.shape[-2]
        x = x.view(batch, -1, tokens, x.shape[-1])[:, 0]
        side = int(tokens**0.5)
        x = x.view(batch, side, side, x.shape[-1])
        x = (x + self.image_pos_embed(x)).view(batch, 1, side * side, x.shape[-1])
        x = x + self.visual_temporal_embed(x[:, :, 0]).view(1, 1, 1, x.shape[-1])
        x = torch.cat([x.mean(dim=2), x.mean(dim=1)], dim=1)
        return self.image_proj_norm(x @ self.image_projection)


class Attention(nn.Module):
    def __init__(self, dim, heads, eager):
        super().__init__()
        self.heads, self.eager, self.scale = heads, eager, (dim // heads) ** -0.5
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(dim, dim))

    def split(self, x):
        return (
            x.view(x.shape[0], -1, self.heads, x.shape[2] // self.heads)
            .transpose(1, 2)
            .contiguous()
        )

    def forward(self, x, keys, values, mask):
        batch, tokens, dim = x.shape
        if not self.eager:
            y = F.scaled_dot_product_attention(self.split(self.q_proj(x)), keys, values, mask)
            return self.out_proj(y.transpose(1, 2).reshape(batch, tokens, dim))
        shape = (batch * self.heads, -1, dim // self.heads)
        q = self.split(self.q_proj(x) * self.scale).view(shape)
        k, v = keys.reshape(shape), values.reshape(shape)
        scores = torch.bmm(q, k.transpose(1, 2))
        if mask is not None:
            scores = scores.view(batch, self.heads, tokens, k.shape[1]) + mask
            scores = scores.view(batch * self.heads, tokens, k.shape[1])
        y = torch.bmm(scores.softmax(-1), v).view(batch, self.heads, tokens, dim // self.heads)
        return self.out_proj(y.transpose(1, 2).reshape(batch, tokens, dim))


class Layer(nn.Module):
    def __init__(self, dim, heads, hidden, eager, decoder):
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = Attention(dim, heads, eager), nn.LayerNorm(dim)
        if decoder:
            self.encoder_attn, self.encoder_attn_layer_norm = (
                Attention(dim, heads, eager),
                nn.LayerNorm(dim),
            )
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.final_layer_norm = nn.LayerNorm(dim)

    def feed(self, x):
        return self.final_layer_norm(x + self.fc2(F.gelu(self.fc1(x))))


class Stack(nn.Module):
    """BART's encoder or decoder."""

    def __init__(self, c, side, eager):
        super().__init__()
        dim, heads, hidden = c["d_model"], c[f"{side}_attention_heads"], c[f"{side}_ffn_dim"]
        self.embed_positions = nn.Embedding(c["max_position_embeddings"] + OFFSET, dim)
        self.layers = nn.ModuleList(
            Layer(dim, heads, hidden, eager, side == "decoder") for _ in range(c[f"{side}_layers"])
        )
        self.layernorm_embedding = nn.LayerNorm(dim)

    def begin(self, embeds, past):
        positions = torch.arange(past, past + embeds.shape[1]).expand(embeds.shape[0], -1)
        return self.layernorm_embedding(embeds + self.embed_positions(positions + OFFSET))


def hide(mask, tokens):
    """mask [n, keys] of 1 and 0 as what is added to scores, [n, 1, tokens, keys]."""
    wide = mask[:, None, None, :].expand(mask.shape[0], 1, tokens, mask.shape[1]).to(torch.float32)
    inverted = 1.0 - wide
    return inverted.masked_fill(inverted.to(torch.bool), torch.finfo(torch.float32).min)


class Encoder(nn.Module):
    def __init__(self, stack):
        super().__init__()
        self.model = stack

    def forward(self, inputs_embeds, attention_mask):
        x = self.model.begin(inputs_embeds, 0)
        mask = hide(attention_mask, x.shape[1])
        for layer in self.model.layers:
            own = layer.self_attn
            mixed = own(x, own.split(own.k_proj(x)), own.split(own.v_proj(x)), mask)
            x = layer.feed(layer.self_attn_layer_norm(x + mixed))
        return x


class Decoder(nn.Module):
    """Gives logits, and for each layer what its caches become: keys and values of tokens, keys and values of encoder states
    before they are cut into heads."""

    def __init__(self, stack, shared, bias):
        super().__init__()
        self.decoder, self.shared = stack, shared
        self.lm_head = nn.Linear(shared.weight.shape[1], shared.weight.shape[0], bias=False)
        self.register_buffer("final_logits_bias", bias)

    def forward(
        self, decoder_input_ids, encoder_hidden_states, encoder_attention_mask, beam_idx, *caches
    ):
        x = self.decoder.begin(self.shared(decoder_input_ids), caches[0].shape[2])
        mask = hide(encoder_attention_mask, x.shape[1])
        present = []
        for i, layer in enumerate(self.decoder.layers):
            past_keys, past_values, cross_keys, cross_values = caches[4 * i : 4 * i + 4]
            own, other = layer.self_attn, layer.encoder_attn
            keys = torch.cat([past_keys.index_select(0, beam_idx), own.split(own.k_proj(x))], dim=2)
            values = torch.cat(
                [past_values.index_select(0, beam_idx), own.split(own.v_proj(x))], dim=2
            )
            x = layer.self_attn_layer_norm(x + own(x, keys, values, None))
            mixed = other(x, other.split(cross_keys), other.split(cross_values), mask)
            x = layer.feed(layer.encoder_attn_layer_norm(x + mixed))
            present += [
                keys,
                values,
                other.k_proj(encoder_hidden_states),
                other.v_proj(encoder_hidden_states),
            ]
        return (self.lm_head(x) + self.final_logits_bias, *present)


class Merger(nn.Module):
    def forward(self, vision_embeds, inputs_embeds):
        return torch.cat([vision_embeds, inputs_embeds], dim=1)
