#!/usr/bin/env python3
"""GRIFFIN and the full model in PyTorch, for `griffin bench --peer torch`.

Random bf16 weights of a given shape, batch 1, a static KV cache, whole tokens with the output head and the choice of the most likely
token. Four ways, each one JSON object per line on standard output:

  dense, eager                      the full model as PyTorch runs it by default
  dense, CUDA graph                 the same step captured once and replayed
  GRIFFIN, eager                    as the paper's authors do it: after the prompt, the chosen rows of every layer are copied out with
                                    index_select, then eager decoding
  GRIFFIN, compacted, CUDA graph    the same copies, and cuBLAS under a CUDA graph: the strongest baseline that needs no own kernels

A line {"missing": "..."} says why something was not measured. With --device cpu there are no graphs and the times mean nothing: that
only shows that the script works.
"""

import argparse
import json
import math
import statistics
import sys
import time


def say(**fields):
    print(json.dumps(fields), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", required=True, help="JSON: hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize, gated, activation, tiedEmbeddings")
    parser.add_argument("--density", type=float, default=0.5)
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--new-tokens", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cuda:0")
    return parser.parse_args()


try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    if __name__ == "__main__":
        arguments()
        say(missing=f"PyTorch is not installed for {sys.executable} ({error})")
        sys.exit(0)
    raise


