//! What there must be before the first record of a load: settings, contacts, chatrooms. Sent through the topics as anybody's,
//! some at a time, each round waiting for its results.

use super::answer::{Answer, Ids, Part};
use super::ends::{Entrance, Exits};
use super::progress::Progress;
use super::world::{Made, World};
use crate::failure::{Exit, Failure};
use crate::shutdown::Shutdown;
use std::time::{Duration, Instant};

/// So many commands are on their way at a time.
const WINDOW: u64 = 2_000;
const WAIT: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Ready,
    /// The end was wished for before.
    Stopped,
}

/// What a set-up goes by.
pub struct SetUp<'a> {
    pub ids: &'a Ids,
    /// After so long without any result there is no router.
    pub patience: Duration,
    pub shutdown: &'a Shutdown,
    pub progress: &'a mut Progress,
}

impl SetUp<'_> {
    /// Fills in the chatrooms' ids.
    pub fn run(self, world: &mut World, entrance: &mut Entrance<'_>, exits: &mut Exits<'_>) -> Result<Ended, Failure> {
        let mut chatrooms: Vec<Box<str>> = vec![Box::default(); world.phones as usize];
        for (part, count) in [
            (Part::Settings, world.orgs),
            (Part::Contacts, world.phones),
            (Part::Chatrooms, world.phones),
        ] {
            let mut round = Round::new(part, count);
            let mut moved = Instant::now();
            while round.left > 0 {
                if self.shutdown.is_wished() {
                    return Ok(Ended::Stopped);
                }
                round.send(world, self.ids, entrance)?;
                while let Some(answer) = exits.next(WAIT)? {
                    moved = Instant::now();
                    round.take(answer, &mut chatrooms)?;
                    if round.is_idle() {
                        break;
                    }
                }
                self.progress.set_up(part, round.count - round.left, round.count);
                if moved.elapsed() > self.patience {
                    return Err(round.stalled(self.patience));
                }
            }
        }
        world.chatrooms = chatrooms;
        Ok(Ended::Ready)
    }
}

struct Round {
    part: Part,
    count: u64,
    /// The first that was not sent.
    next: u64,
    seen: Vec<bool>,
    left: u64,
}

impl Round {
    fn new(part: Part, count: u32) -> Self {
        Self {
            part,
            count: count.into(),
            next: 0,
            seen: vec![false; count as usize],
            left: count.into(),
        }
    }

    fn on_the_way(&self) -> u64 {
        self.next - (self.count - self.left)
    }

    fn may_send(&self) -> bool {
        self.next < self.count && self.on_the_way() < WINDOW
    }

    /// It is time to send more, or there is nothing to wait for.
    fn is_idle(&self) -> bool {
        self.left == 0 || (self.next < self.count && self.on_the_way() < WINDOW / 2)
    }

    fn send(&mut self, world: &World, ids: &Ids, entrance: &mut Entrance<'_>) -> Result<(), Failure> {
        while self.may_send() && entrance.post(&entrance.record(&self.made(world, ids)))? {
            self.next += 1;
        }
        entrance.settle()
    }

    fn made(&self, world: &World, ids: &Ids) -> Made {
        let (request, number) = (ids.id(self.part, self.next), self.next as u32);
        match self.part {
            Part::Settings => world.settings(number, &request),
            Part::Contacts => world.contact(number, &request),
            _ => world.chatroom(number, &request),
        }
    }

    fn take(&mut self, answer: Answer, chatrooms: &mut [Box<str>]) -> Result<(), Failure> {
        let place = answer.number as usize;
        let is_new = answer.part == self.part && self.seen.get(place) == Some(&false);
        if !is_new {
            return Ok(());
        }
        if !["APPLIED", "UNCHANGED"].contains(&answer.outcome.as_str()) {
            return Err(self.refused(&answer.outcome));
        }
        if let (Part::Chatrooms, Some(id)) = (self.part, answer.chatroom) {
            chatrooms[place] = id;
        }
        self.seen[place] = true;
        self.left -= 1;
        Ok(())
    }

    fn refused(&self, code: &str) -> Failure {
        let what = self.part.name();
        Failure::new(
            Exit::BadData,
            format!(
                "setting up the {what} of the load was answered with {code}: take another --seed, whose orgs are others"
            ),
        )
    }

    fn stalled(&self, patience: Duration) -> Failure {
        let (left, what, seconds) = (self.left, self.part.name(), patience.as_secs());
        Failure::new(
            Exit::BadData,
            format!(
                "{left} of {} {what} had no result for {seconds} s: see whether a router runs on these topics (`chatroom-router run`)",
                self.count
            ),
        )
    }
}
