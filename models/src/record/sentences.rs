//! The sentences of a text: what a profile states and a conversation reveals one by one.

/// The sentences of a text, each with its end.
pub(crate) fn sentences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let ends = matches!(byte, b'.' | b'!' | b'?') && bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace);
        if ends {
            found.push(text[start..=at].trim().to_owned());
            start = at + 1;
        }
    }
    found.push(text[start..].trim().to_owned());
    found.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_a_point_do_not_end_a_sentence() {
        assert_eq!(sentences("She ran 3.5 km. Then tea! Why?"), ["She ran 3.5 km.", "Then tea!", "Why?"]);
    }
}
