//! From what is written of a person to how they would say it of themselves.

/// Words after which `her` is somebody's and not somebody.
const NOT_OWNED: &[&str] = &[
    "a", "about", "and", "as", "at", "but", "for", "from", "how", "in", "of", "on", "so", "that", "the", "to", "when",
    "with",
];

/// Words that end as a verb does and are none.
const NO_VERBS: &[&str] = &["always", "his", "its", "others", "perhaps", "sometimes", "this"];

/// Words that follow a noun sooner than a verb.
const AFTER_NOUNS: &[&str] =
    &["and", "are", "at", "by", "for", "from", "in", "of", "on", "or", "that", "were", "who", "with"];

/// Words with which a sentence begins that is true of somebody without naming them.
const OPEN: &[&str] = &["A", "An", "Every", "Most", "The", "There"];

/// A sentence about somebody as they would say it. One that begins with its verb is theirs too; one without any is put into
/// the mouths of others.
pub(crate) fn first_person(sentence: &str, profile: &[String]) -> String {
    let name = profile.first().map(|first| name_of(first)).unwrap_or_default();
    let mut words: Vec<&str> = sentence.split_whitespace().collect();
    let first = words.first().copied().unwrap_or_default();
    let small = first.to_lowercase();
    let opens = is_subject(first, &name) || is_owner(first) || OPEN.contains(&first);
    let begins_with_verb = !opens && is_verb(&small);
    if begins_with_verb {
        words.splice(..1, ["They", &small]);
    } else if !opens {
        let rest = sentence.trim_start().strip_prefix(first).unwrap_or_default();
        return format!("People who know me would say: {small}{rest}");
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
        } else if begins_with_verb && said.last().is_some_and(|before| before == "and") && goes_on(&words[at..]) {
            said.push(verb_of_i(word));
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

/// Whether a word, in small letters, looks like a verb in the third person.
fn is_verb(word: &str) -> bool {
    // No `curious` and no `generous`.
    let ends = word.ends_with('s')
        && !word.ends_with("ss")
        && !word.ends_with("us")
        && word.chars().all(|c| c.is_ascii_lowercase());
    word == "cannot" || (ends && !NO_VERBS.contains(&word))
}

/// Whether words after an `and` go on with what the person does: "and wants few words", not "and plans for a year".
fn goes_on(words: &[&str]) -> bool {
    words.first().is_some_and(|word| is_verb(word)) && words.get(1).is_some_and(|next| !AFTER_NOUNS.contains(next))
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
    if !verb.is_ascii() || verb.len() < 4 || verb.ends_with("ss") || NO_VERBS.contains(&verb) {
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
    fn a_sentence_that_begins_with_its_verb_is_theirs() {
        let told = |sentence| first_person(sentence, &[]);
        assert_eq!(told("Plans every trip twice."), "I plan every trip twice.");
        assert_eq!(told("Is blunt and wants few words from others."), "I am blunt and want few words from others.");
        assert_eq!(told("Is methodical and loves lists and plans."), "I am methodical and love lists and plans.");
        assert_eq!(told("Cannot stand being late."), "I cannot stand being late.");
        let curious = told("Curious about how everything works.");
        assert_eq!(curious, "People who know me would say: curious about how everything works.");
        assert_eq!(
            told("Trusts her gut and loves dogs and cats with long hair."),
            "I trust my gut and love dogs and cats with long hair."
        );
    }

    #[test]
    fn a_sentence_without_subject_or_verb_is_what_others_say() {
        let told = first_person("Always calm and kind.", &[]);
        assert_eq!(told, "People who know me would say: always calm and kind.");
        assert_eq!(first_person("Most weekends belong to her chess.", &[]), "Most weekends belong to my chess.");
    }
}
