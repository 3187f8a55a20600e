//! Carries bytes between sockets and the network.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use parking_lot::{Condvar, Mutex};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::change::Fault;
use super::flow::{FlowId, Payload};
use super::shared::{Bell, Shared};

/// Bytes read at once, and what the kernel may hold of a sender that is ahead of its link.
const READ: usize = 64 << 10;
const RECEIVE_BUFFER: u32 = 256 << 10;
/// How long a cut or its end may take to reach the listeners.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before another attempt, after too many open files or the like.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether a listener accepts connections.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) ends: (usize, usize),
    wanted: watch::Sender<bool>,
    is_open: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    pub(super) fn set(&self, open: bool) {
        self.wanted.send_replace(open);
    }

    fn reached(&self, open: bool) {
        *self.is_open.lock() = open;
        self.moved.notify_all();
    }

    /// Until the listener does what it was told last.
    pub(super) fn settle(&self) -> io::Result<()> {
        let mut is_open = self.is_open.lock();
        let waited = self.moved.wait_while_for(&mut is_open, |is_open| *is_open != *self.wanted.borrow(), PATIENCE);
        if waited.timed_out() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

/// Until the gate is to be open, or closed. It lives as long as its listener.
async fn told(wanted: &mut watch::Receiver<bool>, open: bool) {
    drop(wanted.wait_for(|wanted| *wanted == open).await);
}

/// A port for one address of a site, as another site sees it.
#[derive(Debug)]
pub(super) struct Listener {
    link: usize,
    target: SocketAddr,
    /// Holds the port while no one listens: connections are refused, and no one else gets it.
    _holder: TcpSocket,
    port: SocketAddr,
    gate: Arc<Gate>,
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseport(true)?;
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Listener {
    pub(super) fn new(link: usize, ends: (usize, usize), target: SocketAddr) -> io::Result<(Self, Arc<Gate>)> {
        let holder = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let port = holder.local_addr()?;
        let gate = Arc::new(Gate {
            ends,
            wanted: watch::Sender::new(true),
            is_open: Mutex::new(false),
            moved: Condvar::new(),
        });
        Ok((Self { link, target, _holder: holder, port, gate: gate.clone() }, gate))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.port
    }

    /// Accepts connections while the gate is open.
    pub(super) async fn run(self, shared: Arc<Shared>) {
        let mut wanted = self.gate.wanted.subscribe();
        loop {
            told(&mut wanted, true).await;
            let Ok(listener) = bind(self.port).and_then(|socket| socket.listen(1024)) else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            self.gate.reached(true);
            self.accept(&listener, &mut wanted, &shared).await;
            drop(listener);
            self.gate.reached(false);
        }
    }

    /// Until the gate is to be closed.
    async fn accept(&self, listener: &TcpListener, wanted: &mut watch::Receiver<bool>, shared: &Arc<Shared>) {
        loop {
            let accepted = tokio::select! {
                () = told(wanted, false) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((client, _)) => drop(tokio::spawn(connection(shared.clone(), self.link, client, self.target))),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// One connection, from its dialler to the real address and back.
async fn connection(shared: Arc<Shared>, link: usize, mut client: TcpStream, target: SocketAddr) {
    let Ok(mut server) = dial(target).await else {
        refuse(&shared, link, &client).await;
        return;
    };
    let bell = Arc::new(Bell::default());
    let Some(connection) = shared.open(link, &bell) else { return };
    let fault = carry(&shared, connection, &bell, &mut client, &mut server).await;
    shared.close(connection);
    if fault == Some(Fault::Reset) {
        // Nothing to be done if the socket is gone already.
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
}

async fn dial(target: SocketAddr) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.connect(target).await
}

/// No one listens at the address. The dialler, who is connected already, hears of it a round trip later.
async fn refuse(shared: &Shared, link: usize, client: &TcpStream) {
    loop {
        let round_trip = shared.look().network.round_trip(link);
        tokio::time::sleep(round_trip.max(Duration::from_millis(1))).await;
        if !shared.look().network.is_held(link) {
            break;
        }
    }
    let _ = client.set_zero_linger();
}

/// Both directions, until both have ended or the connection breaks.
async fn carry(
    shared: &Shared,
    connection: u64,
    bell: &Bell,
    client: &mut TcpStream,
    server: &mut TcpStream,
) -> Option<Fault> {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let there = FlowId { connection, forward: true };
    let read = async {
        tokio::join!(read(shared, there, bell, from_client), read(shared, there.opposite(), bell, from_server));
        std::future::pending().await
    };
    let written = async {
        tokio::try_join!(write(shared, there, bell, to_server), write(shared, there.opposite(), bell, to_client))
    };
    tokio::select! {
        () = read => None,
        result = written => result.err().map(|Broken| Fault::Reset),
        fault = bell.broken() => fault,
    }
}

/// From a sender's socket into the network, as far as there is room.
async fn read(shared: &Shared, id: FlowId, bell: &Bell, socket: ReadHalf<'_>) {
    let mut buffer = BytesMut::new();
    loop {
        let room = shared.look().network.room(id);
        if room == 0 {
            bell.room(id).await;
            continue;
        }
        buffer.reserve(READ);
        let payload = match socket.try_read_buf(&mut (&mut buffer).limit(room.min(READ))) {
            Ok(0) => Payload::End,
            Ok(_) => Payload::Data(buffer.split().freeze()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                shared.look().network.drained(id);
                if socket.readable().await.is_ok() {
                    continue;
                }
                Payload::Reset
            }
            Err(_) => Payload::Reset,
        };
        let is_last = !matches!(payload, Payload::Data(_));
        shared.change(|network, now| network.push(id, payload, now));
        if is_last {
            return;
        }
        // The other tasks' turn: a fast sender always has more.
        tokio::task::yield_now().await;
    }
}

/// A reset has arrived.
struct Broken;

/// From the network into a receiver's socket.
async fn write(shared: &Shared, id: FlowId, bell: &Bell, mut socket: WriteHalf<'_>) -> Result<(), Broken> {
    let mut taken_at = Duration::ZERO;
    loop {
        let arrived = shared.look().network.collect(id);
        if arrived.is_empty() {
            bell.arrived(id).await;
        }
        for parcel in arrived {
            let data = match parcel.payload {
                Payload::Data(data) => data,
                Payload::End => {
                    let _ = socket.shutdown().await;
                    return Ok(());
                }
                Payload::Reset => return Err(Broken),
            };
            match write_all(&socket, &data).await {
                // A receiver that takes at once has taken when the bytes arrived, not when this process came to write them.
                Ok(waited) => taken_at = taken_at.max(if waited { shared.now() } else { parcel.at }),
                Err(_) => {
                    shared.change(|network, now| network.push(id.opposite(), Payload::Reset, now));
                    return Ok(());
                }
            }
            shared.change(|network, _| network.taken(id, data.len(), taken_at));
        }
    }
}

/// Returns whether it had to wait.
async fn write_all(socket: &WriteHalf<'_>, mut data: &[u8]) -> io::Result<bool> {
    let mut waited = false;
    while !data.is_empty() {
        match socket.try_write(data) {
            Ok(written) => data = &data[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                waited = true;
                socket.writable().await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(waited)
}
