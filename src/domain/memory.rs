//! Ids remembered for 8 days: 64 within the record that remembers them, more in buckets of their own (I11, K2).

use super::effect::{Code, Status};
use super::ids::{ChatroomId, IdHash};

/// An id of a message or a request, when it was judged first, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    pub id: IdHash,
    pub minute: u32,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A message that went to a chatroom: its repeat is counted and not published.
    Routed,
    /// A message without a chatroom: its repeat is judged again.
    Unrouted,
    /// A command passed on and not answered yet: its repeat waits.
    InProgress,
    /// A command that was answered, and the chatroom that the answer was about.
    Answered {
        status: Status,
        code: Option<Code>,
        chatroom: Option<ChatroomId>,
    },
}

/// What one record remembers. `buckets` and `spilled` are zero until more than 64 are held; then linear hashing: bucket n
/// is the record `Key::Ids(owner, n)`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    pub recent: Vec<Remembered>,
    pub buckets: u32,
    pub spilled: u32,
}
