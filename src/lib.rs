//! Routes WhatsApp messages to chatrooms, exactly once.

pub mod contract;
pub mod domain;
