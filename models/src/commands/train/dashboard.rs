//! What a run shows while it is under way: three or four lines, as wide as the terminal.

use std::time::Instant;

use crate::output::{Output, Panel};
use crate::train::{Evaluation, StepMetrics, Watch};

/// Steps whose losses are drawn as a small curve.
const KEPT_LOSSES: usize = 400;

const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The dashboard, drawn after each step.
pub(super) struct Dashboard {
    panel: Panel,
    colour: bool,
    seen: Seen,
}

/// What it knows of the run.
#[derive(Debug, Default)]
struct Seen {
    of: usize,
    stage: Option<String>,
    last: Option<StepMetrics>,
    first_held_out: Option<Evaluation>,
    held_out: Option<Evaluation>,
    losses: Vec<f64>,
    /// When the first step of this process ended, and its number: what went before is no measure of speed.
    began: Option<(Instant, usize)>,
}

impl Dashboard {
    pub(super) fn new(steps: usize, output: Output) -> Self {
        let seen = Seen { of: steps, ..Seen::default() };
        Self { panel: output.panel(), colour: output.color_err(), seen }
    }

    fn draw(&mut self, notable: bool) {
        let lines = self.seen.lines(self.panel.columns());
        let lines: Vec<_> = lines.into_iter().map(|line| if self.colour { painted(&line) } else { line }).collect();
        self.panel.show(&lines, &self.seen.plain(), notable);
    }
}

impl Watch for Dashboard {
    fn step(&mut self, metrics: &StepMetrics, of: usize) {
        let seen = &mut self.seen;
        seen.of = of;
        seen.stage = None;
        seen.began.get_or_insert((Instant::now(), metrics.step));
        seen.losses.push(metrics.loss);
        if seen.losses.len() > KEPT_LOSSES {
            seen.losses.remove(0);
        }
        seen.last = Some(metrics.clone());
        self.draw(metrics.step == of);
    }

    fn evaluation(&mut self, evaluation: &Evaluation) {
        self.seen.stage = None;
        self.seen.first_held_out.get_or_insert(*evaluation);
        self.seen.held_out = Some(*evaluation);
        self.draw(true);
    }

    fn stage(&mut self, words: &str) {
        self.seen.stage = Some(words.to_owned());
        self.draw(false);
    }
}

impl Seen {
    /// The lines, none wider than `columns`; the first leaves room for the clock before it.
    fn lines(&self, columns: usize) -> Vec<String> {
        let mut lines = vec![self.head(columns.saturating_sub(Panel::INDENT + 1))];
        if let Some(last) = &self.last {
            let mut figures = vec![format!("loss {:.4}", last.loss)];
            match &last.rewards {
                Some(rewards) => figures.extend([
                    format!("margin {:.3}", rewards.margins),
                    format!("accuracy {:.2}", rewards.accuracies),
                    format!("chosen {:.3}", rewards.chosen),
                    format!("rejected {:.3}", rewards.rejected),
                ]),
                None => figures.push(format!("token accuracy {:.3}", last.token_accuracy)),
            }
            lines.push(fitting("train", &figures, columns));
        }
        if let Some(held_out) = &self.held_out {
            lines.push(fitting("held out", &held_out_figures(held_out, self.first_held_out.as_ref()), columns));
        }
        if let Some(last) = &self.last {
            let mut figures = vec![
                format!("lr {:.2e}", last.lr),
                format!("grad norm {:.3}", last.grad_norm),
                format!("{:.0} tok/s", last.tokens_per_s),
            ];
            figures.extend(last.peak_mib.map(|mib| format!("peak {mib} MiB")));
            figures.push(format!("epoch {:.2}", last.epoch));
            lines.push(fitting("optimizer", &figures, columns));
            let room = columns.saturating_sub(12).min(60);
            if self.losses.len() > 1 && room > 8 {
                lines.push(format!("  {:<9} {}", "loss", curve(&self.losses, room.saturating_sub(2))));
            }
        }
        lines
    }

