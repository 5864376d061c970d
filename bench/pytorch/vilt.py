"""The blocks of ViLT, ViLT itself, and ViLT with the heads of its pre-training, in plain PyTorch; `c` is the `config` of
our own results. Parameters are called as in viltgrad, so its weights load as they are."""

import torch
from torch import nn
from torch.nn import functional as F


def group(**parts):
    """A module without a forward pass of its own."""
    module = nn.Module()
    for name, part in parts.items():
        setattr(module, name, part)
    return module


class Block(nn.Module):
    def __init__(self, d, heads, ratio):
        super().__init__()
        self.heads = heads
        self.layerNormBefore, self.layerNormAfter = nn.LayerNorm(d, 1e-6), nn.LayerNorm(d, 1e-6)
        self.attention = group(queryKeyValue=nn.Linear(d, 3 * d), output=nn.Linear(d, d))
        self.mlp = group(expand=nn.Linear(d, ratio * d), contract=nn.Linear(ratio * d, d))

    def forward(self, x, tokens=None):
        """[B, N, d] -> [B, N, d], or of the wanted tokens among the B * N alone: [n, d]."""
        B, N, d = x.shape
        packed = self.attention.queryKeyValue(self.layerNormBefore(x))
        q, k, v = packed.view(B, N, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, d)
        if tokens is not None:
            x, attended = x.view(-1, d)[tokens], attended.view(-1, d)[tokens]
        x = x + self.attention.output(attended)
        return x + self.mlp.contract(F.gelu(self.mlp.expand(self.layerNormAfter(x))))


class Vilt(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, p = c["hiddenSize"], c["patch"]
        self.patch, self.size = p, (c["imageHeight"] // p, c["imageWidth"] // p)
        self.position_grid = tuple(c.get("positionGrid", self.size))
        positions = 1 + self.position_grid[0] * self.position_grid[1]
        self.textEmbedding = group(
            wordEmbedding=nn.Embedding(c["vocabulary"], d),
            tokenPositionEmbedding=nn.Embedding(c["textLength"], d),
            segmentEmbedding=nn.Embedding(2, d),
            layerNorm=nn.LayerNorm(d, 1e-12),
        )
        self.patchEmbedding = group(
            projection=nn.Linear(3 * p * p, d),
            classEmbedding=nn.Parameter(torch.empty(1, d)),
            patchPositionEmbedding=nn.Parameter(torch.empty(positions, d)),
        )
        self.modalityTypeEmbedding = group(types=nn.Embedding(2, d))
        layers = nn.ModuleList(Block(d, c["heads"], c["mlpRatio"]) for _ in range(c["layers"]))
        self.encoder = group(layers=layers, layerNorm=nn.LayerNorm(d, 1e-6))
        self.pooler = group(dense=nn.Linear(d, d))

    def positions(self):
        table = self.patchEmbedding.patchPositionEmbedding
        if self.size == self.position_grid:
            return table
        grid = table[1:].unflatten(0, self.position_grid).permute(2, 0, 1)[None]
        resized = F.interpolate(grid, self.size, mode="bilinear", align_corners=True)
        return torch.cat([table[:1], resized[0].flatten(1).T])

    def embed(self, ids, pixels):
        B, T = ids.shape
        p, texts, patches, types = self.patch, self.textEmbedding, self.patchEmbedding, self.modalityTypeEmbedding.types.weight
        summed = texts.wordEmbedding(ids) + texts.tokenPositionEmbedding.weight[:T] + texts.segmentEmbedding.weight[0]
        cells = pixels.unfold(2, p, p).unfold(3, p, p).permute(0, 2, 3, 1, 4, 5).reshape(B, -1, 3 * p * p)
        image = torch.cat([patches.classEmbedding.expand(B, 1, -1), patches.projection(cells)], 1) + self.positions()
        return torch.cat([texts.layerNorm(summed) + types[0], image + types[1]], 1)

    def forward(self, ids, pixels, words=None):
        """All tokens, [B, N, d], or of the wanted words among the B * T alone: [n, d]."""
        x, T = self.embed(ids, pixels), ids.shape[1]
        for block in self.encoder.layers[:-1]:
            x = block(x)
        tokens = None if words is None else words // T * x.shape[1] + words % T
        return self.encoder.layerNorm(self.encoder.layers[-1](x, tokens))

    def pool(self, first):
        return torch.tanh(self.pooler.dense(first))


class ViltForPretraining(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["hiddenSize"]
        self.backbone = Vilt(c)
        self.maskedLanguageModelingHead = group(
            dense=nn.Linear(d, d), layerNorm=nn.LayerNorm(d, 1e-12), decoder=nn.Linear(d, c["vocabulary"])
        )
        self.imageTextMatchingHead = group(dense=nn.Linear(d, 2))

    def words(self, hidden):
        head = self.maskedLanguageModelingHead
        return head.decoder(head.layerNorm(F.gelu(head.dense(hidden))))

    def matching(self, classes):
        return self.imageTextMatchingHead.dense(self.backbone.pool(classes))
