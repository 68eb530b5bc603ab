"""Embeds sentences with onnxruntime and tokenizers, as a Python program would, and says how long each took.

Arguments: model.onnx, tokenizer.json. One JSON request a line: {"texts": [...], "times": n}. One JSON answer a line:
{"ms": [...], "vector": [...]}, where each time is for all texts in one batch and the vector is the first text's.
"""

import json
import sys
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def load(model_path, tokenizer_path):
    tokenizer = Tokenizer.from_file(tokenizer_path)
    # The file bakes in padding to 128 tokens, with which a short sentence costs ten times as much.
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]") or 0, pad_token="[PAD]")
    tokenizer.enable_truncation(256)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model_path, options, providers=["CPUExecutionProvider"])
    return tokenizer, session


def embed(tokenizer, session, names, texts):
    encoded = tokenizer.encode_batch(texts) if len(texts) > 1 else [tokenizer.encode(texts[0])]
    ids = np.array([e.ids for e in encoded], dtype=np.int64)
    mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
    feeds = {"input_ids": ids, "attention_mask": mask}
    if "token_type_ids" in names:
        feeds["token_type_ids"] = np.zeros_like(ids)
    hidden = session.run(None, feeds)[0]
    weights = mask[:, :, None].astype(np.float32)
    pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def main():
    tokenizer, session = load(sys.argv[1], sys.argv[2])
    names = {i.name for i in session.get_inputs()}
    print(json.dumps({"ready": onnxruntime.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        took = []
        for _ in range(request["times"]):
            started = time.perf_counter_ns()
            vectors = embed(tokenizer, session, names, request["texts"])
            took.append((time.perf_counter_ns() - started) / 1e6)
        print(json.dumps({"ms": took, "vector": vectors[0].tolist()}), flush=True)


main()
