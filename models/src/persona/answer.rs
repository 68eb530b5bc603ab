//! The texts in a model's answer, whatever way it took to list them.

use serde::Deserialize;
use serde_json::Value;

use crate::provider::Answer;

#[derive(Deserialize)]
struct Items {
    items: Vec<Value>,
}

/// The texts of an answer; nothing where there are none. A list that was cut short loses its last text only.
pub(super) fn read(answer: &Answer) -> Option<Vec<String>> {
    let text = answer.text.trim();
    let texts = from_object(text).or_else(|| from_array(text)).or_else(|| from_lines(text, answer.cut))?;
    let texts: Vec<_> = texts.iter().map(|text| clean(text)).filter(|text| text.len() > 1).collect();
    (!texts.is_empty()).then_some(texts)
}

fn from_object(text: &str) -> Option<Vec<String>> {
    let inner = between(text, '{', '}')?;
    let items: Items = serde_json::from_str(inner).ok()?;
    Some(strings(items.items))
}

fn from_array(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(between(text, '[', ']')?).ok().map(strings)
}

fn strings(values: Vec<Value>) -> Vec<String> {
    let text = |value| if let Value::String(text) = value { Some(text) } else { None };
    values.into_iter().filter_map(text).collect()
}

/// One text a line or paragraph, numbered or not; also the whole strings of a JSON list that was cut.
fn from_lines(text: &str, cut: bool) -> Option<Vec<String>> {
    let mut lines: Vec<_> = text.lines().map(str::trim).filter(|line| line.len() > 1).collect();
    if cut {
        lines.pop();
    }
    let quoted = |line: &str| line.trim_end_matches(',').strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
    let in_quotes: Vec<_> = lines.iter().filter_map(|line| quoted(line)).collect();
    let plain = || lines.iter().map(|line| (*line).to_owned()).collect();
    Some(if in_quotes.is_empty() { plain() } else { in_quotes })
}

fn between(text: &str, open: char, close: char) -> Option<&str> {
    let (start, end) = (text.find(open)?, text.rfind(close)?);
    text.get(start..=end)
}

/// Takes off numbers, bullets and quotes around a text.
fn clean(text: &str) -> String {
    let text = text.trim().trim_start_matches(['-', '*', '•']).trim_start();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unnumbered = match text[digits..].strip_prefix(['.', ')', ':']) {
        Some(rest) if digits > 0 => rest,
        _ => text,
    };
    let unquoted = unnumbered.trim().trim_matches(['"', '“', '”']);
    unquoted.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, cut: bool) -> Option<Vec<String>> {
        read(&Answer { text: text.to_owned(), model: String::new(), prompt_tokens: 0, completion_tokens: 0, cut })
    }

    #[test]
    fn every_way_to_list_texts_is_read() {
        for text in [
            r#"{"items": ["One is here.", "Two is here."]}"#,
            "Sure!\n```json\n{\"items\": [\"One is here.\", \"Two is here.\"]}\n```",
            r#"["One is here.", "Two is here."]"#,
            "1. One is here.\n2. Two is here.\n",
            "- One is here.\n\n- \"Two is here.\"",
        ] {
            assert_eq!(read_text(text, false).expect("read"), ["One is here.", "Two is here."], "{text}");
        }
        assert_eq!(read_text("  ", false), None);
    }

    #[test]
    fn a_list_that_was_cut_keeps_its_whole_texts() {
        let cut = "{\"items\": [\n\"One is here.\",\n\"Two is he";
        assert_eq!(read_text(cut, true).expect("read"), ["One is here."]);
    }
}
