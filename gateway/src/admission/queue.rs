//! Who runs and who waits: plain state, no time and no I/O.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// One request to run.
pub type Ticket = u64;

/// How much may run and wait at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub running: usize,
    pub queued: usize,
    /// For each user; `None`: no limit of its own.
    pub per_user: Option<usize>,
    /// Users with a limit different from `per_user`.
    pub users: HashMap<String, usize>,
}

impl Limits {
    fn of(&self, user: &str) -> usize {
        self.users.get(user).copied().or(self.per_user).unwrap_or(usize::MAX)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Run,
    Wait,
    /// The queue is full.
    Refuse,
}

#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    running: HashMap<Ticket, Arc<str>>,
    per_user: HashMap<Arc<str>, usize>,
    waiting: VecDeque<(Ticket, Arc<str>)>,
}

impl Queue {
    pub fn new(limits: Limits) -> Self {
        Self { limits, running: HashMap::new(), per_user: HashMap::new(), waiting: VecDeque::new() }
    }

    pub fn request(&mut self, ticket: Ticket, user: Arc<str>) -> Answer {
        // Whoever waits already and could run would have been started, so a newcomer overtakes nobody.
        if self.may_run(&user) {
            self.start(ticket, user);
            return Answer::Run;
        }
        if self.waiting.len() >= self.limits.queued {
            return Answer::Refuse;
        }
        self.waiting.push_back((ticket, user));
        Answer::Wait
    }

    /// The query ended or no longer wants to run; returns who starts in its place.
    pub fn leave(&mut self, ticket: Ticket) -> Vec<Ticket> {
        match self.running.remove(&ticket) {
            Some(user) => {
                if let Some(count) = self.per_user.get_mut(&user) {
                    *count -= 1;
                    if *count == 0 {
                        self.per_user.remove(&user);
                    }
                }
            }
            None => self.waiting.retain(|(t, _)| *t != ticket),
        }
        self.start_waiting()
    }

    pub fn set_limits(&mut self, limits: Limits) -> Vec<Ticket> {
        self.limits = limits;
        self.start_waiting()
    }

    pub fn counts(&self) -> (usize, usize) {
        (self.running.len(), self.waiting.len())
    }

    fn may_run(&self, user: &str) -> bool {
        self.running.len() < self.limits.running && self.per_user.get(user).copied().unwrap_or(0) < self.limits.of(user)
    }

    fn start(&mut self, ticket: Ticket, user: Arc<str>) {
        *self.per_user.entry(user.clone()).or_default() += 1;
        self.running.insert(ticket, user);
    }

    /// First come, first served, except that a user at its own limit lets others pass.
    fn start_waiting(&mut self) -> Vec<Ticket> {
        let mut started = Vec::new();
        while let Some(at) = self.waiting.iter().position(|(_, user)| self.may_run(user)) {
            if let Some((ticket, user)) = self.waiting.remove(at) {
                self.start(ticket, user);
                started.push(ticket);
            }
        }
        started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(running: usize, queued: usize) -> Queue {
        Queue::new(Limits { running, queued, ..Limits::default() })
    }

    #[test]
    fn first_come_first_served() {
        let mut q = queue(2, 2);
        let asked: Vec<Answer> = (0..5).map(|t| q.request(t, "a".into())).collect();
        assert_eq!(asked, [Answer::Run, Answer::Run, Answer::Wait, Answer::Wait, Answer::Refuse]);
        assert!(q.leave(2).is_empty());
        assert_eq!(q.leave(0), [3]);
        assert_eq!(q.counts(), (2, 0));
        assert!(q.leave(99).is_empty());
    }

    #[test]
    fn a_user_at_its_limit_lets_others_pass() {
        let mut q =
            Queue::new(Limits { running: 3, queued: 9, per_user: Some(1), users: [("b".to_string(), 2)].into() });
        assert_eq!(q.request(1, "a".into()), Answer::Run);
        assert_eq!(q.request(2, "a".into()), Answer::Wait);
        assert_eq!(q.request(3, "b".into()), Answer::Run);
        assert_eq!(q.request(4, "b".into()), Answer::Run);
        assert_eq!(q.request(5, "c".into()), Answer::Wait);
        assert_eq!(q.leave(3), [5]);
        assert_eq!(q.leave(1), [2]);
    }

    #[test]
    fn a_wider_limit_starts_those_who_wait() {
        let mut q = queue(1, 5);
        for t in 0..4 {
            q.request(t, "a".into());
        }
        assert_eq!(q.set_limits(Limits { running: 3, queued: 5, ..Limits::default() }), [1, 2]);
        assert_eq!(q.counts(), (3, 1));
    }
}
