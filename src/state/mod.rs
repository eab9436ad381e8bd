//! The state as bytes: under which key a record stands, how it is written, and which records a batch works on.
//!
//! Read in this order: `keys` and `homes` (where a record stands), `wire`, `layout` and `layout_commands` (how a value is
//! laid out), `codec` (a whole value with its format), `progress`, `clocks`, and then what is held in memory: `overlay`,
//! `cache`, `working_set`. Absent here: I/O, any clock, any random number, and the rules.

pub mod cache;
pub mod clocks;
pub mod codec;
pub mod homes;
pub mod keys;
mod layout;
mod layout_commands;
pub mod overlay;
pub mod progress;
pub mod wire;
pub mod working_set;

#[cfg(test)]
mod tests;
