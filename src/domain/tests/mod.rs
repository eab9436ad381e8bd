//! The rules as tables: a row is a case, named by its rule, and goes through one helper.

mod archive;
mod cases;
mod commands;
mod details;
mod failures;
pub mod harness;
mod homes;
mod invariants;
mod memory;
mod properties;
mod routing;
mod script;
mod text;
mod timers;
