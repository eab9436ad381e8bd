//! Starts the real program and its world, speaks its wire contracts and reads what it commits. Uses no code of the crate.
#![allow(dead_code)] // Two test programs share it, and neither uses all of it.

pub mod api;
pub mod assert;
pub mod client;
pub mod log;
pub mod names;
pub mod operator;
pub mod printed;
pub mod process;
pub mod redis;
pub mod services;
pub mod tail;
pub mod topics;
pub mod world;
