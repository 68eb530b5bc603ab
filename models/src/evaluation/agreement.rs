//! Whether two raters agree: shares and Cohen's kappa, plain and weighted.

use serde::Serialize;

use super::statistics::{Interval, bootstrap};

/// Two raters, or one rater twice, on the same things.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Agreement {
    pub(crate) pairs: usize,
    /// Share of things that both put into the same category.
    pub(crate) agreement: Option<Interval>,
    /// Cohen's kappa (Cohen 1960); `None` where chance alone would agree always.
    pub(crate) kappa: Option<Interval>,
    /// Kappa with quadratic weights (Cohen 1968), for categories that have an order.
    pub(crate) weighted_kappa: Option<Interval>,
}

impl Agreement {
    /// The agreement of (one, other) with intervals over pairs; only `ordered` categories have a weighted kappa.
    pub(crate) fn of(pairs: &[(u8, u8)], ordered: bool, seed: u64) -> Self {
        let share = |drawn: &[&(u8, u8)]| {
            let same = drawn.iter().filter(|(one, other)| one == other).count();
            (!drawn.is_empty()).then(|| same as f64 / drawn.len() as f64)
        };
        Self {
            pairs: pairs.len(),
            agreement: bootstrap(pairs, seed, share),
            kappa: bootstrap(pairs, seed, |drawn| kappa(drawn, |one, other| f64::from(u8::from(one != other)))),
            weighted_kappa: ordered
                .then(|| {
                    bootstrap(pairs, seed, |drawn| kappa(drawn, |one, other| f64::from(one.abs_diff(other)).powi(2)))
                })
                .flatten(),
        }
    }
}

/// 1 - (observed disagreement) / (that of raters who know nothing of each other but rate as often): with weights w_ij,
/// observed shares o_ij and marginal shares a_i and b_j, 1 - Σ w_ij o_ij / Σ w_ij a_i b_j.
fn kappa(pairs: &[&(u8, u8)], weight: impl Fn(u8, u8) -> f64) -> Option<f64> {
    let mut counts = [[0.0_f64; 256]; 2];
    for (one, other) in pairs {
        counts[0][usize::from(*one)] += 1.0;
        counts[1][usize::from(*other)] += 1.0;
    }
    let total = pairs.len() as f64;
    let observed = pairs.iter().map(|(one, other)| weight(*one, *other)).sum::<f64>() / total;
    let seen = |rater: usize| (0..=u8::MAX).filter(move |category| counts[rater][usize::from(*category)] > 0.0);
    let by_chance = |one: u8, other: u8| counts[0][usize::from(one)] * counts[1][usize::from(other)] / (total * total);
    let expected: f64 = seen(0)
        .flat_map(|one| seen(1).map(move |other| (one, other)))
        .map(|(one, other)| weight(one, other) * by_chance(one, other))
        .sum();
    (expected > 0.0).then(|| 1.0 - observed / expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<Interval>, expected: f64) {
        assert!(found.is_some_and(|found| (found.value - expected).abs() < 1e-12), "{found:?} is not {expected}");
    }

    /// Worked by hand: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no agree in 0.7, by chance in 0.5·0.6 + 0.5·0.4 = 0.5.
    #[test]
    fn kappa_is_what_is_left_of_agreement_after_chance() {
        let mut pairs = vec![(1, 1); 20];
        pairs.extend([(1, 0); 5].into_iter().chain([(0, 1); 10]).chain([(0, 0); 15]));
        let found = Agreement::of(&pairs, false, 1);
        near(found.agreement, 0.7);
        near(found.kappa, 0.4);
        assert_eq!((found.pairs, found.weighted_kappa), (50, None));
    }

    /// Worked by hand: 1, 2, 3 against 1, 3, 2 differ by 2/3 in the mean of squares, by chance by 12/9.
    #[test]
    fn weights_forgive_what_is_near() {
        let found = Agreement::of(&[(1, 1), (2, 3), (3, 2)], true, 1);
        near(found.weighted_kappa, 0.5);
        // One of three agrees, which is what chance gives.
        near(found.kappa, 0.0);
    }

    #[test]
    fn raters_who_say_one_thing_have_no_kappa() {
        let found = Agreement::of(&[(3, 3), (3, 3)], true, 1);
        near(found.agreement, 1.0);
        assert_eq!((found.kappa, found.weighted_kappa), (None, None));
        assert_eq!(Agreement::of(&[], true, 1).agreement, None);
    }
}
