//! Requests that change or describe topics. Each has a deadline and blocks its thread: from async code, call it on a blocking
//! thread. Decides nothing: see [`super::topics`]. The mock cluster knows none of this.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::consumer::{Quiet, offsets};
use super::lookup::Lookup;
use super::{Error, Settings, TopicPartition};

/// A topic as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExistingTopic {
    pub partitions: i32,
    /// The least number of replicas of any partition.
    pub replicas: i32,
    /// Its settings with their effective values, those of the broker included.
    pub settings: BTreeMap<String, String>,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicToCreate {
    pub name: String,
    pub partitions: i32,
    /// `None`: as many as the brokers make by themselves.
    pub replicas: Option<i32>,
    pub settings: BTreeMap<String, String>,
}

/// A client for requests about topics.
pub struct Admin {
    client: AdminClient<Quiet>,
    lookup: Lookup,
}

impl Admin {
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let client = AdminClient::from_config_and_context(&settings.admin(), Quiet::default())
            .map_err(|source| Error::client("opening an admin client", source))?;
        Ok(Self {
            client,
            lookup: Lookup::open(settings)?,
        })
    }

    /// The cluster's id. An error: no broker answers in time.
    pub fn reach(&mut self, timeout: Duration) -> Result<String, Error> {
        self.lookup.reach(timeout)
    }

    /// Those of the named topics that exist.
    pub fn describe(&mut self, topics: &[String], timeout: Duration) -> Result<BTreeMap<String, ExistingTopic>, Error> {
        let until = Instant::now() + timeout;
        let mut found = BTreeMap::new();
        for topic in topics {
            if let Some((partitions, replicas)) = self.lookup.layout(topic, left(until))? {
                found.insert(
                    topic.clone(),
                    ExistingTopic {
                        partitions,
                        replicas,
                        settings: BTreeMap::new(),
                    },
                );
            }
        }
        if found.is_empty() {
            return Ok(found);
        }
        let doing = "describing topics";
        let asked: Vec<_> = found.keys().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let answers = self.ask(
            doing,
            self.client.describe_configs(&asked, &options(left(until))),
            until,
        )?;
        drop(asked);
        for answer in answers {
            let resource = answer.map_err(|code| Error::code(doing, code))?;
            if let OwnedResourceSpecifier::Topic(topic) = &resource.specifier
                && let Some(topic) = found.get_mut(topic)
            {
                let entries = resource.entries.into_iter();
                topic.settings = entries.filter_map(|entry| Some((entry.name, entry.value?))).collect();
            }
        }
        Ok(found)
    }

    /// Creates these topics; one that exists by now is left as it is. Comes back when they can be seen.
    pub fn create(&mut self, topics: &[TopicToCreate], timeout: Duration) -> Result<(), Error> {
        let until = Instant::now() + timeout;
        let doing = "creating topics";
        let wanted: Vec<_> = topics.iter().map(new_topic).collect();
        let answers = self.ask(doing, self.client.create_topics(&wanted, &options(timeout)), until)?;
        for answer in answers {
            match answer {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(Error::code(format!("{doing}: {topic}"), code)),
            }
        }
        for topic in topics {
            while self
                .lookup
                .partitions(&topic.name, left(until))?
                .is_none_or(|found| found == 0)
            {
                if Instant::now() >= until {
                    return Err(Error::TimedOut {
                        doing: format!("{doing}: {}", topic.name).into(),
                        waited: timeout,
                    });
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// Deletes topics with all that they hold; for tests and for a demo's end.
    pub fn delete(&mut self, topics: &[String], timeout: Duration) -> Result<(), Error> {
        let until = Instant::now() + timeout;
        let doing = "deleting topics";
        let names: Vec<_> = topics.iter().map(String::as_str).collect();
        let answers = self.ask(doing, self.client.delete_topics(&names, &options(timeout)), until)?;
        answers.into_iter().try_for_each(|answer| match answer {
            Ok(_) | Err((_, Code::UnknownTopicOrPartition)) => Ok(()),
            Err((topic, code)) => Err(Error::code(format!("{doing}: {topic}"), code)),
        })
    }

    /// Deletes every record below the given offset of each partition. Returns each partition's new first offset.
    pub fn delete_records(
        &mut self,
        before: &[(TopicPartition, i64)],
        timeout: Duration,
    ) -> Result<Vec<(TopicPartition, i64)>, Error> {
        let until = Instant::now() + timeout;
        let doing = "deleting records";
        let list = offsets(before)?;
        let answer = self.ask(doing, self.client.delete_records(&list, &options(timeout)), until)?;
        let fail = |source: KafkaError| Error::client(doing, source);
        answer
            .elements()
            .iter()
            .map(|element| {
                element.error().map_err(fail)?;
                let at = TopicPartition::new(element.topic(), element.partition());
                Ok((at, element.offset().to_raw().unwrap_or(-1)))
            })
            .collect()
    }

    /// Questions that need no rights to change anything.
    pub fn lookup(&mut self) -> &mut Lookup {
        &mut self.lookup
    }

    fn ask<T>(
        &self,
        doing: &'static str,
        answer: impl Future<Output = Result<T, KafkaError>>,
        until: Instant,
    ) -> Result<T, Error> {
        // The client gives up by itself at `until`; the second more lets its own words through.
        let waited = left(until) + Duration::from_secs(1);
        match block_on(answer, waited) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(source)) if !matches!(source, KafkaError::AdminOp(Code::OperationTimedOut)) => {
                Err(Error::client(doing, source))
            }
            _ => Err(Error::TimedOut {
                doing: doing.into(),
                waited,
            }),
        }
    }
}

fn left(until: Instant) -> Duration {
    until
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}

fn options(timeout: Duration) -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(timeout))
        .operation_timeout(Some(timeout))
}

fn new_topic(topic: &TopicToCreate) -> NewTopic<'_> {
    let replicas = TopicReplication::Fixed(topic.replicas.unwrap_or(-1));
    let new = NewTopic::new(&topic.name, topic.partitions, replicas);
    topic
        .settings
        .iter()
        .fold(new, |new, (name, value)| new.set(name, value))
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread. It is woken by the client's own threads, so no runtime is needed. `None`: time ran out.
fn block_on<T>(future: impl Future<Output = T>, timeout: Duration) -> Option<T> {
    let until = Instant::now() + timeout;
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
        if Instant::now() >= until {
            return None;
        }
        thread::park_timeout(until.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_never_ends_is_left_at_the_deadline() {
        assert_eq!(block_on(std::future::pending::<()>(), Duration::from_millis(20)), None);
        assert_eq!(block_on(std::future::ready(1), Duration::ZERO), Some(1));
    }
}
