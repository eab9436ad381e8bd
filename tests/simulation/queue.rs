//! What is to happen, by time, and by the order in which it was put here. The heap moves numbers alone.

use crate::world::Happening;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Few schedules ever have more ahead of them at once.
const ROOM: usize = 128;

pub struct Queue {
    /// Time, order, and place.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    places: Vec<Option<Happening>>,
    free: Vec<usize>,
    pushed: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::with_capacity(ROOM),
            places: Vec::with_capacity(ROOM),
            free: Vec::with_capacity(ROOM),
            pushed: 0,
        }
    }
}

impl Queue {
    pub fn push(&mut self, at: u64, happening: Happening) {
        self.pushed += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(happening);
        self.heap.push(Reverse((at, self.pushed, place)));
    }

    /// What comes first, and when.
    pub fn pop(&mut self) -> Option<(u64, Happening)> {
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.free.push(place);
        Some((at, self.places[place].take()?))
    }
}
