//! `router-settings`: the accepted settings. A record's offset is the version, its append time the instant at which it
//! takes effect.
//!
//! What was accepted stays so: phones and regions are read as they were written, not judged again by a newer
//! libphonenumber. A removed org has a marker and no tombstone, since its history is needed when it comes back.

use super::record::{OutRecord, TopicKind};
use super::words::Word;
use crate::domain::effect::AcceptedSettings;
use crate::domain::ids::OrgId;
use crate::domain::phone::Phone;
use crate::domain::settings::{
    AutoReply, Content, DAYS_CHANGES_KEPT, Days, DaysChange, InboundScope, OrgSettings, Region, WabaPhone,
};
use crate::domain::time::Instant;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const FORMAT: u32 = 1;

/// A record that this version can't read: all partitions stop rather than judge by other settings. Quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsTableFault(String);

#[derive(Serialize, Deserialize)]
struct Wire {
    format: u32,
    org_id: String,
    /// Null: the org was removed.
    content: Option<WireContent>,
    /// Before this version.
    changes: Vec<WireChange>,
}

#[derive(Serialize, Deserialize)]
struct WireContent {
    default_region: Option<String>,
    waba_phones: Vec<WireWabaPhone>,
    days: WireDays,
    expired_auto_reply: Option<WireAutoReply>,
    inbound_scope: String,
}

#[derive(Serialize, Deserialize)]
struct WireWabaPhone {
    digits: u64,
    phone_number_id: Option<String>,
    waba_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireDays {
    deactivate_after: Option<u32>,
    expire_after: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct WireAutoReply {
    text: String,
    max_per_hour: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct WireChange {
    at_ms: i64,
    days: WireDays,
}

pub fn write(accepted: &AcceptedSettings) -> Result<OutRecord, serde_json::Error> {
    let wire = Wire {
        format: FORMAT,
        org_id: accepted.org.to_string(),
        content: accepted.content.as_ref().map(WireContent::from),
        changes: accepted.changes.iter().map(WireChange::from).collect(),
    };
    Ok(OutRecord {
        topic: TopicKind::RouterSettings,
        key: Some(accepted.org.as_str().as_bytes().to_vec()),
        value: Some(serde_json::to_vec(&wire)?),
        headers: Vec::new(),
    })
}

/// The settings that a record puts in force, by its offset and its append time.
pub fn read(value: &[u8], offset: i64, appended_at: Instant) -> Result<(OrgId, OrgSettings), SettingsTableFault> {
    let wire: Wire = serde_json::from_slice(value).map_err(|fault| {
        let sentence = format!("it is not the JSON that we write, from column {} on", fault.column());
        SettingsTableFault(sentence)
    })?;
    if wire.format != FORMAT {
        let sentence = format!("it is in format {}, this version reads {FORMAT}", wire.format);
        return Err(SettingsTableFault(sentence));
    }
    let org = OrgId::parse(&wire.org_id).map_err(|fault| SettingsTableFault(format!("its org_id {fault}")))?;
    let content = wire.content.map(WireContent::content).transpose()?;
    let before = wire.changes.into_iter().map(WireChange::change).collect();
    // Without settings an org has no timers.
    let days = content.as_ref().map_or_else(Days::default, |content| content.days);
    let own = DaysChange { at: appended_at, days };
    let settings = OrgSettings {
        version: offset,
        content,
        changes: changes(before, own),
    };
    Ok((org, settings))
}

/// The latest, oldest first. What changes no days is no change of days.
fn changes(mut before: Vec<DaysChange>, own: DaysChange) -> Vec<DaysChange> {
    if before.last().is_none_or(|last| last.days != own.days) {
        before.push(own);
    }
    let surplus = before.len().saturating_sub(DAYS_CHANGES_KEPT);
    before.drain(..surplus);
    before
}

impl From<&Content> for WireContent {
    fn from(content: &Content) -> Self {
        Self {
            default_region: content.default_region.map(|region| region.as_str().to_owned()),
            waba_phones: content.waba_phones.iter().map(WireWabaPhone::from).collect(),
            days: content.days.into(),
            expired_auto_reply: content.expired_auto_reply.as_ref().map(|reply| WireAutoReply {
                text: reply.text.to_string(),
                max_per_hour: reply.max_per_hour,
            }),
            inbound_scope: content.inbound_scope.word().to_owned(),
        }
    }
}

impl WireContent {
    fn content(self) -> Result<Content, SettingsTableFault> {
        let region = |text: String| {
            let letters = text.as_bytes().try_into();
            letters
                .map(Region)
                .map_err(|_| SettingsTableFault("its default_region is not two letters".to_owned()))
        };
        Ok(Content {
            default_region: self.default_region.map(region).transpose()?,
            waba_phones: self.waba_phones.into_iter().map(WireWabaPhone::waba_phone).collect(),
            days: self.days.days(),
            expired_auto_reply: self.expired_auto_reply.map(|reply| AutoReply {
                text: reply.text.into(),
                max_per_hour: reply.max_per_hour,
            }),
            inbound_scope: match &*self.inbound_scope {
                "PHONE" => InboundScope::Phone,
                "PAIR" => InboundScope::Pair,
                _ => {
                    return Err(SettingsTableFault(
                        "its inbound_scope is neither PHONE nor PAIR".to_owned(),
                    ));
                }
            },
        })
    }
}

impl From<&WabaPhone> for WireWabaPhone {
    fn from(waba: &WabaPhone) -> Self {
        let owned = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
        Self {
            digits: waba.phone.0,
            phone_number_id: owned(&waba.phone_number_id),
            waba_id: owned(&waba.waba_id),
        }
    }
}

impl WireWabaPhone {
    fn waba_phone(self) -> WabaPhone {
        WabaPhone {
            phone: Phone(self.digits),
            phone_number_id: self.phone_number_id.map(Arc::from),
            waba_id: self.waba_id.map(Arc::from),
        }
    }
}

impl From<Days> for WireDays {
    fn from(days: Days) -> Self {
        Self {
            deactivate_after: days.deactivate_after,
            expire_after: days.expire_after,
        }
    }
}

impl WireDays {
    fn days(self) -> Days {
        Days {
            deactivate_after: self.deactivate_after,
            expire_after: self.expire_after,
        }
    }
}

impl From<&DaysChange> for WireChange {
    fn from(change: &DaysChange) -> Self {
        Self {
            at_ms: change.at.0,
            days: change.days.into(),
        }
    }
}

impl WireChange {
    fn change(self) -> DaysChange {
        DaysChange {
            at: Instant(self.at_ms),
            days: self.days.days(),
        }
    }
}

#[cfg(test)]
mod tests;
