//! The README of a bundle: how to run it, what of our engine's run differs, and the way back to the phone.

use super::{Bundle, Task, Written};

pub(super) fn text(bundle: &Bundle<'_>, written: &Written) -> String {
    let verb = bundle.task.verb();
    let (gguf, hash) = bundle.gguf;
    let template =
        if bundle.template.is_some() { "| `chat_template.jinja` | the template of the GGUF |\n" } else { "" };
    format!(
        "# Training with TRL: {verb}

Everything that `trl {verb}` needs to train the adapter that `aloe train {verb}` would train here, on other machines.
TRL cannot train on a GGUF, so the base is `{base}`, from which `{gguf}` (BLAKE3 `{hash}`) is expected to have been made;
`check.py` compares the tokens of both before anything is trained.

| | |
|---|---|
| `data/` | {train} rows to train on, {held_out} held out, in TRL's conversational form |
| `{verb}.yaml` | the configuration, with the keys of TRL 1.16 |
| `run.py` | checks the tokens and starts `trl {verb}` |
| `tokens.jsonl`, `check.py` | conversations with the phone's tokens, and their comparison |
{template}| `requirements.txt` | the versions that this was tried with |

## Run

```sh
python3 -m venv venv && venv/bin/pip install -r requirements.txt
venv/bin/python run.py                               # one GPU
venv/bin/python run.py --gpus 8 --strategy fsdp2     # eight GPUs, weights shared out (FSDP)
venv/bin/python run.py --gpus 8 --strategy zero3     # the same by DeepSpeed ZeRO-3; pip install deepspeed first
venv/bin/python run.py --gpus 2 --strategy multi_gpu # two GPUs, each with the whole model
venv/bin/python run.py --strategy cpu --max_steps 3  # a try without a GPU
```

`run.py` starts `trl {verb} --config {verb}.yaml --accelerate_config STRATEGY --num_processes GPUS` and divides the
{rows} rows of a step among the devices. Further flags go to TRL: `--load_in_4bit true` needs `bitsandbytes`,
`--resume_from_checkpoint true` goes on after a break. `tensorboard --logdir adapter` shows the curves.

## Back to the phone

The adapter comes back in PEFT's form, in `adapter/`:

```sh
aloe export --adapter adapter --base {gguf} --format gguf --out adapter.gguf
aloe export --adapter adapter --base {gguf} --format merged --quantize Q4_K_M --out merged.gguf
```

It was trained on the unquantized base, and runs on a quantized one: `aloe score --adapter` says what that costs.

## What differs from `aloe train {verb}`

{differences}",
        base = bundle.base,
        train = written.train_rows,
        held_out = written.held_out_rows,
        rows = written.rows_a_step,
        differences = differences(bundle, written),
    )
}

fn differences(bundle: &Bundle<'_>, written: &Written) -> String {
    let mut points = vec![
        "Arithmetic is bfloat16 on the base's own weights; ours is f32 on the dequantized ones. The order of examples, \
         the adapter's first numbers and its dropout are drawn otherwise from the same seed."
            .to_owned(),
        "The learning rate's warm-up is the same share of the steps, counted by TRL's own rounding.".to_owned(),
        "`train.max_tokens` bounds a conversation alone (`max_length`): each goes through the model by itself, where ours \
         shares what conversations have in common."
            .to_owned(),
        "`train.max_eval_examples` is already applied to `data/eval.jsonl`; `train.checkpoint_every` is `save_steps`."
            .to_owned(),
    ];
    match bundle.task {
        Task::Sft => points.push(format!(
            "A row is one reply with all that was said before it, as TRL has no mask over messages: {} conversations are {} \
             rows, so that a step of {} conversations is {} rows.",
            bundle.train.len(),
            written.train_rows,
            bundle.numbers.accumulation,
            written.rows_a_step
        )),
        Task::Dpo(loss) => {
            points.push(
                "`trl dpo` takes the chat template of the base; where `check.py` finds other tokens, save \
                 `chat_template.jinja` with the base's tokenizer and name that folder with `--hf-base`."
                    .to_owned(),
            );
            points.push("The reference is the base without the adapter; an SFT adapter as start has no counterpart.".to_owned());
            if loss != "robust" {
                points.push("`train.label_smoothing` is for the loss `robust` alone, as in ours.".to_owned());
            }
        }
    }
    points.iter().map(|point| format!("- {point}\n")).collect()
}
