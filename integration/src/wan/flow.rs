//! One direction of one connection: bytes that wait for the link, are on their way, or have arrived.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::window::{SEGMENT, Tcp, Window};

/// A connection, and whether its bytes go the way it was dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FlowId {
    pub(super) connection: u64,
    pub(super) forward: bool,
}

impl FlowId {
    pub(super) fn opposite(self) -> Self {
        Self { forward: !self.forward, ..self }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Data(Bytes),
    /// The sender has ended its direction.
    End,
    /// The connection is broken; nothing that waited before it arrives.
    Reset,
}

impl Payload {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Data(bytes) => bytes.len(),
            Self::End | Self::Reset => 0,
        }
    }
}

/// A payload with the moment it entered the queue, or arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) at: Duration,
    pub(super) payload: Payload,
}

#[derive(Debug)]
pub(super) struct Flow {
    pub(super) link: usize,
    pub(super) window: Window,
    /// Fair queueing: bytes served by the link, its site's egress and the other's ingress, each in its own virtual time. The
    /// connection with the least goes next.
    pub(super) tags: [u64; 3],
    /// Nothing leaves before: the handshake, or the acknowledgement that opened the window.
    not_before: Duration,
    last_arrival: Duration,
    queue: VecDeque<Parcel>,
    queued: usize,
    limit: usize,
    /// The queue was full and is not half empty yet: the sender is not read.
    full: bool,
    /// Since when there is room again for what the sender had to keep back.
    room_since: Option<Duration>,
    on_the_way: VecDeque<Parcel>,
    arrived: VecDeque<Parcel>,
}

impl Flow {
    pub(super) fn new(link: usize, tcp: &Tcp, not_before: Duration) -> Self {
        Self {
            link,
            window: Window::new(tcp),
            tags: [0; 3],
            not_before,
            last_arrival: Duration::ZERO,
            queue: VecDeque::new(),
            queued: 0,
            limit: tcp.queue.max(1),
            full: false,
            room_since: None,
            on_the_way: VecDeque::new(),
            arrived: VecDeque::new(),
        }
    }

    /// Bytes the queue takes now. With hysteresis, so that a reader is not woken for every segment.
    pub(super) fn room(&self) -> usize {
        if self.full { 0 } else { self.limit.saturating_sub(self.queued) }
    }

    /// Bytes that were kept back for lack of room would have entered when there was room, not when someone came to read them.
    /// So a link loses nothing while this process waits for a processor.
    pub(super) fn push(&mut self, payload: Payload, now: Duration) {
        if payload == Payload::Reset {
            self.queue.clear();
            self.queued = 0;
        }
        self.queued += payload.len();
        self.full = self.queued >= self.limit;
        self.queue.push_back(Parcel { at: self.room_since.unwrap_or(now), payload });
    }

    /// The sender has nothing more at the moment: what comes later is new.
    pub(super) fn drained(&mut self) {
        self.room_since = None;
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.queue.is_empty()
    }

    /// When the head of the queue may leave, as far as this connection is concerned.
    pub(super) fn eligible(&self) -> Option<Duration> {
        let head = self.queue.front()?;
        self.window.is_open_for(head.payload.len()).then(|| head.at.max(self.not_before))
    }

    /// Takes up to so many bytes off the queue, as far as the window lets them. The caller says when it arrives.
    pub(super) fn take(&mut self, quantum: usize, at: Duration) -> Option<Payload> {
        let bytes = quantum.min(self.window.room());
        let payload = match self.queue.front_mut()? {
            Parcel { payload: Payload::Data(data), .. } if data.len() > bytes => Payload::Data(data.split_to(bytes)),
            _ => self.queue.pop_front()?.payload,
        };
        self.queued -= payload.len();
        self.window.sent(payload.len(), at);
        Some(payload)
    }

    /// Whether the sender is to be read again.
    pub(super) fn reopened(&mut self, at: Duration) -> bool {
        let reopened = self.full && self.queued <= self.limit / 2;
        if reopened {
            self.full = false;
            self.room_since = Some(at);
        }
        reopened
    }

    /// Puts a payload on its way; nothing overtakes. Returns when it arrives.
    pub(super) fn send(&mut self, payload: Payload, arrival: Duration) -> Duration {
        self.last_arrival = self.last_arrival.max(arrival);
        self.on_the_way.push_back(Parcel { at: self.last_arrival, payload });
        self.last_arrival
    }

    /// What is due arrives. Says whether anything did.
    pub(super) fn arrive(&mut self, now: Duration) -> bool {
        let before = self.arrived.len();
        while let Some(parcel) = self.on_the_way.pop_front_if(|parcel| parcel.at <= now) {
            self.arrived.push_back(parcel);
        }
        self.arrived.len() > before
    }

    /// What was held up arrives now, not when it was due.
    pub(super) fn arrive_late(&mut self, now: Duration) -> bool {
        for parcel in &mut self.on_the_way {
            parcel.at = parcel.at.max(now);
        }
        self.arrive(now)
    }

    pub(super) fn collect(&mut self) -> VecDeque<Parcel> {
        std::mem::take(&mut self.arrived)
    }

    pub(super) fn acknowledged(&mut self, bytes: usize, at: Duration) {
        let next = self.queue.front().map_or(SEGMENT, |parcel| parcel.payload.len());
        let was_open = self.window.is_open_for(next);
        self.window.acknowledged(bytes);
        if !was_open {
            self.not_before = self.not_before.max(at);
        }
    }
}
