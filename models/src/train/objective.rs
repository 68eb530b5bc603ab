//! What is made small: cross-entropy of replies, and the losses over pairs of them.
//!
//! Each answers with a value and its gradient with respect to the log-probability of every sequence. A pair's losses are
//! functions of how much more the policy prefers the chosen reply than the reference does (Rafailov et al. 2023, eq. 7):
//! delta = (log pi(chosen) - log ref(chosen)) - (log pi(rejected) - log ref(rejected)).

use serde::{Deserialize, Serialize};

/// Which loss over pairs, named as in TRL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PairLoss {
    /// -log sigmoid(beta delta)
    Sigmoid,
    /// (delta per token - 1 / (2 beta))², Azar et al. 2023, eq. 17
    Ipo,
    /// max(0, 1 - beta delta), Zhao et al. 2023
    Hinge,
    /// Sigmoid, unbiased where a share of the pairs is the wrong way round (Chowdhury et al. 2024)
    Robust,
}

/// The numbers of a loss over pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct PairObjective {
    pub(crate) loss: PairLoss,
    pub(crate) beta: f64,
    /// Share of pairs that are taken to be the wrong way round; used by `Robust` alone.
    pub(crate) label_smoothing: f64,
}

/// Log-probability of a reply by the policy and by the reference, and its length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reply {
    pub(crate) policy: f64,
    pub(crate) reference: f64,
    pub(crate) tokens: usize,
}

impl Reply {
    /// How much likelier the policy finds it than the reference, in nats.
    pub(crate) fn gain(&self) -> f64 {
        self.policy - self.reference
    }
}

impl PairObjective {
    /// The loss of one pair, and its gradient with respect to the log-probabilities of the chosen and rejected reply.
    pub(crate) fn of(&self, chosen: Reply, rejected: Reply) -> (f64, [f64; 2]) {
        let (beta, noise) = (self.beta, self.label_smoothing);
        let delta = chosen.gain() - rejected.gain();
        let (loss, slope) = match self.loss {
            PairLoss::Sigmoid => (-log_sigmoid(beta * delta), -beta * sigmoid(-beta * delta)),
            PairLoss::Hinge => ((1.0 - beta * delta).max(0.0), if beta * delta < 1.0 { -beta } else { 0.0 }),
            PairLoss::Robust => {
                let scale = 1.0 / (1.0 - 2.0 * noise);
                let loss = -(1.0 - noise) * log_sigmoid(beta * delta) + noise * log_sigmoid(-beta * delta);
                let slope = -(1.0 - noise) * sigmoid(-beta * delta) - noise * sigmoid(beta * delta);
                (loss * scale, beta * slope * scale)
            }
            PairLoss::Ipo => {
                let lengths = [chosen.tokens, rejected.tokens].map(|tokens| tokens.max(1) as f64);
                let delta = chosen.gain() / lengths[0] - rejected.gain() / lengths[1];
                let off = delta - 1.0 / (2.0 * beta);
                return (off * off, [2.0 * off / lengths[0], -2.0 * off / lengths[1]]);
            }
        };
        (loss, [slope, -slope])
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn log_sigmoid(x: f64) -> f64 {
    -(-x.abs()).exp().ln_1p() + x.min(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_of_every_loss_is_that_of_finite_differences() {
        let reply = |policy, tokens| Reply { policy, reference: -20.0, tokens };
        for loss in [PairLoss::Sigmoid, PairLoss::Ipo, PairLoss::Hinge, PairLoss::Robust] {
            let objective = PairObjective { loss, beta: 0.3, label_smoothing: 0.1 };
            for (chosen, rejected) in [(-19.0, -21.5), (-22.0, -18.0), (-20.0, -20.0)] {
                let at = |c: f64, r: f64| objective.of(reply(c, 7), reply(r, 5)).0;
                let (_, [d_chosen, d_rejected]) = objective.of(reply(chosen, 7), reply(rejected, 5));
                let difference = (at(chosen + 1e-5, rejected) - at(chosen - 1e-5, rejected)) / 2e-5;
                assert!((difference - d_chosen).abs() < 1e-6, "{loss:?}: {difference} {d_chosen}");
                let difference = (at(chosen, rejected + 1e-5) - at(chosen, rejected - 1e-5)) / 2e-5;
                assert!((difference - d_rejected).abs() < 1e-6, "{loss:?}: {difference} {d_rejected}");
            }
        }
    }

    #[test]
    fn a_policy_that_is_its_reference_loses_the_logarithm_of_two() {
        let objective = PairObjective { loss: PairLoss::Sigmoid, beta: 0.9, label_smoothing: 0.0 };
        let reply = Reply { policy: -30.0, reference: -30.0, tokens: 9 };
        assert!((objective.of(reply, reply).0 - std::f64::consts::LN_2).abs() < 1e-12);
    }
}