    fn head(&self, columns: usize) -> String {
        let at = self.last.as_ref().map_or(0, |last| last.step);
        let mut words = format!("step {at}/{}", self.of);
        if let Some(left) = self.left_s() {
            words.push_str(&format!(" · {} left", duration(left)));
        }
        if let Some(stage) = &self.stage {
            words.push_str(&format!(" · {stage}"));
        }
        let room = columns.saturating_sub(words.chars().count() + 1).min(40);
        if room < 8 {
            return cut(&words, columns);
        }
        let filled = room * at / self.of.max(1);
        format!("{}{} {words}", "━".repeat(filled.min(room)), "─".repeat(room - filled.min(room)))
    }

    fn left_s(&self) -> Option<f64> {
        let (last, (began, first)) = (self.last.as_ref()?, self.began?);
        let left = self.of.saturating_sub(last.step) as f64;
        // The first step has no other to be measured by.
        let a_step = match last.step.saturating_sub(first) {
            0 => last.step_s,
            done => began.elapsed().as_secs_f64() / done as f64,
        };
        (left > 0.0).then_some(left * a_step)
    }

    /// All of it in one line, for a log.
    fn plain(&self) -> String {
        let Some(last) = &self.last else {
            let stage = self.stage.as_deref().unwrap_or("training");
            return match &self.held_out {
                Some(held_out) if self.stage.is_none() => {
                    format!("held out: {}", held_out_figures(held_out, None).join(", "))
                }
                _ => stage.to_owned(),
            };
        };
        let mut figures = vec![format!("loss {:.4}", last.loss)];
        figures.extend(last.rewards.map(|r| format!("margin {:.3}, accuracy {:.2}", r.margins, r.accuracies)));
        if let Some(held_out) = self.held_out.filter(|held_out| held_out.step == last.step) {
            figures.push(format!("held-out loss {:.4}", held_out.eval_loss));
        }
        figures.push(format!("lr {:.2e}, grad norm {:.3}, {:.0} tok/s", last.lr, last.grad_norm, last.tokens_per_s));
        figures.extend(last.peak_mib.map(|mib| format!("{mib} MiB")));
        figures.extend(self.left_s().map(|left| format!("{} left", duration(left))));
        format!("step {} of {}: {}", last.step, self.of, figures.join(", "))
    }
}

fn held_out_figures(now: &Evaluation, first: Option<&Evaluation>) -> Vec<String> {
    let from = |before: Option<f64>, digits: usize| match before.filter(|_| first.is_some_and(|f| f.step != now.step)) {
        Some(before) => format!("{before:.digits$} → "),
        None => String::new(),
    };
    let mut figures = vec![format!("loss {}{:.4}", from(first.map(|f| f.eval_loss), 4), now.eval_loss)];
    match &now.rewards {
        Some(rewards) => {
            let before = first.and_then(|first| first.rewards);
            figures.push(format!("margin {}{:.3}", from(before.map(|r| r.margins), 3), rewards.margins));
            figures.push(format!("accuracy {}{:.2}", from(before.map(|r| r.accuracies), 2), rewards.accuracies));
        }
        None => {
            let before = first.map(|first| first.eval_token_accuracy);
            figures.push(format!("token accuracy {}{:.3}", from(before, 3), now.eval_token_accuracy));
        }
    }
    figures.push(format!("at step {}", now.step));
    figures
}

/// A line of as many figures as there is room for.
fn fitting(name: &str, figures: &[String], columns: usize) -> String {
    let mut line = format!("  {name:<9} ");
    for (at, figure) in figures.iter().enumerate() {
        let between = if at == 0 { "" } else { "  " };
        if line.chars().count() + between.len() + figure.chars().count() >= columns {
            break;
        }
        line.push_str(between);
        line.push_str(figure);
    }
    cut(&line, columns.saturating_sub(1))
}

fn cut(line: &str, columns: usize) -> String {
    line.chars().take(columns).collect()
}

