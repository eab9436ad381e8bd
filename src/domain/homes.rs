//! The home of a contact, its directory: which phone it stands under, and the order of its commands (K2, K3). It answers
//! what needs no phone; all else it passes on to the phone's home, in order.
//!
//! It passes commands on without waiting, since two homes keep the order between them. It waits only while the contact
//! moves or is erased, and behind a repeat whose first is not answered yet; what waits, nothing overtakes.

use super::checks;
use super::contacts::pass_on;
use super::directory::{Directory, Held, MAX_WAITING, Underway, Waiting};
use super::draft::Draft;
use super::effect::{Code, Consequence, DeadLetter, DeadReason};
use super::event::{Answer, Command, Step, What};
use super::ids::{CrmId, IdHash, OrgId};
use super::memory::{Outcome, Remembered, Shelf};
use super::phone::{SpelledPhone, parse_typed};
use super::record::{Key, Needs, Record};
use super::verdict::Verdict;
use std::sync::Arc;

/// Judges `UpsertContact`, `DeleteContact` and `CreateChatroom` at the home of the contact.
pub fn command(draft: &mut Draft, command: &Command) -> Result<(), Needs> {
    let mut home = Home::open(draft, command.key())?;
    home.receive(draft, command)?;
    home.close(draft);
    Ok(())
}

/// Judges `Done` and `Erased` there.
pub fn step(draft: &mut Draft, org: &OrgId, step: &Step) -> Result<(), Needs> {
    let mut home = Home::open(draft, step.key(org))?;
    home.directory.decided_at = draft.at;
    home.hear(draft, step)?;
    home.release(draft)?;
    home.close(draft);
    Ok(())
}

/// The directory of one contact, opened for a record. What only waits is not judged yet, and moves no decision time.
pub(super) struct Home {
    key: Key,
    pub(super) directory: Directory,
}

impl Home {
    fn open(draft: &mut Draft, key: Key) -> Result<Self, Needs> {
        let directory = draft.directory(&key)?;
        draft.at = draft.at.max(directory.decided_at);
        Ok(Self { key, directory })
    }

    fn close(self, draft: &mut Draft) {
        draft.put(self.key, Record::Directory(self.directory));
    }

    fn receive(&mut self, draft: &mut Draft, command: &Command) -> Result<(), Needs> {
        let org_is_known = checks::known_org(draft).is_ok();
        let waits = self.directory.underway.is_some()
            || !self.directory.waiting.is_empty()
            || self.is_in_progress(draft, command)?;
        match (org_is_known && waits, self.directory.waiting.len() < MAX_WAITING) {
            (false, _) => self.judge(draft, command),
            (true, true) => {
                self.directory.waiting.push(Waiting {
                    command: command.clone(),
                    at: draft.at,
                    cause: draft.cause().clone(),
                });
                Ok(())
            }
            (true, false) => {
                Verdict::refused(Code::Busy).tell(draft, command);
                Ok(())
            }
        }
    }

    /// Judges what waited, in order, until one makes the rest wait again.
    fn release(&mut self, draft: &mut Draft) -> Result<(), Needs> {
        while self.directory.underway.is_none() && !self.directory.waiting.is_empty() {
            let head = self.directory.waiting[0].command.clone();
            if checks::known_org(draft).is_ok() && self.is_in_progress(draft, &head)? {
                break;
            }
            let waited = self.directory.waiting.remove(0);
            draft.at = draft.at.max(waited.at);
            let cause = draft.swap_cause(waited.cause);
            self.judge(draft, &waited.command)?;
            draft.swap_cause(cause);
        }
        Ok(())
    }

    fn judge(&mut self, draft: &mut Draft, command: &Command) -> Result<(), Needs> {
        self.directory.decided_at = draft.at;
        let first = self.recall(draft, command.request_hash)?;
        if let Err(refusal) = checks::known_org(draft) {
            return self.answer(draft, command, Verdict::refused(refusal));
        }
        if let Some(first) = first.and_then(|first| first.answer()) {
            self.repeat(draft, command, first);
            return Ok(());
        }
        if self.directory.erased {
            return self.answer(draft, command, Verdict::refused(Code::ContactDeleted));
        }
        match &command.what {
            What::UpsertContact { phone_text, .. } => self.upsert(draft, command, phone_text),
            What::DeleteContact { .. } => self.delete(draft, command),
            _ => self.create_chatroom(draft, command),
        }
    }

    /// With the state as it is now, which the phone's home knows.
    fn repeat(&self, draft: &mut Draft, command: &Command, first: Answer) {
        let Some(held) = &self.directory.held else {
            return Verdict::duplicate(first).tell(draft, command);
        };
        let repeat = Step::Repeat {
            command: command.clone(),
            phone: held.phone.canonical,
            first,
        };
        pass_on(draft, &command.org, repeat);
    }

