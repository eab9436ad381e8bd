//! When to try again what could not be done: doubled waits, up to a greatest.

/// Waits between two tries of a question that could not be asked: doubled each time, up to the greatest.
const LEAST_RETRY_MS: u64 = 100;
const GREATEST_RETRY_MS: u64 = 5_000;

/// When to try again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retry {
    wait_ms: u64,
    at_ms: Option<u64>,
}

impl Retry {
    pub fn failed(&mut self, now_ms: u64) {
        self.wait_ms = (self.wait_ms * 2).clamp(LEAST_RETRY_MS, GREATEST_RETRY_MS);
        self.at_ms = Some(now_ms + self.wait_ms);
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    #[must_use]
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.at_ms.is_none_or(|at| at <= now_ms)
    }

    /// After so many failed attempts.
    #[must_use]
    pub fn after_attempts(attempts: u32, now_ms: u64) -> Self {
        let wait_ms = ((LEAST_RETRY_MS / 2) << attempts.min(10)).min(GREATEST_RETRY_MS) / 2;
        Self {
            wait_ms,
            at_ms: Some(now_ms + wait_ms),
        }
    }

    /// Tried again just now: the next failure waits longer.
    #[must_use]
    pub fn asked(self) -> Self {
        Self { at_ms: None, ..self }
    }

    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.at_ms.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_greatest_until_something_succeeds() {
        let mut retry = Retry::default();
        let mut wait = || {
            retry.failed(1_000);
            let wait = (0..).find(|ms| retry.is_due(1_000 + ms));
            retry = retry.asked();
            wait.unwrap_or_default()
        };
        let waits: Vec<u64> = (0..8).map(|_| wait()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        retry.succeeded();
        retry.failed(1_000);
        assert!(retry.is_due(1_100), "the first again");
    }
}
