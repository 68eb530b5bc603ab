//! A GPU against the CPU on a tiny Llama. Needs a device, and fails where there is none: never part of an ordinary run.
//!
//! `ALOE_TEST_DEVICE` names the device, `vulkan` if nothing does; Mesa's software device will do (see CONTRIBUTING.md).

use serde_json::Value;

use super::{Gpu, GpuModel};
use crate::error::Error;
use crate::train::batch::{Batch, Sequence, TokenizedExample};
use crate::train::device::DeviceName;
use crate::train::llama::{Base, Keep, Lora};
use crate::train::lora::{Dropout, LoraPlan};
use crate::train::model::{Model, Predicted as _};
use crate::train::objective::{PairLoss, PairObjective};
use crate::train::optimizer::{AdamW, clip};
use crate::train::oracle::{base, branching, error, examples, fixture, numbers, plan};
use crate::train::step::{Objective, Share, sequence_log_probs};

const CLOSE: f64 = 1e-4;

fn gpu() -> Gpu {
    let name = std::env::var("ALOE_TEST_DEVICE").unwrap_or_else(|_| "vulkan".to_owned());
    let found = Gpu::find(DeviceName::parse(&name).expect("ALOE_TEST_DEVICE names a device"));
    let gpu = found.unwrap_or_else(|error| panic!("NOTHING WAS TESTED, {name} is missing: {error}"));
    println!("on {}", gpu.name());
    gpu
}

fn start(plan: &LoraPlan, base: &Base) -> Vec<f32> {
    numbers("start.safetensors", "base_model.model.", plan, base)
}

fn pairs(loss: PairLoss, beta: f64) -> Objective {
    Objective::Pairs(PairObjective { loss, beta, label_smoothing: 0.0 })
}

/// Two conversations of 700 tokens whose replies branch late: more than one tile of attention, with gaps in what is seen.
fn long() -> Vec<TokenizedExample> {
    let sequence = |number: u32, reply: u32| {
        let said = (0..700).map(|at: u32| 6 + (at * (7 + number) + at / 5) % 80);
        let tokens: Vec<u32> = said.chain((0..40).map(|at| 6 + (at * 11 + reply) % 80)).collect();
        let learned = (0..tokens.len()).map(|at| at >= 600).collect();
        Sequence { tokens, learned }
    };
    let pair = |number| vec![sequence(number, 1), sequence(number, 2)];
    (0..2).map(|number| TokenizedExample { line: 0, group: 0, sequences: pair(number) }).collect()
}

struct Passed {
    log_probs: Vec<f32>,
    hits: Vec<bool>,
    gradients: Vec<f32>,
}

/// Both ways, with a slope for each target that is no other's.
fn pass(model: &impl Model, all: &[TokenizedExample], dropout: Option<Dropout>, keep: Keep) -> Passed {
    let plan = plan(model.base());
    let numbers = start(&plan, model.base());
    let lora = Lora { plan: &plan, numbers: &numbers, dropout };
    let batch = Batch::new(all, &(0..all.len()).collect::<Vec<_>>());
    let trace = model.forward(&batch.packed, &batch.targets, Some(lora), keep).expect("forward");
    let (log_probs, hits) = (trace.log_probs().to_vec(), trace.hits().to_vec());
    let slopes: Vec<f32> = (0..batch.targets.len()).map(|at| ((at % 7) as f32 - 3.5) / 100.0).collect();
    let mut gradients = vec![0.0; plan.len];
    model.backward(&batch.packed, &batch.targets, lora, trace, &slopes, &mut gradients).expect("backward");
    Passed { log_probs, hits, gradients }
}

#[test]
#[ignore = "needs a GPU, or Mesa's software device"]
fn log_probabilities_and_gradients_are_those_of_the_cpu() {
    let (base, gpu) = (base(), gpu());
    let resident = GpuModel::open(&base, &gpu, true).expect("placed");
    let streamed = GpuModel::open(&base, &gpu, false).expect("placed");
    let dropout = Some(Dropout { seed: 3, share: 0.3 });
    for (words, all, dropout) in
        [("branching", branching(), None), ("branching, dropout", branching(), dropout), ("long", long(), None)]
    {
        let cpu = pass(&base, &all, dropout, Keep::Activations);
        let kept = pass(&resident, &all, dropout, Keep::Activations);
        let errors = (error(&kept.log_probs, &cpu.log_probs), error(&kept.gradients, &cpu.gradients));
        println!("{words}: log-probabilities are off by {:.1e}, gradients by {:.1e}", errors.0, errors.1);
        assert!(errors.0 < CLOSE && errors.1 < CLOSE, "{words}: {errors:?}");
        let wrong = kept.hits.iter().zip(&cpu.hits).filter(|(ours, theirs)| ours != theirs).count();
        assert_eq!(wrong, 0, "{words}: of {}", cpu.hits.len());
        // Each pair on its own, because the norm over all hides the small ones.
        for pair in plan(&base).pairs {
            for range in [pair.a.clone(), pair.b.clone()] {
                let error = error(&kept.gradients[range.clone()], &cpu.gradients[range]);
                assert!(error < CLOSE, "{words}: layer {} {:?}: {error}", pair.layer, pair.projection);
            }
        }
        // Whatever is kept, and wherever the weights are: the same kernels over the same numbers.
        for again in
            [pass(&resident, &all, dropout, Keep::LayerInputs), pass(&streamed, &all, dropout, Keep::Activations)]
        {
            assert!(again.log_probs == kept.log_probs && again.gradients == kept.gradients, "{words}: other bits");
        }
    }
}

