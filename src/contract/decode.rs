//! One door for all inputs: a record becomes what is to be judged, or a dead letter that says why not.

use super::crm::{self, AffiliateAsked, Asked};
use super::hash::IdHasher;
use super::inbound::{self, Carried};
use super::kept::REPLAY_OF;
use super::read::{Text, bad_phone, dead};
use super::record::{RawRecord, TopicKind};
use super::{outbound_request, settings};
use crate::domain::effect::{DeadLetter, DeadReason};
use crate::domain::event::{Command, CreateAffiliate, Inbound, Via, What};
use crate::domain::ids::{ExternalRefId, IdHash, OrgId, RequestId};
use crate::domain::phone::{Phone, SpelledPhone, parse_typed};
use crate::domain::settings::Region;
use std::sync::Arc;

/// Decodes the records of all inputs.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    pub hasher: IdHasher,
    /// `limits.record_bytes`: a larger value is a dead letter.
    pub record_bytes: usize,
}

#[derive(Debug, Clone)]
pub enum Decoded {
    Message(Inbound, Carried),
    Command(Box<Command>),
    /// The one command whose home is a phone that a person typed: the first task reads it, by the org's region (P1).
    Affiliate(Box<Affiliate>),
}

/// `chatroom.create` for an affiliate, whose phone nobody has read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affiliate {
    pub org: OrgId,
    pub request: RequestId,
    pub phone_text: Arc<str>,
    request_hash: IdHash,
    via: Via,
    waba_phone: Phone,
    display_name: Option<Arc<str>>,
    external_ref_id: Option<ExternalRefId>,
}

impl Decoder {
    pub fn decode(&self, record: &RawRecord<'_>) -> Result<Decoded, DeadLetter> {
        let size = record.value.map_or(0, <[u8]>::len);
        if size > self.record_bytes {
            let detail = format!("the value has {size} bytes, at most {} are allowed", self.record_bytes);
            return Err(dead(DeadReason::TooLarge, detail));
        }
        let (org, request, what) = match record.topic.kind {
            TopicKind::InboundMessages => {
                let (inbound, carried) = inbound::decode(record, &self.hasher)?;
                return Ok(Decoded::Message(inbound, carried));
            }
            TopicKind::CrmChanges => match crm::decode(record)? {
                (org, request, Asked::Command(what)) => (org, request, what),
                (org, request, Asked::Affiliate(asked)) => return Ok(self.affiliate(record, org, request, *asked)),
            },
            TopicKind::OrgSettings => settings::decode(record)?,
            TopicKind::OutboundRequests => outbound_request::decode(record)?,
            _ => {
                return Err(dead(
                    DeadReason::CannotBeJudged,
                    "its topic is none of the router's inputs",
                ));
            }
        };
        Ok(Decoded::Command(Box::new(self.command(record, org, request, what))))
    }

    fn command(&self, record: &RawRecord<'_>, org: OrgId, request: RequestId, what: What) -> Command {
        Command {
            org,
            request_hash: self.hasher.hash(request.as_str()),
            request,
            via: via(record),
            what,
        }
    }

    fn affiliate(&self, record: &RawRecord<'_>, org: OrgId, request: RequestId, asked: AffiliateAsked) -> Decoded {
        Decoded::Affiliate(Box::new(Affiliate {
            org,
            request_hash: self.hasher.hash(request.as_str()),
            request,
            phone_text: asked.phone_text,
            via: via(record),
            waba_phone: asked.waba_phone,
            display_name: asked.display_name,
            external_ref_id: asked.external_ref_id,
        }))
    }
}

impl Affiliate {
    /// Reads the phone, as the first task does. The region is the org's, where it has settings.
    pub fn parse(self, region: Option<Region>) -> Result<Command, DeadLetter> {
        let phone = parse_typed(&self.phone_text, region).map_err(|fault| bad_phone("$.phone", fault))?;
        Ok(self.with_phone(phone))
    }

    /// With the phone as an earlier task read it.
    #[must_use]
    pub fn with_phone(self, phone: SpelledPhone) -> Command {
        Command {
            org: self.org,
            request: self.request,
            request_hash: self.request_hash,
            via: self.via,
            what: What::CreateAffiliate(CreateAffiliate {
                phone,
                waba_phone: self.waba_phone,
                display_name: self.display_name,
                external_ref_id: self.external_ref_id,
            }),
        }
    }
}

/// The header `origin: api` marks what came through our API (A1).
fn via(record: &RawRecord<'_>) -> Via {
    if record.header("origin") == Some(b"api") {
        Via::Api
    } else {
        Via::Crm
    }
}

/// The request's id; where it has none, the record's first position stands in for it.
pub fn request_id(given: Option<&Text<'_>>, record: &RawRecord<'_>) -> Result<RequestId, DeadLetter> {
    if let (None, Some(first)) = (given, first_position(record)) {
        return Ok(first);
    }
    let position = || Text(record.position().into());
    let text = given.cloned().unwrap_or_else(position);
    text.id("$.request_id", RequestId::parse)
}

/// Of a record that a replay sent back: so it is the same request as when it first came in.
fn first_position(record: &RawRecord<'_>) -> Option<RequestId> {
    RequestId::parse(std::str::from_utf8(record.header(REPLAY_OF)?).ok()?).ok()
}

#[cfg(test)]
mod tests;
