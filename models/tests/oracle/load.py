"""The weights of a GGUF as an ordinary f32 model of transformers, with its tokenizer: what the oracle computes with."""

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM


def load(path):
    folder, _, name = path.rpartition("/")
    packed = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    config = packed.config
    # Packed weights cannot be trained on; the dequantized ones go into a model that knows nothing of their form.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = LlamaForCausalLM(config).float()
    model.load_state_dict(packed.state_dict(), strict=False)
    return model, AutoTokenizer.from_pretrained(folder, gguf_file=name)
