//! Instants and spans: whole milliseconds since 1970, UTC. Nothing here asks what time it is.

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub i64);

pub const SECOND_MS: i64 = 1_000;
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// WhatsApp began in 2009: what claims to be older has a wrong clock.
pub const YEAR_2009: Instant = Instant(1_230_768_000_000);

impl Instant {
    /// Later by that many milliseconds; saturates, since a wrong clock must not panic.
    #[must_use]
    pub const fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    #[must_use]
    pub const fn plus_days(self, days: u32) -> Self {
        self.plus(days as i64 * DAY_MS)
    }

    /// Full minutes since 1970: what a remembered id keeps of its instant.
    #[must_use]
    pub const fn minute(self) -> u32 {
        (self.0 / MINUTE_MS) as u32
    }

    /// Full hours (UTC) since 1970: the window of I7.
    #[must_use]
    pub const fn hour(self) -> i64 {
        self.0.div_euclid(HOUR_MS)
    }
}
