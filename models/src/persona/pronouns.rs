//! The pronouns of a text, and a personality told with those of a profile.
//!
//! `he` and `she` change places without touching a verb. To and from `they` verbs would have to follow through whole
//! sentences, which rules get wrong; such pairs are not combined.

/// By which pronoun a text speaks of its person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pronoun {
    He,
    She,
    They,
    /// By none: it goes with all.
    None,
}

const HE: &[&str] = &["he", "him", "his", "himself"];
const SHE: &[&str] = &["she", "her", "hers", "herself"];
const THEY: &[&str] = &["they", "them", "their", "theirs", "themself", "themselves"];
/// Words after which `her` is somebody and not somebody's.
const AFTER_OBJECT: &[&str] = &[
    "a", "about", "after", "and", "as", "at", "because", "before", "but", "by", "for", "from", "how", "if", "in",
    "into", "of", "on", "or", "over", "so", "than", "that", "the", "through", "to", "what", "when", "while", "with",
];

/// The pronoun that a text uses most.
pub(super) fn pronoun_of(text: &str) -> Pronoun {
    let lower = text.to_lowercase();
    let words: Vec<_> = lower.split(|c: char| !c.is_alphabetic()).collect();
    let count = |of: &[&str]| words.iter().filter(|word| of.contains(word)).count();
    let (he, she, they) = (count(HE), count(SHE), count(THEY));
    // `them` alone is of other people.
    let others = words.iter().filter(|word| **word == "them").count();
    match (he, she, they - others) {
        (0, 0, 0) => Pronoun::None,
        _ if he >= she && he > 0 => Pronoun::He,
        _ if she > 0 => Pronoun::She,
        _ => Pronoun::They,
    }
}

/// `personality` with the pronouns of somebody who is `wanted`; nothing where rules cannot do it.
pub(super) fn agreeing(personality: &str, wanted: Pronoun) -> Option<String> {
    match (pronoun_of(personality), wanted) {
        (Pronoun::None, _) => Some(personality.to_owned()),
        // A profile that names no pronoun is of anybody.
        (_, Pronoun::None) => Some(personality.to_owned()),
        (is, wanted) if is == wanted => Some(personality.to_owned()),
        (Pronoun::He, Pronoun::She) | (Pronoun::She, Pronoun::He) => Some(exchanged(personality, wanted)),
        _ => None,
    }
}

fn exchanged(text: &str, wanted: Pronoun) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(char::is_alphabetic) {
        let len = rest[start..].find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len() - start);
        let (word, after) = (&rest[start..start + len], &rest[start + len..]);
        out.push_str(&rest[..start]);
        out.push_str(&exchanged_word(word, after, wanted));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn exchanged_word(word: &str, after: &str, wanted: Pronoun) -> String {
    let lower = word.to_lowercase();
    let new = match (lower.as_str(), wanted) {
        ("he", Pronoun::She) => "she",
        ("him", Pronoun::She) => "her",
        ("himself", Pronoun::She) => "herself",
        ("his", Pronoun::She) if owns(after) => "her",
        ("his", Pronoun::She) => "hers",
        ("she", Pronoun::He) => "he",
        ("herself", Pronoun::He) => "himself",
        ("hers", Pronoun::He) => "his",
        ("her", Pronoun::He) if owns(after) => "his",
        ("her", Pronoun::He) => "him",
        _ => return word.to_owned(),
    };
    let capital = word.chars().next().is_some_and(char::is_uppercase);
    if capital { format!("{}{}", new[..1].to_uppercase(), &new[1..]) } else { new.to_owned() }
}

/// Whether a word follows that can be owned.
fn owns(after: &str) -> bool {
    let Some(next) = after.strip_prefix(' ') else { return false };
    let word: String = next.chars().take_while(|c| c.is_alphabetic()).collect();
    !word.is_empty() && !AFTER_OBJECT.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn he_and_she_change_places_with_all_their_forms() {
        let he = "He trusts his friends, and they trust him. The choice is his. He blames himself.";
        let she = "She trusts her friends, and they trust her. The choice is hers. She blames herself.";
        assert_eq!(agreeing(he, Pronoun::She).as_deref(), Some(she));
        assert_eq!(agreeing(she, Pronoun::He).as_deref(), Some(he));
    }

    #[test]
    fn what_rules_cannot_tell_is_not_combined() {
        assert_eq!(agreeing("They are kind and laugh a lot.", Pronoun::She), None);
        assert_eq!(agreeing("She is kind.", Pronoun::They), None);
        assert_eq!(agreeing("Kind to all.", Pronoun::They).as_deref(), Some("Kind to all."));
    }
}
