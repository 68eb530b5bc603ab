//! Measures of wording: how long, how alike, how much taken over.

use std::collections::HashSet;

/// Words that say nothing of what a text is about.
const FUNCTION_WORDS: &[&str] = &[
    "about", "after", "also", "been", "from", "have", "here", "into", "just", "like", "more", "most", "much", "only",
    "over", "some", "than", "that", "their", "them", "then", "they", "this", "very", "were", "what", "when", "with",
    "would", "your",
];

pub(super) fn word_count(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The words of a text as they compare: lower case, without signs.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// Words that carry what is said.
pub(super) fn content_words(text: &str) -> Vec<String> {
    let mut content = words(text);
    content.retain(|word| {
        (word.len() > 3 || word.chars().all(char::is_numeric)) && !FUNCTION_WORDS.contains(&word.as_str())
    });
    content
}

/// Jaccard index of the words of two texts: 0 for none in common, 1 for the same.
pub(super) fn likeness(a: &str, b: &str) -> f32 {
    let (a, b): (HashSet<_>, HashSet<_>) = (words(a).into_iter().collect(), words(b).into_iter().collect());
    let union = a.union(&b).count();
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let share = a.intersection(&b).count() as f32 / union.max(1) as f32;
    if union == 0 { 1.0 } else { share }
}

/// The longest run of words that `reply` and `hint` share and `said` does not have.
pub(super) fn longest_shared_run(reply: &str, hint: &str, said: &str) -> usize {
    let (reply, hint, said) = (words(reply), words(hint), words(said));
    let mut longest = 0;
    for start in 0..reply.len() {
        // A shorter run that is in the hint makes a longer one possible, and none else.
        let mut len = longest + 1;
        while start + len <= reply.len() {
            let run = &reply[start..start + len];
            let within = |text: &[String]| text.windows(len).any(|window| window == run);
            if !within(&hint) || within(&said) {
                break;
            }
            longest = len;
            len += 1;
        }
    }
    longest
}

/// Share of Latin letters among all letters; 1 where there is none.
pub(super) fn latin_share(text: &str) -> f32 {
    let letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
    let latin = letters.iter().filter(|c| matches!(**c, 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{24f}')).count();
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let share = latin as f32 / letters.len().max(1) as f32;
    if letters.is_empty() { 1.0 } else { share }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_over_is_measured_unless_the_user_said_it() {
        let hint = "Keeps bees behind the old mill.";
        assert_eq!(longest_shared_run("So you keep bees behind the old mill!", hint, "Hello"), 5);
        assert_eq!(
            longest_shared_run("So you keep bees behind the old mill!", hint, "I have bees behind the old mill"),
            0
        );
        assert_eq!(longest_shared_run("Nothing.", hint, ""), 0);
    }

    #[test]
    fn likeness_and_letters() {
        assert!((likeness("A b c.", "c B a") - 1.0).abs() < 1e-6);
        assert!(likeness("one two", "three four") < 1e-6);
        assert!(
            latin_share("Привет, как дела") < 0.1
                && latin_share("Zażółć gęślą jaźń") > 0.99
                && latin_share("123") > 0.99
        );
    }
}
