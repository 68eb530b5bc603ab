"""Answers prompts with llama-cpp-python, one after another, as a Python program would.

Argument: a GGUF file. One JSON request a line: {"threads", "system", "prompts": [...], "temperature", "max_tokens"}. One JSON
answer a line: {"tokens", "seconds"}, over all prompts.
"""

import json
import sys
import time

import llama_cpp


def main():
    models = {}
    print(json.dumps({"ready": llama_cpp.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        threads = request["threads"]
        if threads not in models:
            models[threads] = llama_cpp.Llama(
                model_path=sys.argv[1], n_ctx=4096, n_threads=threads, n_threads_batch=threads, verbose=False
            )
        model = models[threads]
        tokens, started = 0, time.perf_counter()
        for number, prompt in enumerate(request["prompts"]):
            messages = [{"role": "system", "content": request["system"]}, {"role": "user", "content": prompt}]
            answer = model.create_chat_completion(
                messages,
                max_tokens=request["max_tokens"],
                temperature=request["temperature"],
                top_k=40,
                top_p=0.95,
                min_p=0.05,
                repeat_penalty=1.0,
                seed=number,
            )
            tokens += answer["usage"]["completion_tokens"]
        print(json.dumps({"tokens": tokens, "seconds": time.perf_counter() - started}), flush=True)


main()
