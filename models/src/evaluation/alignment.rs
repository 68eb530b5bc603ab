//! The ALOE benchmark's figures of one system, from its alignment levels.
//!
//! AL(k) is the mean score of the replies at turn k ("Aligning LLMs with Individual Preferences via Interaction",
//! arXiv 2410.03642, section 4). What is computed from the series:
//!
//! - IR, the improvement rate: slope b of the least-squares line AL(k) = b k + a over k = 1..n.
//! - N-IR and N-R²: slope and coefficient of determination of the same fit to (AL(k) - min) / (max - min), each system
//!   scaled by its own least and greatest value (arXiv 2505.15456).

use serde::Serialize;

/// How a series of alignment levels goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Improvement {
    /// Slope of AL(k), in points a turn.
    pub(crate) ir: f64,
    /// The same after scaling to 0..1; `None` for a series that never changes.
    pub(crate) n_ir: Option<f64>,
    /// How much of the scaled series the line explains; `None` for a series that never changes.
    pub(crate) n_r2: Option<f64>,
    /// Mean of AL(k).
    pub(crate) mean: f64,
}

impl Improvement {
    /// The figures of a series; `None` for fewer than two values, or one that is no number.
    pub(crate) fn of(series: &[f64]) -> Option<Self> {
        if series.len() < 2 || series.iter().any(|level| !level.is_finite()) {
            return None;
        }
        let (least, greatest) = series.iter().fold((f64::MAX, f64::MIN), |(l, g), v| (l.min(*v), g.max(*v)));
        let scaled: Vec<f64> = series.iter().map(|level| (level - least) / (greatest - least)).collect();
        let scaled_fit = (greatest > least).then(|| Fit::of(&scaled));
        Some(Self {
            ir: Fit::of(series).slope,
            n_ir: scaled_fit.map(|fit| fit.slope),
            n_r2: scaled_fit.map(|fit| fit.r2),
            mean: mean(series),
        })
    }
}

/// A least-squares line over k = 1..n.
#[derive(Clone, Copy)]
struct Fit {
    slope: f64,
    r2: f64,
}

impl Fit {
    fn of(series: &[f64]) -> Self {
        let turns: Vec<f64> = (1..=series.len()).map(|k| k as f64).collect();
        let (mean_k, mean_y) = (mean(&turns), mean(series));
        let sum =
            |f: fn(f64, f64) -> f64| turns.iter().zip(series).map(|(k, y)| f(k - mean_k, y - mean_y)).sum::<f64>();
        let (kk, ky, yy) = (sum(|k, _| k * k), sum(|k, y| k * y), sum(|_, y| y * y));
        Self { slope: ky / kk, r2: if yy > 0.0 { ky * ky / (kk * yy) } else { 1.0 } }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn a_line_has_its_own_slope_and_explains_all() {
        let series: Vec<f64> = (1..=10).map(|k| 2.0 + 0.25 * f64::from(k)).collect();
        let found = Improvement::of(&series).expect("ten levels");
        near(found.ir, 0.25);
        near(found.mean, 3.375);
        near(found.n_ir.expect("it changes"), 1.0 / 9.0);
        near(found.n_r2.expect("it changes"), 1.0);
    }

    /// Worked by hand: over k = 1..4, sum of (k - 2.5)^2 is 5; of 0, 1, 1, 0 about their mean, 1; the products cancel.
    #[test]
    fn a_series_that_comes_back_has_no_slope() {
        let found = Improvement::of(&[3.0, 5.0, 5.0, 3.0]).expect("four levels");
        near(found.ir, 0.0);
        near(found.n_ir.expect("it changes"), 0.0);
        near(found.n_r2.expect("it changes"), 0.0);
    }

    /// Worked by hand: a step at the end of ten, 0 nine times and 1: slope 4.5 / 82.5, R² 4.5² / (82.5 · 0.9).
    #[test]
    fn a_late_step_is_explained_in_part() {
        let mut series = [20.0; 10];
        series[9] = 60.0;
        let found = Improvement::of(&series).expect("ten levels");
        near(found.n_ir.expect("it changes"), 4.5 / 82.5);
        near(found.n_r2.expect("it changes"), 4.5 * 4.5 / (82.5 * 0.9));
        near(found.ir, 40.0 * 4.5 / 82.5);
    }

    #[test]
    fn what_cannot_be_fitted_is_not() {
        assert!(Improvement::of(&[3.0]).is_none());
        assert!(Improvement::of(&[3.0, f64::NAN]).is_none());
        let flat = Improvement::of(&[3.0; 10]).expect("ten levels");
        assert_eq!((flat.ir, flat.n_ir, flat.n_r2), (0.0, None, None));
    }

    proptest! {
        /// Scaling by its own extremes takes out where a series lies and how wide it is.
        #[test]
        fn the_normalised_figures_do_not_change_with_scale_and_place(
            series in proptest::collection::vec(0.0_f64..5.0, 10), by in 0.1_f64..50.0, plus in -9.0_f64..9.0,
        ) {
            let moved: Vec<f64> = series.iter().map(|level| level * by + plus).collect();
            let (one, other) = (Improvement::of(&series), Improvement::of(&moved));
            let (one, other) = (one.expect("ten levels"), other.expect("ten levels"));
            prop_assert!((one.n_ir.unwrap_or(0.0) - other.n_ir.unwrap_or(0.0)).abs() < 1e-9);
            prop_assert!((one.n_r2.unwrap_or(0.0) - other.n_r2.unwrap_or(0.0)).abs() < 1e-9);
            prop_assert!((one.ir * by - other.ir).abs() < 1e-9);
            prop_assert!(one.n_r2.is_none_or(|r2| (0.0..=1.0 + 1e-12).contains(&r2)));
        }
    }
}
