//! From a write to its answer: the command is checked as the stream would check it, sent to its topic, and answered by what
//! became of it there. Whoever asks again with the same `Idempotency-Key` is answered as the first time.

use super::Api;
use super::answers::{self, Pending};
use super::gate::Writable;
use super::letter::{IDEMPOTENCY_KEY, Letter};
use super::problem::Problem;
use super::reads::bad_phone;
use crate::contract::words::Word;
use crate::contract::{Decoded, RawRecord, TopicKind};
use crate::domain::contact::ContactStatus;
use crate::domain::effect::DeadReason;
use crate::domain::event::What;
use crate::domain::ids::{ChatroomName, CrmId, OrgId};
use crate::domain::phone::{Phone, PhoneFault, SpelledPhone, parse_typed};
use crate::domain::record::Key;
use crate::inspect::Standing;
use crate::judging::SettingsTable;
use crate::kafka::{NewHeader, NewRecord};
use crate::state::homes::home_text;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a write waits for the follower to begin, when the process has just started.
const BEGINNING: Duration = Duration::from_secs(2);
/// How long a key is worth a look into the index: without it a message only takes one hop more.
const LOOK: Duration = Duration::from_millis(250);
/// Headers of the request that go on to what follows from it.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

/// A command as it goes to its topic.
struct Command {
    topic: TopicKind,
    key: String,
    value: Vec<u8>,
}

impl Api {
    /// Sends what the letter asks for, and waits for what becomes of it.
    pub(super) async fn command(
        &self,
        place: &Writable,
        letter: &Letter,
        topic: TopicKind,
        fields: &[(&str, &str)],
    ) -> Result<Response, Problem> {
        let value = letter.value(fields)?;
        let key = self.checked(place, topic, &value).await?;
        let command = Command { topic, key, value };
        let mut answer = match self.sent(place, letter, command).await {
            Ok(answer) => answer,
            Err(problem) => problem.into_response(),
        };
        if let Ok(key) = HeaderValue::try_from(&letter.idempotency_key) {
            answer.headers_mut().insert(IDEMPOTENCY_KEY, key);
        }
        Ok(answer)
    }

    async fn sent(&self, place: &Writable, letter: &Letter, command: Command) -> Result<Response, Problem> {
        if !self.following.within(BEGINNING).await {
            return Err(Problem::unavailable("Kafka"));
        }
        let mut waiter = self.results.wait(&place.org, &letter.request)?;
        let until = Instant::now() + self.config.api.result_timeout;
        let record = NewRecord {
            topic: self.config.topics.name(command.topic).clone(),
            partition: None,
            key: Some(command.key.into_bytes()),
            value: Some(command.value),
            headers: headers(&letter.headers),
            timestamp: None,
        };
        match timeout_at(until, self.outlet.send(&record)).await {
            Ok(Ok(at)) => tracing::debug!(%at, request_id = %letter.request, "api_command_sent"),
            Ok(Err(error)) if error.blames_the_record() => {
                let detail = "the brokers refuse a record of that size: send less";
                let reason = DeadReason::TooLarge.word();
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, reason, detail));
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "api_command_not_sent");
                return Err(Problem::unavailable("Kafka"));
            }
            Err(_) => return Err(Problem::unavailable("Kafka")),
        }
        match timeout_at(until, waiter.outcome()).await {
            Ok(Some(outcome)) => answers::answer(&outcome),
            _ => {
                let pending = Pending::new(letter.request.to_string(), letter.idempotency_key.clone());
                Ok((StatusCode::ACCEPTED, Json(pending)).into_response())
            }
        }
    }

    /// Reads the command as the stream will, and finds its key. What would become a dead letter ends here.
    async fn checked(&self, place: &Writable, topic: TopicKind, value: &[u8]) -> Result<String, Problem> {
        let org = &place.org;
        let record = RawRecord {
            topic: self.config.topics.topic(topic),
            partition: 0,
            offset: 0,
            timestamp: None,
            // Settings must stand under their org, and the others don't look at it.
            key: Some(org.as_str().as_bytes()),
            value: Some(value),
            headers: vec![("origin", Some(b"api"))],
        };
        match self.decoder.decode(&record)? {
            Decoded::Affiliate(affiliate) => match self.read_phone(org, &affiliate.phone_text).await? {
                Some(Ok(phone)) => Ok(home_text(&Key::Phone(org.clone(), phone.canonical))),
                Some(Err(fault)) => Err(bad_phone("$.phone", &fault)),
                None => Ok(format!("{org}:{}", affiliate.phone_text)),
            },
            Decoded::Command(command) => {
                match &command.what {
                    What::UpsertContact { crm_id, phone_text, .. } => {
                        self.check_upsert(org, crm_id, phone_text).await?;
                    }
                    What::Send(room) => return Ok(self.key_of_room(org, room).await),
                    _ => {}
                }
                Ok(home_text(&command.key()))
            }
            Decoded::Message(..) => Err(Problem::malformed("$ is no command")),
        }
    }

    /// Settings and a contact's state come before its phone (P1): only what the stream would refuse for the phone is refused here.
    async fn check_upsert(&self, org: &OrgId, crm_id: &CrmId, text: &str) -> Result<(), Problem> {
        let Some(Err(fault)) = self.read_phone(org, text).await? else {
            return Ok(());
        };
        let mut inspector = self.inspector(None);
        let looked = tokio::time::timeout(BEGINNING, inspector.standing(org, crm_id)).await;
        match looked {
            Ok(Ok(Standing::Unknown)) => Err(bad_phone("$.phone", &fault)),
            Ok(Ok(Standing::Here(here))) if here.is_active() && &*here.phone_text != text => {
                Err(bad_phone("$.phone", &fault))
            }
            _ => Ok(()),
        }
    }

    /// The phone by the region of the org. None: the org has no settings, so nobody will look at it.
    async fn read_phone(&self, org: &OrgId, text: &str) -> Result<Option<Result<SpelledPhone, PhoneFault>>, Problem> {
        if let Some(Ok(phone)) = by_region(&self.settings.latest(), org, text) {
            return Ok(Some(Ok(phone)));
        }
        // By the settings of a moment ago it is none: those of now decide.
        Ok(by_region(&*self.settings_now().await?, org, text))
    }

    /// At the home of the phone where that is known, so that the message takes no hop.
    async fn key_of_room(&self, org: &OrgId, room: &ChatroomName) -> String {
        let mut inspector = self.inspector(None);
        let looked = tokio::time::timeout(LOOK, inspector.phone_of(org, room)).await;
        let phone: Option<Phone> = looked.ok().and_then(Result::ok).flatten();
        let key = match phone {
            Some(phone) => Key::Phone(org.clone(), phone),
            None => Key::Chatroom(org.clone(), room.clone()),
        };
        home_text(&key)
    }
}

fn by_region(table: &SettingsTable, org: &OrgId, text: &str) -> Option<Result<SpelledPhone, PhoneFault>> {
    let content = table.of(org)?.content.as_ref()?;
    Some(parse_typed(text, content.default_region))
}

fn headers(of: &HeaderMap) -> Vec<NewHeader> {
    let mut headers: Vec<NewHeader> = vec![("origin".into(), Some(b"api".into()))];
    for name in TRACE {
        if let Some(value) = of.get(name) {
            headers.push((name.into(), Some(value.as_bytes().to_vec().into())));
        }
    }
    headers
}

impl crate::inspect::Here {
    fn is_active(&self) -> bool {
        self.contact.status == ContactStatus::Active
    }
}
