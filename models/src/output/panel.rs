//! A few lines that are drawn over themselves while something long is under way; plain lines where no terminal is.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Output, PLAIN_EVERY};

/// Columns where the terminal does not say.
const USUAL_COLUMNS: usize = 80;

/// A panel on the screen; dropping it takes it off.
pub(crate) struct Panel {
    bar: ProgressBar,
    plain: Option<Output>,
    next_line: Instant,
}

impl Output {
    /// Lines that change in place.
    pub(crate) fn panel(&self) -> Panel {
        let shown = self.progress && !self.quiet;
        let bar = if shown {
            // Ten redraws a second at most, each written at once: nothing flickers.
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10))
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}");
        bar.set_style(style.expect("the template is a constant that the tests draw"));
        if shown {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        let plain = (!shown && !self.quiet).then_some(*self);
        Panel { bar, plain, next_line: Instant::now() }
    }

    /// Whether what is drawn on stderr may carry colour.
    pub(crate) fn color_err(&self) -> bool {
        self.color_err
    }
}

impl Panel {
    /// Columns that a line may take.
    pub(crate) fn columns(&self) -> usize {
        let size = terminal_size::terminal_size_of(std::io::stderr());
        size.map_or(USUAL_COLUMNS, |(width, _)| usize::from(width.0)).max(20)
    }

    /// Columns in front of the first line.
    pub(crate) const INDENT: usize = "x 00:00:00 ".len();

    /// Shows `lines`; where no terminal is, `plain` every ten seconds, and at once if it is `notable`.
    pub(crate) fn show(&mut self, lines: &[String], plain: &str, notable: bool) {
        self.bar.set_message(lines.join("\n"));
        if let Some(output) = self.plain
            && (notable || Instant::now() >= self.next_line)
        {
            self.next_line = Instant::now() + PLAIN_EVERY;
            output.note(plain);
        }
    }
}

impl Drop for Panel {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_can_be_drawn() {
        assert!(ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}").is_ok());
        assert_eq!(Panel::INDENT, 11);
    }
}
