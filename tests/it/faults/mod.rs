//! What must hold while processes die, stop and come back, Redis forgets, and records are wrong.

mod burst;
mod dice;
mod generator;
mod malformed;
mod processes;
mod reach;
mod redis;
mod stream;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Worlds of several processes take turns: all at once would measure the machine, not the program.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
