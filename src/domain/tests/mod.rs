//! The rules as tables: a row is a case, named by its rule, and goes through one helper.

mod archive;
mod cases;
pub mod harness;
mod memory;
mod properties;
mod routing;
mod text;
mod timers;
