//! The table of accepted settings, read whole by every process. Whoever folds a batch asks first; the answer is a table as of
//! a high watermark that was asked for after the question (K4), or that there is none: it can't be had now, or not be read.

mod records;

use crate::failure::{Exit, Failure};
use crate::judging::SettingsTable;
use crate::kafka::restore::TableReader;
use crate::kafka::{Error, Kind, Settings as KafkaSettings, TopicPartition};
use crate::protocol::Event;
pub use records::Records;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Beyond this the question is asked again: an open transaction of another process holds the table's end back.
const DEADLINE: Duration = Duration::from_secs(15);
const OPEN: Duration = Duration::from_secs(5);
const OPEN_AGAIN: Duration = Duration::from_millis(500);

/// The number of a question, and whom to answer.
type Question = (u64, Sender<Event>);

/// What a look at the topic gives.
#[derive(Debug, Clone)]
enum Answer {
    Table(Arc<SettingsTable>),
    /// Nobody answers: asked again, it may.
    Away,
    /// Which record can't be read, and why.
    Unreadable(String),
}

/// The whole table as of now, for who asks once.
pub fn read_once(kafka: &KafkaSettings, topic: &str) -> Result<SettingsTable, Failure> {
    let mut reading = Reading::new(kafka.clone(), topic);
    let table = reading.read_now()?.table();
    let sentence = |why| format!("{why}: `chatroom-router positions show` says what to do");
    table.cloned().map_err(|why| Failure::new(Exit::BadData, sentence(why)))
}

/// Asks the table's thread; cheap to clone.
#[derive(Clone)]
pub struct Settings {
    questions: Sender<Question>,
    topic: Arc<str>,
    latest: Arc<RwLock<Latest>>,
}

/// As of the last question that anyone asked.
#[derive(Debug, Default)]
struct Latest {
    /// The last that could be read.
    table: Arc<SettingsTable>,
    /// Why there is none by now.
    unreadable: Option<String>,
}

impl Settings {
    pub fn start(kafka: KafkaSettings, topic: Arc<str>) -> Result<Self, Error> {
        let (questions, asked) = channel();
        let latest = Arc::<RwLock<Latest>>::default();
        let held = latest.clone();
        let mut reading = Reading::new(kafka, &topic);
        let thread = std::thread::Builder::new().name("settings".to_owned());
        let spawned = thread.spawn(move || serve(&asked, || look(&mut reading, &held)));
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
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        latest.table.clone()
    }

    /// Which record could not be read, when the table was read last. It is then read again, for the next who wants to know.
    #[must_use]
    pub fn unreadable(&self) -> Option<String> {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        let unreadable = latest.unreadable.clone();
        drop(latest);
        if unreadable.is_some() {
            self.open();
        }
        unreadable
    }
}

/// Until nobody can ask any more.
fn serve(asked: &Receiver<Question>, mut look: impl FnMut() -> Answer) {
    while let Ok(first) = asked.recv() {
        // All who asked by now are served by one look at the high watermark: it comes after every one of these questions.
        let mut waiting = vec![first];
        waiting.extend(asked.try_iter());
        let answer = look();
        for (number, mail) in waiting {
            let table = match &answer {
                Answer::Table(table) => Some(table.clone()),
                Answer::Away => None,
                Answer::Unreadable(why) => {
                    _ = mail.send(Event::SettingsUnreadable(why.clone()));
                    None
                }
            };
            _ = mail.send(Event::Settings(number, table));
        }
    }
}

fn look(reading: &mut Reading, latest: &RwLock<Latest>) -> Answer {
    match reading.read() {
        Ok(records) => publish(records.table(), latest),
        Err(error) => {
            tracing::warn!(%error, "settings_unavailable");
            if reading.reader.is_none() {
                std::thread::sleep(OPEN_AGAIN);
            }
            Answer::Away
        }
    }
}

/// What was read last stands until another is: a table that was created anew ends before it.
fn publish(table: Result<&SettingsTable, String>, latest: &RwLock<Latest>) -> Answer {
    let mut held = latest.write().unwrap_or_else(PoisonError::into_inner);
    match table {
        Ok(table) => {
            held.unreadable = None;
            if held.table.next_offset() != table.next_offset() {
                held.table = Arc::new(table.clone());
            }
            Answer::Table(held.table.clone())
        }
        Err(why) => {
            held.unreadable = Some(why.clone());
            Answer::Unreadable(why)
        }
    }
}

