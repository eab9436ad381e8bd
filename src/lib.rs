//! Routes WhatsApp messages to chatrooms, exactly once.

pub mod admin;
pub mod cli;
pub mod config;
pub mod contract;
pub mod domain;
pub mod failure;
pub mod health;
pub mod index;
pub mod instance;
pub mod kafka;
pub mod shutdown;
pub mod telemetry;
