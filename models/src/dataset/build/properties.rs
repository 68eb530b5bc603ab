//! What holds for every tree there can be, whatever was answered and however it branches.

use proptest::prelude::*;

use super::*;
use crate::preset::Preset;
use crate::record::{Induced, Node, Opinion, Persona, Revelation, Split, TreeOrigin, Utterance};

/// Stands in every hint and nowhere else.
const HINT: &str = "HINT";

fn said(text: String) -> Utterance {
    Utterance { text, writer: None, seed: 0 }
}

fn opinion() -> impl Strategy<Value = Opinion> {
    prop_oneof![Just(Opinion::WithHint), Just(Opinion::WithoutHint), Just(Opinion::Unscored)]
}

fn branch() -> impl Strategy<Value = Branch> {
    prop_oneof![Just(Branch::Preferred), Just(Branch::Rejected)]
}

/// Numbers of a dataset: of the paper, but for the share of conversations that go on as new ones.
fn numbers(ties: Ties, memory_share: f64) -> DatasetNumbers {
    let paper = Preset::resolve("aloe-paper", &[]).expect("a preset").dataset;
    DatasetNumbers { ties, memory_share, ..paper }
}

fn openings<'a>(tree: &'a ConversationTree, numbers: &'a DatasetNumbers) -> Openings<'a> {
    Openings { tree, numbers, seed: 0 }
}

/// A node: from which of the earlier ones it goes on and how, what the judge said, whether the replies are the same.
type Sketch = (prop::sample::Index, Branch, Branch, Option<(Opinion, Opinion)>, bool);

fn tree(sketches: Vec<Sketch>) -> ConversationTree {
    let mut nodes: Vec<Node> = Vec::new();
    for (place, (earlier, followed, chosen, verdict, same)) in sketches.into_iter().enumerate() {
        let parent = (place > 0).then(|| (earlier.index(place), followed));
        let hint = Some(format!("{HINT}-{place}"));
        let rejected = if same { format!("preferred-{place}") } else { format!("rejected-{place}") };
        nodes.push(Node {
            parent,
            user: said(format!("user-{place}")),
            induced: Induced { profile: hint.clone(), personality: hint, writer: None, seed: 0 },
            preferred: said(format!("preferred-{place}")),
            rejected: said(rejected),
            contrast: None,
            swapped: false,
            verdict: verdict.map(|(hint_first, hint_second)| Verdict {
                hint_first,
                hint_second,
                writer: None,
                seeds: [0; 2],
            }),
            chosen,
        });
    }
    let persona = Persona {
        id: "p".into(),
        split: Split::Train,
        profile_id: "a".into(),
        personality_id: "b".into(),
        profile: format!("{HINT} profile"),
        personality: format!("{HINT} personality"),
        scripted: false,
    };
    ConversationTree {
        id: 1,
        origin: TreeOrigin::Grown,
        persona,
        seed: 0,
        attempt: 0,
        writers: Vec::new(),
        nodes,
        revelation: Revelation::default(),
        scripted: false,
    }
}

fn trees() -> impl Strategy<Value = ConversationTree> {
    let verdict = prop::option::of((opinion(), opinion()));
    let sketch = (any::<prop::sample::Index>(), branch(), branch(), verdict, prop::bool::weighted(0.1));
    prop::collection::vec(sketch, 1..24).prop_map(tree)
}

/// The path to a node, found from the root down and not, as the code does, from the node up.
fn walked(tree: &ConversationTree, wanted: usize) -> Vec<String> {
    fn down(tree: &ConversationTree, at: usize, wanted: usize, path: &mut Vec<String>) -> bool {
        path.push(tree.nodes[at].user.text.clone());
        if at == wanted {
            return true;
        }
        for (place, node) in tree.nodes.iter().enumerate() {
            if let Some((parent, branch)) = node.parent
                && parent == at
            {
                path.push(tree.nodes[at].reply(branch).to_owned());
                if down(tree, place, wanted, path) {
                    return true;
                }
                path.pop();
            }
        }
        path.pop();
        false
    }
    let mut path = Vec::new();
    assert!(down(tree, 0, wanted, &mut path), "every node is reached from the root");
    path
}

/// The same tree, whose person tells a thing of their life in each message.
fn revealing(mut tree: ConversationTree) -> ConversationTree {
    for place in 0..tree.nodes.len() {
        let facts: Vec<_> = tree.path_to(place).iter().map(|at| format!("She tells of thing{at}.")).collect();
        let node = &mut tree.nodes[place];
        node.user.text = format!("She tells of thing{place}.");
        node.induced = Induced { profile: Some(facts.join(" ")), personality: None, writer: None, seed: 0 };
    }
    tree
}

fn place_of(user: &str) -> usize {
    user.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_end_matches('.').parse().expect("a number")
}

