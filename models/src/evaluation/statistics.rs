//! How far a mean can be trusted, whether two systems differ, and whether two raters agree.

use serde::Serialize;

use crate::random::Draws;

/// Resamples of a bootstrap, and sign flips of a test.
const RESAMPLES: usize = 2000;

/// A figure and the 95% interval around it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
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
}