    /// P1: the text is parsed here once, and only if it is not the one stored.
    fn upsert(&mut self, draft: &mut Draft, command: &Command, text: &Arc<str>) -> Result<(), Needs> {
        let region = checks::known_org(draft).ok().and_then(|content| content.default_region);
        let held = self.directory.held.as_ref();
        let parsed = match held.filter(|held| held.text == *text) {
            Some(held) => Ok(held.phone),
            None => parse_typed(text, region),
        };
        match (parsed, held.map(|held| held.phone)) {
            (Ok(phone), Some(held)) if held.canonical != phone.canonical => {
                self.begin_move(draft, command, (held, phone), text)
            }
            (Ok(phone), _) => self.pass_upsert(draft, command, phone, text),
            (Err(fault), Some(held)) => {
                let step = Step::BadPhone {
                    command: command.clone(),
                    phone: held.canonical,
                    detail: format!("$.phone {fault}").into(),
                };
                self.pass_to_phone(draft, command, step)
            }
            (Err(fault), None) => {
                draft.emit(Consequence::DeadLetter(DeadLetter {
                    reason: DeadReason::BadPhone,
                    detail: format!("$.phone {fault}").into(),
                }));
                Ok(())
            }
        }
    }

    /// The phone held, or one to reserve: its home says whether the contact may stand there.
    fn pass_upsert(
        &mut self,
        draft: &mut Draft,
        command: &Command,
        phone: SpelledPhone,
        text: &Arc<str>,
    ) -> Result<(), Needs> {
        let known = self.directory.held.as_ref();
        self.directory.held = Some(Held {
            phone,
            text: text.clone(),
            attached: known.is_some_and(|held| held.attached),
            in_flight: known.map_or(0, |held| held.in_flight),
        });
        if !self.directory.phones.contains(&phone.canonical) {
            self.directory.phones.push(phone.canonical);
        }
        let step = Step::Upsert {
            command: command.clone(),
            phone,
        };
        self.pass_to_phone(draft, command, step)
    }

    fn begin_move(
        &mut self,
        draft: &mut Draft,
        command: &Command,
        (from, to): (SpelledPhone, SpelledPhone),
        text: &Arc<str>,
    ) -> Result<(), Needs> {
        self.directory.underway = Some(Underway::Move {
            to,
            text: text.clone(),
            request: command.request_hash,
        });
        let leave = Step::Leave {
            command: command.clone(),
            phone: from.canonical,
            to,
        };
        pass_on(draft, &command.org, leave);
        self.remember(draft, command.request_hash, Outcome::InProgress)
    }

    /// C5. Whether a contact that is only reserved ever stood anywhere is known when its phone has answered.
    fn delete(&mut self, draft: &mut Draft, command: &Command) -> Result<(), Needs> {
        if self.directory.held.is_none() {
            return self.answer(draft, command, Verdict::refused(Code::ContactNotFound));
        }
        let left = self.directory.phones.clone();
        for phone in &left {
            let erase = Step::Erase {
                command: command.clone(),
                phone: *phone,
            };
            pass_on(draft, &command.org, erase);
        }
        self.directory.underway = Some(Underway::Erasure {
            command: Box::new(command.clone()),
            left,
        });
        self.remember(draft, command.request_hash, Outcome::InProgress)
    }

    fn create_chatroom(&mut self, draft: &mut Draft, command: &Command) -> Result<(), Needs> {
        let Some(held) = &self.directory.held else {
            return self.answer(draft, command, Verdict::refused(Code::ContactNotFound));
        };
        let step = Step::CreateChatroom {
            command: command.clone(),
            phone: held.phone.canonical,
        };
        self.pass_to_phone(draft, command, step)
    }

    /// Passed on, and answered from there; a repeat of it waits until then.
    fn pass_to_phone(&mut self, draft: &mut Draft, command: &Command, step: Step) -> Result<(), Needs> {
        if let Some(held) = &mut self.directory.held {
            held.in_flight += 1;
        }
        pass_on(draft, &command.org, step);
        self.remember(draft, command.request_hash, Outcome::InProgress)
    }

    /// Answered here. What a request came to first, it came to for good (K2).
    pub(super) fn answer(&mut self, draft: &mut Draft, command: &Command, verdict: Verdict) -> Result<(), Needs> {
        if self.recall(draft, command.request_hash)?.is_none() {
            self.remember(draft, command.request_hash, verdict.answer().into())?;
        }
        verdict.tell(draft, command);
        Ok(())
    }

    pub(super) fn crm_id(&self) -> Option<&CrmId> {
        match &self.key {
            Key::Contact(_, crm_id) => Some(crm_id),
            _ => None,
        }
    }

    fn is_in_progress(&self, draft: &Draft, command: &Command) -> Result<bool, Needs> {
        let known = self.recall(draft, command.request_hash)?;
        Ok(known.is_some_and(|known| known.outcome == Outcome::InProgress))
    }

    pub(super) fn recall(&self, draft: &Draft, request: IdHash) -> Result<Option<Remembered>, Needs> {
        Shelf::requests(&self.key).recall(draft, &self.directory.requests, request)
    }

    pub(super) fn remember(&mut self, draft: &mut Draft, request: IdHash, outcome: Outcome) -> Result<(), Needs> {
        Shelf::requests(&self.key).remember(draft, &mut self.directory.requests, request, outcome)
    }

    pub(super) fn forget(&mut self, draft: &mut Draft, request: IdHash) -> Result<(), Needs> {
        Shelf::requests(&self.key).forget(draft, &mut self.directory.requests, request)
    }
}
