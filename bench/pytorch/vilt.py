"""The blocks of ViLT, ViLT itself, and ViLT with the heads of its pre-training, in plain PyTorch; `c` is the `config` of
our own results."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, d, heads, ratio):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d, 1e-6), nn.LayerNorm(d, 1e-6)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, ratio * d), nn.Linear(ratio * d, d)

    def forward(self, x, tokens=None):
        """[B, N, d] -> [B, N, d], or of the wanted tokens among the B * N alone: [n, d]."""
        B, N, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, N, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, d)
        if tokens is not None:
            x, attended = x.view(-1, d)[tokens], attended.view(-1, d)[tokens]
        x = x + self.proj(attended)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vilt(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, p = c["hiddenSize"], c["patch"]
        self.patch, self.size = p, (c["imageHeight"] // p, c["imageWidth"] // p)
        self.position_grid = tuple(c.get("positionGrid", self.size))
        positions = 1 + self.position_grid[0] * self.position_grid[1]
        self.word, self.position, self.segment = nn.Embedding(c["vocabulary"], d), nn.Embedding(c["textLength"], d), nn.Embedding(2, d)
        self.text_norm = nn.LayerNorm(d, 1e-12)
        self.projection = nn.Linear(3 * p * p, d)
        self.cls, self.grid = nn.Parameter(torch.zeros(1, 1, d)), nn.Parameter(torch.randn(1, positions, d) * 0.02)
        self.types = nn.Embedding(2, d)
        self.blocks = nn.ModuleList(Block(d, c["heads"], c["mlpRatio"]) for _ in range(c["layers"]))
        self.norm, self.pooler = nn.LayerNorm(d, 1e-6), nn.Linear(d, d)

    def positions(self):
        if self.size == self.position_grid:
            return self.grid
        table = self.grid[:, 1:].unflatten(1, self.position_grid).permute(0, 3, 1, 2)
        resized = F.interpolate(table, self.size, mode="bilinear", align_corners=True)
        return torch.cat([self.grid[:, :1], resized.flatten(2).transpose(1, 2)], 1)

    def forward(self, ids, pixels, words=None):
        """All tokens, [B, N, d], or of the wanted words among the B * T alone: [n, d]."""
        B, T = ids.shape
        p = self.patch
        text = self.text_norm(self.word(ids) + self.position.weight[:T] + self.segment.weight[0]) + self.types.weight[0]
        cells = pixels.unfold(2, p, p).unfold(3, p, p).permute(0, 2, 3, 1, 4, 5).reshape(B, -1, 3 * p * p)
        image = torch.cat([self.cls.expand(B, -1, -1), self.projection(cells)], 1) + self.positions() + self.types.weight[1]
        x = torch.cat([text, image], 1)
        for block in self.blocks[:-1]:
            x = block(x)
        tokens = None if words is None else words // T * x.shape[1] + words % T
        return self.norm(self.blocks[-1](x, tokens))

    def pool(self, first):
        return torch.tanh(self.pooler(first))


class ViltForPretraining(Vilt):
    def __init__(self, c):
        super().__init__(c)
        d = c["hiddenSize"]
        self.dense, self.head_norm, self.decoder = nn.Linear(d, d), nn.LayerNorm(d, 1e-12), nn.Linear(d, c["vocabulary"])
        self.matching = nn.Linear(d, 2)


def check_size(model, c):
    """Ends the program when the model is not the one that was timed."""
    parameters = sum(p.numel() for p in model.parameters())
    if parameters != c["parameters"]:
        raise SystemExit(f"not the same model: {parameters} parameters here, {c['parameters']} there")
