//! Random choices that a seed decides for ever: the same on every machine and in every version of the program.
//!
//! A crate's generator may change its stream with a version, and a resumed run would then go another way than it began.

/// A stream of choices.
#[derive(Debug, Clone)]
pub(crate) struct Draws(u64);

impl Draws {
    /// The stream for one purpose: `index` tells apart what is drawn many times over.
    pub(crate) fn new(seed: u64, purpose: &str, index: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(&index.to_le_bytes()).update(purpose.as_bytes());
        let mut head = [0; 8];
        hasher.finalize_xof().fill(&mut head);
        Self(u64::from_le_bytes(head))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A seed that every endpoint takes: 31 bits.
    pub(crate) fn call_seed(&mut self) -> u32 {
        u32::try_from(self.number() >> 33).unwrap_or_default()
    }

    /// A number below `bound`; 0 where there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.number()) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or_default()
    }

    /// Heads or tails.
    pub(crate) fn coin(&mut self) -> bool {
        self.number() >> 63 == 1
    }

    /// Whether something of this probability, 0 to 1, happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        const EXACT: u32 = 53; // bits that a double holds exactly
        let drawn = (self.number() >> (u64::BITS - EXACT)) as f64 / (1_u64 << EXACT) as f64;
        drawn < probability
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// Every order equally likely (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }

    /// `count` different indices below `bound`, or all there are.
    pub(crate) fn some_of(&mut self, bound: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..bound).collect();
        self.shuffle(&mut all);
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_same_for_ever() {
        let mut draws = Draws::new(7, "test", 0);
        let first = [draws.number(), draws.number()];
        let mut again = Draws::new(7, "test", 0);
        assert_eq!([again.number(), again.number()], first);
        assert_ne!(Draws::new(7, "test", 1).number(), first[0]);
        assert_ne!(Draws::new(7, "other", 0).number(), first[0]);
    }

    #[test]
    fn what_is_drawn_lies_in_its_bounds() {
        let mut draws = Draws::new(1, "bounds", 0);
        assert!((0..1000).all(|_| draws.below(3) < 3));
        assert_eq!(draws.below(0), 0);
        let mut chosen = draws.some_of(9, 5);
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen.len(), 5);
        assert!(draws.call_seed() < 1 << 31);
    }
}
