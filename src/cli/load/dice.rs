//! What the next record is and whom it is about, drawn from a seed: the same seed draws the same. Reads no clock.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};

/// A kind of input, in the order of the shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Inbound,
    Outbound,
    Crm,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Inbound, Self::Outbound, Self::Crm];

    pub fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Crm => "crm",
        }
    }
}

/// How often each is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Percent of each kind, 100 in all.
    pub shares: [u8; 3],
    /// Percent of the inbound ones from phones nobody knows.
    pub strangers: u8,
    /// The exponent of Zipf's law; 0: all customers alike.
    pub skew: f64,
}

/// What somebody is to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Message { is_stranger: bool },
    Reply,
    Change,
    Activate,
    Deactivate,
}

impl What {
    pub fn kind(self) -> Kind {
        match self {
            Self::Message { .. } => Kind::Inbound,
            Self::Reply => Kind::Outbound,
            Self::Change | Self::Activate | Self::Deactivate => Kind::Crm,
        }
    }
}

pub struct Dice {
    lots: ChaCha8Rng,
    /// None: all alike.
    skewed: Option<Zipf<f64>>,
    phones: u32,
    mix: Mix,
}

impl Dice {
    pub fn new(seed: u32, phones: u32, mix: Mix) -> Self {
        Self {
            lots: ChaCha8Rng::seed_from_u64(seed.into()),
            skewed: (mix.skew > 0.0)
                .then(|| Zipf::new(f64::from(phones), mix.skew).ok())
                .flatten(),
            phones,
            mix,
        }
    }

    /// What, and the number of the customer that it is about.
    pub fn draw(&mut self) -> (What, u32) {
        let what = self.what();
        (what, self.customer())
    }

    fn what(&mut self) -> What {
        let [inbound, outbound, _] = self.mix.shares;
        match self.percent() {
            lot if lot < inbound => What::Message {
                is_stranger: self.percent() < self.mix.strangers,
            },
            lot if lot < inbound + outbound => What::Reply,
            _ => match self.percent() {
                0..50 => What::Change,
                50..75 => What::Deactivate,
                _ => What::Activate,
            },
        }
    }

    fn percent(&mut self) -> u8 {
        self.lots.random_range(0..100)
    }

    fn customer(&mut self) -> u32 {
        match &self.skewed {
            // A rank from 1 on; a fraction can't be.
            Some(zipf) => (zipf.sample(&mut self.lots) as u32).clamp(1, self.phones) - 1,
            None => self.lots.random_range(0..self.phones),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIX: Mix = Mix {
        shares: [70, 20, 10],
        strangers: 10,
        skew: 1.0,
    };

    fn draws(seed: u32, mix: Mix) -> Vec<(What, u32)> {
        let mut dice = Dice::new(seed, 100, mix);
        (0..20_000).map(|_| dice.draw()).collect()
    }

    fn percent_of(draws: &[(What, u32)], wanted: impl Fn(&(What, u32)) -> bool) -> usize {
        draws.iter().filter(|draw| wanted(draw)).count() * 100 / draws.len()
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        assert_eq!(draws(7, MIX), draws(7, MIX));
        assert_ne!(draws(7, MIX), draws(8, MIX));
    }

    #[test]
    fn each_kind_has_its_share() {
        let draws = draws(1, MIX);
        for (kind, share) in Kind::ALL.into_iter().zip([70, 20, 10]) {
            let found = percent_of(&draws, |(what, _)| what.kind() == kind);
            assert!(found.abs_diff(share) <= 1, "{kind:?}: {found}");
        }
        let strangers = percent_of(&draws, |(what, _)| *what == What::Message { is_stranger: true });
        assert!(strangers.abs_diff(7) <= 1, "{strangers}");
    }

    #[test]
    fn with_a_skew_of_one_the_first_writes_twice_as_often_as_the_second() {
        let skewed = draws(1, MIX);
        let (first, second) = (
            percent_of(&skewed, |draw| draw.1 == 0),
            percent_of(&skewed, |draw| draw.1 == 1),
        );
        assert!(
            (18..=20).contains(&first) && (9..=10).contains(&second),
            "{first} {second}"
        );
        let even = draws(1, Mix { skew: 0.0, ..MIX });
        assert!(percent_of(&even, |draw| draw.1 == 0) <= 2);
        assert!(even.iter().all(|draw| draw.1 < 100) && skewed.iter().all(|draw| draw.1 < 100));
    }
}
