//! Training against TRL and PEFT on a tiny Llama, and a tree against its sequences one by one.

use serde_json::Value;

use super::{Keep, Lora};
use crate::train::batch::Batch;
use crate::train::objective::{PairLoss, PairObjective};
use crate::train::optimizer::{AdamW, clip};
use crate::train::oracle::{base, branching, error, examples, fixture, numbers, plan};
use crate::train::step::{Objective, Share, sequence_log_probs};

fn parity(kind: &str, loss: Option<PairLoss>, keep: Keep) {
    let base = base();
    let plan = plan(&base);
    let text = std::fs::read_to_string(fixture(&format!("{kind}.json"))).expect("the fixture is there");
    let oracle: Value = serde_json::from_str(&text).expect("JSON");
    let objective = loss.map_or(Objective::Sft, |loss| {
        let beta = oracle["beta"].as_f64().expect("a beta");
        Objective::Pairs(PairObjective { loss, beta, label_smoothing: 0.0 })
    });
    let mut at = numbers("start.safetensors", "base_model.model.", &plan, &base);
    let mut adam = AdamW::new(plan.len);
    for (step, batch) in oracle["batches"].as_array().expect("batches").iter().enumerate() {
        let all = examples(batch);
        let batch = [Batch::new(&all, &(0..all.len()).collect::<Vec<_>>())];
        let lora = Lora { plan: &plan, numbers: &at, dropout: None };
        let reference: Vec<[f64; 2]> = match objective {
            Objective::Sft => vec![[0.0; 2]; all.len()],
            Objective::Pairs(_) => {
                let known = sequence_log_probs(&base, None, &batch[0]).expect("computed");
                known.iter().map(|pair| [pair[0], pair[1]]).collect()
            }
        };
        let mut gradients = vec![0.0; plan.len];
        let share = Share::of(objective, &batch);
        let sums = objective.learn(&base, lora, &batch[0], (&reference, share, keep), &mut gradients).expect("learned");
        let log = &oracle["logs"][step];
        let off = |ours: f64, key: &str| (ours / log[key].as_f64().expect("logged") - 1.0).abs();
        assert!(off(sums.loss, "loss") < 1e-4, "{kind} step {step}: loss {} and {}", sums.loss, log["loss"]);
        let norm = clip(&mut gradients, oracle["max_grad_norm"].as_f64().expect("a number"));
        assert!(off(norm, "grad_norm") < 1e-4, "{kind} step {step}: norm {norm} and {}", log["grad_norm"]);
        if step == 0 {
            let theirs = numbers(&format!("{kind}.safetensors"), "gradient.base_model.model.", &plan, &base);
            for pair in &plan.pairs {
                for range in [&pair.a, &pair.b] {
                    let error = error(&gradients[range.clone()], &theirs[range.clone()]);
                    assert!(error < 1e-4, "{kind}: layer {} {:?}: {error}", pair.layer, pair.projection);
                }
            }
        }
        adam.step(&mut at, &gradients, oracle["lr"].as_f64().expect("a number"), 0.01);
    }
    let theirs = numbers(&format!("{kind}.safetensors"), "after.base_model.model.", &plan, &base);
    let error = error(&at, &theirs);
    println!("{kind}: the parameters after three steps are off by {error:.1e}");
    assert!(error < 1e-4, "{kind}: {error}");
}

#[test]
fn sft_is_what_trl_does() {
    parity("sft", None, Keep::Activations);
}

#[test]
fn dpo_is_what_trl_does() {
    parity("dpo_sigmoid", Some(PairLoss::Sigmoid), Keep::LayerInputs);
}

#[test]
fn ipo_is_what_trl_does() {
    parity("dpo_ipo", Some(PairLoss::Ipo), Keep::Activations);
}

#[test]
fn a_tree_is_trained_as_its_sequences_one_by_one() {
    let base = base();
    let plan = plan(&base);
    let start = numbers("start.safetensors", "base_model.model.", &plan, &base);
    let lora = Lora { plan: &plan, numbers: &start, dropout: None };
    let all = branching();
    for objective in
        [Objective::Sft, Objective::Pairs(PairObjective { loss: PairLoss::Sigmoid, beta: 0.5, label_smoothing: 0.0 })]
    {
        let reference = vec![[-30.0, -31.0]; all.len()];
        let learn = |batches: Vec<Batch>| {
            let share = Share::of(objective, &batches);
            let mut gradients = vec![0.0; plan.len];
            let mut loss = 0.0;
            for batch in &batches {
                let seen = (&reference[..], share, Keep::Activations);
                loss += objective.learn(&base, lora, batch, seen, &mut gradients).expect("learned").loss;
            }
            let tokens: usize = batches.iter().map(Batch::tokens).sum();
            (loss, gradients, tokens)
        };
        let tree = learn(vec![Batch::new(&all, &(0..all.len()).collect::<Vec<_>>())]);
        // Each sequence on its own where the loss is a sum over them; each pair with nothing shared but its prompt.
        let alone = learn((0..all.len()).map(|at| Batch::new(&all, &[at])).collect());
        assert!(tree.2 < alone.2, "nothing was shared");
        assert!((tree.0 / alone.0 - 1.0).abs() < 1e-5, "{} {}", tree.0, alone.0);
        let error = error(&tree.1, &alone.1);
        println!("{} tokens instead of {}: the gradient is off by {error:.1e}", tree.2, alone.2);
        assert!(error < 1e-5, "{error}");
    }
}

#[test]
fn a_layer_that_is_computed_again_gives_the_same_bits() {
    let base = base();
    let plan = plan(&base);
    let start = numbers("start.safetensors", "base_model.model.", &plan, &base);
    let dropout = Some(crate::train::lora::Dropout { seed: 3, share: 0.3 });
    let all = branching();
    let batch = Batch::new(&all, &[0, 1, 2]);
    let gradients = |keep| {
        let mut gradients = vec![0.0; plan.len];
        let lora = Lora { plan: &plan, numbers: &start, dropout };
        let seen = (&vec![[0.0; 2]; all.len()][..], Share(0.1), keep);
        Objective::Sft.learn(&base, lora, &batch, seen, &mut gradients).expect("learned");
        gradients
    };
    assert_eq!(gradients(Keep::Activations), gradients(Keep::LayerInputs));
}

#[test]
fn the_gradient_through_dropout_is_that_of_finite_differences() {
    let base = base();
    let plan = plan(&base);
    let start = numbers("start.safetensors", "base_model.model.", &plan, &base);
    let all = branching();
    let batch = Batch::new(&all, &[0]);
    let reference = vec![[0.0; 2]; all.len()];
    let learn = |numbers: &[f32], gradients: &mut [f32]| {
        let lora = Lora { plan: &plan, numbers, dropout: Some(crate::train::lora::Dropout { seed: 3, share: 0.3 }) };
        let seen = (&reference[..], Share(1.0), Keep::Activations);
        Objective::Sft.learn(&base, lora, &batch, seen, gradients).expect("learned").loss
    };
    let mut gradients = vec![0.0; plan.len];
    learn(&start, &mut gradients);
    // Along the gradient itself, where the difference is largest against rounding.
    let norm = gradients.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let moved = |by: f64| -> Vec<f32> {
        start.iter().zip(&gradients).map(|(x, g)| x + (by * f64::from(*g) / norm) as f32).collect()
    };
    let mut unused = vec![0.0; plan.len];
    let difference = (learn(&moved(2e-3), &mut unused) - learn(&moved(-2e-3), &mut unused)) / 4e-3;
    assert!((difference / norm - 1.0).abs() < 2e-3, "{difference} {norm}");
}
