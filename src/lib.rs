//! Routes WhatsApp messages to chatrooms, exactly once.

pub mod contract;
pub mod domain;
pub mod index;
pub mod kafka;
pub mod protocol;
pub mod worker;
