"""Times TRL and PEFT on what `aloe train` was timed on; one thread, CPU seconds, peak memory.

    OMP_NUM_THREADS=1 python bench.py step MODEL.gguf
    OMP_NUM_THREADS=1 python bench.py dpo MODEL.gguf pairs.jsonl MAX_TOKENS ACCUMULATION

`step` is a plain step: 256 tokens, a LoRA of rank 16 on all projections, logits of every token. `dpo` is an epoch over the
pairs with the reference's log-probabilities computed beforehand (they count).
"""

import json
import resource
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer, AutoModelForCausalLM, LlamaForCausalLM

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load(path):
    folder, _, name = path.rpartition("/")
    packed = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    config = packed.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = LlamaForCausalLM(config).float()
    model.load_state_dict(packed.state_dict(), strict=False)
    return model, AutoTokenizer.from_pretrained(folder, gguf_file=name)


def told(what, started, **more):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"what": what, "cpu_s": round(time.process_time() - started, 2), "peak_mib": peak, **more}))


def step(path):
    model, _ = load(path)
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM")
    model = get_peft_model(model, lora)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    tokens = torch.randint(10, 40000, (1, 256))
    for number in range(4):
        started = time.process_time()
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        told("step", started, number=number)


def dpo(path, pairs, max_tokens, accumulation):
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer
    model, tokenizer = load(path)
    rows = [json.loads(line) for line in open(pairs)]
    rows = [{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in rows]
    config = DPOConfig(output_dir="/tmp/bench", num_train_epochs=1, per_device_train_batch_size=1, report_to="none",
                       gradient_accumulation_steps=int(accumulation), max_length=int(max_tokens), use_cpu=True, bf16=False,
                       gradient_checkpointing=False, save_strategy="no", precompute_ref_log_probs=True, beta=0.1,
                       learning_rate=2e-4, logging_steps=1, dataloader_pin_memory=False)
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM")
    started = time.process_time()
    trainer = DPOTrainer(model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
                         peft_config=lora)
    trainer.train()
    told("dpo epoch", started, pairs=len(rows))


torch.set_num_threads(1)
{"step": step, "dpo": dpo}[sys.argv[1]](*sys.argv[2:])
