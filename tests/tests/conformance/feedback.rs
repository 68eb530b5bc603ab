//! The steps about what the user thinks of replies, and what the adapters do.

use std::path::Path;
use std::time::Duration;

use aloekit_ffi::{Alignment, Rating, Result, StopReason, Turn};

use crate::interpreter::Interpreter;
use crate::parameters::message;
use crate::step::Step;

impl Interpreter {
    pub(crate) async fn feedback(&mut self, step: &Step<'_>) -> Result<()> {
        let persona = self.assistant().persona();
        let turn = step.number("turn");
        match step.text("do").as_str() {
            "rate" => {
                let rated = self.session().rate(turn, rating(step)).await?;
                assert_eq!(rated, turn.unwrap_or(self.last_turn), "{}", step.fields);
            }
            "rating" => {
                let wanted = (step.text("rating") != "none").then(|| rating(step));
                assert_eq!(persona.rating(turn.unwrap_or(self.last_turn)).await?, wanted, "{}", step.fields);
            }
            "unrate" => persona.unrate(turn.unwrap_or(self.last_turn)).await?,
            "rate_during" => self.rate_during(step).await?,
            "preferences" => self.preferences(step).await?,
            "best_of" => self.session().set_best_of(step.unsigned("count").expect("how many")).await?,
            "alignment" => check_alignment(&self.session().alignment(turn, None).await?, step),
            "alignment_during" => self.alignment_during(step).await?,
            "give_up" => self.give_up(step).await?,
            other => panic!("no such step: {other}"),
        }
        Ok(())
    }

    async fn rate_during(&self, step: &Step<'_>) -> Result<()> {
        let reply = self.session().send(message(step)).await?;
        let rated = self.session().rate(step.number("turn"), rating(step)).await;
        reply.cancel();
        reply.finish().await?;
        rated.map(drop)
    }

    async fn alignment_during(&self, step: &Step<'_>) -> Result<()> {
        let reply = self.session().send(message(step)).await?;
        let measured = self.session().alignment(None, None).await;
        reply.cancel();
        reply.finish().await?;
        measured.map(drop)
    }

    /// Gives a reply up before a word of it was shown.
    async fn give_up(&self, step: &Step<'_>) -> Result<()> {
        let reply = self.session().send(message(step)).await?;
        std::thread::sleep(Duration::from_millis(step.unsigned("after_ms").expect("when").into()));
        reply.cancel();
        let turn = reply.finish().await?;
        assert_eq!((turn.reply.as_str(), turn.stop), ("", StopReason::Cancelled), "{}", step.fields);
        Ok(())
    }

    async fn preferences(&self, step: &Step<'_>) -> Result<()> {
        let (path, turns) = (step.text("path"), step.unsigned("turns").unwrap_or(8));
        let persona = self.assistant().persona();
        let report = persona.export_preferences_to(path.clone(), None, step.optional("system"), turns).await?;
        assert_eq!(Some(report.pairs as i64), step.number("pairs"), "{}", step.fields);
        assert_eq!(Some(report.labelled as i64), step.number("labelled"), "{}", step.fields);
        let pairs = read(path);
        assert_eq!(pairs.lines().count() as u64, report.pairs, "{pairs}");
        assert_eq!(report.unpaired.map_or(0, |file| read(file).lines().count() as u64), report.labelled);
        if let Some(words) = step.optional("contains") {
            assert!(pairs.contains(&words), "{words} is not in {pairs}");
        }
        Ok(())
    }
}

fn rating(step: &Step<'_>) -> Rating {
    match step.text("rating").as_str() {
        "up" => Rating::Up,
        "down" => Rating::Down,
        "edited" => Rating::Edited { text: step.text("edit") },
        other => panic!("no such rating: {other}"),
    }
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).expect("a file was written")
}

/// What was measured of a turn.
pub(crate) fn check_measured(turn: &Turn, step: &Step<'_>) {
    if let Some(wanted) = step.fields["measured"].as_bool() {
        assert_eq!(turn.alignment.is_some(), wanted, "{}: {:?}", step.fields, turn.alignment);
    }
    if let Some(count) = step.number("candidates") {
        assert_eq!(turn.candidates.len() as i64, count, "{}: {:?}", step.fields, turn.candidates);
    }
    match &turn.alignment {
        Some(alignment) => check_alignment(alignment, step),
        None => assert!(step.number("nats").is_none(), "nothing was measured: {}", step.fields),
    }
}

fn check_alignment(alignment: &Alignment, step: &Step<'_>) {
    if let Some(nats) = step.number("nats") {
        assert!((alignment.nats - nats as f64).abs() < 1e-3, "{}: {alignment:?}", step.fields);
    }
    if let Some(tokens) = step.number("tokens") {
        assert_eq!(alignment.tokens as i64, tokens, "{}: {alignment:?}", step.fields);
    }
    let whole = alignment.nats_per_token * alignment.tokens as f64;
    assert!((whole - alignment.nats).abs() < 1e-6, "{alignment:?}");
}
