//! Routes WhatsApp messages to chatrooms, exactly once.

pub mod config;
pub mod contract;
pub mod domain;
pub mod health;
pub mod index;
pub mod kafka;
pub mod shutdown;
pub mod telemetry;
