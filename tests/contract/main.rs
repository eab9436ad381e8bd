//! The wire contracts: what the files of the folder schemas say is what the router reads and writes.
//!
//! `UPDATE_EXAMPLES=1` writes the examples of the outputs anew; read the difference before you commit it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test that panics has said what it found.

mod asyncapi;
mod examples;
mod fixtures;
mod inputs;
mod json_text;
mod openapi;
mod outputs;
mod published;
mod refused;
mod schemas;
