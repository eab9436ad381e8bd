//! Routes WhatsApp messages to chatrooms, exactly once.

pub mod config;
pub mod domain;
pub mod health;
pub mod index;
pub mod kafka;
pub mod shutdown;
pub mod state;
pub mod telemetry;
