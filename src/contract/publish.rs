//! One door for all outputs: what follows from a judgement becomes a record. It decides nothing.

use super::cloud_events::{Ordinals, Subject};
use super::inbound::Carried;
use super::origin::{self, UnreadableOrigin};
use super::record::{OutRecord, TopicKind};
use super::{cloud_events, dead_letter, lifecycle, outbound, results, routed, settings_table, unrouted};
use crate::domain::effect::{Consequence, DeadLetter, Effect, Source};
use crate::domain::event::{Body, Event};

/// Why an effect can't be published: a fault of ours, never of the record.
#[derive(Debug, thiserror::Error)]
pub enum PublishFault {
    #[error(transparent)]
    Origin(#[from] UnreadableOrigin),
    #[error("a record can't be read again: {}", .0.detail)]
    Record(DeadLetter),
    #[error("an effect of a message follows from something else")]
    NotItsCause,
    #[error("an effect can't be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl From<DeadLetter> for PublishFault {
    fn from(letter: DeadLetter) -> Self {
        Self::Record(letter)
    }
}

/// The value of an output, and what its key and headers are made of.
pub(super) struct Written<'a> {
    pub topic: TopicKind,
    pub key: String,
    pub value: Vec<u8>,
    /// `ce_type`, `ce_subject` and `ce_time`.
    pub subject: Subject<'a>,
}

/// The record of one effect of an event, in the order of the judgement. None: it is not published here (a step that is
/// passed on, or what is only counted). `carried`: where the event is a message.
pub fn publish(
    event: &Event,
    carried: Option<&Carried>,
    effect: &Effect,
    ordinals: &mut Ordinals,
) -> Result<Option<OutRecord>, PublishFault> {
    let cause = match &effect.source {
        Source::Record(cause) => Some(cause),
        Source::Timer(_) => None,
    };
    let record = cause.map(|cause| origin::read(&cause.origin)).transpose()?;
    let its_record = || record.as_ref().ok_or(PublishFault::NotItsCause);
    let its_message = || match (&event.body, carried) {
        (Body::Inbound(inbound), Some(carried)) => Ok((inbound, carried)),
        _ => Err(PublishFault::NotItsCause),
    };
    let written = match &effect.what {
        Consequence::Routed(routed) => routed::write(event.at, its_message()?, routed)?,
        Consequence::Unrouted(unrouted) => unrouted::write(event.at, its_message()?, unrouted, its_record()?)?,
        Consequence::Outbound(message) => match &message.auto_reply {
            Some(reply) => outbound::auto_reply(event, message, reply, its_message()?.1)?,
            None => outbound::agents_words(event, message, its_record()?)?,
        },
        Consequence::Lifecycle(happened) => lifecycle::write(happened)?,
        Consequence::Result(result) => results::write(result)?,
        Consequence::DeadLetter(letter) => return Ok(Some(dead_letter::write(its_record()?, letter))),
        Consequence::Settings(accepted) => return Ok(Some(settings_table::write(accepted)?)),
        Consequence::PassOn(_) | Consequence::Counted(_) => return Ok(None),
    };
    let id = ordinals.id(&effect.source, event.body.org(), written.topic, &written.subject);
    Ok(Some(OutRecord {
        topic: written.topic,
        headers: cloud_events::headers(id, written.subject, record.as_ref()),
        key: Some(written.key.into_bytes()),
        value: Some(written.value),
    }))
}