#[test]
#[ignore = "needs a GPU, or Mesa's software device"]
fn logits_that_are_not_kept_are_computed_again() {
    let (base, gpu) = (base(), gpu());
    let model = GpuModel::open(&base, &gpu, true).expect("placed");
    let all = branching();
    let batch = Batch::new(&all, &[0, 1, 2]);
    let slopes = vec![0.1; batch.targets.len()];
    let plan = plan(&base);
    let numbers = start(&plan, &base);
    let lora = Lora { plan: &plan, numbers: &numbers, dropout: None };
    let gradients = |forget: bool| {
        let mut trace = model.forward(&batch.packed, &batch.targets, Some(lora), Keep::Activations).expect("forward");
        if forget {
            trace.head.forget_logits();
        }
        let mut gradients = vec![0.0; plan.len];
        model.backward(&batch.packed, &batch.targets, lora, trace, &slopes, &mut gradients).expect("backward");
        gradients
    };
    assert!(gradients(false) == gradients(true), "other bits");
}

/// The adapter after the three steps of a fixture.
fn after_three_steps(model: &impl Model, kind: &str, objective: Objective, keep: Keep) -> Vec<f32> {
    let plan = plan(model.base());
    let text = std::fs::read_to_string(fixture(&format!("{kind}.json"))).expect("the fixture is there");
    let oracle: Value = serde_json::from_str(&text).expect("JSON");
    let number = |key: &str| oracle[key].as_f64().expect("a number");
    let mut at = start(&plan, model.base());
    let mut adam = AdamW::new(plan.len);
    for batch in oracle["batches"].as_array().expect("batches") {
        let all = examples(batch);
        let batch = [Batch::new(&all, &(0..all.len()).collect::<Vec<_>>())];
        let known = sequence_log_probs(model, None, &batch[0]).expect("computed");
        let reference: Vec<[f64; 2]> = known.iter().map(|sides| [sides[0], sides[sides.len() - 1]]).collect();
        let lora = Lora { plan: &plan, numbers: &at, dropout: None };
        let mut gradients = vec![0.0; plan.len];
        let share = Share::of(objective, &batch);
        objective.learn(model, lora, &batch[0], (&reference, share, keep), &mut gradients).expect("learned");
        clip(&mut gradients, number("max_grad_norm"));
        adam.step(&mut at, &gradients, number("lr"), 0.01);
    }
    at
}

#[test]
#[ignore = "needs a GPU, or Mesa's software device"]
fn three_steps_end_where_the_cpu_ends() {
    let (base, gpu) = (base(), gpu());
    let model = GpuModel::open(&base, &gpu, true).expect("placed");
    for (kind, objective, keep) in [
        ("sft", Objective::Sft, Keep::Activations),
        ("dpo_sigmoid", pairs(PairLoss::Sigmoid, 0.9), Keep::LayerInputs),
        ("dpo_ipo", pairs(PairLoss::Ipo, 0.3), Keep::Activations),
    ] {
        let ours = after_three_steps(&model, kind, objective, keep);
        let theirs = after_three_steps(&base, kind, objective, keep);
        let error = error(&ours, &theirs);
        println!("{kind}: the parameters after three steps are off by {error:.1e}");
        assert!(error < CLOSE, "{kind}: {error}");
    }
}

#[test]
#[ignore = "needs a GPU, or Mesa's software device"]
fn a_device_that_is_not_there_is_an_error_with_a_way_out() {
    let _there = gpu();
    let error = Gpu::find(DeviceName::Vulkan(99)).expect_err("nobody has a hundred");
    assert!(matches!(error, Error::DeviceMissing { .. } | Error::DeviceNotBuilt { .. }), "{error}");
    assert!(error.hint().expect("a hint").contains("--device cpu"));
}
