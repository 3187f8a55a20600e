//! The byte stream of one client: whole messages in, a buffer of messages out.
//!
//! Why not a codec of a library: three things must hold that the usual loop "decode, handle, encode" cannot give. A message's
//! length is checked before a byte of it is stored, with a small limit until the client has proved who it is. While a query
//! runs the socket is still read, so a client that goes away is noticed at once ([`Connection::gone`]). And a write that
//! blocks because the client does not read can be given up and taken up again ([`Connection::flush`] is cancel-safe), so a
//! cancel stops the engine even then.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Pipelined input that is read ahead while a query runs; beyond it the client has to wait.
const READ_AHEAD: usize = 64 * 1024;

/// Output is written when this much is waiting.
pub const HIGH_WATER: usize = 256 * 1024;

/// The socket, encrypted or not.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One message: its type byte and what follows the length.
#[derive(Debug)]
pub struct Frame {
    pub tag: u8,
    pub body: Bytes,
}

#[derive(Debug)]
pub enum ReadError {
    /// The socket is of no use any more.
    Io,
    /// The announced length of a message: negative, or more than is allowed now.
    BadLength(i32),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

pub struct Connection {
    stream: Stream,
    input: BytesMut,
    /// Messages to send, appended by the functions of [`super::backend`].
    pub out: Vec<u8>,
    sent: usize,
    max_message: usize,
}

impl Connection {
    /// `max_message` limits a message's length field.
    pub fn new(stream: Stream, max_message: usize) -> Self {
        Self { stream, input: BytesMut::with_capacity(8192), out: Vec::with_capacity(8192), sent: 0, max_message }
    }

    pub fn set_max_message(&mut self, max_message: usize) {
        self.max_message = max_message;
    }

    pub fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// The socket back, if nothing was read beyond the last message (what a man in the middle put there before encryption
    /// started must not count as sent after it).
    pub fn into_plain(self) -> Option<TcpStream> {
        match self.stream {
            Stream::Plain(socket) if self.input.is_empty() => Some(socket),
            _ => None,
        }
    }

    /// A start-up packet: length and body, no type byte. `None` if the client left.
    pub async fn read_startup(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            if self.input.len() >= 4 {
                let length = i32::from_be_bytes([self.input[0], self.input[1], self.input[2], self.input[3]]);
                if length < 8 || length as usize > self.max_message {
                    return Err(ReadError::BadLength(length));
                }
                if self.input.len() >= length as usize {
                    self.input.advance(4);
                    return Ok(Some(self.input.split_to(length as usize - 4).freeze()));
                }
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next message that has already arrived.
    pub fn buffered_frame(&mut self) -> Result<Option<Frame>, ReadError> {
        if self.input.len() < 5 {
            return Ok(None);
        }
        let length = i32::from_be_bytes([self.input[1], self.input[2], self.input[3], self.input[4]]);
        if length < 4 || length as usize > self.max_message {
            return Err(ReadError::BadLength(length));
        }
        let total = length as usize + 1;
        if self.input.len() < total {
            return Ok(None);
        }
        let tag = self.input[0];
        self.input.advance(5);
        Ok(Some(Frame { tag, body: self.input.split_to(total - 5).freeze() }))
    }

    /// The next message; `None` if the client left. Cancel-safe.
    pub async fn read_frame(&mut self) -> Result<Option<Frame>, ReadError> {
        loop {
            if let Some(frame) = self.buffered_frame()? {
                return Ok(Some(frame));
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.input.reserve(8192);
        self.stream.read_buf(&mut self.input).await
    }

    /// Returns when the client has closed the connection. What it sends meanwhile is kept, up to a limit.
    pub async fn gone(&mut self) {
        while self.input.len() < READ_AHEAD {
            match self.fill().await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }

    pub fn pending_output(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Writes all that waits. If it is dropped half-way, the next call goes on where it stopped.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            let n = self.stream.write(&self.out[self.sent..]).await?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.sent += n;
        }
        self.out.clear();
        self.sent = 0;
        if self.out.capacity() > 4 * HIGH_WATER {
            // One very long row must not cost its memory for the rest of the session.
            self.out.shrink_to(HIGH_WATER);
        }
        self.stream.flush().await
    }

    /// Says good-bye properly; errors no longer matter.
    pub async fn close(&mut self) {
        let _ = self.stream.shutdown().await;
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Self::Tls(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_write(cx, buf),
            Self::Tls(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_flush(cx),
            Self::Tls(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Self::Tls(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
