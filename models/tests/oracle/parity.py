"""Writes the fixtures that training is compared with: three steps of TRL and PEFT on a tiny Llama.

    OMP_NUM_THREADS=1 python parity.py ../fixtures/parity

A base of two layers, 64 wide, with the rope scaling of Llama 3.1; a LoRA adapter whose two matrices are both random; then
for SFT and two losses of DPO what the trainer was given (token ids and masks), its losses, the gradients of its first
step after clipping, and the adapter after the third step. Adapters are in PEFT's names and order.
"""

import json
import math
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

OUT = Path(sys.argv[1])
N_VOCAB, N_EMBD, N_FF, N_LAYER, N_HEAD, N_HEAD_KV = 96, 64, 128, 2, 4, 2
HEAD_DIM = N_EMBD // N_HEAD
ROPE = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32}
RANK, ALPHA, LR, STEPS, BATCH = 4, 8, 1e-2, 3, 2
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TEMPLATE = ("{% for m in messages %}{{ ('t3 ' if m['role'] == 'user' else 't4 ') + m['content'] + ' t2 ' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ 't4 ' }}{% endif %}")


def tokenizer():
    words = Tokenizer(models.WordLevel({f"t{i}": i for i in range(N_VOCAB)}, unk_token="t0"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="t0", pad_token="t5", eos_token="t2",
                                   chat_template=TEMPLATE)


def base_model():
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=N_VOCAB, hidden_size=N_EMBD, intermediate_size=N_FF, num_hidden_layers=N_LAYER,
                         num_attention_heads=N_HEAD, num_key_value_heads=N_HEAD_KV, max_position_embeddings=128,
                         rms_norm_eps=1e-5, tie_word_embeddings=True, rope_parameters=dict(ROPE), bos_token_id=1,
                         eos_token_id=2, pad_token_id=5, initializer_range=0.15)
    model = LlamaForCausalLM(config).float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.2)
            parameter.copy_(parameter.half().float())
    return model


def permuted(weight, n_head):
    """From halves to neighbours: the order of rotated rows in a GGUF."""
    return weight.reshape(n_head, 2, weight.shape[0] // n_head // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(
        weight.shape)


