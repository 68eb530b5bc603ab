//! `aloe eval mcq`: multiple-choice questions answered by log-probability.

use serde_json::json;

use super::likelihood::Scorer;
use crate::cli::EvalMcqArgs;
use crate::error::{Error, Result};
use crate::evaluation::{Likelihood, McqFigures, McqItem, bootstrap, shuffled};
use crate::output::Output;
use crate::record::Speaker;
use crate::run_dir::Lines;
use crate::settings::Settings;

pub(super) fn run(args: &EvalMcqArgs, settings: &Settings, output: Output) -> Result<()> {
    let items = read(args)?;
    let scorer = Scorer::open(&args.model, settings, output)?;
    let mut bar = output.counter("questions", items.len() as u64);
    let mut answered = Vec::with_capacity(items.len());
    for item in &items {
        let (by_sum, by_mean) = choose(&scorer, item, args)?;
        answered.push((item, by_sum, by_mean));
        bar.set(answered.len() as u64);
    }
    drop(bar);
    let figures = McqFigures::of(&answered);
    let interval = bootstrap(&answered, args.seed, |of| {
        Some(McqFigures::of(&of.iter().map(|one| **one).collect::<Vec<_>>()).accuracy)
    });
    if args.json {
        return output.json(&json!({
            "model": scorer.engine.info().fingerprint, "lettered": args.lettered, "figures": figures, "accuracy_95": interval,
        }));
    }
    let McqFigures { items, accuracy, accuracy_normalised, chance } = figures;
    let interval = interval.map(|i| format!("{:.3} to {:.3}", i.low, i.high)).unwrap_or_default();
    output.data("items\taccuracy\tby token\tchance\taccuracy, 95%");
    output.data(&format!("{items}\t{accuracy:.3}\t{accuracy_normalised:.3}\t{chance:.3}\t{interval}"));
    Ok(())
}

fn read(args: &EvalMcqArgs) -> Result<Vec<McqItem>> {
    let mut items = Vec::new();
    for (item, place) in Lines::<McqItem>::open(&args.jsonl)?.zip(1_u64..) {
        let item = item?;
        let fault = match (&item.options[..], item.messages.last().map(|last| last.role)) {
            ([] | [_], _) => Some("it needs two options or more"),
            (options, _) if item.answer >= options.len() => {
                Some("its answer is none of the options; places count from 0")
            }
            (options, _) if options.iter().any(|option| option.trim().is_empty()) => {
                Some("one of its options is empty")
            }
            (options, _) if args.lettered && options.len() > 26 => Some("it has more options than there are letters"),
            (_, Some(Speaker::User)) => None,
            _ => Some("its messages must end with the user's"),
        };
        if let Some(fault) = fault {
            let reason = format!("question {place}: {fault}");
            return Err(Error::RecordInvalid { path: args.jsonl.clone(), line: place, reason });
        }
        items.push(item);
    }
    match items.is_empty() {
        true => Err(Error::StageEmpty {
            stage: "eval mcq",
            reason: format!("{} has no question", args.jsonl.display()),
            hint: "each line is {id, messages, options, answer}",
        }),
        false => Ok(items),
    }
}

/// The places of the option with the greatest log-probability, and of the one with the greatest a token.
fn choose(scorer: &Scorer, item: &McqItem, args: &EvalMcqArgs) -> Result<(usize, usize)> {
    let order = shuffled(item, args.seed);
    let (mut messages, mut options) = (item.messages.clone(), Vec::new());
    if args.lettered {
        let lines: Vec<String> =
            ('A'..).zip(&order).map(|(letter, at)| format!("{letter}. {}", item.options[*at])).collect();
        if let Some(last) = messages.last_mut() {
            last.content.push_str(&format!("\n\n{}\n\nAnswer with one letter.", lines.join("\n")));
        }
        options.extend(('A'..).map(String::from).take(order.len()));
    } else {
        options.extend(order.iter().map(|at| item.options[*at].clone()));
    }
    let scores = scorer.score(&messages, options, true)?;
    let best = |of: fn(&Likelihood) -> f64| {
        let places = scores.iter().enumerate().max_by(|(_, a), (_, b)| of(a).total_cmp(&of(b)));
        places.and_then(|(place, _)| order.get(place).copied()).unwrap_or_default()
    };
    Ok((best(|of| of.sum), best(|of| of.mean)))
}
