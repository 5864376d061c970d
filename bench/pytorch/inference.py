"""The forward pass of ../inference.mjs in PyTorch (eager), with our weights and inputs. It has to compute what viltgrad
computes from them before it is timed."""

from turns import peak_mb, take_turns, torch

from arrays import compare, part_of, read_arrays
from vilt import Vilt


def prepare(job):
    torch.set_num_threads(job["threads"])
    arrays = read_arrays(job["numbers"])
    memory_before = peak_mb()
    model = Vilt(job["config"]).eval()
    model.load_state_dict(part_of(arrays, "weights/"))
    ids, pixels = arrays["inputs/ids"], arrays["inputs/pixels"]
    run = torch.inference_mode()(lambda: model.pool(model(ids, pixels)[:, 0]))
    error = compare("pooled", arrays["pooled"], run())
    return {"version": torch.__version__, "largestError": error, "memoryBeforeMB": memory_before}, run


take_turns(prepare)
