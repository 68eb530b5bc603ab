//! Whether a conversation is worth training on: what can be said without a model, and where it fails.

mod wording;

use self::wording::{content_words, latin_share, likeness, longest_shared_run, word_count};
use crate::preset::TreeNumbers;
use crate::record::{ConversationTree, Node, Rejection, Speaker, sentences};

/// Forms of speech by which a reply gives the hint away.
const TELLTALES: &[&str] = &[
    "your profile",
    "your personality",
    "the hint",
    "i know that you are a",
    "based on what i know about you",
    "based on your profile",
    "according to your",
    "as an ai",
    "as a language model",
    "the persona",
    "\"profile\"",
];

/// Forms of speech by which a user falls out of the role.
const OUT_OF_ROLE: &[&str] =
    &["as an ai", "as a language model", "my profile says", "my personality is", "the persona"];

/// Share of a fact's words that must have been said for it to count as revealed.
const REVEALED: f64 = 0.6;

/// The first thing that is wrong; notes on the tree what was revealed when.
pub(super) fn check(tree: &mut ConversationTree, numbers: &TreeNumbers) -> Option<Rejection> {
    tree.revelation.new_facts = revelation(tree);
    let of_nodes = (0..tree.nodes.len()).find_map(|place| check_node(tree, place, numbers));
    of_nodes.or_else(|| check_revelation(tree, numbers))
}

fn check_node(tree: &ConversationTree, place: usize, numbers: &TreeNumbers) -> Option<Rejection> {
    let node = &tree.nodes[place];
    let turn = tree.path_to(place).len();
    let rejected = |check: &str, reason: String| Some(Rejection { check: check.to_owned(), turn, reason });
    let replies = [("preferred", &node.preferred.text), ("rejected", &node.rejected.text)];
    for (name, text) in replies {
        let (words, ends) = (word_count(text), sentences(text).len());
        if words > numbers.max_reply_words || ends > numbers.max_reply_sentences {
            return rejected("length", format!("the {name} reply has {words} words in {ends} sentences"));
        }
    }
    let words = word_count(&node.user.text);
    if words > numbers.max_user_words {
        return rejected("length", format!("the user's message has {words} words"));
    }
    let alike = likeness(&node.preferred.text, &node.rejected.text);
    if alike >= numbers.max_reply_likeness {
        return rejected("difference", format!("the replies share {:.0}% of their words", alike * 100.0));
    }
    if replies.iter().any(|(_, text)| says(text, TELLTALES)) {
        return rejected("leak", "a reply speaks of what it was told".to_owned());
    }
    if says(&node.user.text, OUT_OF_ROLE) {
        return rejected("role", "the user's message falls out of its role".to_owned());
    }
    let run = leaked_run(tree, place, node);
    if run > numbers.max_hint_words_in_row {
        return rejected("leak", format!("a reply repeats {run} words of the hint that the user never said"));
    }
    let texts = [&node.user.text, &node.preferred.text, &node.rejected.text];
    if texts.iter().any(|text| latin_share(text) < numbers.min_latin_share) {
        return rejected("language", "a text is not in the language".to_owned());
    }
    None
}

fn says(text: &str, phrases: &[&str]) -> bool {
    let lower = text.to_lowercase();
    phrases.iter().any(|phrase| lower.contains(phrase))
}

/// Words in a row that the hinted reply has from the hint and not from the user.
fn leaked_run(tree: &ConversationTree, place: usize, node: &Node) -> usize {
    let hint = [&node.induced.profile, &node.induced.personality];
    let hint = hint.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let reply = if node.swapped { &node.rejected.text } else { &node.preferred.text };
    let history = tree.history(place);
    let said: Vec<_> =
        history.iter().filter(|message| message.role == Speaker::User).map(|m| m.content.as_str()).collect();
    longest_shared_run(reply, &hint, &said.join(" "))
}

/// New facts of the profile in each turn of the drawn path.
fn revelation(tree: &ConversationTree) -> Vec<usize> {
    let facts: Vec<Vec<String>> = sentences(&tree.persona.profile).iter().map(|fact| content_words(fact)).collect();
    let mut known = vec![false; facts.len()];
    let mut said = std::collections::HashSet::new();
    let mut found = Vec::new();
    for place in tree.drawn_path() {
        said.extend(content_words(&tree.nodes[place].user.text));
        let mut new = 0;
        for (fact, known) in facts.iter().zip(&mut known) {
            let hits = fact.iter().filter(|word| said.contains(*word)).count();
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            let told = !fact.is_empty() && hits as f64 >= REVEALED * fact.len() as f64;
            new += usize::from(told && !*known);
            *known |= told;
        }
        found.push(new);
    }
    found
}

fn check_revelation(tree: &ConversationTree, numbers: &TreeNumbers) -> Option<Rejection> {
    let (turn, most) = tree.revelation.new_facts.iter().copied().enumerate().max_by_key(|(_, new)| *new)?;
    (most > numbers.max_new_facts_per_turn).then(|| Rejection {
        check: "revelation".into(),
        turn: turn + 1,
        reason: format!("{most} facts in one turn"),
    })
}
