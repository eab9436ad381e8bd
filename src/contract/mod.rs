//! Bytes to the domain and back, a file per topic: what is malformed ends here as a dead letter, and nothing panics.
//!
//! In: `inbound`, `crm`, `settings`, `outbound_request`, each behind `decode`. Out: `routed`, `unrouted`, `lifecycle`,
//! `outbound`, `results`, `dead_letter`, `settings_table`, each behind `publish`. Between our own parts: `origin`
//! (what a record leaves behind for those that publish) and `envelope` (records passed on to another home). Back in:
//! `kept` (dead letters and unrouted messages, for who sends them again).
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

pub mod cloud_events;
mod crm;
mod dead_letter;
pub mod decode;
pub mod envelope;
pub mod hash;
mod inbound;
pub mod instant;
pub mod kept;
mod lifecycle;
pub mod origin;
mod outbound;
mod outbound_request;
mod phones;
pub mod publish;
mod read;
pub mod record;
mod results;
mod routed;
mod settings;
pub mod settings_table;
mod unrouted;
pub mod uuid5;
mod wire;
pub mod words;
mod write;

pub use cloud_events::Ordinals;
pub use dead_letter::write as dead_letter;
pub use decode::{Affiliate, Decoded, Decoder};
pub use hash::IdHasher;
pub use inbound::Carried;
pub use publish::{PublishFault, publish};
pub use record::{Header, OutHeader, OutRecord, RawRecord, Topic, TopicKind};
pub use results::plain as refusal_in_words;
pub use uuid5::uuid5;
