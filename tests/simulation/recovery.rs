//! The questions of recovery, answered from the models: each at a time of its own, and sometimes not at all.

use crate::kafka::log::Met;
use crate::process::Pid;
use crate::world::{Happening, World};
use chatroom_router::kafka::TopicPartition;
use chatroom_router::protocol::{Event, Life, RecoveryAnswer, RecoveryQuestion};
use chatroom_router::state::keys::RecordKey;
use chatroom_router::state::progress::Progress;

impl World {
    pub fn recovery(&mut self, pid: Pid, life: Life, question: RecoveryQuestion) {
        let now = self.now;
        let Some(process) = self.processes.get(&pid) else {
            return;
        };
        if process.is_frozen(now) {
            let ms = process.frozen_until - now;
            return self.after(ms, Happening::Recovery(pid, life, question));
        }
        let answer = if self.flaky() {
            away("nobody answers")
        } else {
            self.answer(life, question)
        };
        let ms = self.latency();
        self.after(ms, Happening::Mail(pid, Event::Recovered(life, answer)));
    }

    fn answer(&mut self, life: Life, question: RecoveryQuestion) -> RecoveryAnswer {
        match question {
            RecoveryQuestion::Committed(inputs) => {
                let committed: Result<Vec<_>, ()> = inputs.iter().map(|at| self.kafka.committed(at)).collect();
                committed.map_or_else(|()| away("unstable offsets"), RecoveryAnswer::Committed)
            }
            RecoveryQuestion::Watermarks { changelog, inputs } => RecoveryAnswer::Watermarks {
                low: 0,
                high: self.kafka.log(&changelog).high(),
                input_lows: vec![0; inputs.len()],
            },
            RecoveryQuestion::LastProgress { changelog, high, .. } => self.last_progress(&changelog, high),
            RecoveryQuestion::Replay { changelog, from, to } => self.replay(&changelog, from, to),
            RecoveryQuestion::Marker | RecoveryQuestion::Begin(_) | RecoveryQuestion::Apply { .. }
                if self.index_is_down() =>
            {
                away("the index is away")
            }
            RecoveryQuestion::Marker => RecoveryAnswer::Marker(self.redis.marker(life.partition)),
            RecoveryQuestion::Begin(begin) => {
                let begun = self.redis.begin(life.partition, &begin);
                if self.flaky() {
                    away("no reply")
                } else {
                    RecoveryAnswer::Begun(begun)
                }
            }
            RecoveryQuestion::Apply { of, batch } => {
                let applied = self.apply_flaky(life.partition, &of, &batch);
                applied.map_or_else(|| away("no reply"), RecoveryAnswer::Applied)
            }
        }
    }

    fn last_progress(&self, changelog: &TopicPartition, high: i64) -> RecoveryAnswer {
        let (mut from, mut last) = (0, None);
        loop {
            match self.kafka.log(changelog).read(from, high) {
                Met::Record(offset, data) => {
                    from = offset + 1;
                    if data.key.as_deref() == Some(RecordKey::PROGRESS.as_bytes()) {
                        last = data
                            .value
                            .as_deref()
                            .map(|value| Progress::decode(value).expect("we wrote it"));
                    }
                }
                Met::End(end) if end < high => return away("an open transaction"),
                Met::End(_) => return RecoveryAnswer::LastProgress(last),
            }
        }
    }

    fn replay(&mut self, changelog: &TopicPartition, from: i64, to: i64) -> RecoveryAnswer {
        let most = self.rng.between(1, 200) as usize;
        let mut records = Vec::new();
        let mut next = from;
        while records.len() < most && next < to {
            match self.kafka.log(changelog).read(next, to) {
                Met::Record(offset, data) => {
                    next = offset + 1;
                    records.extend(data.key.clone().map(|key| (offset, key, data.value.clone())));
                }
                Met::End(end) if end == next => break,
                Met::End(end) => next = end,
            }
        }
        if records.is_empty() && next < to {
            return away("an open transaction");
        }
        RecoveryAnswer::Replayed { records, next }
    }
}

fn away(why: &str) -> RecoveryAnswer {
    RecoveryAnswer::Unavailable(why.to_owned())
}
