//! Pseudo-random numbers that can be repeated: a seed gives the same numbers on every machine.

/// 2^32.
const SPAN: f64 = 4_294_967_296.0;

/// Mixes 64 bits (splitmix64's finaliser), so that neighbouring seeds give unrelated numbers.
pub fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// 64 mixed bits as a number at least 0 and below 1.
pub fn fraction(bits: u64) -> f64 {
    f64::from(high_half(bits)) / SPAN
}

fn high_half(bits: u64) -> u32 {
    u32::try_from(bits >> 32).unwrap_or(u32::MAX)
}

/// A sequence of numbers (splitmix64).
#[derive(Debug, Clone)]
pub struct SeededRandom(u64);

impl SeededRandom {
    /// The sequence that `seed` starts.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number at least 0 and below 1.
    pub fn fraction(&mut self) -> f64 {
        fraction(self.next_u64())
    }

    /// A number at least `low` and below `high`.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        let width = u64::from(high.saturating_sub(low).max(1));
        // Multiplication instead of a remainder: no division, and the bias is below one in a million here.
        let offset = (u64::from(high_half(self.next_u64())) * width) >> 32;
        low.saturating_add(u32::try_from(offset).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::SeededRandom;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_one_others() {
        let first = |seed: u64| SeededRandom::new(seed).next_u64();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn numbers_stay_in_their_range_and_fill_it() {
        let mut random = SeededRandom::new(7);
        let numbers: Vec<u32> = (0..1_000).map(|_| random.between(10, 20)).collect();
        assert_eq!((numbers.iter().min(), numbers.iter().max()), (Some(&10), Some(&19)));
        assert!((0..1_000).map(|_| random.fraction()).all(|fraction| (0.0..1.0).contains(&fraction)));
    }
}
