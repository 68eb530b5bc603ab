//! Memory that stays behind when assistants are opened and closed a thousand times, on the layer below Kotlin and Swift.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod measure;

use aloekit_ffi::{ScriptParams, ScriptedReply, SessionParams, UserMessage, open_scripted_assistant};
use measure::{Table, announce, resident_mib, rounds};

const CYCLES: usize = 1000;

fn main() {
    let rounds = rounds(4);
    announce("open_close: resident memory after so many assistants");
    let mut table = Table::new(format!("{CYCLES} cycles a row"), &["cycles", "MiB", "grown, KiB a cycle"]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for talks in [false, true] {
        let mut before = resident_mib();
        for round in 1..=rounds {
            (0..CYCLES).for_each(|_| runtime.block_on(cycle(talks)));
            let after = resident_mib();
            let show = |value: Option<f64>| value.map_or_else(|| "unknown here".into(), |value| format!("{value:.2}"));
            let grown = before.zip(after).map(|(before, after)| (after - before) * 1024.0 / CYCLES as f64);
            let what = if talks { "with a reply each" } else { "opened and closed" };
            table.row([format!("{} {what}", round * CYCLES), show(after), show(grown)]);
            before = after;
        }
    }
    table.print();
}

async fn cycle(talks: bool) {
    let reply =
        ScriptedReply { pieces: vec!["Hello.".into()], piece_delay_ms: 0, fails_with: None, alignment_nats: 0.0 };
    let script = ScriptParams {
        replies: vec![reply],
        memory: None,
        snapshots: None,
        n_ctx: 4096,
        uses_gpu: false,
        on_damage: None,
        induction: None,
    };
    let assistant = open_scripted_assistant(script, None).await.expect("it opens");
    if talks {
        let session = assistant.session(session()).await.expect("a session");
        let message = UserMessage { text: "Hi.".into(), pasted: Vec::new() };
        session.send(message).await.expect("it is sent").finish().await.expect("a reply");
        session.finish_close().await.expect("it closes");
    }
    assistant.finish_close().await.expect("it closes");
}

fn session() -> SessionParams {
    SessionParams {
        conversation: None,
        system_prompt: None,
        sampling: None,
        max_reply_tokens: 16,
        stop: Vec::new(),
        form: None,
        overflow: None,
        remember: true,
        recall: true,
        memory_share: 0.15,
        max_recalled: 6,
        adapters: Vec::new(),
        measure_alignment: false,
        best_of: 1,
    }
}
