//! The yardstick of every gradient here: what the function itself does when one input moves a little.

use crate::random::Draws;

/// Numbers between -1 and 1.
pub(crate) fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut draws = Draws::new(seed, "noise", 0);
    (0..count).map(|_| (draws.number() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Compares `backward` with central differences of `forward`, weighted with random numbers.
#[track_caller]
pub(crate) fn check(
    inputs: usize,
    forward: impl Fn(&[f32]) -> Vec<f32>,
    backward: impl Fn(&[f32], &[f32]) -> Vec<f32>,
) {
    let x = noise(inputs, 1);
    let weights = noise(forward(&x).len(), 2);
    let loss = |x: &[f32]| -> f64 { forward(x).iter().zip(&weights).map(|(y, w)| f64::from(y * w)).sum() };
    let gradient = backward(&x, &weights);
    let scale = gradient.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
    assert!(scale > 0.0, "there is no gradient");
    for at in 0..inputs {
        let moved = |by: f32| {
            let mut x = x.clone();
            x[at] += by;
            loss(&x)
        };
        const STEP: f32 = 2e-3;
        let difference = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
        let error = (difference - f64::from(gradient[at])).abs();
        assert!(error < 2e-3 * f64::from(scale), "input {at}: {difference} and {}", gradient[at]);
    }
}
