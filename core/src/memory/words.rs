//! The words of a message: which carry something to look for, and in what manner it speaks.
//!
//! The lists are English, like the default embedder; in another language nothing is dropped and little is taken for a
//! question or a restriction, so search still works.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::terms::{TermHash, TermMap, hash, is_unspaced, push_folded, stem};

/// Words that say nothing about the subject. Kept here and not in the index: which words are common in a store of ten
/// messages is chance.
const FUNCTION_WORDS: &str = "a about above after again all also am an and any anything are as at be because been \
    before being but by can could d did do does doing don down during each else ever every for from get gets getting \
    give go going gonna got had has have having he her here hers him his how i if in into is isn it its itself just \
    know less let like ll m make many may maybe me might more most much must my myself need no nor not now of off on \
    once one only or other our ours out over own please re really s same say she should so some something such t \
    tell than that the their them then there these they thing things think this those through to too try under until \
    up us use ve very want was way we well were what when where which while who whom whose why will with would you \
    your yours yourself remember said told mention mentioned talk talked suggest recommend idea ideas help";

const PLEASANTRIES: &str = "hi hello hey hiya yo morning afternoon evening night day good goodbye bye cheers thanks \
    thank thx ty great cool nice ok okay k yes yeah yep yup nope sure fine right alright welcome sorry lol haha wow \
    perfect awesome lovely super amazing brilliant excellent sounds see later soon today mate hmm hm oh ah uh um \
    happy glad back still kind interesting agreed exactly indeed absolutely definitely understood works done";

/// What a sentence that asks begins with.
const ASKING: &str = "what who whom whose when where why how which can could would will should shall do does did is \
    are am was were has have may might isn't aren't don't doesn't didn't won't wouldn't couldn't shouldn't whats hows \
    tell give explain write rewrite translate convert suggest recommend show make list help find describe summarise \
    summarize shorten draft name define compare calculate please remind";

/// What makes a question also a statement about the speaker: "what could I cook, I'm vegan".
const STATING: &str = "i'm im i've ive my our we're we've";
/// The same after "I" or "we".
const STATING_VERBS: &str = "am are have love like hate can't cannot don't dont never always";

/// The first person; of languages besides English too, because it decides how much is recalled.
const FIRST_PERSON: &str = "i i'm im i've ive i'd id i'll me my myself mine we we're we've we'd we'll us our ours \
    ich mir mich mein meine meinem meinen meiner wir uns unser unsere je j'ai moi mon ma mes nous notre yo mi mis \
    nosotros nuestro io mio mia noi nostro eu meu minha nos ik mij mijn wij ons jag mig min mitt vi jeg meg";

/// What people draw the lines of their lives and tastes with.
const RESTRICTING: &str = "allergic allergy allergies intolerant intolerance can't cant cannot don't dont doesn't won't \
    never longer anymore mustn't must hate hates detest stand afraid scared fear phobic phobia dizzy doctor doc \
    diagnosed diagnosis diet quit quitting gave stopped prefer rather love loves adore adores favourite favorite vegan \
    vegetarian halal kosher avoid only always without no";

/// How a message begins that continues the one before.
const LEANING: &str = "it it's its he he's she she's they they're that that's this those these his her hers their \
    him them yes yeah yep no nope because same both neither another";

const ASKS: u8 = 1;
const STATES: u8 = 2;
const STATES_AFTER_I: u8 = 4;
const SELF: u8 = 8;
const RESTRICTS: u8 = 16;
const LEANS: u8 = 32;
const FUNCTION: u8 = 64;

/// What each listed word is good for, in one look-up.
static CLASSES: LazyLock<TermMap<u8>> = LazyLock::new(|| {
    let mut classes = TermMap::default();
    for (list, class) in [
        (ASKING, ASKS),
        (STATING, STATES),
        (STATING_VERBS, STATES_AFTER_I),
        (FIRST_PERSON, SELF),
        (RESTRICTING, RESTRICTS),
        (LEANING, LEANS),
        (FUNCTION_WORDS, FUNCTION),
    ] {
        list.split_ascii_whitespace().for_each(|word| *classes.entry(hash(word.as_bytes())).or_default() |= class);
    }
    classes
});

