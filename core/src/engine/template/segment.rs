//! What a prompt is made of, and how rendered text is taken apart into it.

/// A part of a prompt. Parts are tokenized one by one, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Scaffolding of the template: tokenized with control tokens parsed.
    Control(String),
    /// Words of a message: tokenized as plain text, whatever they look like.
    Content {
        /// The index of the message they are of.
        message: usize,
        /// The words.
        text: String,
    },
}

/// A rendered text, taken apart: scaffolding, and the numbers of the contents between.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Control(String),
    Slot(usize),
}

/// Stands in for contents while a template is rendered, so that it never sees them.
///
/// Letters and digits only: what trims, escapes or compares text leaves it alone. All of one length, so that none is
/// part of another.
#[derive(Debug)]
pub(super) struct Sentinels {
    stem: String,
}

const DIGITS: usize = 6;

impl Sentinels {
    /// Sentinels that occur in none of these texts.
    pub(super) fn absent_from(texts: &[&str]) -> Self {
        let stems = (0_u32..).map(|n| format!("AloeContent{n}x"));
        let absent = |stem: &String| !texts.iter().any(|text| text.contains(stem.as_str()));
        let stem = stems.into_iter().find(absent).expect("texts are finite, stems are not");
        Self { stem }
    }

    pub(super) fn nth(&self, slot: usize) -> String {
        format!("{}{slot:0DIGITS$}x", self.stem)
    }

    /// Takes a rendering of `count` contents apart; an `Err` if one of them is missing, moved or repeated.
    pub(super) fn split(&self, rendered: &str, count: usize) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        let mut rest = rendered;
        for slot in 0..count {
            let Some((control, after)) = rest.split_once(&self.nth(slot)) else {
                return Err(format!("the chat template leaves out or moves the content of message {slot}"));
            };
            if !control.is_empty() {
                pieces.push(Piece::Control(control.to_owned()));
            }
            pieces.push(Piece::Slot(slot));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Control(rest.to_owned()));
        }
        let strays = |piece: &Piece| matches!(piece, Piece::Control(text) if text.contains(&self.stem));
        match pieces.iter().any(strays) {
            true => Err("the chat template repeats or moves the content of a message".into()),
            false => Ok(pieces),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_must_come_once_and_in_order() {
        let sentinels = Sentinels::absent_from(&["AloeContent0x"]);
        let [a, b] = [sentinels.nth(0), sentinels.nth(1)];
        let pieces = sentinels.split(&format!("<{a}{b}>"), 2).expect("in order");
        let control = |text: &str| Piece::Control(text.to_owned());
        assert_eq!(pieces, [control("<"), Piece::Slot(0), Piece::Slot(1), control(">")]);
        for wrong in [format!("{b}{a}"), a.clone(), format!("{a}{b}{a}"), format!("{a}{a}{b}"), "".into()] {
            assert!(sentinels.split(&wrong, 2).is_err(), "{wrong}");
        }
    }
}
