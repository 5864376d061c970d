"""python compare.py FOLDER...: loads checkpoint folders that viltgrad wrote with Hugging Face Transformers, and compares
what the library computes with ours.safetensors, which export.mjs wrote. Needs torch, transformers and safetensors."""

import json
import sys

import torch
import transformers
from safetensors.torch import load_file

worst = 0.0
for folder in sys.argv[1:]:
    with open(f"{folder}/config.json") as file:
        name = json.load(file)["architectures"][0]
    model, report = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    problems = {kind: sorted(report[kind]) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[kind]}
    tensors = load_file(f"{folder}/ours.safetensors")
    inputs = {key[3:]: value.long() if value.dtype == torch.int32 else value for key, value in tensors.items() if key.startswith("in/")}
    with torch.no_grad():
        outputs = model.eval()(**inputs)
    for key, ours in tensors.items():
        if key.startswith("out/"):
            theirs = outputs[key[4:]]
            difference = (theirs.reshape(-1) - ours.reshape(-1)).abs().max().item()
            worst = max(worst, difference)
            print(f"{folder}: {name} {key[4:]} {list(theirs.shape)}: largest difference {difference:.2e}; problems {problems or 'none'}")
    if problems:
        worst = float("inf")
print(f"largest difference {worst:.2e}")
sys.exit(0 if worst < 1e-4 else 1)
