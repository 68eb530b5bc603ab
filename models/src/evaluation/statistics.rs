//! How far a mean can be trusted, whether two systems differ, and whether two raters agree.

use serde::{Deserialize, Serialize};

use crate::random::Draws;

/// Resamples of a bootstrap, and sign flips of a test.
const RESAMPLES: usize = 2000;

/// A figure and the 95% interval around it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A figure of cases with its percentile bootstrap interval (Efron 1979): cases are drawn again with replacement.
/// `None` where the figure of the cases themselves is none.
pub(crate) fn bootstrap<T>(cases: &[T], seed: u64, figure: impl Fn(&[&T]) -> Option<f64>) -> Option<Interval> {
    let value = figure(&cases.iter().collect::<Vec<_>>())?;
    let mut draws = Draws::new(seed, "bootstrap", cases.len() as u64);
    let mut again = || -> Vec<&T> { (0..cases.len()).filter_map(|_| draws.pick(cases)).collect() };
    let mut figures: Vec<f64> = (0..RESAMPLES).filter_map(|_| figure(&again())).collect();
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| figures.get((share * (figures.len().max(1) - 1) as f64).round() as usize).copied();
    Some(Interval { value, low: at(0.025).unwrap_or(value), high: at(0.975).unwrap_or(value) })
}

/// The mean of a figure over what all cases hold, with its interval over cases.
pub(crate) fn mean_over_cases<T>(cases: &[Vec<T>], seed: u64, of: impl Fn(&T) -> f64) -> Option<Interval> {
    bootstrap(cases, seed, |drawn| {
        let count = drawn.iter().map(|case| case.len()).sum::<usize>();
        (count > 0).then(|| drawn.iter().flat_map(|case| case.iter()).map(&of).sum::<f64>() / count as f64)
    })
}

/// Two systems on the same cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// Cases that both have.
    pub(crate) cases: usize,
    /// Mean of what is measured minus mean of the base, over the base's: 0.32 is 32% better.
    pub(crate) relative_improvement: f64,
    /// How often signs drawn at random make the mean difference as large as it is, in either direction (paired
    /// randomisation test, Fisher 1935).
    pub(crate) p_value: f64,
}

/// Compares pairs of (base, measured); `None` for no pair or a base whose mean is 0.
pub(crate) fn compare(pairs: &[(f64, f64)], seed: u64) -> Option<Comparison> {
    let count = pairs.len() as f64;
    let base = pairs.iter().map(|(base, _)| base).sum::<f64>() / count;
    let differences: Vec<f64> = pairs.iter().map(|(base, measured)| measured - base).collect();
    let total: f64 = differences.iter().sum();
    if pairs.is_empty() || base == 0.0 {
        return None;
    }
    let mut draws = Draws::new(seed, "signs", pairs.len() as u64);
    let mut as_large = || {
        let drawn: f64 = differences.iter().map(|d| if draws.coin() { *d } else { -d }).sum();
        drawn.abs() >= total.abs() - 1e-9
    };
    // What was seen is one of the ways to draw, so no p-value is 0.
    let hits = 1 + (0..RESAMPLES).filter(|_| as_large()).count();
    Some(Comparison {
        cases: pairs.len(),
        relative_improvement: total / count / base,
        p_value: hits as f64 / (RESAMPLES + 1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(of: &[&f64]) -> Option<f64> {
        (!of.is_empty()).then(|| of.iter().copied().sum::<f64>() / of.len() as f64)
    }

    #[test]
    fn an_interval_holds_its_value_is_the_same_for_a_seed_and_narrows_with_cases() {
        let cases = |count: usize| (0..count).map(|case| f64::from(case as u32 % 5)).collect::<Vec<_>>();
        let few = bootstrap(&cases(20), 7, mean).expect("cases");
        let many = bootstrap(&cases(2000), 7, mean).expect("cases");
        assert!(few.low <= few.value && few.value <= few.high);
        assert!(many.high - many.low < (few.high - few.low) / 5.0, "{many:?} against {few:?}");
        assert_eq!(bootstrap(&cases(20), 7, mean), Some(few));
        assert_eq!(bootstrap(&cases(0), 7, mean), None);
    }

    /// The standard error of a mean of 400 values from 0..4 in equal parts is sqrt(2 / 400).
    #[test]
    fn an_interval_is_as_wide_as_theory_has_it() {
        let cases: Vec<f64> = (0..400).map(|case| f64::from(case % 5)).collect();
        let found = bootstrap(&cases, 1, mean).expect("cases");
        let expected = 2.0 * 1.96 * (2.0_f64 / 400.0).sqrt();
        assert!(((found.high - found.low) / expected - 1.0).abs() < 0.12, "{found:?} against {expected}");
    }

    #[test]
    fn a_clear_difference_is_told_from_chance() {
        let better: Vec<(f64, f64)> = (0..30).map(|case| (2.5, 3.3 + f64::from(case % 3) / 10.0)).collect();
        let found = compare(&better, 3).expect("pairs");
        assert!((found.relative_improvement - 0.36).abs() < 1e-9 && found.p_value < 0.01, "{found:?}");
        let chance: Vec<(f64, f64)> = (0..30).map(|case| (3.0, if case % 2 == 0 { 3.5 } else { 2.5 })).collect();
        let found = compare(&chance, 3).expect("pairs");
        assert!(found.relative_improvement.abs() < 1e-9 && found.p_value > 0.9, "{found:?}");
        assert_eq!((compare(&[], 3), compare(&[(0.0, 1.0)], 3)), (None, None));
    }
}