/// The losses as marks of eight heights, means of neighbours where there are more than `columns`.
fn curve(losses: &[f64], columns: usize) -> String {
    let a_mark = losses.len().div_ceil(columns.max(1)).max(1);
    let means: Vec<_> = losses.chunks(a_mark).map(|part| part.iter().sum::<f64>() / part.len() as f64).collect();
    let (least, most) = means.iter().fold((f64::MAX, f64::MIN), |(least, most), x| (least.min(*x), most.max(*x)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 7")]
    let mark = |x: &f64| MARKS[((x - least) / (most - least).max(1e-12) * 7.0).round().clamp(0.0, 7.0) as usize];
    means.iter().map(mark).collect()
}

fn duration(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time to come")]
    let seconds = seconds.clamp(0.0, 1e9).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// Names in a fainter colour than figures, the bar in green.
fn painted(line: &str) -> String {
    if let Some(rest) = line.strip_prefix("  ").filter(|rest| rest.len() > 10 && rest.is_char_boundary(10)) {
        let (name, figures) = rest.split_at(10);
        return format!("  \x1b[2m{name}\x1b[0m{figures}");
    }
    let end = line.find(|c: char| c != '━' && c != '─').unwrap_or(0);
    format!("\x1b[32m{}\x1b[0m{}", &line[..end], &line[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Rewards;

    fn seen() -> Seen {
        let rewards = Some(Rewards { chosen: 0.5, rejected: -0.75, margins: 1.25, accuracies: 0.875 });
        let last = StepMetrics {
            step: 12,
            epoch: 0.6,
            loss: 0.4321,
            token_accuracy: 0.5,
            rewards,
            grad_norm: 0.9,
            lr: 1e-5,
            examples: 8.0,
            tokens: 900.0,
            tokens_per_s: 216.0,
            step_s: 4.0,
            peak_mib: Some(306),
        };
        let evaluation =
            |step, eval_loss| Evaluation { step, eval_loss, eval_token_accuracy: 0.5, rewards, eval_examples: 4.0 };
        Seen {
            of: 40,
            stage: None,
            last: Some(last),
            first_held_out: Some(evaluation(0, 0.6875)),
            held_out: Some(evaluation(10, 0.51)),
            losses: vec![0.69, 0.6, 0.5, 0.4321],
            began: None,
        }
    }

    #[test]
    fn everything_is_shown_where_there_is_room_and_no_line_is_wider_than_the_terminal() {
        let lines = seen().lines(120).join("\n");
        for words in [
            "step 12/40",
            "loss 0.4321",
            "margin 1.250",
            "accuracy 0.88",
            "loss 0.6875 → 0.5100",
            "at step 10",
            "lr 1.00e-5",
            "grad norm 0.900",
            "216 tok/s",
            "peak 306 MiB",
            "epoch 0.60",
        ] {
            assert!(lines.contains(words), "{words}: {lines}");
        }
        for columns in 20..140 {
            for (at, line) in seen().lines(columns).iter().enumerate() {
                let before = if at == 0 { Panel::INDENT } else { 0 };
                assert!(before + line.chars().count() < columns.max(21), "{columns}: {line}");
            }
        }
    }

    #[test]
    fn a_curve_goes_down_as_the_losses_do() {
        assert_eq!(curve(&[8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 8), "█▇▆▅▄▃▂▁");
        assert_eq!(curve(&[1.0; 3], 8), "▁▁▁");
        assert_eq!(curve(&vec![1.0; 400], 50).chars().count(), 50);
    }

    #[test]
    fn a_log_has_all_of_it_in_one_line() {
        let line = seen().plain();
        assert!(
            line.starts_with("step 12 of 40: loss 0.4321, margin 1.250, accuracy 0.88") && line.contains("306 MiB"),
            "{line}"
        );
        assert_eq!(
            (duration(7.4), duration(190.0), duration(7500.0)),
            ("7 s".into(), "3 min 10 s".into(), "2 h 05 min".into())
        );
    }
}
