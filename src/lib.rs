//! Routes WhatsApp messages to chatrooms, exactly once.
