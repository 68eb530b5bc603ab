//! Systems beside each other as the tables that a document or a spreadsheet takes.

use super::side_by_side::{SideBySide, System};
use super::statistics::Interval;

/// Two tables: alignment levels with what follows from them, and what they were measured with.
pub(crate) fn markdown(all: &SideBySide) -> String {
    let rounds = rounds(all);
    let mut head: Vec<String> = vec!["system".into()];
    head.extend((1..=rounds).map(|turn| format!("AL({turn})")));
    head.extend(["average (95%)", "IR (95%)", "N-IR", "N-R²", "against the base"].map(str::to_owned));
    let figures = rows(&head, all.systems.iter().map(|system| figures_of(system, rounds)));
    let head: Vec<String> = [
        "system",
        "cases",
        "scored",
        "refused",
        "unscored",
        "words a reply",
        "known at the end",
        "persona gain (nats a token)",
        "specificity",
        "ms a reply (p50, p90)",
        "cost",
        "user",
        "judge",
        "seed",
    ]
    .map(str::to_owned)
    .to_vec();
    let measured = rows(&head, all.systems.iter().map(measured_of));
    let remarks: String = all.remarks.iter().map(|remark| format!("\n- {remark}")).collect();
    let remarks = if remarks.is_empty() { remarks } else { format!("\n{remarks}\n").replacen("\n\n", "\n", 1) };
    format!("{figures}\n{measured}{remarks}")
}

fn figures_of(system: &System, rounds: usize) -> Vec<String> {
    let report = &system.report;
    let level = |turn: usize| number(report.alignment_level.get(turn).copied().flatten().map(|level| level.value), 2);
    let improvement = report.improvement;
    let mut cells = vec![system.name.clone()];
    cells.extend((0..rounds).map(level));
    cells.push(with_interval(report.average, 2));
    cells.push(with_interval(report.improvement_rate, 3));
    cells.push(number(improvement.and_then(|found| found.n_ir), 3));
    cells.push(number(improvement.and_then(|found| found.n_r2), 3));
    cells.push(system.against_base.map_or_else(
        || "–".to_owned(),
        |found| {
            let p = if found.p_value < 0.001 { "p < 0.001".to_owned() } else { format!("p = {:.3}", found.p_value) };
            format!("{:+.1}% ({p}, {} cases)", 100.0 * found.relative_improvement, found.cases)
        },
    ));
    cells
}

fn measured_of(system: &System) -> Vec<String> {
    let report = &system.report;
    let known = system.known.as_ref().and_then(|known| known.last().copied());
    vec![
        system.name.clone(),
        report.cases.to_string(),
        report.scored.to_string(),
        report.refused.to_string(),
        report.unscored.to_string(),
        format!("{:.1}", system.reply_words),
        number(known, 1),
        with_interval(system.gain.as_ref().and_then(|gain| gain.figures.gain_normalised), 3),
        with_interval(system.specificity.as_ref().and_then(|found| found.difference), 2),
        system.reply_ms.map_or_else(|| "–".to_owned(), |(median, p90)| format!("{median}, {p90}")),
        system.cost().map_or_else(|| "–".to_owned(), |cost| format!("${cost:.2}")),
        system.made.user.clone(),
        system.made.judge.clone(),
        system.made.run_seed.to_string(),
    ]
}

fn rows(head: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    // A bar in a name would begin a new cell.
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<String> =
        head.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" }.into()).collect();
    let body: String = rows.map(|row| line(&row)).collect();
    format!("{}{}{body}", line(head), line(&rule))
}

