//! Multiple choice by log-probability: which of the options does the model find most likely after the context?

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::random::Draws;
use crate::record::ChatMessage;

/// A question with its options. Other keys are left alone.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct McqItem {
    pub(crate) id: Value,
    /// The conversation before the answer.
    pub(crate) messages: Vec<ChatMessage>,
    pub(crate) options: Vec<String>,
    /// Place of the right one, from 0.
    pub(crate) answer: usize,
}

/// The share of right answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct McqFigures {
    pub(crate) items: usize,
    /// By the log-probability of the whole option.
    pub(crate) accuracy: f64,
    /// By log-probability a token: long options are not punished for their length.
    pub(crate) accuracy_normalised: f64,
    /// What guessing would reach.
    pub(crate) chance: f64,
}

/// The order in which an item's options are given: fixed by seed and id, so that a model that likes the first place
/// gains nothing by it.
pub(crate) fn shuffled(item: &McqItem, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..item.options.len()).collect();
    Draws::new(seed, &format!("options {}", item.id), 0).shuffle(&mut order);
    order
}

impl McqFigures {
    /// The figures of items, each with which option was taken by the sum and which by the mean.
    pub(crate) fn of(answered: &[(&McqItem, usize, usize)]) -> Self {
        let of = answered.len().max(1) as f64;
        let share = |right: &dyn Fn(&(&McqItem, usize, usize)) -> bool| {
            answered.iter().filter(|one| right(one)).count() as f64 / of
        };
        Self {
            items: answered.len(),
            accuracy: share(&|(item, by_sum, _)| *by_sum == item.answer),
            accuracy_normalised: share(&|(item, _, by_mean)| *by_mean == item.answer),
            chance: answered.iter().map(|(item, ..)| 1.0 / item.options.len() as f64).sum::<f64>() / of,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: u64, answer: usize) -> McqItem {
        let options = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        McqItem { id: id.into(), messages: Vec::new(), options, answer }
    }

    #[test]
    fn the_right_option_is_not_always_in_one_place() {
        let places: Vec<usize> =
            (0..400).map(|id| shuffled(&item(id, 0), 7).iter().position(|at| *at == 0).expect("it is there")).collect();
        for place in 0..4 {
            let count = places.iter().filter(|at| **at == place).count();
            assert!((60..140).contains(&count), "{count} of 400 in place {place}");
        }
        assert_eq!(shuffled(&item(3, 0), 7), shuffled(&item(3, 2), 7));
    }

    #[test]
    fn figures_are_shares_of_the_items() {
        let items = [item(1, 0), item(2, 1)];
        let found = McqFigures::of(&[(&items[0], 0, 1), (&items[1], 1, 1)]);
        assert_eq!((found.accuracy, found.accuracy_normalised, found.chance), (1.0, 0.5, 0.25));
    }
}