ACTIVATIONS = {
    "silu": F.silu,
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


class Model:
    """A decoder with rotary positions, grouped-query attention and a feed-forward block; weights are [out, in]."""

    def __init__(self, shape, capacity, device):
        self.hidden = shape["hiddenSize"]
        self.inner = shape["intermediateSize"]
        self.heads = shape["heads"]
        self.kv_heads = shape["kvHeads"]
        self.head_dim = shape["headDim"]
        self.gated = shape["gated"]
        self.act = ACTIVATIONS.get(shape["activation"], F.silu)
        self.device = device
        self.capacity = capacity
        self.dtype = torch.bfloat16
        generator = torch.Generator(device=device).manual_seed(1)

        def matrix(rows, columns):
            scale = math.sqrt(3.0 / columns)
            weight = torch.empty(rows, columns, device=device, dtype=self.dtype)
            return weight.uniform_(-scale, scale, generator=generator)

        query = self.heads * self.head_dim
        key = self.kv_heads * self.head_dim
        self.layers = []
        for _ in range(shape["layers"]):
            layer = {
                "norm1": torch.ones(self.hidden, device=device, dtype=self.dtype),
                "norm2": torch.ones(self.hidden, device=device, dtype=self.dtype),
                "qkv": matrix(query + 2 * key, self.hidden),
                "o": matrix(self.hidden, query),
                "up": matrix(self.inner, self.hidden),
                "down": matrix(self.hidden, self.inner),
                "k": torch.zeros(1, self.kv_heads, capacity, self.head_dim, device=device, dtype=self.dtype),
                "v": torch.zeros(1, self.kv_heads, capacity, self.head_dim, device=device, dtype=self.dtype),
            }
            if self.gated:
                layer["gate"] = matrix(self.inner, self.hidden)
            self.layers.append(layer)
        self.embedding = matrix(shape["vocabSize"], self.hidden)
        self.norm = torch.ones(self.hidden, device=device, dtype=self.dtype)
        self.head = self.embedding if shape["tiedEmbeddings"] else matrix(shape["vocabSize"], self.hidden)
        half = self.head_dim // 2
        inverse = 10000.0 ** (-torch.arange(half, device=device, dtype=torch.float32) / half)
        angles = torch.arange(capacity, device=device, dtype=torch.float32)[:, None] * inverse[None, :]
        self.cos = torch.cat([angles.cos(), angles.cos()], dim=-1).to(self.dtype)
        self.sin = torch.cat([angles.sin(), angles.sin()], dim=-1).to(self.dtype)
        self.slots = torch.arange(capacity, device=device)
        # What a step reads and writes, at fixed addresses so that it can be captured.
        self.token = torch.zeros(1, dtype=torch.long, device=device)
        self.position = torch.zeros(1, dtype=torch.long, device=device)

    def rms(self, x, weight):
        wide = x.float()
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(self.dtype) * weight

    def rotate(self, x, cos, sin):
        half = self.head_dim // 2
        turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
        return x * cos + turned * sin

    def split(self, x, layer, cos, sin):
        """Queries, keys and values of [tokens, hidden], each [1, heads, tokens, head_dim]."""
        count = x.shape[0]
        qkv = F.linear(x, layer["qkv"]).view(count, self.heads + 2 * self.kv_heads, self.head_dim).transpose(0, 1).unsqueeze(0)
        q, k, v = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        return self.rotate(q, cos, sin), self.rotate(k, cos, sin), v

    def inner_of(self, x, weights):
        if "gate_up" in weights:
            gate, up = F.linear(x, weights["gate_up"]).chunk(2, dim=-1)
            return self.act(gate) * up
        if self.gated:
            return self.act(F.linear(x, weights["gate"])) * F.linear(x, weights["up"])
        return self.act(F.linear(x, weights["up"]))

    @torch.no_grad()
    def prompt(self, tokens, statistic):
        """Runs the prompt with the full model and fills the cache. Returns GRIFFIN's statistic per layer, or nothing."""
        count = tokens.shape[0]
        cos, sin = self.cos[:count], self.sin[:count]
        x = self.embedding[tokens]
        scores = []
        group = self.heads // self.kv_heads
        for layer in self.layers:
            q, k, v = self.split(self.rms(x, layer["norm1"]), layer, cos, sin)
            layer["k"][:, :, :count] = k
            layer["v"][:, :, :count] = v
            out = F.scaled_dot_product_attention(q, k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1), is_causal=True)
            x = x + F.linear(out.squeeze(0).transpose(0, 1).reshape(count, -1), layer["o"])
            inner = self.inner_of(self.rms(x, layer["norm2"]), layer)
            if statistic:
                # Each token's activations scaled to length 1, then the length of every neuron's column.
                wide = inner.float()
                scores.append((wide / wide.norm(dim=-1, keepdim=True).clamp_min(1e-12)).norm(dim=0))
            x = x + F.linear(inner, layer["down"])
        self.token.copy_(F.linear(self.rms(x[-1:], self.norm), self.head).argmax(dim=-1))
        self.position.fill_(count)
        return scores

    @torch.no_grad()
    def step(self, blocks):
        """One token from the static inputs; `blocks` are the feed-forward weights per layer. Writes the next token and position."""
        x = self.embedding[self.token]
        cos, sin = self.cos[self.position], self.sin[self.position]
        mask = (self.slots <= self.position).view(1, 1, 1, self.capacity)
        group = self.heads // self.kv_heads
        for layer, weights in zip(self.layers, blocks):
            q, k, v = self.split(self.rms(x, layer["norm1"]), layer, cos, sin)
            layer["k"].index_copy_(2, self.position, k)
            layer["v"].index_copy_(2, self.position, v)
            # The queries of one key head stand side by side, as rows of one small attention.
            grouped = q.view(1, self.kv_heads, group, self.head_dim)
            out = F.scaled_dot_product_attention(grouped, layer["k"], layer["v"], attn_mask=mask)
            x = x + F.linear(out.reshape(1, -1), layer["o"])
            x = x + F.linear(self.inner_of(self.rms(x, layer["norm2"]), weights), weights["down"])
        self.token.copy_(F.linear(self.rms(x, self.norm), self.head).argmax(dim=-1))
        self.position.add_(1)

    @torch.no_grad()
    def compacted(self, scores, kept, fused):
        """The chosen rows of every layer, copied; gate and up in one matrix where `fused`."""
        blocks = []
        for layer, score in zip(self.layers, scores):
            chosen = torch.topk(score, kept).indices.sort().values
            block = {"up": layer["up"].index_select(0, chosen), "down": layer["down"].index_select(1, chosen)}
            if self.gated:
                block["gate"] = layer["gate"].index_select(0, chosen)
            blocks.append(fuse(block) if fused and self.gated else block)
        return blocks

    def fuse_layers(self):
        """Gate and up of the full model in one matrix per layer, without a second copy in memory."""
        for layer in self.layers:
            if "gate" in layer:
                layer["gate_up"] = torch.cat([layer["gate"], layer["up"]], dim=0)
                inner = self.inner
                layer["gate"], layer["up"] = layer["gate_up"][:inner], layer["gate_up"][inner:]


