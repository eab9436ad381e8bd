//! Which letters go back to their input, and as what: key, value and their own headers as they came. Those that can't or must
//! not go back have a reason. Pure.

use super::filter::Filter;
use super::{Shelf, raw};
use crate::config::Topics;
use crate::contract::TopicKind;
use crate::contract::kept::{self, Kept};
use crate::domain::time::Instant;
use crate::kafka::{NewRecord, Record};

/// A letter that came back so often comes back again.
pub const MAX_REPLAYS: u32 = 3;

/// What to send back.
#[derive(Debug, Clone)]
pub struct Order {
    pub shelf: Shelf,
    pub filter: Filter,
    /// Whatever came back how often.
    pub force: bool,
}

/// What becomes of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Return(Box<NewRecord>),
    Skip(Skip),
    /// It was not asked for.
    Other,
}

/// Why a letter that was asked for stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    Truncated,
    TooOften,
    Settings,
    NoInput,
    NoLetter,
    Refused,
}

impl Skip {
    /// As scripts read it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Truncated => "TRUNCATED",
            Self::TooOften => "TOO_OFTEN",
            Self::Settings => "SETTINGS",
            Self::NoInput => "NO_INPUT",
            Self::NoLetter => "NO_LETTER",
            Self::Refused => "REFUSED",
        }
    }

    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Truncated => "only the first of their value was kept, so they can't go back: have them sent again",
            Self::TooOften => "they came back three times: see why, or send them back with --force",
            Self::Settings => "old settings would replace newer ones: ask for them by --topic org-settings",
            Self::NoInput => "their topic is none of the inputs that are configured",
            Self::NoLetter => "they do not say why they are here, so nothing of ours put them there",
            Self::Refused => "the brokers do not take them: see max.message.bytes of their topic",
        }
    }
}

impl Order {
    #[must_use]
    pub fn fate(&self, record: &Record, topics: &Topics) -> Fate {
        let Some(kept) = self.shelf.read(record, topics) else {
            return Fate::Skip(Skip::NoLetter);
        };
        if !self.filter.takes(&kept, record.timestamp.map(Instant), topics) {
            return Fate::Other;
        }
        match self.back(record, &kept, topics) {
            Ok(record) => Fate::Return(Box::new(record)),
            Err(why) => Fate::Skip(why),
        }
    }

    /// Its timestamp is that of the replay: Kafka may delete at once what is older than an input is kept.
    fn back(&self, record: &Record, kept: &Kept, topics: &Topics) -> Result<NewRecord, Skip> {
        let raw = raw(record, topics).ok_or(Skip::NoLetter)?;
        let (kind, headers) = match (self.shelf, &kept.first) {
            (Shelf::Unrouted, _) => (TopicKind::InboundMessages, kept::headers_of_message(&raw)),
            (Shelf::DeadLetters, Some(first)) => {
                let topic = topics.parse(&first.topic).ok_or(Skip::NoInput)?;
                self.may_return(kept, topic.kind)?;
                (topic.kind, kept::headers_back(&raw, kept, topic))
            }
            (Shelf::DeadLetters, None) => return Err(Skip::NoLetter),
        };
        Ok(NewRecord {
            topic: topics.name(kind).clone(),
            partition: None,
            key: record.key.clone(),
            value: record.value.clone(),
            headers,
            timestamp: None,
        })
    }

