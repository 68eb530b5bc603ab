//! AdamW (Loshchilov and Hutter 2019) over one slice of numbers, clipping by the norm, and the learning rate's course.

use serde::{Deserialize, Serialize};

/// The decays of AdamW, as PyTorch has them by default.
const BETA: [f64; 2] = [0.9, 0.999];
const EPS: f64 = 1e-8;

/// How the learning rate goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Schedule {
    Constant,
    /// Half a cosine down to nothing.
    Cosine,
}

/// The learning rate of each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LearningRate {
    pub(crate) peak: f64,
    /// Steps on a straight line up to the peak.
    pub(crate) warmup_steps: usize,
    pub(crate) steps: usize,
    pub(crate) schedule: Schedule,
}

impl LearningRate {
    /// That of a step, from 0.
    pub(crate) fn at(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / (self.warmup_steps + 1) as f64;
        }
        let rest = self.steps.saturating_sub(self.warmup_steps).max(1);
        let done = (step - self.warmup_steps) as f64 / rest as f64;
        match self.schedule {
            Schedule::Constant => self.peak,
            Schedule::Cosine => self.peak * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos()),
        }
    }
}

/// The optimizer's memory: decaying means of the gradients and of their squares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AdamW {
    pub(crate) mean: Vec<f32>,
    pub(crate) square: Vec<f32>,
    /// Steps taken.
    pub(crate) steps: u64,
}

impl AdamW {
    /// One that has seen nothing.
    pub(crate) fn new(len: usize) -> Self {
        Self { mean: vec![0.0; len], square: vec![0.0; len], steps: 0 }
    }

    /// Takes a step.
    pub(crate) fn step(&mut self, numbers: &mut [f32], gradients: &[f32], lr: f64, weight_decay: f64) {
        self.steps += 1;
        let power = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let [first, second] = BETA.map(|beta| 1.0 - beta.powi(power));
        let step = lr / first;
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((number, gradient), (mean, square)) in numbers.iter_mut().zip(gradients).zip(moments) {
            let g = f64::from(*gradient);
            *mean = (BETA[0] * f64::from(*mean) + (1.0 - BETA[0]) * g) as f32;
            *square = (BETA[1] * f64::from(*square) + (1.0 - BETA[1]) * g * g) as f32;
            let decayed = f64::from(*number) * (1.0 - lr * weight_decay);
            let root = (f64::from(*square) / second).sqrt();
            *number = (decayed - step * f64::from(*mean) / (root + EPS)) as f32;
        }
    }
}

/// Scales gradients down to this norm if theirs is greater; answers with the norm that they had.
pub(crate) fn clip(gradients: &mut [f32], most: f64) -> f64 {
    let norm = gradients.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
    if most > 0.0 && norm > most {
        let scale = (most / (norm + 1e-6)) as f32;
        gradients.iter_mut().for_each(|g| *g *= scale);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_in_a_line_and_falls_in_half_a_cosine() {
        let rate = LearningRate { peak: 1.0, warmup_steps: 3, steps: 13, schedule: Schedule::Cosine };
        let rates: Vec<_> = (0..14).map(|step| rate.at(step)).collect();
        assert_eq!(rates[..4], [0.25, 0.5, 0.75, 1.0]);
        assert!((rates[8] - 0.5).abs() < 1e-12 && rates[13].abs() < 1e-12, "{rates:?}");
        assert!(rates[3..].windows(2).all(|pair| pair[1] < pair[0]));
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let mut gradients = [3.0, 4.0];
        assert_eq!(clip(&mut gradients, 0.5), 5.0);
        assert!((gradients[0] - 0.3).abs() < 1e-6 && (gradients[1] - 0.4).abs() < 1e-6);
        assert!((clip(&mut gradients, 0.0) - 0.5).abs() < 1e-6);
    }
}
