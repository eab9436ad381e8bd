//! Routes WhatsApp messages to chatrooms, exactly once.

pub mod admin;
pub mod app;
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
pub mod monitor;
pub mod protocol;
pub mod shutdown;
pub mod state;
pub mod telemetry;
pub mod worker;
