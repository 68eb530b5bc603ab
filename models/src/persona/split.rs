//! Which texts are trained on and which are kept for evaluation: no text in both, and no near neighbour across.

use super::neighbours::groups;
use super::{Embed, Text};
use crate::error::Result;
use crate::random::Draws;
use crate::record::Split;

/// The split of each text: about `eval` of them for evaluation, whole groups of near texts on one side.
pub(crate) fn split(texts: &[Text], eval: usize, cosine: f32, seed: u64, embed: &Embed<'_>) -> Result<Vec<Split>> {
    let mut splits = vec![Split::Train; texts.len()];
    if eval == 0 {
        return Ok(splits);
    }
    let group = groups(texts, cosine, embed)?;
    let mut order: Vec<usize> = (0..texts.len()).filter(|place| group[*place] == *place).collect();
    Draws::new(seed, "split", 0).shuffle(&mut order);
    let mut taken = 0;
    for first in order {
        let members: Vec<_> = (0..texts.len()).filter(|place| group[*place] == first).collect();
        if taken + members.len() <= eval {
            taken += members.len();
            members.into_iter().for_each(|place| splits[place] = Split::Eval);
        }
    }
    Ok(splits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Origin;

    #[test]
    fn near_texts_stay_together() {
        let texts: Vec<_> = ["a", "b", "c", "d", "e", "f"]
            .map(|text| Text { text: text.into(), origin: Origin::Seed, scripted: false })
            .into();
        // a and b, c and d are the same in meaning.
        let vectors = |texts: &[String]| {
            let place = |text: &String| (u32::from(text.as_bytes()[0] - b'a') / 2) as usize;
            let vector = |text| (0..3).map(|at| f32::from(u8::from(at == place(text)))).collect();
            Ok(texts.iter().map(vector).collect())
        };
        for seed in 0..20 {
            let splits = split(&texts, 2, 0.6, seed, &vectors).expect("split");
            assert_eq!(splits.iter().filter(|split| **split == Split::Eval).count(), 2);
            assert!(splits.chunks(2).all(|pair| pair[0] == pair[1]), "{splits:?}");
        }
    }
}
