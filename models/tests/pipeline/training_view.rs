//! The curves of training runs, in a real browser.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::run::Run;

/// A run of training as `aloe train` leaves its figures.
fn trained(run: &Run, folder: &str, task: &str, steps: usize) {
    let state = run.path(folder).join("state");
    std::fs::create_dir_all(&state).expect("made");
    let config = json!({"version": "0", "seed": 1, "numbers": {"task": task, "loss": "sigmoid", "lr": 1e-5}, "roles": {}, "inputs": {}});
    std::fs::write(state.join("config.json"), config.to_string()).expect("written");
    let pairs = task == "dpo";
    let with_rewards = |mut line: Value, at: f64| {
        if pairs {
            line["rewards/chosen"] = json!(0.5 * at);
            line["rewards/rejected"] = json!(-at);
            line["rewards/margins"] = json!(1.5 * at);
            line["rewards/accuracies"] = json!(0.5 + at / 2.0);
        }
        line
    };
    let mut lines = Vec::new();
    for step in 0..=steps {
        let at = step as f64 / steps as f64;
        let wave = 0.05 * (step as f64 * 1.7).sin();
        if step > 0 {
            let lr = 1e-5 * (1.0 + (at * std::f64::consts::PI).cos()) / 2.0;
            let line = json!({"step": step, "epoch": at, "loss": 0.69 - 0.5 * at + wave, "token_accuracy": 0.4 + 0.2 * at,
                "grad_norm": 1.2 - 0.6 * at + wave, "lr": lr, "examples": 8.0, "tokens": 900.0, "tokens_per_s": 216.0 + 9.0 * wave,
                "step_s": 4.0, "peak_mib": 306});
            lines.push(with_rewards(line, at));
        }
        if step % 20 == 0 {
            let line = json!({"step": step, "eval_loss": 0.69 - 0.4 * at, "eval_token_accuracy": 0.4 + 0.1 * at, "eval_examples": 12.0});
            lines.push(with_rewards(line, 0.8 * at));
        }
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    // A run under way: half a line is written.
    std::fs::write(state.join("log.jsonl"), format!("{text}{{\"step\": 99")).expect("written");
}

#[test]
fn curves_of_training_fit_a_phone_and_the_dark_and_two_runs_stand_beside_each_other() {
    let run = Run::with_personas(1);
    trained(&run, "dpo", "dpo", 60);
    let out = run.beside("report.html");
    run.aloe(&format!("report --out {out}")).succeeded();
    let Some(mut browser) = Browser::start("curves of training in a browser") else { return };
    for (width, height, scheme) in
        [(1380, 1500, "light"), (1380, 1500, "dark"), (390, 844, "light"), (390, 844, "dark")]
    {
        browser.look(width, height, scheme);
        browser.open(&format!("file://{out}"));
        // Nothing else is in this folder, so it opens with the curves.
        browser.wait_for("document.querySelector('#top nav a[aria-current]').dataset.id === 'training'");
        let curves = browser.eval("[...document.querySelectorAll('[data-curve]')].map((card) => card.dataset.curve)");
        let expected = [
            "loss",
            "rewards/margins",
            "rewards/accuracies",
            "rewards/chosen",
            "rewards/rejected",
            "token_accuracy",
            "grad_norm",
            "lr",
            "tokens_per_s",
            "peak_mib",
        ];
        assert_eq!(curves, json!(expected));
        assert_eq!(browser.eval("document.querySelectorAll('[data-curve=loss] polyline').length"), 2);
        assert_eq!(browser.eval("document.querySelector('[data-curve=loss] polyline').points.numberOfItems"), 60);
        assert_eq!(browser.eval("document.querySelector('[data-curve=loss] .line.held').points.numberOfItems"), 4);
        // Learning rates are drawn in a power of ten, for axes show three decimals.
        assert_eq!(
            browser.eval("document.querySelector('[data-curve=lr] .unit').textContent.includes('× 10⁻⁶')"),
            true
        );
        let wide = browser.eval("document.documentElement.scrollWidth - innerWidth");
        assert!(wide.as_i64().is_some_and(|wide| wide <= 0), "{wide} px too wide at {width}");
        browser.picture(&format!("training-{scheme}-{width}"));
    }
    trained(&run, "sft", "sft", 40);
    run.aloe(&format!("report --out {out}")).succeeded();
    browser.look(1380, 1500, "light");
    browser.open(&format!("file://{out}"));
    assert_eq!(browser.eval("document.querySelectorAll('.training-run').length"), 2);
    assert_eq!(browser.eval("document.querySelectorAll('[data-curve=loss] polyline').length"), 4);
    browser.picture("training-two");
    assert_eq!(browser.complaints, [""; 0]);
}