/// One row a system, every figure in a cell of its own; what does not exist is empty.
pub(crate) fn csv(all: &SideBySide) -> String {
    let rounds = rounds(all);
    let mut head: Vec<String> =
        ["system", "candidate", "adapter", "memory", "restart_every", "user", "judge", "seed", "cases", "rounds"]
            .map(str::to_owned)
            .to_vec();
    for turn in 1..=rounds {
        head.extend([format!("al_{turn}"), format!("al_{turn}_low"), format!("al_{turn}_high")]);
    }
    head.extend(
        [
            "average",
            "average_low",
            "average_high",
            "ir",
            "ir_low",
            "ir_high",
            "n_ir",
            "n_r2",
            "relative_improvement",
            "p_value",
            "paired_cases",
            "scored",
            "refused",
            "unscored",
            "score_1",
            "score_2",
            "score_3",
            "score_4",
            "score_5",
            "reply_words",
            "known_at_end",
            "gain",
            "gain_low",
            "gain_high",
            "gain_a_token",
            "gain_a_token_low",
            "gain_a_token_high",
            "gain_model",
            "specificity",
            "specificity_low",
            "specificity_high",
            "reply_ms_p50",
            "reply_ms_p90",
            "prompt_tokens",
            "completion_tokens",
            "cost_dollars",
        ]
        .map(str::to_owned),
    );
    let mut text = csv_line(&head);
    for system in &all.systems {
        text.push_str(&csv_line(&csv_row(system, rounds)));
    }
    text
}

fn csv_row(system: &System, rounds: usize) -> Vec<String> {
    let (report, made) = (&system.report, &system.made);
    let described = |key: &str| made.system.get(key).cloned().unwrap_or_default();
    let mut cells = vec![
        system.name.clone(),
        described("candidate"),
        made.adapter.clone().unwrap_or_default(),
        described("memory"),
        described("restart_every"),
        made.user.clone(),
        made.judge.clone(),
        made.run_seed.to_string(),
        report.cases.to_string(),
        system.rounds.to_string(),
    ];
    let interval = |interval: Option<Interval>| {
        [interval.map(|i| i.value), interval.map(|i| i.low), interval.map(|i| i.high)].map(exact)
    };
    for turn in 0..rounds {
        cells.extend(interval(report.alignment_level.get(turn).copied().flatten()));
    }
    cells.extend(interval(report.average));
    cells.extend(interval(report.improvement_rate));
    let against = system.against_base;
    cells.extend([
        exact(report.improvement.and_then(|found| found.n_ir)),
        exact(report.improvement.and_then(|found| found.n_r2)),
        exact(against.map(|found| found.relative_improvement)),
        exact(against.map(|found| found.p_value)),
        against.map(|found| found.cases.to_string()).unwrap_or_default(),
    ]);
    cells.extend([report.scored, report.refused, report.unscored].map(|count| count.to_string()));
    cells.extend(system.scores.map(|count| count.to_string()));
    cells.push(exact(Some(system.reply_words)));
    cells.push(exact(system.known.as_ref().and_then(|known| known.last().copied())));
    cells.extend(interval(system.gain.as_ref().and_then(|gain| gain.figures.gain)));
    cells.extend(interval(system.gain.as_ref().and_then(|gain| gain.figures.gain_normalised)));
    cells.push(system.gain.as_ref().map(|gain| gain.model.clone()).unwrap_or_default());
    cells.extend(interval(system.specificity.as_ref().and_then(|found| found.difference)));
    cells.push(system.reply_ms.map(|(median, _)| median.to_string()).unwrap_or_default());
    cells.push(system.reply_ms.map(|(_, p90)| p90.to_string()).unwrap_or_default());
    cells.push(system.spent.iter().map(|role| role.prompt_tokens).sum::<u64>().to_string());
    cells.push(system.spent.iter().map(|role| role.completion_tokens).sum::<u64>().to_string());
    cells.push(exact(system.cost()));
    cells
}

/// RFC 4180.
fn csv_line(cells: &[String]) -> String {
    let quoted = |cell: &String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    format!("{}\r\n", cells.iter().map(quoted).collect::<Vec<_>>().join(","))
}

fn rounds(all: &SideBySide) -> usize {
    all.systems.iter().map(|system| system.rounds).max().unwrap_or(0)
}

fn exact(figure: Option<f64>) -> String {
    figure.map(|figure| format!("{figure:.6}")).unwrap_or_default()
}

fn number(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.digits$}"))
}

fn with_interval(interval: Option<Interval>, digits: usize) -> String {
    interval
        .map_or_else(|| "–".to_owned(), |i| format!("{:.digits$} ({:.digits$} to {:.digits$})", i.value, i.low, i.high))
}
