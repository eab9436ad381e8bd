//! The table of accepted settings, read whole by every process. Whoever folds a batch asks first; the answer is a table as of
//! a high watermark that was asked for after the question (K4).

use crate::contract::settings_table;
use crate::judging::SettingsTable;
use crate::kafka::restore::TableReader;
use crate::kafka::{Error, Kind, Record, Settings as KafkaSettings, TopicPartition};
use crate::protocol::Event;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

/// Beyond this the question is asked again: an open transaction of another process holds the table's end back.
const DEADLINE: Duration = Duration::from_secs(15);
const OPEN: Duration = Duration::from_secs(5);
const OPEN_AGAIN: Duration = Duration::from_millis(500);

/// The number of a question, and whom to answer.
type Question = (u64, Sender<Event>);

/// The whole table as of now, for who asks once. Tries what may pass again, until it is of no use.
pub fn read_once(kafka: &KafkaSettings, topic: &str) -> Result<SettingsTable, Error> {
    let started = Instant::now();
    let mut table = SettingsTable::default();
    let mut reader = None;
    loop {
        match read(kafka, topic, &mut reader, &mut table) {
            Ok(()) => return Ok(table),
            Err(error) if error.kind() == Kind::Retry && started.elapsed() < DEADLINE => {
                tracing::debug!(%error, "settings_unavailable");
                std::thread::sleep(OPEN_AGAIN);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Asks the table's thread; cheap to clone.
#[derive(Clone)]
pub struct Settings {
    questions: Sender<Question>,
    topic: Arc<str>,
    latest: Arc<RwLock<Arc<SettingsTable>>>,
}

impl Settings {
    pub fn start(kafka: KafkaSettings, topic: Arc<str>) -> Result<Self, Error> {
        let (questions, asked) = channel();
        let latest = Arc::<RwLock<Arc<SettingsTable>>>::default();
        let (table, read) = (latest.clone(), topic.clone());
        let thread = std::thread::Builder::new().name("settings".to_owned());
        let spawned = thread.spawn(move || serve(&kafka, &read, &asked, &table));
        spawned.map_err(|error| Error::Unfit(format!("no thread can be started: {error}")))?;
        Ok(Self {
            questions,
            topic,
            latest,
        })
    }

    /// Where the table stands.
    #[must_use]
    pub fn at(&self) -> TopicPartition {
        TopicPartition::new(self.topic.clone(), 0)
    }

    /// Opens the table and reads it, so that the first who asks waits for no client to find its broker.
    pub fn open(&self) {
        let (nobody, _) = channel();
        self.sync(0, nobody);
    }

    /// The answer, `Event::Settings` of that number, goes to that mailbox.
    pub fn sync(&self, number: u64, mail: Sender<Event>) {
        if let Err(unsent) = self.questions.send((number, mail)) {
            let (number, mail) = unsent.0;
            _ = mail.send(Event::Settings(number, None));
        }
    }

    /// As of the last question that anyone asked.
    #[must_use]
    pub fn latest(&self) -> Arc<SettingsTable> {
        self.latest
            .read()
            .map_or_else(|poisoned| poisoned.into_inner().clone(), |table| table.clone())
    }
}

fn serve(kafka: &KafkaSettings, topic: &str, asked: &Receiver<Question>, latest: &RwLock<Arc<SettingsTable>>) {
    let mut reader: Option<TableReader> = None;
    let mut table = SettingsTable::default();
    while let Ok(first) = asked.recv() {
        // All who asked by now are served by one look at the high watermark: it comes after every one of these questions.
        let mut waiting = vec![first];
        waiting.extend(asked.try_iter());
        let answer = match read(kafka, topic, &mut reader, &mut table) {
            Ok(()) => Some(publish(&table, latest)),
            Err(error) => {
                tracing::warn!(%error, "settings_unavailable");
                // What was to come next is gone: the table is read anew, from where it begins by now.
                if matches!(error, Error::OffsetOutOfRange { .. }) {
                    (reader, table) = (None, SettingsTable::default());
                }
                if reader.is_none() {
                    std::thread::sleep(OPEN_AGAIN);
                }
                None
            }
        };
        for (number, mail) in waiting {
            _ = mail.send(Event::Settings(number, answer.clone()));
        }
    }
}

/// Reads on to the high watermark of now.
fn read(
    kafka: &KafkaSettings,
    topic: &str,
    reader: &mut Option<TableReader>,
    table: &mut SettingsTable,
) -> Result<(), Error> {
    let reader = match reader {
        Some(reader) => reader,
        None => reader.insert(TableReader::open(kafka, topic, OPEN)?),
    };
    reader.read_to_high_watermark(DEADLINE, &mut |record| take(&record, table))?;
    table.reach(reader.position());
    Ok(())
}

fn take(record: &Record, table: &mut SettingsTable) {
    let at = crate::domain::time::Instant(record.timestamp.unwrap_or_default());
    let Some(value) = record.value.as_deref() else { return };
    match settings_table::read(value, record.at.offset, at) {
        Ok((org, settings)) => table.put(org, settings),
        Err(error) => tracing::error!(offset = record.at.offset, %error, "settings_record_unreadable"),
    }
}

/// What was read last stands until another is: a table that was created anew ends before it.
fn publish(table: &SettingsTable, latest: &RwLock<Arc<SettingsTable>>) -> Arc<SettingsTable> {
    let mut held = match latest.write() {
        Ok(held) => held,
        Err(poisoned) => poisoned.into_inner(),
    };
    if held.next_offset() != table.next_offset() {
        *held = Arc::new(table.clone());
    }
    held.clone()
}