    fn may_return(&self, kept: &Kept, kind: TopicKind) -> Result<(), Skip> {
        match kind {
            _ if !TopicKind::INPUTS.contains(&kind) => Err(Skip::NoInput),
            _ if kept.truncated => Err(Skip::Truncated),
            // The last settings win, so these would undo what was put since.
            TopicKind::OrgSettings if self.filter.topic != Some(kind) => Err(Skip::Settings),
            _ if kept.replays >= MAX_REPLAYS && !self.force => Err(Skip::TooOften),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load};
    use crate::domain::ids::OrgId;
    use crate::kafka::{Header, TimestampKind, TopicPartition};

    /// No variable is set, no file is there.
    struct Nothing;

    impl Environment for Nothing {
        fn variables(&self) -> Vec<(String, String)> {
            Vec::new()
        }

        fn read(&self, _: &std::path::Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }

        fn cores(&self) -> usize {
            1
        }
    }

    fn topics() -> Topics {
        load(&Nothing, None).unwrap().config.topics
    }

    fn letter(topic: &str, more: &[(&str, &str)]) -> Record {
        let mut headers: Vec<(&str, &str)> = vec![
            ("x-own", "kept"),
            ("dlq_reason", "BAD_PHONE"),
            ("dlq_topic", topic),
            ("dlq_partition", "1"),
            ("dlq_offset", "2"),
        ];
        headers.extend(more);
        let owned = |(name, value): &(&str, &str)| -> Header { ((*name).to_owned(), Some(value.as_bytes().to_vec())) };
        Record {
            at: TopicPartition::new("dead-letters", 0).at(7),
            key: Some(b"acme:L-1".to_vec()),
            value: Some(b"{ as it came".to_vec()),
            headers: headers.iter().map(owned).collect(),
            timestamp: Some(5_000),
            timestamp_kind: TimestampKind::Create,
        }
    }

    fn order(filter: Filter) -> Order {
        Order {
            shelf: Shelf::DeadLetters,
            filter,
            force: false,
        }
    }

    #[test]
    fn key_bytes_and_own_headers_go_back_as_they_came() {
        let record = letter("crm-changes", &[]);
        let Fate::Return(back) = order(Filter::default()).fate(&record, &topics()) else {
            panic!("it goes back");
        };
        assert_eq!((&back.key, &back.value), (&record.key, &record.value));
        assert_eq!(
            (&*back.topic, back.partition, back.timestamp),
            ("crm-changes", None, None)
        );
        let names: Vec<&str> = back.headers.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["x-own", "replay_count", "replay_of"]);
    }

    #[test]
    fn what_must_not_go_back_says_why() {
        let rows = [
            (letter("crm-changes", &[("dlq_truncated", "true")]), Skip::Truncated),
            (letter("crm-changes", &[("replay_count", "3")]), Skip::TooOften),
            (letter("org-settings", &[]), Skip::Settings),
            (letter("elsewhere", &[]), Skip::NoInput),
            (letter("routed-messages", &[]), Skip::NoInput),
        ];
        for (record, why) in rows {
            assert_eq!(order(Filter::default()).fate(&record, &topics()), Fate::Skip(why));
        }
        let mut bare = letter("crm-changes", &[]);
        bare.headers.clear();
        assert_eq!(
            order(Filter::default()).fate(&bare, &topics()),
            Fate::Skip(Skip::NoLetter)
        );
    }

    #[test]
    fn who_insists_gets_what_came_back_too_often_and_settings_that_were_named() {
        let often = letter("crm-changes", &[("replay_count", "9")]);
        let forced = Order {
            force: true,
            ..order(Filter::default())
        };
        assert!(matches!(forced.fate(&often, &topics()), Fate::Return(_)));
        let named = order(Filter {
            topic: Some(TopicKind::OrgSettings),
            ..Filter::default()
        });
        assert!(matches!(
            named.fate(&letter("org-settings", &[]), &topics()),
            Fate::Return(_)
        ));
    }

    #[test]
    fn only_what_was_asked_for_is_taken() {
        let org = |text: &str| OrgId::parse(text).ok();
        let reasons = |reason: &str| vec![reason.to_owned()];
        type Asking<'a> = &'a dyn Fn(&mut Filter);
        let rows: [(Asking<'_>, bool); 9] = [
            (&|filter| filter.reasons = reasons("bad_phone"), true),
            (&|filter| filter.reasons = reasons("NOT_JSON"), false),
            (&|filter| filter.topic = Some(TopicKind::CrmChanges), true),
            (&|filter| filter.topic = Some(TopicKind::InboundMessages), false),
            (&|filter| filter.org = org("acme"), true),
            (&|filter| filter.org = org("other"), false),
            (&|filter| filter.since = Some(Instant(5_000)), true),
            (&|filter| filter.since = Some(Instant(5_001)), false),
            (&|filter| filter.until = Some(Instant(5_000)), false),
        ];
        for (asking, taken) in rows {
            let mut filter = Filter::default();
            asking(&mut filter);
            let shown = format!("{filter:?}");
            let fate = order(filter).fate(&letter("crm-changes", &[]), &topics());
            assert_eq!(fate != Fate::Other, taken, "{shown}");
        }
    }
}
