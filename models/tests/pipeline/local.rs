//! The real small model, start to end: no key, no network.

use crate::run::Run;

#[test]
fn a_small_model_plays_every_role() {
    let model = std::env::var("ALOE_TEST_MODEL").expect("`./dev test` names the model");
    let run = Run::new();
    let provider = format!(
        "--provider local:{model} --set provider.ctx=4096 --set provider.sequences=2 --set provider.threads=1 --seed 2"
    );
    // It cannot write a pool, and says so: the seeds remain.
    let personas = "personas --profiles 21 --personalities 20 --max-iterations 1 --set personas.wave=1 \
        --set personas.asked_for=1 --set personas.max_tokens=24 --set provider.parse_attempts=1";
    let ended = run.aloe(&format!("{personas} {provider} --json")).succeeded();
    assert!(ended.json()["personas"]["train"].as_u64().expect("a number") >= 100);
    // What it says is not good; the checks let it through here, since it is the way that is tested.
    let trees = "trees --conversations 1 --rounds 2 --set trees.user_max_tokens=40 --set trees.reply_max_tokens=40 \
        --set trees.inducer_max_tokens=200 --set trees.max_reply_likeness=1.1 --set trees.max_hint_words_in_row=1000 \
        --set trees.max_new_facts_per_turn=99";
    let summary = run.aloe(&format!("{trees} {provider} --json")).succeeded().json();
    assert_eq!(summary["trees"], 1, "{summary}");
    // A second time everything is found and nothing is asked.
    let again = run.aloe(&format!("{trees} {provider} --json")).succeeded().json();
    assert_eq!(again["this_time"]["already_there"], 1);
    let pairs = run.aloe(&format!("dataset --format dpo --out {} --json", run.beside("dpo"))).succeeded().json();
    assert!(pairs["statistics"]["train"].as_u64().expect("a number") >= 1, "{pairs}");
}