/// The topic as far as it was read.
pub struct Reading {
    kafka: KafkaSettings,
    topic: Arc<str>,
    reader: Option<TableReader>,
    records: Records,
}

impl Reading {
    #[must_use]
    pub fn new(kafka: KafkaSettings, topic: &str) -> Self {
        Self {
            kafka,
            topic: topic.into(),
            reader: None,
            records: Records::default(),
        }
    }

    /// Reads on to the high watermark of now.
    pub fn read(&mut self) -> Result<&Records, Error> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => self.reader.insert(TableReader::open(&self.kafka, &self.topic, OPEN)?),
        };
        let records = &mut self.records;
        if let Err(error) = reader.read_to_high_watermark(DEADLINE, &mut |record| records.take(record)) {
            // What was to come next is gone: the table is read anew, from where it begins by now.
            if matches!(error, Error::OffsetOutOfRange { .. }) {
                (self.reader, self.records) = (None, Records::default());
            }
            return Err(error);
        }
        records.reach(reader.position());
        Ok(&self.records)
    }

    /// Tries what may pass again, until it is of no use.
    pub fn read_now(&mut self) -> Result<&Records, Error> {
        let started = Instant::now();
        loop {
            match self.read() {
                Ok(_) => return Ok(&self.records),
                Err(error) if error.kind() == Kind::Retry && started.elapsed() < DEADLINE => {
                    tracing::debug!(%error, "settings_unavailable");
                    std::thread::sleep(OPEN_AGAIN);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(next_offset: i64) -> SettingsTable {
        let mut table = SettingsTable::default();
        table.reach(next_offset);
        table
    }

    fn offset(answer: &Answer) -> Option<i64> {
        match answer {
            Answer::Table(table) => Some(table.next_offset()),
            _ => None,
        }
    }

    #[test]
    fn each_question_is_answered_by_a_look_that_began_after_it() {
        let (questions, asked) = channel();
        let (mail, answers) = channel();
        questions.send((1, mail.clone())).unwrap();
        questions.send((2, mail.clone())).unwrap();
        // The third comes while the table is being read for the first two.
        let mut late = Some(questions);
        let mut looks = 0;
        serve(&asked, || {
            looks += 1;
            if let Some(questions) = late.take() {
                questions.send((3, mail.clone())).unwrap();
            }
            Answer::Table(Arc::new(table(looks)))
        });
        let told = answers.try_iter().map(|event| match event {
            Event::Settings(number, Some(table)) => (number, table.next_offset()),
            other => panic!("{other:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), [(1, 1), (2, 1), (3, 2)]);
    }

    #[test]
    fn a_table_that_was_created_anew_and_is_shorter_takes_the_place_of_the_one_before() {
        let latest = RwLock::default();
        assert_eq!(offset(&publish(Ok(&table(10)), &latest)), Some(10));
        assert_eq!(offset(&publish(Ok(&table(3)), &latest)), Some(3));
        assert_eq!(latest.read().unwrap().table.next_offset(), 3);
    }

    #[test]
    fn who_asks_for_settings_that_cant_be_read_is_told_why_and_given_no_table() {
        let latest = RwLock::default();
        publish(Ok(&table(10)), &latest);
        let answer = publish(Err("torn".to_owned()), &latest);
        assert_eq!(latest.read().unwrap().unreadable.as_deref(), Some("torn"));
        let (questions, asked) = channel();
        let (mail, answers) = channel();
        questions.send((1, mail)).unwrap();
        drop(questions);
        serve(&asked, || answer.clone());
        let told: Vec<Event> = answers.try_iter().collect();
        assert!(
            matches!(&told[..], [Event::SettingsUnreadable(why), Event::Settings(1, None)] if why == "torn"),
            "{told:?}"
        );
        publish(Ok(&table(11)), &latest);
        assert_eq!(latest.read().unwrap().unreadable, None);
    }
}