static FUNCTION_WORD_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| FUNCTION_WORDS.split_ascii_whitespace().collect());
static PLEASANTRY_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| PLEASANTRIES.split_ascii_whitespace().collect());

/// The words to search for, lower-case, in order of appearance, each once.
pub(super) fn content_words(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let words = plain_words(text).filter(|word| !FUNCTION_WORD_SET.contains(word.as_str()) && carries_something(word));
    words.filter(|word| seen.insert(word.clone())).collect()
}

/// Whether there is anything in the text to recall, or to recall something for: not so in greetings and thanks.
pub(super) fn says_something(text: &str) -> bool {
    content_words(text).iter().any(|word| !PLEASANTRY_SET.contains(word.as_str()))
}

fn plain_words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// A single letter of an alphabet says little; a digit or a CJK sign may say all.
fn carries_something(word: &str) -> bool {
    word.len() > 1 || word.chars().all(|c| c.is_ascii_digit())
}

/// How a message speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Manner {
    /// Every sentence asks for something and none tells something of the speaker.
    pub(super) only_asks: bool,
    /// The first person occurs in it.
    pub(super) of_self: bool,
    /// A sentence tells what the speaker cannot, will not or likes best: what a suggestion has to heed.
    pub(super) restricts: bool,
    /// It begins like the continuation of what was said before.
    pub(super) leans: bool,
}

/// Reads a text once for its terms and its manner, and keeps its room for the next one.
#[derive(Default)]
pub(super) struct Reader {
    word: String,
    part: String,
    terms: Vec<TermHash>,
    unspaced_before: Option<char>,
    sentence: Sentence,
    manner: Manner,
    words: usize,
    told: bool,
}

#[derive(Default)]
struct Sentence {
    words: usize,
    asks: bool,
    of_self: bool,
    restricts: bool,
    after_i: bool,
}

