//! The calls of librdkafka that the safe client lacks, and all `unsafe` code of this program. Every function here is sound
//! for any arguments that its signature admits; nothing here decides anything.
#![allow(unsafe_code)] // The native calls take pointers: there is no other way to group metadata, flush and the queue's events.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as ffi;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::{Producer, ProducerContext};

use super::{Header, Position, Record, TimestampKind, TopicPartition};

/// The partition that Java's default partitioner would pick for this key among so many.
pub(super) fn murmur2_partition(key: &[u8], partitions: i32) -> i32 {
    // SAFETY: the function (rdkafka_msg.c) reads `keylen` bytes at `key` and the count, and never looks at the topic or the
    // opaques, which may be null.
    unsafe {
        ffi::rd_kafka_msg_partitioner_murmur2(
            ptr::null(),
            key.as_ptr().cast(),
            key.len(),
            partitions.max(1),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    }
}

/// Asks any broker for the brokers, and waits for the answer; false: none came. Asked without any time, the client connects
/// all the same: by itself it does so only after a second, and until then it finds neither coordinator nor leader.
pub(super) fn reach<C: ClientContext>(client: &Client<C>, timeout: Duration) -> bool {
    let mut found = ptr::null();
    // SAFETY: the pointer is that of a live client; without a topic the call (rdkafka_metadata.c) asks for what the client
    // knows, and fills in `found` if it returns no error.
    let code = unsafe { ffi::rd_kafka_metadata(client.native_ptr(), 0, ptr::null_mut(), &mut found, millis(timeout)) };
    let reached = code == ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    if reached {
        // SAFETY: filled in by the call, and destroyed once, here.
        unsafe { ffi::rd_kafka_metadata_destroy(found) };
    }
    reached
}

/// Waits until every produced record is settled, without lingering. False: the time ran out first.
pub(super) fn flush<C, P>(producer: &P, timeout: Duration) -> bool
where
    C: ProducerContext + 'static,
    P: Producer<C>,
{
    // SAFETY: the pointer is that of a live producer, which `producer` borrows for the length of the call; the call is
    // thread safe.
    let code = unsafe { ffi::rd_kafka_flush(producer.client().native_ptr(), millis(timeout)) };
    code == ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Records produced and not yet settled.
pub(super) fn unsettled<C: ProducerContext + 'static>(producer: &impl Producer<C>) -> usize {
    usize::try_from(producer.in_flight_count()).unwrap_or(0)
}

/// One group metadata object: what a transaction is fenced by.
pub(super) struct GroupMetadata(NonNull<ffi::rd_kafka_consumer_group_metadata_t>);

// SAFETY: an object of its own (rdkafka_cgrp.c copies all of it), which no call changes and no thread owns.
unsafe impl Send for GroupMetadata {}

impl GroupMetadata {
    pub(super) fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        // SAFETY: the pointer is that of a live consumer. The call returns null or an object that is ours to destroy.
        NonNull::new(unsafe { ffi::rd_kafka_consumer_group_metadata(consumer.client().native_ptr()) }).map(Self)
    }

    pub(super) fn generation(&self) -> i32 {
        // SAFETY: `self.0` is a metadata object that lives until drop.
        unsafe { ffi::rd_kafka_consumer_group_metadata_generation_id(self.0.as_ptr()) }
    }

    pub(super) fn member_id(&self) -> String {
        // SAFETY: as above; the string belongs to the object, is copied here, and null is handled by `text`.
        unsafe { text(ffi::rd_kafka_consumer_group_metadata_member_id(self.0.as_ptr())) }
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: made by `of`, destroyed once, here.
        unsafe { ffi::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}

/// An error object of a transactional call, taken apart.
#[derive(Debug, Clone)]
pub(super) struct NativeError {
    pub code: Code,
    pub text: String,
    pub fatal: bool,
    pub retriable: bool,
    pub requires_abort: bool,
}

/// Adds offsets to the open transaction, fenced by exactly this metadata object.
pub(super) fn send_offsets<C: ProducerContext + 'static>(
    producer: &impl Producer<C>,
    offsets: &TopicPartitionList,
    metadata: &GroupMetadata,
    timeout: Duration,
) -> Result<(), NativeError> {
    // SAFETY: producer, list and metadata are live for the length of the call, which copies what it keeps
    // (rd_kafka_send_offsets_to_transaction duplicates both). The returned error is null or ours to destroy.
    let error = NonNull::new(unsafe {
        ffi::rd_kafka_send_offsets_to_transaction(
            producer.client().native_ptr(),
            offsets.ptr(),
            metadata.0.as_ptr(),
            millis(timeout),
        )
    });
    let Some(error) = error else { return Ok(()) };
    let error = error.as_ptr();
    // SAFETY: `error` is a live error object until the last line, which destroys it once; its text is copied before.
    unsafe {
        let taken = NativeError {
            code: ffi::rd_kafka_error_code(error).into(),
            text: text(ffi::rd_kafka_error_string(error)),
            fatal: ffi::rd_kafka_error_is_fatal(error) != 0,
            retriable: ffi::rd_kafka_error_is_retriable(error) != 0,
            requires_abort: ffi::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        ffi::rd_kafka_error_destroy(error);
        Err(taken)
    }
}

/// Sets how long the mock cluster behind this client waits for more members before a first assignment.
/// False: there is no mock cluster behind it.
pub(super) fn set_mock_rebalance_delay<C: ClientContext>(client: &rdkafka::client::Client<C>, delay: Duration) -> bool {
    // SAFETY: a live client; the cluster is null or belongs to the client and lives as long. The call posts a number.
    unsafe {
        let cluster = ffi::rd_kafka_handle_mock_cluster(client.native_ptr());
        if cluster.is_null() {
            return false;
        }
        ffi::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, millis(delay));
    }
    true
}

/// What came next on a consumer's queue.
pub(super) enum Event {
    Record(Record),
    /// Everything below this position was delivered before; nothing committed lies between.
    EndOfPartition(Position),
    Rebalance {
        assign: bool,
        partitions: Vec<TopicPartition>,
    },
    Error {
        code: Code,
        text: String,
        fatal: bool,
        at: Option<Position>,
    },
    Log {
        level: i32,
        text: String,
    },
    /// Nothing for us: a statistic, a commit's answer.
    Other,
}

/// A consumer together with its one queue of events, read without the safe client's loop: that loop drops the topic and
/// the offset of an end of partition.
pub(super) struct Events<C: ConsumerContext> {
    queue: NonNull<ffi::rd_kafka_queue_t>,
    consumer: BaseConsumer<C>,
    /// Names seen, shared by the records that carry them. As many as topics are read, so a handful.
    topics: Vec<Arc<str>>,
}

// SAFETY: librdkafka's handles may be used from any thread; `queue` is used through `&mut self` only, and the consumer is
// `Send` by itself.
unsafe impl<C: ConsumerContext> Send for Events<C> {}

impl<C: ConsumerContext> Events<C> {
    /// None: the consumer has no group id, so no queue.
    pub(super) fn of(consumer: BaseConsumer<C>) -> Option<Self> {
        // SAFETY: a live consumer; the call returns null or a reference that is ours to destroy, which `drop` does before
        // the consumer goes.
        let queue = NonNull::new(unsafe { ffi::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) })?;
        Some(Self {
            queue,
            consumer,
            topics: Vec::new(),
        })
    }

    pub(super) fn consumer(&self) -> &BaseConsumer<C> {
        &self.consumer
    }

    /// Waits up to `timeout` for the next event.
    pub(super) fn poll(&mut self, timeout: Duration) -> Option<Event> {
        // SAFETY: `queue` is live. The event is null or ours to destroy, once, below; all that is read from it is copied
        // before.
        unsafe {
            let event = NonNull::new(ffi::rd_kafka_queue_poll(self.queue.as_ptr(), millis(timeout)))?.as_ptr();
            let taken = match ffi::rd_kafka_event_type(event) {
                ffi::RD_KAFKA_EVENT_FETCH => self.record(event),
                ffi::RD_KAFKA_EVENT_ERROR => self.error(event),
                ffi::RD_KAFKA_EVENT_REBALANCE => self.rebalance(event),
                ffi::RD_KAFKA_EVENT_LOG => log(event),
                _ => Event::Other,
            };
            ffi::rd_kafka_event_destroy(event);
            Some(taken)
        }
    }

    fn topic(&mut self, name: &CStr) -> Arc<str> {
        match self.topics.iter().find(|known| known.as_bytes() == name.to_bytes()) {
            Some(known) => known.clone(),
            None => {
                let name: Arc<str> = name.to_string_lossy().into();
                self.topics.push(name.clone());
                name
            }
        }
    }

    /// # Safety
    /// `event` is a live fetch event.
    unsafe fn record(&mut self, event: *mut ffi::rd_kafka_event_t) -> Event {
        // SAFETY: a fetch event of a consumer queue holds one message, which lives as long as the event (rdkafka_event.c).
        // Its topic is set for all that was fetched; key and payload are `len` bytes or null.
        unsafe {
            let Some(message) = ffi::rd_kafka_event_message_next(event).as_ref() else {
                return Event::Other;
            };
            let topic = self.topic(CStr::from_ptr(ffi::rd_kafka_topic_name(message.rkt)));
            let mut kind = ffi::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            let stamp = ffi::rd_kafka_message_timestamp(message, &mut kind);
            let append = kind == ffi::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
            Event::Record(Record {
                at: Position {
                    topic,
                    partition: message.partition,
                    offset: message.offset,
                },
                key: bytes(message.key, message.key_len),
                value: bytes(message.payload, message.len),
                headers: headers(message),
                timestamp: (stamp >= 0).then_some(stamp),
                timestamp_kind: if append {
                    TimestampKind::Append
                } else {
                    TimestampKind::Create
                },
            })
        }
    }

    /// # Safety
    /// `event` is a live error event.
    unsafe fn error(&mut self, event: *mut ffi::rd_kafka_event_t) -> Event {
        // SAFETY: as the caller promises; the partition object is null or ours to destroy, and its topic is a string.
        unsafe {
            let at = ffi::rd_kafka_event_topic_partition(event);
            let position = at.as_ref().map(|at| Position {
                topic: self.topic(CStr::from_ptr(at.topic)),
                partition: at.partition,
                offset: at.offset,
            });
            if !at.is_null() {
                ffi::rd_kafka_topic_partition_destroy(at);
            }
            let code: Code = ffi::rd_kafka_event_error(event).into();
            match (code, position) {
                (Code::PartitionEOF, Some(end)) => Event::EndOfPartition(end),
                (code, at) => Event::Error {
                    code,
                    text: text(ffi::rd_kafka_event_error_string(event)),
                    fatal: ffi::rd_kafka_event_error_is_fatal(event) != 0,
                    at,
                },
            }
        }
    }

    /// # Safety
    /// `event` is a live rebalance event.
    unsafe fn rebalance(&mut self, event: *mut ffi::rd_kafka_event_t) -> Event {
        // SAFETY: as the caller promises; the list belongs to the event and holds `cnt` elements.
        unsafe {
            let assign =
                ffi::rd_kafka_event_error(event) == ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
            let mut partitions = Vec::new();
            if let Some(list) = ffi::rd_kafka_event_topic_partition_list(event).as_ref() {
                for index in 0..usize::try_from(list.cnt).unwrap_or(0) {
                    let element = &*list.elems.add(index);
                    let topic = self.topic(CStr::from_ptr(element.topic));
                    partitions.push(TopicPartition {
                        topic,
                        partition: element.partition,
                    });
                }
            }
            Event::Rebalance { assign, partitions }
        }
    }
}

