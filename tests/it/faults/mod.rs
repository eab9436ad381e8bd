//! What must hold while processes die, stop and come back, Redis forgets, and records are wrong.

mod burst;
mod dice;
mod generator;
mod malformed;
mod processes;
mod reach;
mod redis;
mod stream;