def rope_factors():
    low = ROPE["original_max_position_embeddings"] / ROPE["low_freq_factor"]
    high = ROPE["original_max_position_embeddings"] / ROPE["high_freq_factor"]
    factors = []
    for i in range(0, HEAD_DIM, 2):
        wavelength = 2 * math.pi * ROPE["rope_theta"] ** (i / HEAD_DIM)
        if wavelength < high:
            factors.append(1.0)
        elif wavelength > low:
            factors.append(ROPE["factor"])
        else:
            smooth = (ROPE["original_max_position_embeddings"] / wavelength - ROPE["low_freq_factor"]) / (
                ROPE["high_freq_factor"] - ROPE["low_freq_factor"])
            factors.append(1 / ((1 - smooth) / ROPE["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def write_gguf(model):
    writer = gguf.GGUFWriter(OUT / "base.gguf", "llama")
    writer.add_name("parity")
    writer.add_block_count(N_LAYER)
    writer.add_context_length(128)
    writer.add_embedding_length(N_EMBD)
    writer.add_feed_forward_length(N_FF)
    writer.add_head_count(N_HEAD)
    writer.add_head_count_kv(N_HEAD_KV)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_rope_freq_base(ROPE["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([f"t{i}" for i in range(N_VOCAB)])
    writer.add_token_types([3 if i in (0, 1, 2) else 1 for i in range(N_VOCAB)])
    writer.add_token_merges(["t 0"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    writer.add_tensor("rope_freqs.weight", rope_factors())
    for name, value in model.state_dict().items():
        value = value.numpy()
        if name == "lm_head.weight":
            continue
        if name == "model.embed_tokens.weight":
            target = "token_embd"
        elif name == "model.norm.weight":
            target = "output_norm"
        else:
            layer, part = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
            target = f"blk.{layer}.{names[part]}"
            if names[part] in ("attn_q", "attn_k"):
                value = permuted(value, N_HEAD if names[part] == "attn_q" else N_HEAD_KV)
        writer.add_tensor(f"{target}.weight", value.astype(np.float32 if value.ndim == 1 else np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def sentence(random, low, high):
    return " ".join(f"t{random.integers(6, N_VOCAB)}" for _ in range(random.integers(low, high)))


def lora(model):
    return {name.replace(".default", ""): p for name, p in model.named_parameters() if "lora_" in name}


def start(model):
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in lora(model).items():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * (0.1 if "lora_A" in name else 0.05))


class Watch(TrainerCallback):
    def __init__(self):
        self.gradients, self.logs = None, []

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        if self.gradients is None:
            self.gradients = {f"gradient.{name}": p.grad.clone() for name, p in lora(model).items()}

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            self.logs.append({key: value for key, value in logs.items() if isinstance(value, (int, float))})


def run(kind, trainer_class, config, rows, keys):
    torch.manual_seed(0)
    watch = Watch()
    trainer = trainer_class(model=base_model(), args=config, train_dataset=Dataset.from_list(rows),
                            processing_class=tokenizer(), callbacks=[watch],
                            peft_config=LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=TARGETS,
                                                   task_type="CAUSAL_LM"))
    start(trainer.model)
    if kind == "sft":
        save_file({name: p.detach().clone() for name, p in lora(trainer.model).items()}, OUT / "start.safetensors")
    batches, collate = [], trainer.data_collator

    def recorded(examples):
        batch = collate(examples)
        batches.append({key: batch[key].tolist() for key in keys})
        return batch

    trainer.data_collator = recorded
    trainer.train()
    result = dict(watch.gradients)
    result |= {f"after.{name}": p.detach().clone() for name, p in lora(trainer.model).items()}
    save_file(result, OUT / f"{kind}.safetensors")
    log = {"batches": batches[:STEPS], "logs": watch.logs, "beta": getattr(config, "beta", None), "lr": LR,
           "max_grad_norm": config.max_grad_norm, "rank": RANK, "alpha": ALPHA}
    (OUT / f"{kind}.json").write_text(json.dumps(log) + "\n")
    print(kind, [entry["loss"] for entry in watch.logs], [entry["grad_norm"] for entry in watch.logs])


def settings(**more):
    return dict(output_dir="/tmp/parity", max_steps=STEPS, per_device_train_batch_size=BATCH, learning_rate=LR,
                gradient_accumulation_steps=1, lr_scheduler_type="constant", logging_steps=1, report_to="none",
                use_cpu=True, bf16=False, gradient_checkpointing=False, save_strategy="no", max_grad_norm=0.5,
                weight_decay=0.01, disable_dropout=True, **more) if more.get("beta") else dict(
        output_dir="/tmp/parity", max_steps=STEPS, per_device_train_batch_size=BATCH, learning_rate=LR,
        gradient_accumulation_steps=1, lr_scheduler_type="constant", logging_steps=1, report_to="none", use_cpu=True,
        bf16=False, gradient_checkpointing=False, save_strategy="no", max_grad_norm=0.5, weight_decay=0.01, **more)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    write_gguf(base_model())
    random = np.random.default_rng(3)
    user = lambda: [{"role": "user", "content": sentence(random, 3, 9)}]
    reply = lambda: [{"role": "assistant", "content": sentence(random, 2, 12)}]
    sft = [{"prompt": user() + reply() + user(), "completion": reply()} for _ in range(BATCH * STEPS)]
    pairs = [{"prompt": user() + reply() + user(), "chosen": reply(), "rejected": reply()} for _ in range(BATCH * STEPS)]
    run("sft", SFTTrainer, SFTConfig(**settings(completion_only_loss=True, max_length=128)), sft,
        ["input_ids", "labels"])
    for loss, beta in (("sigmoid", 0.9), ("ipo", 0.3)):
        config = DPOConfig(**settings(beta=beta, loss_type=loss, max_length=128))
        run(f"dpo_{loss}", DPOTrainer, config, pairs, ["input_ids", "completion_mask"])


main()