impl<C: ConsumerContext> Drop for Events<C> {
    fn drop(&mut self) {
        // SAFETY: taken by `of`, given back once, here, before the consumer is dropped as a field.
        unsafe { ffi::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// # Safety
/// `event` is a live log event.
unsafe fn log(event: *mut ffi::rd_kafka_event_t) -> Event {
    let (mut facility, mut line, mut level): (*const c_char, *const c_char, c_int) = (ptr::null(), ptr::null(), 0);
    // SAFETY: as the caller promises; the call fills in strings that belong to the event, or leaves null.
    unsafe {
        ffi::rd_kafka_event_log(event, &mut facility, &mut line, &mut level);
        Event::Log {
            level,
            text: format!("{}: {}", text(facility), text(line)),
        }
    }
}

/// # Safety
/// `message` is a live message of a consumer.
unsafe fn headers(message: &ffi::rd_kafka_message_t) -> Vec<Header> {
    let mut found = Vec::new();
    let mut list = ptr::null_mut();
    // SAFETY: as the caller promises; the list belongs to the message. `get_all` answers with an error past the last one;
    // name and value belong to the list.
    unsafe {
        let ok = ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        if ffi::rd_kafka_message_headers(message, &mut list) != ok {
            return found;
        }
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        while ffi::rd_kafka_header_get_all(list, found.len(), &mut name, &mut value, &mut size) == ok {
            found.push((text(name), bytes(value, size)));
        }
    }
    found
}

/// # Safety
/// `start` is null or points to `len` readable bytes.
unsafe fn bytes(start: *const c_void, len: usize) -> Option<Vec<u8>> {
    // SAFETY: as the caller promises.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast::<u8>(), len) }.to_vec())
}

/// # Safety
/// `start` is null or a terminated string.
unsafe fn text(start: *const c_char) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned()
}

/// librdkafka takes milliseconds; what is longer than it can hold is its longest. Never negative, which would be for ever.
fn millis(time: Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}
