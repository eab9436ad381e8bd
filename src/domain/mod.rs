//! The rules, pure: no clock, no I/O, no client library, no serde. The same input gives the same judgement for ever.
//!
//! Read in this order: the nouns (`ids`, `time`, `phone`, `settings`, `contact`, `chatroom`, `entry`, `directory`), what
//! goes in and comes out (`event`, `effect`, `record`), and then the rules by their numbers.

pub mod chatroom;
pub mod contact;
pub mod directory;
pub mod draft;
pub mod effect;
pub mod entry;
pub mod event;
pub mod ids;
pub mod memory;
pub mod phone;
pub mod record;
pub mod settings;
pub mod time;
