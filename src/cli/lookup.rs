//! `lookup phone|chatroom|contact ORG ID`: the contacts and chatrooms found under it, from the index. Says
//! what is asked and shows the answer; changes nothing.

use super::once;
use super::output::Out;
use crate::api::shown;
use crate::app;
use crate::config::Config;
use crate::contract::instant;
use crate::contract::words::Word;
use crate::domain::chatroom::Chatroom;
use crate::domain::contact::Contact;
use crate::domain::ids::{ChatroomName, CrmId, OrgId};
use crate::domain::phone::{Phone, parse_international};
use crate::domain::time::Instant;
use crate::failure::{Exit, Failure};
use crate::index::Index;
use crate::inspect::{Found, Inspector};
use clap::{Args, Subcommand};
use serde_json::json;

pub(super) const EXAMPLES: &str = "\
Examples:
  chatroom-router lookup phone acme +919812345678
  chatroom-router lookup contact acme L-17
  chatroom-router lookup chatroom acme da9-6df27029-4744-5a3b-9c51-7dcf02a7aa90 --output json

Nothing known under it is exit code 65. It reads the index, and says up to when that is applied.";

const PHONE_EXAMPLES: &str = "\
Examples:
  chatroom-router lookup phone acme +919812345678
  chatroom-router lookup phone acme 919812345678 --output json";

const CHATROOM_EXAMPLES: &str = "\
Examples:
  chatroom-router lookup chatroom acme da9-6df27029-4744-5a3b-9c51-7dcf02a7aa90
  chatroom-router lookup chatroom acme da9-6df27029-4744-5a3b-9c51-7dcf02a7aa90 --output json";

const CONTACT_EXAMPLES: &str = "\
Examples:
  chatroom-router lookup contact acme L-17
  chatroom-router lookup contact acme L-17 --output json";

#[derive(Debug, Subcommand)]
pub enum LookupCommand {
    /// All that an org knows under a phone.
    #[command(after_help = PHONE_EXAMPLES)]
    Phone(Subject),
    /// A chatroom, and what else stands under its phone.
    #[command(after_help = CHATROOM_EXAMPLES)]
    Chatroom(Subject),
    /// A contact by its id in the CRM, and what else stands under its phone.
    #[command(after_help = CONTACT_EXAMPLES)]
    Contact(Subject),
}

#[derive(Debug, Args)]
pub struct Subject {
    /// The org's id.
    #[arg(value_parser = OrgId::parse)]
    pub org: OrgId,
    /// The phone, the chatroom's id, or the contact's in the CRM.
    pub id: String,
}

pub fn run(config: &Config, command: LookupCommand, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut inspector = Inspector::new(Index::redis(&config.index_settings())?, app::expected(config)?);
    let found = once(async {
        match command {
            LookupCommand::Phone(Subject { org, id }) => inspector.phone(&org, phone(&id)?).await,
            LookupCommand::Chatroom(Subject { org, id }) => {
                let name = ChatroomName::parse(&id).map_err(|fault| wrong("the chatroom's id", &fault))?;
                inspector.chatroom(&org, name).await
            }
            LookupCommand::Contact(Subject { org, id }) => {
                let crm_id = CrmId::parse(&id).map_err(|fault| wrong("the contact's id", &fault))?;
                inspector.contact(&org, crm_id).await
            }
        }
    })?;
    present(&found, out)
}

/// A phone as it stands in records, or without its `+`.
fn phone(text: &str) -> Result<Phone, Failure> {
    let parsed = parse_international(text).map_err(|fault| wrong("the phone", &fault))?;
    Ok(parsed.canonical)
}

fn wrong(what: &str, fault: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, format!("{what} {fault}"))
}

/// Shows it; nothing found is a failure, so that scripts can tell.
pub fn present(found: &Found, out: &mut Out<'_>) -> Result<(), Failure> {
    if out.is_json() {
        out.json(&json!(shown::phone(found)))?;
    } else {
        as_tables(found, out)?;
    }
    match found {
        Found {
            phone: None,
            note: None,
            ..
        } => Err(Failure::new(
            Exit::BadData,
            "nothing is known under it: see whether org and id are spelled as in the records",
        )),
        _ => Ok(()),
    }
}

fn when(instant: Option<Instant>) -> String {
    instant.map(instant::format).unwrap_or_default()
}

fn as_tables(found: &Found, out: &mut Out<'_>) -> Result<(), Failure> {
    if let Some(phone) = found.phone {
        out.line(&format!("phone {phone}"))?;
    }
    if let Some(note) = &found.note {
        out.line(note)?;
    }
    if !found.contacts.is_empty() {
        let row = |contact: &Contact| {
            let moving = if contact.leaving { " (moving)" } else { "" };
            let status = format!("{}{moving}", contact.status.word());
            [contact.crm_id.to_string(), status, instant::format(contact.created_at)]
        };
        out.table(
            ["contact", "status", "created"],
            found.contacts.iter().map(row).collect(),
        )?;
    }
    if !found.chatrooms.is_empty() {
        let row = |room: &Chatroom| {
            let owner = room.crm_id().map_or("(affiliate)".to_owned(), ToString::to_string);
            let (since, last) = (instant::format(room.since), when(room.last_message_at));
            let (id, waba_phone) = (room.id.to_string(), room.waba_phone.to_string());
            [id, owner, waba_phone, room.status.word().to_owned(), since, last]
        };
        let head = ["chatroom", "contact", "WABA phone", "status", "since", "last message"];
        out.table(
            head,
            shown::latest_first(&found.chatrooms).into_iter().map(row).collect(),
        )?;
    }
    match found.applied_until {
        Some(instant) => out.line(&format!("The index is applied up to {}.", instant::format(instant))),
        None => out.line("The index is being rebuilt: what it lacks may only be missing here."),
    }
}
