//! Chance that can be repeated: the same seed gives the same stream.

const KNOWN_SEED: u64 = 20_261_123;

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    /// A known stream, so that what fails was changed; `IT_SEED` asks for another.
    pub fn new() -> Dice {
        let given = std::env::var("IT_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or(KNOWN_SEED);
        eprintln!("IT_SEED={seed} repeats this stream");
        Dice::of(seed)
    }

    pub fn of(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, not including, `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        (self.next() % sides.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.roll(items.len());
        items.get(index)
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.roll(last + 1));
        }
    }
}
