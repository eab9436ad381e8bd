//! The rules, pure: no clock, no I/O, no client library, no serde. The same input gives the same judgement for ever.
//!
//! Read in this order: the nouns (`ids`, `time`, `phone`, `settings`, `contact`, `chatroom`, `entry`, `directory`), what
//! goes in and comes out (`event`, `effect`, `record`), and then the rules by their numbers.

pub mod archive;
pub mod auto_reply;
pub mod chatroom;
pub mod checks;
pub mod commands;
pub mod contact;
pub mod contacts;
pub mod directory;
pub mod draft;
pub mod effect;
pub mod entry;
pub mod erasure;
pub mod event;
pub mod follow;
pub mod homes;
pub mod ids;
pub mod judge;
pub mod lifecycle;
pub mod memory;
pub mod moves;
pub mod opening;
pub mod org;
pub mod phone;
pub mod record;
pub mod replies;
pub mod routing;
pub mod settings;
pub mod time;
pub mod timers;
pub mod verdict;

#[cfg(test)]
mod tests;
