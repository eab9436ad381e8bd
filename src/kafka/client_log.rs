//! What the library says by itself, passed on to our log. What it says of every one of its tries while a broker is away is said
//! once in an outage, and after that only to who asks for everything.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How the library ends a line about a try that failed and is made again by itself.
const AGAIN: &str = ": retrying";
/// What was not said for so long is of another outage. It tries again after half a second at the latest.
const OVER: Duration = Duration::from_secs(10);

/// One client's.
#[derive(Default)]
pub(super) struct ClientLog {
    /// By the facility, when a try was last said to have failed.
    tries: Mutex<Vec<(String, Instant)>>,
}

impl ClientLog {
    /// Syslog's levels: 3 and below are errors, 4 a warning, 5 a notice.
    pub(super) fn line(&self, level: i32, line: &str) {
        let level = if self.is_told(line, Instant::now()) {
            i32::MAX
        } else {
            level
        };
        match level {
            ..=3 => tracing::error!(line, "kafka_client_log"),
            4 => tracing::warn!(line, "kafka_client_log"),
            5 => tracing::info!(line, "kafka_client_log"),
            _ => tracing::debug!(line, "kafka_client_log"),
        }
    }

    /// Whether it is of a try like one that failed a moment ago.
    fn is_told(&self, line: &str, now: Instant) -> bool {
        let Some((facility, _)) = line.split_once(':').filter(|_| line.ends_with(AGAIN)) else {
            return false;
        };
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let before = tries.iter_mut().find(|(known, _)| known == facility);
        match before {
            Some((_, at)) => now.duration_since(std::mem::replace(at, now)) < OVER,
            None => {
                tries.push((facility.to_owned(), now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_tries_that_fail_in_one_outage_the_first_alone_is_told() {
        let log = ClientLog::default();
        let began = Instant::now();
        let told = |line, ms| log.is_told(line, began + Duration::from_millis(ms));
        let failed = "GETPID: [thrd:main]: Failed to acquire transactional PID from broker TxnCoordinator/1: Broker: Not coordinator: retrying";
        assert!(!told(failed, 0));
        assert!((1..300).all(|number| told(failed, 100 * number)), "be it a long one");
        assert!(!told(failed, 60_000), "of another outage");
        assert!(
            !told("PIDRESET: [thrd:main]: once more: retrying", 60_000),
            "another fault"
        );
        for line in [
            "FAIL: [thrd:b1]: Connection refused",
            "GETPID: [thrd:main]: Acquired invalid PID: ignoring",
        ] {
            assert!(!told(line, 60_000) && !told(line, 60_000), "{line}");
        }
    }
}
