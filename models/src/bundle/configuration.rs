//! The configuration of the TRL command line, from the numbers that our own engine takes.
//!
//! Every key is one of TRL 1.16: a test with Python asks TRL itself. A number without a counterpart stands in the README.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Bundle, Task, Written};

/// The text of `sft.yaml` or `dpo.yaml`; values are written as JSON, which is YAML.
pub(crate) fn yaml(bundle: &Bundle<'_>, written: &Written) -> String {
    let verb = bundle.task.verb();
    let mut text = format!(
        "# trl {verb} --config {verb}.yaml; `python run.py` says so for one or several GPUs.\n\
         # Written by aloe {}; every path is relative to this folder.\n",
        env!("CARGO_PKG_VERSION")
    );
    for (key, value) in values(bundle, written) {
        writeln!(text, "{key}: {value}").expect("a string takes what is written");
    }
    text
}

fn values(bundle: &Bundle<'_>, written: &Written) -> Vec<(&'static str, Value)> {
    let numbers = bundle.numbers;
    let schedule = if numbers.schedule == "cosine" { "cosine" } else { "constant_with_warmup" };
    let mut values = vec![
        ("model_name_or_path", json!(bundle.base)),
        ("dtype", json!("bfloat16")),
        ("bf16", json!(true)),
        ("dataset_name", json!("data")),
        ("output_dir", json!("adapter")),
        ("use_peft", json!(true)),
        ("lora_r", json!(numbers.rank)),
        ("lora_alpha", number(numbers.alpha.into())),
        ("lora_dropout", number(numbers.dropout.into())),
        ("lora_target_modules", json!(numbers.targets)),
        ("learning_rate", json!(numbers.lr)),
        ("lr_scheduler_type", json!(schedule)),
        ("warmup_steps", json!(numbers.warmup_share)),
        ("optim", json!("adamw_torch")),
        ("adam_beta1", json!(0.9)),
        ("adam_beta2", json!(0.999)),
        ("adam_epsilon", json!(1e-8)),
        ("weight_decay", json!(numbers.weight_decay)),
        ("max_grad_norm", json!(numbers.max_grad_norm)),
        ("per_device_train_batch_size", json!(1)),
        ("per_device_eval_batch_size", json!(1)),
        ("gradient_accumulation_steps", json!(written.rows_a_step)),
        ("gradient_checkpointing", json!(true)),
        ("num_train_epochs", json!(numbers.epochs)),
        ("max_steps", if numbers.max_steps == 0 { json!(-1) } else { json!(numbers.max_steps) }),
        ("max_length", json!(numbers.max_tokens)),
        ("seed", json!(bundle.seed)),
        ("logging_steps", json!(1)),
        ("logging_first_step", json!(true)),
        ("report_to", json!("tensorboard")),
        ("save_strategy", json!("steps")),
        ("save_steps", json!(numbers.checkpoint_every)),
        ("save_total_limit", json!(2)),
    ];
    values.extend(evaluation(bundle, written));
    match bundle.task {
        Task::Sft => {
            values.push(("completion_only_loss", json!(true)));
            values.push(("packing", json!(false)));
            if bundle.template.is_some() {
                values.push(("chat_template_path", json!("chat_template.jinja")));
            }
        }
        Task::Dpo(loss) => {
            values.push(("loss_type", json!([loss])));
            values.push(("beta", json!(numbers.beta)));
            // TRL lets no other loss see it.
            if loss == "robust" {
                values.push(("label_smoothing", json!(numbers.label_smoothing)));
            }
            values.push(("precompute_ref_log_probs", json!(true)));
        }
    }
    values
}

/// A folder whose file is called `eval` has the split `test`.
fn evaluation(bundle: &Bundle<'_>, written: &Written) -> Vec<(&'static str, Value)> {
    if written.held_out_rows == 0 {
        return vec![("eval_strategy", json!("no"))];
    }
    let mut values = vec![("dataset_test_split", json!("test")), ("eval_on_start", json!(true))];
    match bundle.numbers.eval_every {
        0 => values.push(("eval_strategy", json!("epoch"))),
        every => values.extend([("eval_strategy", json!("steps")), ("eval_steps", json!(every))]),
    }
    values
}

/// A whole number without a point: PEFT's alpha is one in TRL.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole and small by the test before it")]
    if value.fract() == 0.0 && value.abs() < 1e9 { json!(value as i64) } else { json!(value) }
}
