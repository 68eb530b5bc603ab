//! The parameters that the steps of a case name.

use std::sync::Arc;

use aloekit_ffi::{
    Adapter, AssistantParams, ConversationChoice, EngineParams, Induction, OnDamage, Overflow, SamplingParams,
    ScriptParams, ScriptedReply, SessionParams, StoreKey, UserMessage,
};
use serde_json::Value;

use crate::interpreter::make;
use crate::step::Step;

pub(crate) fn engine(step: &Step<'_>) -> EngineParams {
    EngineParams {
        model: step.text("model"),
        n_ctx: step.unsigned("n_ctx").unwrap_or(4096),
        n_batch: 512,
        n_sessions: 4,
        n_gpu_layers: 0,
        n_threads: Some(1),
        kv_type: None,
        flash_attention: None,
        repack: true,
        chat_template: None,
        memory_budget_mib: step.unsigned("memory_budget_mib").map(Into::into),
    }
}

pub(crate) fn assistant_params(step: &Step<'_>) -> AssistantParams {
    AssistantParams {
        engine: engine(step),
        memory: step.optional("memory"),
        embedder: None,
        snapshots: step.optional("snapshots"),
        on_damage: on_damage(step),
        durability: None,
        key: key(step),
        induction: induction(step),
    }
}

pub(crate) fn script(step: &Step<'_>) -> ScriptParams {
    let reply = |fields: &Value| {
        let reply = Step { fields, kept: step.kept };
        ScriptedReply {
            pieces: reply.texts("pieces"),
            piece_delay_ms: reply.unsigned("delay_ms").unwrap_or(0),
            fails_with: reply.optional("fails_with").map(|name| make(&name)),
            alignment_nats: reply.number("nats").unwrap_or(0) as f64,
        }
    };
    ScriptParams {
        replies: step.fields["replies"].as_array().into_iter().flatten().map(reply).collect(),
        memory: step.optional("memory"),
        snapshots: None,
        n_ctx: step.unsigned("n_ctx").unwrap_or(4096),
        uses_gpu: step.flag("uses_gpu"),
        on_damage: on_damage(step),
        induction: induction(step),
    }
}

fn on_damage(step: &Step<'_>) -> Option<OnDamage> {
    step.optional("on_damage").map(|_| OnDamage::Quarantine)
}

pub(crate) fn adapters(step: &Step<'_>, name: &str) -> Vec<Adapter> {
    step.texts(name).into_iter().map(|path| Adapter { path, scale: 1.0 }).collect()
}

pub(crate) fn session_params(step: &Step<'_>) -> SessionParams {
    let conversation = match step.number("conversation") {
        Some(id) => ConversationChoice::Id { id },
        None if step.optional("conversation").as_deref() == Some("new") => ConversationChoice::New,
        None => ConversationChoice::Latest,
    };
    SessionParams {
        conversation: Some(conversation),
        system_prompt: None,
        sampling: Some(SamplingParams {
            temperature: step.unsigned("temperature").unwrap_or(0) as f32,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            penalty_window: 128,
            seed: None,
        }),
        max_reply_tokens: step.unsigned("max_reply_tokens").unwrap_or(384),
        stop: Vec::new(),
        form: None,
        overflow: Some(Overflow::DropOldest),
        remember: true,
        recall: true,
        memory_share: 0.15,
        max_recalled: 6,
        adapters: if step.fields["adapters"].is_null() { Vec::new() } else { adapters(step, "adapters") },
        measure_alignment: step.flag("measure_alignment"),
        best_of: step.unsigned("best_of").unwrap_or(1),
    }
}

pub(crate) fn message(step: &Step<'_>) -> UserMessage {
    let pasted = if step.fields["pasted"].is_null() { Vec::new() } else { step.texts("pasted") };
    UserMessage { text: step.text("text"), pasted }
}

/// The key of so many bytes (32, if nothing is said), each of them the number.
pub(crate) fn key(step: &Step<'_>) -> Option<Arc<StoreKey>> {
    let length = step.unsigned("key_length").unwrap_or(32) as usize;
    step.unsigned("key").map(|byte| Arc::new(StoreKey::new(vec![byte as u8; length].into())))
}

fn induction(step: &Step<'_>) -> Option<Induction> {
    match step.optional("induction").as_deref() {
        None | Some("off") => Some(Induction::Off),
        Some("extractive") => Some(Induction::Extractive),
        Some("default") => None,
        Some(other) => panic!("no such induction: {other}"),
    }
}
