//! The only place where a test sleeps: it waits for a condition, and gives up at a deadline with what it waited for.

use std::time::{Duration, Instant};

/// Long enough for a killed member's partitions to be handed on, on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

const STEP: Duration = Duration::from_millis(5);

/// The value as soon as there is one. Panics at the deadline.
pub fn until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    within(patience, &mut ask).unwrap_or_else(|| panic!("waited {patience:?} in vain for {what}"))
}

/// The value as soon as there is one, or none by the deadline.
pub fn within<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = ask() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(STEP);
    }
}

/// Lets time pass under a load, for a fault that has to last; never to hope that something is done by then.
pub fn let_pass(time: Duration) {
    std::thread::sleep(time);
}
