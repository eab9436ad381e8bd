//! The phone entry: all that one org knows under one phone. The unit of state and of ordering.

use super::chatroom::Chatroom;
use super::contact::Contact;
use super::memory::Memory;
use super::phone::Phone;
use super::time::Instant;
use std::sync::Arc;

/// Limits of R9 and of what an entry keeps of its expired chatrooms.
pub const MAX_CONTACTS: usize = 1_000;
pub const MAX_CHATROOMS: usize = 1_000;
pub const EXPIRED_KEPT_PER_WABA_PHONE: usize = 64;

/// Auto-replies sent within one full hour of decision time (I7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RepliesInHour {
    pub hour: i64,
    pub count: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The greatest decision time so far: none after it may be earlier.
    pub decided_at: Instant,
    /// The way the phone was last received, else the way the CRM wrote it: used to send (P2).
    pub spelling: Option<Phone>,
    /// Shared by the copies of the entry: most of what happens changes no contact.
    pub contacts: Arc<Vec<Contact>>,
    /// All that are not expired, and the 64 latest expired ones of each WABA phone.
    pub chatrooms: Vec<Chatroom>,
    /// Blocks of older expired chatrooms: the records `Key::Archive(.., 0..archived)`.
    pub archived: u32,
    pub replies: RepliesInHour,
    /// Message ids (I11).
    pub messages: Memory,
    /// Request ids of affiliate chatrooms, whose target is the phone (K2).
    pub requests: Memory,
}
