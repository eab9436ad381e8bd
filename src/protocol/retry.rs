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
