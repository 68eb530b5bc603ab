//! Texts that share most of their wording: near-duplicates that differ in a name or a number, found before anything is
//! embedded.
//!
//! Exact, and not sketched as MinHash does: a pool of 50,000 texts has three million runs of words, which fit into memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::rules::bare;

/// Words in a row that are taken for one feature of a text.
const WORDS_IN_ROW: usize = 3;

/// The runs of words of a growing list of texts.
#[derive(Default)]
pub(super) struct Shingles {
    counts: Vec<usize>,
    places: HashMap<u64, Vec<usize>>,
}

impl Shingles {
    /// Adds a text; its place is how many there were before.
    pub(super) fn push(&mut self, text: &str) {
        let runs = runs(text);
        for run in &runs {
            self.places.entry(*run).or_default().push(self.counts.len());
        }
        self.counts.push(runs.len());
    }

    /// The text that shares most with this one: its place, and the Jaccard similarity of their runs, 0 to 1.
    pub(super) fn nearest(&self, text: &str) -> Option<(usize, f32)> {
        let runs = runs(text);
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        for place in runs.iter().filter_map(|run| self.places.get(run)).flatten() {
            *shared.entry(*place).or_default() += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of words")]
        let similarity = |place: usize, both: usize| both as f32 / (runs.len() + self.counts[place] - both) as f32;
        let all = shared.into_iter().map(|(place, both)| (place, similarity(place, both)));
        all.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

fn runs(text: &str) -> HashSet<u64> {
    let text = bare(text);
    let words: Vec<_> = text.split(' ').collect();
    let hash = |run: &[&str]| {
        let mut hasher = DefaultHasher::new();
        run.hash(&mut hasher);
        hasher.finish()
    };
    words.windows(WORDS_IN_ROW.min(words.len())).map(hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_another_name_and_age_is_nearly_the_same() {
        let mut shingles = Shingles::default();
        assert_eq!(shingles.nearest("anything at all"), None);
        shingles.push("She bakes bread in Graz and sings in a choir.");
        shingles.push("Mia is a 40-year-old baker in Graz. She keeps hens, sings badly and never learned to swim.");
        let (place, near) = shingles
            .nearest("Pia is a 41-year-old baker in Graz. She keeps hens, sings badly and never learned to swim!")
            .expect("shares words");
        assert_eq!(place, 1);
        assert!((0.5..1.0).contains(&near), "{near}");
        let (_, same) = shingles.nearest("she bakes BREAD in Graz, and sings in a choir").expect("shares words");
        assert!((same - 1.0).abs() < f32::EPSILON);
        assert!(shingles.nearest("He bakes cakes in Linz for a living.").is_none_or(|(_, near)| near < 0.2));
    }

    #[test]
    fn texts_of_a_word_or_none_have_a_likeness_too() {
        let mut shingles = Shingles::default();
        shingles.push("Hens");
        assert_eq!(shingles.nearest("hens!"), Some((0, 1.0)));
        assert_eq!(shingles.nearest(""), None);
    }
}
