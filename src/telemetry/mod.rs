//! What the program says of itself: figures and events. Never a phone, a message's text or a token.

pub mod metrics;
pub mod restoring;
pub mod settled;
pub mod tracing;
pub mod watch;
