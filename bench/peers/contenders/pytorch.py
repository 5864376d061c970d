"""PyTorch, eager, as a contender: speaks what ../worker.mjs speaks. Reads and writes the same safetensors files."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "pytorch"))
from turns import take_turns, torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from arrays import read_arrays, write_arrays  # noqa: E402
from vilt import Block  # noqa: E402


class Encoder(nn.Module):
    """Blocks, the final LayerNorm, and for training a decoder; parameters are called as in the files."""

    def __init__(self, config, arrays):
        super().__init__()
        d = config["hiddenSize"]
        self.layers = nn.ModuleList(Block(d, config["heads"], config["mlpRatio"]) for _ in range(config["layers"]))
        self.layerNorm = nn.LayerNorm(d, config["eps"])
        self.decoder = nn.Linear(d, config["vocabulary"]) if config["vocabulary"] else nn.Identity()
        self.load_state_dict({name: arrays[name] for name in self.state_dict()})

    def forward(self, x):
        for block in self.layers:
            x = block(x)
        return self.decoder(self.layerNorm(x))


def matmul(config, arrays):
    run = torch.inference_mode()(lambda: arrays["a"] @ arrays["b"])
    return lambda: {"out": run()}, run


def block(config, arrays):
    encoder = Encoder(config, arrays)
    named = {name: parameter for name, parameter in encoder.named_parameters() if name.startswith("layers.")}
    x = arrays["x"].requires_grad_()

    def run():
        loss = (encoder.layers[0](x) * arrays["seed"]).sum()
        return loss, *torch.autograd.grad(loss, [x, *named.values()])

    return lambda: dict(zip(("loss", "x", *named), run())), run


def train(config, arrays):
    encoder, x, labels, settings = Encoder(config, arrays), arrays["x"], arrays["labels"].long(), config["optimizer"]
    betas = (settings["beta1"], settings["beta2"])
    parameters = encoder.parameters()
    optimizer = torch.optim.Adam(parameters, settings["learningRate"], betas, settings["eps"], fused=True)

    def run():
        loss = F.cross_entropy(encoder(x).flatten(0, 1), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return lambda: {"losses": torch.tensor([run(), run(), run()])}, run


def inference(config, arrays):
    encoder = Encoder(config, arrays)
    run = torch.inference_mode()(lambda: encoder(arrays["x"]))
    return lambda: {"hidden": run()}, run


def prepare(job):
    work = job["work"]
    torch.set_num_threads(job["options"]["threads"])
    kind = {"matmul": matmul, "block": block, "train": train, "inference": inference}[work["kind"]]
    answers, run = kind(work["config"], read_arrays(job["dataFile"]))
    write_arrays(job["answersFile"], answers())
    return {"version": torch.__version__, "device": "native"}, run


take_turns(prepare)
