//! How well a ranking finds what it should: recall, reciprocal rank, discounted gain.

use std::collections::HashSet;
use std::hash::Hash;

use serde::Serialize;

/// How deep a ranking is read.
pub(crate) const DEPTH: usize = 10;

/// The figures of one query, or their mean over many. All from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Ranked {
    /// Share of what should be found that stands first.
    pub(crate) recall_at_1: f64,
    /// ... among the first five.
    pub(crate) recall_at_5: f64,
    /// ... among the first ten.
    pub(crate) recall_at_10: f64,
    /// 1 / place of the first that should be found, among the first ten.
    pub(crate) mrr: f64,
    /// Normalised discounted cumulative gain of the first ten (Järvelin and Kekäläinen 2002), each gold item worth one.
    pub(crate) ndcg_at_10: f64,
}

impl Ranked {
    /// The figures of a ranking, best first, against what should be found.
    pub(crate) fn of<T: Eq + Hash>(found: &[T], gold: &[T]) -> Self {
        let gold: HashSet<&T> = gold.iter().collect();
        let mut seen = HashSet::new();
        // What is listed twice is found once.
        let hits: Vec<bool> = found.iter().take(DEPTH).map(|item| gold.contains(item) && seen.insert(item)).collect();
        let recall = |k: usize| hits.iter().take(k).filter(|hit| **hit).count() as f64 / gold.len().max(1) as f64;
        let discount = |place: usize| 1.0 / (place as f64 + 2.0).log2();
        let gain: f64 = hits.iter().enumerate().filter(|(_, hit)| **hit).map(|(place, _)| discount(place)).sum();
        let ideal: f64 = (0..gold.len().min(DEPTH)).map(discount).sum();
        Self {
            recall_at_1: recall(1),
            recall_at_5: recall(5),
            recall_at_10: recall(10),
            mrr: hits.iter().position(|hit| *hit).map_or(0.0, |place| 1.0 / (place + 1) as f64),
            ndcg_at_10: if ideal > 0.0 { gain / ideal } else { 0.0 },
        }
    }

    /// The mean over queries; zeros where there is none.
    pub(crate) fn mean(all: &[Self]) -> Self {
        let mean = |part: fn(&Self) -> f64| all.iter().map(part).sum::<f64>() / all.len().max(1) as f64;
        Self {
            recall_at_1: mean(|one| one.recall_at_1),
            recall_at_5: mean(|one| one.recall_at_5),
            recall_at_10: mean(|one| one.recall_at_10),
            mrr: mean(|one| one.mrr),
            ndcg_at_10: mean(|one| one.ndcg_at_10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_measured_by_where_the_gold_stands() {
        let found = Ranked::of(&["a", "gold", "b", "more gold"], &["gold", "more gold"]);
        assert_eq!((found.recall_at_1, found.recall_at_5, found.recall_at_10, found.mrr), (0.0, 1.0, 1.0, 0.5));
        // By hand: (1/log2 3 + 1/log2 5) / (1/log2 2 + 1/log2 3).
        let expected = (1.0 / 3_f64.log2() + 1.0 / 5_f64.log2()) / (1.0 + 1.0 / 3_f64.log2());
        assert!((found.ndcg_at_10 - expected).abs() < 1e-12);
        let best = Ranked::of(&[1, 2, 3], &[2, 1]);
        assert_eq!((best.recall_at_1, best.mrr, best.ndcg_at_10), (0.5, 1.0, 1.0));
    }

    #[test]
    fn what_is_listed_twice_or_not_at_all_gains_nothing() {
        assert_eq!(Ranked::of(&[7, 7, 7], &[7, 8]).recall_at_10, 0.5);
        assert_eq!(Ranked::of(&[1, 2], &[3]), Ranked::default());
        assert_eq!(Ranked::of(&Vec::<i32>::new(), &[3]), Ranked::default());
        let late: Vec<i32> = (0..20).collect();
        assert_eq!(Ranked::of(&late, &[10]), Ranked::default(), "the eleventh is not read");
    }

    #[test]
    fn the_mean_is_over_queries() {
        let mean = Ranked::mean(&[Ranked::of(&[1], &[1]), Ranked::of(&[2], &[1])]);
        assert_eq!((mean.recall_at_1, mean.mrr, mean.ndcg_at_10), (0.5, 0.5, 0.5));
        assert_eq!(Ranked::mean(&[]), Ranked::default());
    }
}
