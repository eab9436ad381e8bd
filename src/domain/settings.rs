//! An org's settings, and the days that were in force at any instant (A5).

use super::phone::Phone;
use super::time::Instant;
use std::sync::Arc;

/// One of the org's own WhatsApp Business numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WabaPhone {
    pub phone: Phone,
    pub phone_number_id: Option<Arc<str>>,
    pub waba_id: Option<Arc<str>>,
}

/// Two upper-case letters, a region that libphonenumber knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region(pub [u8; 2]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InboundScope {
    #[default]
    Phone,
    Pair,
}

/// The answer that an expired chatroom gives for itself (I7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoReply {
    pub text: Arc<str>,
    pub max_per_hour: Option<u32>,
}

/// Days after which the timers ring; None is off. 1 to 36,500 (A5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Days {
    pub deactivate_after: Option<u32>,
    pub expire_after: Option<u32>,
}

/// What an org asked for, valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub default_region: Option<Region>,
    pub waba_phones: Vec<WabaPhone>,
    pub days: Days,
    pub expired_auto_reply: Option<AutoReply>,
    pub inbound_scope: InboundScope,
}

impl Content {
    /// Whether this is one of the org's own WABA phones now (R5).
    #[must_use]
    pub fn registers(&self, phone: Phone) -> bool {
        self.waba_phones.iter().any(|waba| waba.phone == phone)
    }
}

/// From `at` on these days were in force, until the next change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaysChange {
    pub at: Instant,
    pub days: Days,
}

/// How many changes of days a version carries along.
pub const DAYS_CHANGES_KEPT: usize = 32;

/// A version in force: the record's offset in `router-settings` is its number, its append time the instant it took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgSettings {
    pub version: i64,
    /// None after a tombstone: the org is unknown, its timers stand still, its history is kept for its return.
    pub content: Option<Content>,
    /// Oldest first; the last is in force now.
    pub changes: Vec<DaysChange>,
}
