//! What will happen, in order of time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::command::Command;
use crate::wan::flow::FlowId;

#[derive(Debug)]
pub(super) enum Event {
    /// The oldest payload on its way is due.
    Arrival(FlowId),
    Acknowledged(FlowId, usize),
    Command(Command),
}

#[derive(Debug)]
struct Entry {
    at: Duration,
    number: u64,
    event: Event,
}

impl Ord for Entry {
    /// The earliest is the greatest; of one moment, the one that was pushed first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

#[derive(Debug, Default)]
pub(super) struct Events {
    heap: BinaryHeap<Entry>,
    pushed: u64,
}

impl Events {
    pub(super) fn push(&mut self, at: Duration, event: Event) {
        self.heap.push(Entry { at, number: self.pushed, event });
        self.pushed += 1;
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|entry| entry.at)
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, Event)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}
