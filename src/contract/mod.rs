//! Bytes to the domain and back, a file per topic: what is malformed ends here as a dead letter, and nothing panics.
//!
//! In: `inbound`, `crm`, `settings`, `outbound_request`, each behind `decode`. Out: `routed`, `unrouted`, `lifecycle`,
//! `outbound`, `results`, `dead_letter`, `settings_table`, each behind `publish`. Between our own parts: `origin`
//! (what a record leaves behind for those that publish) and `envelope` (records passed on to another home).
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable
    )
)]

mod crm;
pub mod decode;
pub mod envelope;
pub mod hash;
mod inbound;
pub mod instant;
pub mod origin;
mod outbound_request;
mod read;
pub mod record;
mod settings;
mod wire;

pub use decode::{Affiliate, Decoded, Decoder};
pub use hash::IdHasher;
pub use record::{Header, OutHeader, OutRecord, RawRecord, Topic, TopicKind};
