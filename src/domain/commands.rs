//! The commands that name a chatroom (A1, A3, A4, O1 to O3, R6), judged at its home; and who remembers a request (K2).

use super::archive;
use super::chatroom::{Chatroom, ChatroomStatus, Owner};
use super::checks;
use super::directory::ChatroomRecord;
use super::draft::Draft;
use super::effect::{Code, Consequence, Outbound};
use super::entry::Entry;
use super::event::{Answer, Command, What};
use super::follow;
use super::ids::{ChatroomId, ChatroomName, OrgId};
use super::memory::{Outcome, Remembered, Shelf};
use super::phone::Phone;
use super::record::{Key, Needs, Record};
use super::timers::open_entry;
use super::verdict::{Refusal, Verdict};

/// A phone's entry, opened for a command: its due timers have fired.
pub struct Opened {
    pub key: Key,
    pub phone: Phone,
    pub entry: Entry,
}

impl Opened {
    pub fn at(draft: &mut Draft, org: &OrgId, phone: Phone) -> Result<Self, Needs> {
        let key = Key::Phone(org.clone(), phone);
        let entry = open_entry(draft, org, &key)?;
        Ok(Self { key, phone, entry })
    }

    pub fn close(self, draft: &mut Draft) -> Result<(), Needs> {
        draft.put_entry(&self.key, self.entry)
    }
}

/// Judges `Activate`, `Deactivate`, `Expire` and `Send` at the home of the chatroom's id.
pub fn on_chatroom(draft: &mut Draft, command: &Command, name: &ChatroomName) -> Result<(), Needs> {
    let key = command.key();
    let shelf = Shelf::requests(&key);
    let mut record = draft.chatroom_record(&key)?;
    draft.at = draft.at.max(record.decided_at);
    let opened = record.phone.map(|phone| Opened::at(draft, &command.org, phone));
    let mut opened = opened.transpose()?;
    let first = shelf.recall(draft, &record.requests, command.request_hash)?;
    let named = Named {
        command,
        id: name.id(),
        record: &record,
    };
    let verdict = named.judge(draft, opened.as_mut(), first)?;
    if first.is_none() {
        let outcome = verdict.answer().into();
        shelf.remember(draft, &mut record.requests, command.request_hash, outcome)?;
    }
    verdict.tell(draft, command);
    record.decided_at = draft.at;
    // Before the entry: what that archives, it writes into this record.
    draft.put(key.clone(), Record::Chatroom(record));
    opened.map_or(Ok(()), |opened| opened.close(draft))
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self::Answered {
            status: answer.status,
            code: answer.code,
            chatroom: answer.chatroom,
        }
    }
}

impl Remembered {
    /// The answer that was given, if one was.
    #[must_use]
    pub fn answer(&self) -> Option<Answer> {
        match self.outcome {
            Outcome::Answered { status, code, chatroom } => Some(Answer { status, code, chatroom }),
            _ => None,
        }
    }
}

/// A chatroom as a command names it.
struct Named<'c> {
    command: &'c Command,
    id: Option<ChatroomId>,
    record: &'c ChatroomRecord,
}

impl Named<'_> {
    fn judge(&self, draft: &mut Draft, at: Option<&mut Opened>, first: Option<Remembered>) -> Result<Verdict, Needs> {
        if let Err(refusal) = checks::known_org(draft) {
            return Ok(Verdict::refused(refusal));
        }
        let Some((opened, id)) = at.zip(self.id) else {
            return Ok(self.unknown(first));
        };
        if let Some(first) = first.and_then(|first| first.answer()) {
            let chatroom = find(draft, &opened.entry, &self.command.org, (id, self.record))?;
            return Ok(Verdict::duplicate(first).of_chatroom(chatroom.as_ref()));
        }
        let Some(chatroom) = find(draft, &opened.entry, &self.command.org, (id, self.record))? else {
            return Ok(self.unknown(None));
        };
        let changed = match self.command.what {
            What::Activate(_) => activate(draft, self.command, &mut opened.entry, &chatroom),
            What::Deactivate(_) => deactivate(draft, self.command, &mut opened.entry, &chatroom),
            What::Expire(_) => expire(draft, self.command, &mut opened.entry, &chatroom),
            _ => send(draft, opened, &chatroom),
        };
        let verdict = match changed {
            Ok(true) => Verdict::applied(),
            Ok(false) => Verdict::unchanged(),
            Err(refusal) => Verdict::refused(refusal),
        };
        let now = opened.entry.chatroom(id).unwrap_or(&chatroom);
        Ok(verdict.of_chatroom(Some(now)))
    }

    fn unknown(&self, first: Option<Remembered>) -> Verdict {
        match first.and_then(|first| first.answer()) {
            Some(first) => Verdict::duplicate(first),
            None => Verdict::refused(Code::ChatroomNotFound),
        }
    }
}