impl Reader {
    /// Reads a text; its terms are in [`Reader::terms`] until the next.
    pub(super) fn read(&mut self, text: &str) -> Manner {
        self.terms.clear();
        (self.manner, self.words, self.told) = (Manner::default(), 0, false);
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\'' | '\u{2019}'
                    if !self.word.is_empty() && letters.peek().is_some_and(|next| next.is_alphanumeric()) =>
                {
                    self.word.push('\'');
                }
                _ if is_unspaced(letter) => self.end_word_with_sign(letter),
                _ if letter.is_alphanumeric() => push_folded(&mut self.word, letter),
                '.' | '!' | '?' | '\n' => {
                    self.end_word();
                    self.end_sentence(letter == '?');
                }
                _ => self.end_word(),
            }
        }
        self.end_word();
        self.end_sentence(false);
        self.manner.only_asks = self.words > 0 && !self.told;
        self.manner
    }

    /// The terms of the text read last, in order; some may repeat.
    pub(super) fn terms(&self) -> &[TermHash] {
        &self.terms
    }

    fn end_word_with_sign(&mut self, sign: char) {
        if !self.word.is_empty() {
            self.end_word();
        }
        let mut bytes = [0; 8];
        let before = self.unspaced_before.map_or(0, |before| before.encode_utf8(&mut bytes).len());
        let length = before + sign.encode_utf8(&mut bytes[before..]).len();
        self.terms.push(hash(&bytes[..length]));
        self.unspaced_before = Some(sign);
        self.note_word(0);
    }

    fn end_word(&mut self) {
        self.unspaced_before = None;
        if self.word.is_empty() {
            return;
        }
        let class = CLASSES.get(&hash(self.word.as_bytes())).copied().unwrap_or(0);
        self.note_word(class);
        let word = std::mem::take(&mut self.word);
        if class & FUNCTION == 0 {
            word.split('\'').for_each(|part| self.note_term(part));
        }
        self.word = word;
        self.word.clear();
    }

    fn note_word(&mut self, class: u8) {
        let has = |bit| class & bit != 0;
        if self.words == 0 {
            self.manner.leans = has(LEANS);
        }
        self.words += 1;
        let sentence = &mut self.sentence;
        sentence.asks |= sentence.words == 0 && has(ASKS);
        sentence.words += 1;
        sentence.of_self |= has(SELF);
        sentence.restricts |= has(RESTRICTS);
        self.told |= has(STATES) || (sentence.after_i && has(STATES_AFTER_I));
        sentence.after_i = self.word == "i" || self.word == "we";
    }

    fn note_term(&mut self, part: &str) {
        self.part.clear();
        self.part.push_str(part);
        let listed = CLASSES.get(&hash(part.as_bytes())).is_some_and(|class| class & FUNCTION != 0);
        if !listed && carries_something(part) {
            stem(&mut self.part);
            self.terms.push(hash(self.part.as_bytes()));
        }
    }

    fn end_sentence(&mut self, with_question_mark: bool) {
        let sentence = std::mem::take(&mut self.sentence);
        if sentence.words == 0 {
            return;
        }
        self.told |= !with_question_mark && !sentence.asks;
        self.manner.of_self |= sentence.of_self;
        self.manner.restricts |= !with_question_mark && sentence.of_self && sentence.restricts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner(text: &str) -> Manner {
        Reader::default().read(text)
    }

    fn terms(text: &str) -> Vec<TermHash> {
        let mut reader = Reader::default();
        reader.read(text);
        reader.terms().to_vec()
    }

    #[test]
    fn small_talk_says_nothing() {
        for text in ["Hi!", "hello there", "Good morning :)", "thanks, that's great!", "ok", "Yes please", "🙂", "..."]
        {
            assert!(!says_something(text), "{text}");
        }
        for text in ["I'm vegan", "Good morning, my cello is back", "42", "私はチェロを弾きます"] {
            assert!(says_something(text), "{text}");
        }
    }

    #[test]
    fn a_question_that_tells_something_of_the_speaker_does_not_only_ask() {
        for text in ["Which bus goes to Altona?", "what is a quaver", "Convert 375 Fahrenheit please", "why? Tell me."]
        {
            assert!(manner(text).only_asks, "{text}");
        }
        for text in [
            "What could I cook, I'm vegan?",
            "I play the cello. Any tips?",
            "My dog snores, is that normal?",
            "Hm. Why?",
            "Where should we go, we don\u{2019}t drive?",
            "...",
        ] {
            assert!(!manner(text).only_asks, "{text}");
        }
    }

    #[test]
    fn what_a_suggestion_has_to_heed_is_told_from_what_it_has_not() {
        for text in ["I can\u{2019}t eat nuts.", "Odd day. I never learned to drive.", "My son loves trains"] {
            assert!(manner(text).restricts, "{text}");
        }
        for text in ["Can't I eat nuts?", "The shop never opens.", "I bought a lamp."] {
            assert!(!manner(text).restricts, "{text}");
        }
    }

    #[test]
    fn a_text_is_read_for_terms_whatever_its_script() {
        assert_eq!(terms("Jule's cellos"), terms("jule, the cello"));
        assert!(terms("don't").is_empty());
        let (said, asked) = (terms("私はチェロを弾きます"), terms("チェロ"));
        assert!(asked[1..].iter().all(|pair| said.contains(pair)), "a pair of signs is found inside a sentence");
        for odd in ["", "''", "\u{2019}a", "'", "a'", "\0", "🎻👩‍👩‍👧", "ß", "\u{20000}\u{20001}"] {
            terms(odd);
        }
    }

    #[test]
    fn content_words_are_told_once_and_in_order() {
        assert_eq!(content_words("What was it my sister Jule is allergic to, Jule?"), ["sister", "jule", "allergic"]);
    }
}