def fuse(block):
    return {"gate_up": torch.cat([block["gate"], block["up"]], dim=0), "down": block["down"]}


class Clock:
    def __init__(self, device):
        self.cuda = device.type == "cuda"

    def time(self, work):
        """Milliseconds of `work`, on the device's own clock."""
        if not self.cuda:
            started = time.perf_counter()
            work()
            return (time.perf_counter() - started) * 1000
        torch.cuda.synchronize()
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        work()
        last.record()
        last.synchronize()
        return first.elapsed_time(last)


def captured(model, blocks):
    """The step as a CUDA graph; warmed up on a side stream, as capturing asks for."""
    position, token = model.position.clone(), model.token.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            model.position.copy_(position)
            model.step(blocks)
    torch.cuda.current_stream().wait_stream(stream)
    model.position.copy_(position)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model.step(blocks)
    model.position.copy_(position)
    model.token.copy_(token)
    return graph.replay


def decode_ms(model, clock, run, start, new_tokens, rounds):
    """Median milliseconds per token over the rounds, each from the end of the prompt; the first round warms up."""
    samples = []
    for _ in range(rounds + 1):
        model.position.fill_(start)

        def tokens():
            for _ in range(new_tokens):
                run()

        samples.append(clock.time(tokens) / new_tokens)
    return statistics.median(samples[1:])


def main():
    options = arguments()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        say(missing=f"PyTorch {torch.__version__} finds no CUDA device")
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    shape = json.loads(options.shape)
    prompt = options.prompt_tokens
    capacity = -(-(prompt + options.new_tokens + 8) // 64) * 64
    clock = Clock(device)
    kept = max(1, int(shape["intermediateSize"] * options.density))
    version = f"torch {torch.__version__.split('+')[0]}" + ("" if device.type == "cuda" else " on the CPU, a dry run")
    try:
        model = Model(shape, capacity, device)
        model.fuse_layers()
        tokens = torch.randint(0, shape["vocabSize"], (prompt,), device=device, generator=torch.Generator(device=device).manual_seed(2))

        def peak():
            return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None

        def report(name, density, ms, prefill, select, how):
            say(name=f"{version}: {name}", density=density, ms_per_token=ms, prefill_ms=prefill, select_ms=select, memory_bytes=peak(), how=how)
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)

        def prefill_ms(statistic):
            return statistics.median([clock.time(lambda: model.prompt(tokens, statistic)) for _ in range(4)][1:])

        with torch.inference_mode():
            plain, with_statistic = prefill_ms(False), prefill_ms(True)
            scores = model.prompt(tokens, True)
            measure = lambda run: decode_ms(model, clock, run, prompt, options.new_tokens, options.rounds)
            report("dense, eager", 1.0, measure(lambda: model.step(model.layers)), plain, None, "qkv and gate/up in one product each")
            if device.type == "cuda":
                report("dense, CUDA graph", 1.0, measure(captured(model, model.layers)), plain, None, "one step captured and replayed")

            select = statistics.median([clock.time(lambda: model.compacted(scores, kept, False)) for _ in range(3)])
            blocks = model.compacted(scores, kept, False)
            report("GRIFFIN, eager", options.density, measure(lambda: model.step(blocks)), with_statistic, select, "rows copied with index_select per layer, separate gate and up")
            del blocks
            select = statistics.median([clock.time(lambda: model.compacted(scores, kept, True)) for _ in range(3)])
            blocks = model.compacted(scores, kept, True)
            if device.type == "cuda":
                report("GRIFFIN, compacted, CUDA graph", options.density, measure(captured(model, blocks)), with_statistic, select, "gate/up in one product, one step captured and replayed")
            else:
                report("GRIFFIN, compacted", options.density, measure(lambda: model.step(blocks)), with_statistic, select, "gate/up in one product")
    except torch.cuda.OutOfMemoryError as error:
        say(missing=f"out of GPU memory: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main()
