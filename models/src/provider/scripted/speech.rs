//! From what is written of a person to how they would say it of themselves.

/// Words after which `her` is somebody's and not somebody.
const NOT_OWNED: &[&str] = &[
    "a", "about", "and", "as", "at", "but", "for", "from", "how", "in", "of", "on", "so", "that", "the", "to", "when",
    "with",
];

/// A sentence about somebody as they would say it; one without a subject is put into the mouths of others.
pub(crate) fn first_person(sentence: &str, profile: &[String]) -> String {
    let name = profile.first().map(|first| name_of(first)).unwrap_or_default();
    let words: Vec<&str> = sentence.split_whitespace().collect();
    let starts_with_subject = words.first().is_some_and(|word| is_subject(word, &name) || is_owner(word));
    if !starts_with_subject {
        let mut letters = sentence.chars();
        let first: String = letters.next().map(|c| c.to_lowercase().collect()).unwrap_or_default();
        return format!("People who know me would say: {first}{}", letters.as_str());
    }
    let mut said: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let subject = is_subject(word, &name);
        if subject {
            // A name may have several words.
            while at == 0 && words.get(at + 1).is_some_and(|next| name.contains(&(*next).to_owned())) {
                at += 1;
            }
            said.push("I".to_owned());
            if let Some(verb) = words.get(at + 1) {
                said.push(verb_of_i(verb));
                at += 1;
            }
        } else {
            said.push(possessive(word, words.get(at + 1).copied(), at == 0));
        }
        at += 1;
    }
    said.join(" ")
}

/// The words of the name that a profile begins with.
fn name_of(first: &str) -> Vec<String> {
    let words = first.split_whitespace();
    let capital = |word: &&str| word.chars().next().is_some_and(char::is_uppercase) && !word.ends_with(',');
    words.take_while(capital).take(3).map(str::to_owned).collect()
}

fn is_subject(word: &str, name: &[String]) -> bool {
    matches!(word, "He" | "She" | "They" | "he" | "she" | "they") || name.first().is_some_and(|first| first == word)
}

fn is_owner(word: &str) -> bool {
    matches!(word, "His" | "Her" | "Their")
}

fn possessive(word: &str, next: Option<&str>, at_start: bool) -> String {
    let (bare, tail) = word.split_at(word.trim_end_matches(|c: char| c.is_ascii_punctuation()).len());
    let owned = next.is_some_and(|next| tail.is_empty() && !NOT_OWNED.contains(&next));
    let said = match bare.to_lowercase().as_str() {
        "his" | "their" => "my",
        "her" if owned => "my",
        "her" | "him" | "them" => "me",
        "himself" | "herself" | "themself" | "themselves" => "myself",
        _ => return word.to_owned(),
    };
    let said = if at_start { format!("{}{}", said[..1].to_uppercase(), &said[1..]) } else { said.to_owned() };
    format!("{said}{tail}")
}

/// `is` → `am`, `lives` → `live`; what is no verb in the third person stays.
fn verb_of_i(verb: &str) -> String {
    let irregular = match verb {
        "is" | "are" => "am",
        "has" => "have",
        "was" | "were" => "was",
        "does" => "do",
        "goes" => "go",
        "isn't" | "aren't" => "am not",
        "doesn't" => "don't",
        "hasn't" => "haven't",
        _ => "",
    };
    if !irregular.is_empty() {
        return irregular.to_owned();
    }
    let stem = |cut: usize, add: &str| format!("{}{add}", &verb[..verb.len() - cut]);
    if !verb.is_ascii() || verb.len() < 4 || verb.ends_with("ss") || matches!(verb, "always" | "sometimes" | "perhaps")
    {
        verb.to_owned()
    } else if verb.ends_with("ies") && verb.len() > 4 {
        stem(3, "y")
    } else if ["ches", "shes", "sses", "xes", "zzes"].iter().any(|end| verb.ends_with(end)) {
        stem(2, "")
    } else if verb.ends_with('s') {
        stem(1, "")
    } else {
        verb.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sentences;

    #[test]
    fn a_profile_is_told_in_the_first_person() {
        let profile = sentences("Amina Otieno is a nurse. She lives with her mother. Her dog carries sticks to her.");
        let told: Vec<_> = profile.iter().map(|fact| first_person(fact, &profile)).collect();
        assert_eq!(told, ["I am a nurse.", "I live with my mother.", "My dog carries sticks to me."]);
    }

    #[test]
    fn a_sentence_without_a_subject_is_what_others_say() {
        let told = first_person("Plans every trip twice.", &[]);
        assert_eq!(told, "People who know me would say: plans every trip twice.");
    }
}
