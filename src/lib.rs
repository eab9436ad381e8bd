//! Routes WhatsApp messages to chatrooms, exactly once.
pub mod kafka;