fn alternate(messages: &[ChatMessage]) -> bool {
    messages
        .iter()
        .enumerate()
        .all(|(at, message)| message.role == if at % 2 == 0 { Speaker::User } else { Speaker::Assistant })
}

proptest! {
    #[test]
    fn each_pair_stands_on_the_path_that_the_user_answered(tree in trees(), drop in any::<bool>()) {
        prop_assert!(tree.is_sound());
        let numbers = numbers(if drop { Ties::Drop } else { Ties::Keep }, 0.0);
        for pair in pairs(&openings(&tree, &numbers)) {
            let last = &pair.prompt.last().expect("a message").content;
            let place: usize = last.trim_start_matches("user-").parse().expect("a user message ends the prompt");
            let prompt: Vec<_> = pair.prompt.iter().map(|message| message.content.clone()).collect();
            prop_assert_eq!(prompt, walked(&tree, place));
            prop_assert!(alternate(&pair.prompt) && pair.prompt.len() % 2 == 1);
            prop_assert_ne!(&pair.chosen, &pair.rejected);
            prop_assert_eq!(&pair.chosen[0].content, &tree.nodes[place].preferred.text);
            prop_assert_eq!(&pair.rejected[0].content, &tree.nodes[place].rejected.text);
            let tie = tree.nodes[place].verdict.as_ref().is_some_and(Verdict::is_tie);
            prop_assert!(!(drop && tie));
        }
    }

    #[test]
    fn each_preferred_reply_is_learned_once_and_nothing_else_is(tree in trees()) {
        let mut learned: Vec<String> = Vec::new();
        let numbers = numbers(Ties::Keep, 0.0);
        for example in sft(&openings(&tree, &numbers)) {
            prop_assert_eq!(example.messages.len(), example.loss_mask.len());
            prop_assert!(alternate(&example.messages) && example.messages.len() % 2 == 0);
            let mut users = example.messages.iter().filter(|message| message.role == Speaker::User);
            let last = users.next_back().expect("a user message");
            let place: usize = last.content.trim_start_matches("user-").parse().expect("a number");
            let told: Vec<_> = example.messages.iter().map(|message| message.content.clone()).collect();
            prop_assert_eq!(&told[..told.len() - 1], &walked(&tree, place)[..]);
            for (message, on) in example.messages.iter().zip(&example.loss_mask) {
                if *on {
                    prop_assert!(message.role == Speaker::Assistant && message.content.starts_with("preferred-"));
                    learned.push(message.content.clone());
                }
            }
        }
        let mut expected: Vec<_> = tree.nodes.iter().map(|node| node.preferred.text.clone()).collect();
        learned.sort();
        expected.sort();
        prop_assert_eq!(learned, expected);
    }

    #[test]
    fn a_conversation_that_goes_on_anew_is_learned_as_often_and_quotes_what_was_said(tree in trees(), seed in 0..8_u64) {
        let told = revealing(tree);
        let numbers = DatasetNumbers { system: "Be kind.".into(), ..numbers(Ties::Keep, 1.0) };
        let openings = Openings { seed, ..openings(&told, &numbers) };
        let mut learned: Vec<String> = Vec::new();
        for example in sft(&openings) {
            let (instructions, said) = example.messages.split_first().expect("messages");
            prop_assert_eq!(example.messages.len(), example.loss_mask.len());
            prop_assert_eq!(instructions.role, Speaker::System);
            prop_assert!(alternate(said) && instructions.content.starts_with("Be kind."));
            let first = &said.first().expect("a message").content;
            let last = said.iter().rfind(|message| message.role == Speaker::User).expect("a user message");
            let before: Vec<_> = walked(&told, place_of(&last.content)).into_iter().take_while(|text| text != first).collect();
            let quoted = instructions.content.lines().filter(|line| line.starts_with("- ")).count();
            let users = before.iter().filter(|text| text.contains("tells of")).count();
            prop_assert_eq!(quoted, users.min(aloekit::prompt::MOST_PERSONA_FACTS));
            let on = example.messages.iter().zip(&example.loss_mask).filter(|(_, on)| **on);
            learned.extend(on.map(|(message, _)| message.content.clone()));
        }
        let mut expected: Vec<_> = told.nodes.iter().map(|node| node.preferred.text.clone()).collect();
        learned.sort();
        expected.sort();
        prop_assert_eq!(learned, expected);
    }

    #[test]
    fn nothing_of_the_hint_is_in_any_training_text(tree in trees()) {
        for form in [Form::Sft, Form::Preference] {
            let written = serde_json::to_string(&examples(&tree, form, &numbers(Ties::Keep, 0.5), 0)).expect("JSON");
            prop_assert!(!written.contains(HINT));
        }
    }

    #[test]
    fn a_tree_is_read_back_as_it_was_written(tree in trees()) {
        let written = serde_json::to_string(&tree).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<ConversationTree>(&written).expect("read"), tree);
    }
}
