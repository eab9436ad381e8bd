//! Routes WhatsApp messages to chatrooms: a Kafka stream processor, exactly once, in order, explainable.
//!
//! # Bird's-eye view
//!
//! A *task* owns one partition of `router-commands` and of `router-changelog`. All that one org knows under one phone (its
//! *entry*: contacts and chatrooms) has its home in one partition, and the task of that partition alone judges what is about
//! it. Kafka holds the truth: the changelog is the state. Redis is an index of it that trails, and may be lost at any moment.
//!
//! # The way of a record
//!
//! [`kafka::consumer`] → [`contract`] (bytes to words) → [`index`] (what the batch lacks) → [`domain::judge`] (the rules) →
//! [`mod@contract::publish`] (words to bytes) → [`kafka::transaction`] → commit; then, behind it, [`index`] again. Nothing else
//! decides, and none is visited twice. A record whose home is another partition makes one more hop through `router-commands`.
//!
//! # What always holds
//!
//! - What follows from a record is in the transaction that commits its offset: outputs, changed records, a progress record.
//! - A fold reads what this task has committed, or what the index held under a marker that this task knows; never anything else.
//! - Judging is pure: the same record, records and settings give the same bytes. Time is the record's own.
//! - Whatever is in doubt is forgotten and recovered from the log, one way for everything ([`protocol`]).
//!
//! # Where to begin
//!
//! [`domain`] (the rules), [`judging`] (one record, from bytes to bytes), [`protocol`] (a state machine without I/O),
//! [`worker`] (the thread that performs it), [`api`] (what others see of it), [`app`] (what is wired to what). The adapters, [`kafka`] and [`index`], are the only
//! ones to name a client library.

pub mod admin;
pub mod api;
pub mod app;
pub mod changelog;
pub mod cli;
pub mod config;
pub mod contract;
pub mod domain;
pub mod failure;
pub mod health;
pub mod index;
pub mod inspect;
pub mod instance;
pub mod judging;
pub mod kafka;
pub mod letters;
pub mod monitor;
pub mod protocol;
pub mod scrub;
pub mod shutdown;
pub mod state;
pub mod telemetry;
pub mod upkeep;
pub mod worker;