/// The chatroom, in the entry or in the archive.
pub fn find(
    draft: &Draft,
    entry: &Entry,
    org: &OrgId,
    named: (ChatroomId, &ChatroomRecord),
) -> Result<Option<Chatroom>, Needs> {
    let (id, record) = named;
    match (entry.chatroom(id), record.phone, record.block) {
        (Some(chatroom), _, _) => Ok(Some(chatroom.clone())),
        (None, Some(phone), Some(block)) => archive::find(org, phone, block, id, draft),
        _ => Ok(None),
    }
}

/// A3. Whether anything changed.
fn activate(draft: &mut Draft, command: &Command, entry: &mut Entry, named: &Chatroom) -> Result<bool, Refusal> {
    not_expired(named)?;
    checks::registered(checks::known_org(draft)?, named.waba_phone)?;
    if named.is_active() {
        return Ok(false);
    }
    checks::free_pair(entry, named.waba_phone, &named.owner, Some(named.id))?;
    if let Owner::Contact(crm_id) = &named.owner {
        follow::supersede(draft, command, entry, crm_id, Some(named.id));
    }
    turn(draft, command, entry, named.id, ChatroomStatus::Active);
    Ok(true)
}

/// A1. It needs no WABA phone: what still receives can always be stopped.
fn deactivate(draft: &mut Draft, command: &Command, entry: &mut Entry, named: &Chatroom) -> Result<bool, Refusal> {
    not_expired(named)?;
    if named.is_active() {
        turn(draft, command, entry, named.id, ChatroomStatus::Deactivated);
    }
    Ok(named.is_active())
}

/// R6: only an affiliate's, and that comes before all other checks.
fn expire(draft: &mut Draft, command: &Command, entry: &mut Entry, named: &Chatroom) -> Result<bool, Refusal> {
    if named.owner != Owner::Affiliate {
        return Err(Code::NotAnAffiliate.into());
    }
    if !named.is_expired() {
        turn(draft, command, entry, named.id, ChatroomStatus::Expired);
    }
    Ok(!named.is_expired())
}

/// O1, O2.
fn send(draft: &mut Draft, opened: &Opened, named: &Chatroom) -> Result<bool, Refusal> {
    not_expired(named)?;
    checks::registered(checks::known_org(draft)?, named.waba_phone)?;
    if !named.is_active() {
        return Err(Code::ChatroomDeactivated.into());
    }
    draft.emit(Consequence::Outbound(Outbound {
        chatroom_id: named.id,
        waba_phone: named.waba_phone,
        phone: opened.phone,
        to: opened.entry.spelling.unwrap_or(opened.phone),
        auto_reply: None,
    }));
    Ok(true)
}

fn not_expired(chatroom: &Chatroom) -> Result<(), Refusal> {
    if chatroom.is_expired() {
        Err(Code::ChatroomExpired.into())
    } else {
        Ok(())
    }
}

fn turn(draft: &mut Draft, command: &Command, entry: &mut Entry, id: ChatroomId, status: ChatroomStatus) {
    if let Some(chatroom) = entry.chatrooms.iter_mut().find(|chatroom| chatroom.id == id) {
        follow::turn(draft, command, chatroom, status, command.reason());
    }
}
