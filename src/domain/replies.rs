//! What the directory does with the word that comes back from the homes of phones: a command is answered, a move has
//! ended, or nothing of the contact is left under a phone.

use super::directory::{Held, Underway};
use super::draft::Draft;
use super::effect::{Code, Happening, Status};
use super::event::{Answer, Command, Step};
use super::follow;
use super::homes::Home;
use super::ids::IdHash;
use super::memory::Outcome;
use super::phone::Phone;
use super::record::Needs;
use super::verdict::Verdict;

/// A command is answered by the home of `phone`.
struct Done {
    request: IdHash,
    answer: Option<Answer>,
    phone: Phone,
    attached: bool,
}

impl Home {
    pub(super) fn hear(&mut self, draft: &mut Draft, step: &Step) -> Result<(), Needs> {
        match step {
            Step::Done {
                request,
                answer,
                phone,
                attached,
                ..
            } => self.done(
                draft,
                &Done {
                    request: *request,
                    answer: *answer,
                    phone: *phone,
                    attached: *attached,
                },
            ),
            Step::Erased { phone, .. } => self.erased(draft, *phone),
            _ => Ok(()),
        }
    }

    fn done(&mut self, draft: &mut Draft, done: &Done) -> Result<(), Needs> {
        let known = self.recall(draft, done.request)?;
        let is_news = known.is_some_and(|known| known.outcome == Outcome::InProgress);
        if is_news {
            match done.answer {
                Some(answer) if answer.code != Some(Code::Failed) => {
                    self.remember(draft, done.request, answer.into())?;
                }
                _ => self.forget(draft, done.request)?,
            }
        }
        match self.directory.underway.take() {
            Some(Underway::Move { to, text, request }) if request == done.request => {
                let held = Held {
                    phone: to,
                    text,
                    attached: true,
                    in_flight: 0,
                };
                self.end_move(held, done);
            }
            // It could not be judged at some phone: what is erased stays so, and the command can be sent again.
            Some(Underway::Erasure { command, .. })
                if command.request_hash == done.request && done.answer.is_none() => {}
            underway => {
                self.directory.underway = underway;
                self.settle(done, is_news);
            }
        }
        self.drop_reservation();
        Ok(())
    }

    /// It stands under the new phone, or everything is as it was.
    fn end_move(&mut self, held: Held, done: &Done) {
        if done.answer.is_none_or(|answer| answer.status != Status::Applied) {
            return;
        }
        if self.directory.held.as_ref().is_none_or(|old| !old.attached) {
            // It never stood under the old phone.
            self.directory.phones.clear();
        }
        if !self.directory.phones.contains(&held.phone.canonical) {
            self.directory.phones.push(held.phone.canonical);
        }
        self.directory.held = Some(held);
    }

    /// Heard twice it counts once: a reservation is dropped too late rather than too early.
    fn settle(&mut self, done: &Done, is_news: bool) {
        if let Some(held) = &mut self.directory.held
            && held.phone.canonical == done.phone
        {
            held.in_flight = held.in_flight.saturating_sub(is_news.into());
            held.attached |= done.attached;
        }
    }

    /// The phone refused, and nothing under way there can change that: the contact is unknown again.
    fn drop_reservation(&mut self) {
        let refused = |held: &Held| !held.attached && held.in_flight == 0;
        if self.directory.underway.is_none() && self.directory.held.as_ref().is_some_and(refused) {
            self.directory.held = None;
            self.directory.phones.clear();
        }
    }

    fn erased(&mut self, draft: &mut Draft, phone: Phone) -> Result<(), Needs> {
        match self.directory.underway.take() {
            Some(Underway::Erasure { command, mut left }) => {
                left.retain(|other| *other != phone);
                if left.is_empty() {
                    return self.end_erasure(draft, &command);
                }
                self.directory.underway = Some(Underway::Erasure { command, left });
            }
            underway => self.directory.underway = underway,
        }
        Ok(())
    }

    /// C5: the crm_id stays as a tombstone. Who never stood anywhere can't be erased: its creation was refused.
    fn end_erasure(&mut self, draft: &mut Draft, command: &Command) -> Result<(), Needs> {
        let stood = self.directory.held.take().is_some_and(|held| held.attached);
        self.directory.phones.clear();
        self.directory.erased = stood;
        let verdict = match (stood, self.crm_id().cloned()) {
            (true, Some(crm_id)) => {
                follow::contact(draft, command, &crm_id, Happening::ContactDeleted);
                Verdict::applied()
            }
            _ => Verdict::refused(Code::ContactNotFound),
        };
        self.remember(draft, command.request_hash, verdict.answer().into())?;
        verdict.tell(draft, command);
        Ok(())
    }
}
