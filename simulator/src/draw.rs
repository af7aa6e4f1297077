//! Chance that can be repeated: the same seed draws the same numbers on every machine.

/// 2^32, the number of values that 32 bits have.
const SPAN: f64 = 4_294_967_296.0;

/// Mixes 64 bits well (splitmix64's finaliser), so that neighbouring seeds give unrelated numbers.
#[must_use]
pub fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The share of 1 that 64 mixed bits stand for: at least 0, below 1.
#[must_use]
pub fn share(bits: u64) -> f64 {
    f64::from(high_half(bits)) / SPAN
}

fn high_half(bits: u64) -> u32 {
    u32::try_from(bits >> 32).unwrap_or(u32::MAX)
}

/// A source of numbers, one after the other.
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// The source that `seed` begins.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number at least 0 and below 1.
    pub fn share(&mut self) -> f64 {
        share(self.bits())
    }

    /// A number at least `low` and below `high`.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        let width = u64::from(high.saturating_sub(low).max(1));
        // Multiplying instead of dividing by remainder: no division, and the bias is below one in a million here.
        let offset = (u64::from(high_half(self.bits())) * width) >> 32;
        low.saturating_add(u32::try_from(offset).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::Draw;

    #[test]
    fn the_same_seed_draws_the_same_numbers_and_another_one_others() {
        let first = |seed: u64| Draw::new(seed).bits();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn draws_stay_in_their_range_and_fill_it() {
        let mut draw = Draw::new(7);
        let drawn: Vec<u32> = (0..1_000).map(|_| draw.between(10, 20)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&10), Some(&19)));
        assert!((0..1_000).map(|_| draw.share()).all(|share| (0.0..1.0).contains(&share)));
    }
}
