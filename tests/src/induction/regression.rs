//! L2-regularised logistic regression.

/// Weights of the inputs, and the bias.
#[derive(Debug, Clone)]
pub(super) struct Regression {
    pub(super) weights: Vec<f32>,
    pub(super) bias: f32,
}

const STEPS: usize = 400;

impl Regression {
    /// Minimises `strength` Σ log-loss + ½ |weights|² by accelerated gradient descent (Nesterov, 1983), with the step
    /// 1 / L, L the Lipschitz constant of the gradient, bounded by the rows' lengths. The bias is free.
    pub(super) fn fit(rows: &[&[f32]], truths: &[bool], strength: f32) -> Self {
        let inputs = rows.first().map_or(0, |row| row.len());
        let step = 1.0 / (1.0 + 0.25 * strength * greatest_eigenvalue(rows, inputs));
        let mut now = vec![0.0_f32; inputs + 1];
        let mut ahead = now.clone();
        for n in 0..STEPS {
            let next: Vec<f32> =
                ahead.iter().zip(gradient(&ahead, rows, truths, strength)).map(|(w, g)| w - step * g).collect();
            let momentum = n as f32 / (n as f32 + 3.0);
            ahead = next.iter().zip(&now).map(|(next, now)| next + momentum * (next - now)).collect();
            now = next;
        }
        let bias = now.pop().expect("the bias stands last");
        Self { weights: now, bias }
    }

    /// Log-odds.
    pub(super) fn score(&self, row: &[f32]) -> f32 {
        self.bias + product(&self.weights, row)
    }
}

fn gradient(at: &[f32], rows: &[&[f32]], truths: &[bool], strength: f32) -> Vec<f32> {
    let (weights, bias) = at.split_at(at.len() - 1);
    let mut sum: Vec<f32> = weights.to_vec();
    sum.push(0.0);
    for (row, truth) in rows.iter().zip(truths) {
        let predicted = 1.0 / (1.0 + (-bias[0] - product(weights, row)).exp());
        let error = strength * (predicted - f32::from(u8::from(*truth)));
        sum.iter_mut().zip(row.iter().chain(&[1.0])).for_each(|(sum, x)| *sum += error * x);
    }
    sum
}

/// Of the rows' second moments, the bias included, by power iteration; with a tenth to spare.
fn greatest_eigenvalue(rows: &[&[f32]], inputs: usize) -> f32 {
    let mut direction = vec![1.0_f32; inputs + 1];
    let mut value = 1.0;
    for _ in 0..20 {
        let mut next = vec![0.0_f32; inputs + 1];
        for row in rows {
            let along = product(&direction[..inputs], row) + direction[inputs];
            next.iter_mut().zip(row.iter().chain(&[1.0])).for_each(|(sum, x)| *sum += along * x);
        }
        value = next.iter().map(|x| x * x).sum::<f32>().sqrt();
        direction = next.iter().map(|x| x / value.max(f32::MIN_POSITIVE)).collect();
    }
    value * 1.1
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
