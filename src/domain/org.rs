//! Settings are put at the home of their org (A5, K2): accepted whole or not at all, and `router-settings` is their truth.

use super::draft::Draft;
use super::effect::{AcceptedSettings, Consequence};
use super::event::Command;
use super::memory::{Outcome, Shelf};
use super::record::{Needs, Record};
use super::settings::{Content, DAYS_CHANGES_KEPT, DaysChange};
use super::verdict::Verdict;

/// Judges `PutSettings`; None removes the org.
pub fn put(draft: &mut Draft, command: &Command, content: Option<&Content>) -> Result<(), Needs> {
    let key = command.key();
    let shelf = Shelf::requests(&key);
    let mut record = draft.org_record(&key)?;
    draft.at = draft.at.max(record.decided_at);
    record.decided_at = draft.at;
    let first = shelf.recall(draft, &record.requests, command.request_hash)?;
    let verdict = match first.and_then(|first| first.answer()) {
        Some(first) => Verdict::duplicate(first),
        None => judge(draft, command, content),
    };
    if first.is_none() {
        let outcome = Outcome::from(verdict.answer());
        shelf.remember(draft, &mut record.requests, command.request_hash, outcome)?;
    }
    verdict.tell(draft, command);
    draft.put(key, Record::Org(record));
    Ok(())
}

/// Equal to those in force is no change; to remove an org that is unknown is none either.
fn judge(draft: &mut Draft, command: &Command, content: Option<&Content>) -> Verdict {
    let in_force = draft.around.settings;
    if in_force.and_then(|settings| settings.content.as_ref()) == content {
        return Verdict::unchanged();
    }
    draft.emit(Consequence::Settings(Box::new(AcceptedSettings {
        org: command.org.clone(),
        content: content.cloned(),
        changes: kept(in_force.map_or(&[], |settings| &settings.changes)),
    })));
    Verdict::applied()
}

/// The last changes of days. What changed no days is none: the days before it simply stayed in force.
fn kept(changes: &[DaysChange]) -> Vec<DaysChange> {
    let mut kept = changes.to_vec();
    kept.dedup_by_key(|change| change.days);
    kept.split_off(kept.len().saturating_sub(DAYS_CHANGES_KEPT))
}
