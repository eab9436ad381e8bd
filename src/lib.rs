//! Routes WhatsApp messages to chatrooms, exactly once.

pub mod domain;
pub mod index;
pub mod state;
