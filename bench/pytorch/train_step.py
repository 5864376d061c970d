"""npm run -s bench -- train-step --preset toy --json | python bench/pytorch/train_step.py [--threads 2] [--runs 20]

Times the same training step in PyTorch (eager): the same shapes, losses and optimiser, from the `config` of our own
results, and prints both medians with their ratio. Needs torch."""

import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

arguments = argparse.ArgumentParser()
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument("--runs", type=int, default=20)
options = arguments.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self, d, heads, ratio):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d, 1e-6), nn.LayerNorm(d, 1e-6)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, ratio * d), nn.Linear(ratio * d, d)

    def forward(self, x):
        B, N, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, N, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, d))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vilt(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, p = c["hiddenSize"], c["patch"]
        patches = (c["imageHeight"] // p) * (c["imageWidth"] // p)
        self.patch = p
        self.word, self.position, self.segment = nn.Embedding(c["vocabulary"], d), nn.Embedding(c["textLength"], d), nn.Embedding(2, d)
        self.text_norm = nn.LayerNorm(d, 1e-12)
        self.projection = nn.Linear(3 * p * p, d)
        self.cls, self.grid = nn.Parameter(torch.zeros(1, 1, d)), nn.Parameter(torch.randn(1, 1 + patches, d) * 0.02)
        self.types = nn.Embedding(2, d)
        self.blocks = nn.ModuleList(Block(d, c["heads"], c["mlpRatio"]) for _ in range(c["layers"]))
        self.norm, self.pooler = nn.LayerNorm(d, 1e-6), nn.Linear(d, d)
        self.dense, self.head_norm, self.decoder = nn.Linear(d, d), nn.LayerNorm(d, 1e-12), nn.Linear(d, c["vocabulary"])
        self.matching = nn.Linear(d, 2)

    def forward(self, ids, pixels):
        B, T = ids.shape
        p = self.patch
        text = self.text_norm(self.word(ids) + self.position.weight[:T] + self.segment.weight[0]) + self.types.weight[0]
        cells = pixels.unfold(2, p, p).unfold(3, p, p).permute(0, 2, 3, 1, 4, 5).reshape(B, -1, 3 * p * p)
        image = torch.cat([self.cls.expand(B, -1, -1), self.projection(cells)], 1) + self.grid + self.types.weight[1]
        x = torch.cat([text, image], 1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


ours = json.load(sys.stdin)["results"]
c = ours[0]["config"]
B, T, V = c["batch"], c["textLength"], c["vocabulary"]
model = Vilt(c)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
ids = torch.randint(5, V, (B, T))
labelled = torch.zeros(B, T, dtype=torch.bool)
labelled.view(-1)[torch.randperm(B * T)[: c["maskedTokens"]]] = True
masked_ids, targets = torch.where(labelled, 4, ids), ids[labelled]
images = [torch.rand(B, 3, c["imageHeight"], c["imageWidth"]) * 2 - 1 for _ in range(2)]
pairs = torch.arange(B).lt(B // 2).long()


def step():
    hidden = model(masked_ids, images[0])[:, :T][labelled]
    words = F.cross_entropy(model.decoder(model.head_norm(F.gelu(model.dense(hidden)))), targets)
    pooled = torch.tanh(model.pooler(model(ids, images[1])[:, 0]))
    loss = words + F.cross_entropy(model.matching(pooled), pairs)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


times = []
for run in range(-5, options.runs):
    start = time.perf_counter()
    loss = step()
    if run >= 0:
        times.append(1000 * (time.perf_counter() - start))
parameters = sum(p.numel() for p in model.parameters())
if parameters != c["parameters"]:
    sys.exit(f"not the same model: {parameters} parameters here, {c['parameters']} there")
median = statistics.median(times)
print(f"{ours[0]['preset']}: PyTorch {torch.__version__}, {options.threads} threads: {median:.1f} ms (loss {loss:.3f})")
for result in ours:
    print(f"  viltgrad, {result['device']}, {result['threads']} threads: {result['medianMs']:.1f} ms, PyTorch's time over ours {median / result['medianMs']:.2f}")
