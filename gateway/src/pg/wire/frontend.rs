//! What clients send. A message that is too short, too long or not UTF-8 is an error of its own, never a guess.

use bytes::{Buf, Bytes};
use planner::error::state;
use planner::{Error, Result};

use super::connection::Frame;

const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;

/// The first packet of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Startup {
    Ssl,
    Gss,
    Cancel { pid: i32, secret: Vec<u8> },
    Session { major: u16, minor: u16, parameters: Vec<(String, String)> },
}

/// What `Describe` and `Close` are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Statement,
    Portal,
}

#[derive(Debug)]
pub struct Bind {
    pub portal: String,
    pub statement: String,
    pub parameter_formats: Vec<i16>,
    pub parameters: Vec<Option<Bytes>>,
    pub result_formats: Vec<i16>,
}

/// A message of a running session.
#[derive(Debug)]
pub enum Message {
    Query(String),
    Parse {
        name: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target, String),
    Execute {
        portal: String,
        max_rows: i32,
    },
    Close(Target, String),
    Flush,
    Sync,
    Terminate,
    /// Copy data from the client outside a COPY: skipped, as PostgreSQL does.
    StrayCopy,
}

impl Message {
    pub fn decode(frame: Frame) -> Result<Self> {
        let mut body = Body(frame.body);
        let message = match frame.tag {
            b'Q' => Self::Query(body.string()?),
            b'P' => Self::Parse { name: body.string()?, sql: body.string()?, types: body.list(|b| b.u32())? },
            b'B' => Self::Bind(Bind {
                portal: body.string()?,
                statement: body.string()?,
                parameter_formats: body.list(|b| b.i16())?,
                parameters: body.list(|b| b.value())?,
                result_formats: body.list(|b| b.i16())?,
            }),
            b'D' => Self::Describe(body.target()?, body.string()?),
            b'E' => Self::Execute { portal: body.string()?, max_rows: body.i32()? },
            b'C' => Self::Close(body.target()?, body.string()?),
            b'H' => Self::Flush,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            b'd' | b'c' | b'f' => return Ok(Self::StrayCopy),
            other => return Err(violation(format!("invalid frontend message type {other}"))),
        };
        body.end()?;
        Ok(message)
    }
}

impl Startup {
    pub fn decode(body: Bytes) -> Result<Self> {
        let mut body = Body(body);
        let code = body.i32()?;
        Ok(match code {
            SSL_REQUEST => Self::Ssl,
            GSS_REQUEST => Self::Gss,
            CANCEL_REQUEST => Self::Cancel { pid: body.i32()?, secret: body.0.to_vec() },
            version => {
                let (major, minor) = ((version >> 16) as u16, version as u16);
                let mut parameters = Vec::new();
                if major == 3 {
                    loop {
                        let name = body.string()?;
                        if name.is_empty() {
                            break;
                        }
                        parameters.push((name, body.string()?));
                    }
                }
                Self::Session { major, minor, parameters }
            }
        })
    }
}

/// The answers of a client that logs in with SCRAM.
pub fn sasl_initial(frame: Frame) -> Result<(String, Bytes)> {
    if frame.tag != b'p' {
        return Err(violation(format!("expected SASL response, got message type {}", frame.tag)));
    }
    let mut body = Body(frame.body);
    let mechanism = body.string()?;
    let data = body.value()?.ok_or_else(|| violation("SASL response without data"))?;
    body.end()?;
    Ok((mechanism, data))
}

pub fn sasl_response(frame: Frame) -> Result<Bytes> {
    if frame.tag != b'p' {
        return Err(violation(format!("expected SASL response, got message type {}", frame.tag)));
    }
    Ok(frame.body)
}

fn violation(message: impl Into<String>) -> Error {
    Error::new(state::PROTOCOL_VIOLATION, message)
}

/// PostgreSQL's message for text that is not UTF-8.
pub fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let bad = &bytes[error.valid_up_to()..];
        let length = error.error_len().unwrap_or(bad.len()).clamp(1, bad.len().max(1));
        let shown: Vec<String> = bad.iter().take(length).map(|b| format!("0x{b:02x}")).collect();
        let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
        Error::new(state::CHARACTER_NOT_IN_REPERTOIRE, message)
    })
}

struct Body(Bytes);

impl Body {
    fn need(&self, n: usize) -> Result<()> {
        if self.0.len() < n { Err(violation("insufficient data left in message")) } else { Ok(()) }
    }

    fn i16(&mut self) -> Result<i16> {
        self.need(2)?;
        Ok(self.0.get_i16())
    }

    fn i32(&mut self) -> Result<i32> {
        self.need(4)?;
        Ok(self.0.get_i32())
    }

    fn u32(&mut self) -> Result<u32> {
        self.need(4)?;
        Ok(self.0.get_u32())
    }

    fn string(&mut self) -> Result<String> {
        let end = self.0.iter().position(|b| *b == 0).ok_or_else(|| violation("invalid string in message"))?;
        let text = utf8(&self.0[..end])?.to_string();
        self.0.advance(end + 1);
        Ok(text)
    }

    fn value(&mut self) -> Result<Option<Bytes>> {
        match self.i32()? {
            -1 => Ok(None),
            n if n < 0 => Err(violation("insufficient data left in message")),
            n => {
                self.need(n as usize)?;
                Ok(Some(self.0.split_to(n as usize)))
            }
        }
    }

    fn list<T>(&mut self, item: fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.need(2)?;
        let n = self.0.get_u16();
        (0..n).map(|_| item(self)).collect()
    }

    fn target(&mut self) -> Result<Target> {
        self.need(1)?;
        match self.0.get_u8() {
            b'S' => Ok(Target::Statement),
            b'P' => Ok(Target::Portal),
            other => Err(violation(format!("invalid message subtype {other}"))),
        }
    }

    fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(violation("invalid message format")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(tag: u8, body: &[u8]) -> Result<Message> {
        Message::decode(Frame { tag, body: Bytes::copy_from_slice(body) })
    }

    #[test]
    fn cut_and_overlong_messages_are_errors() {
        let bind = b"p\0s\0\0\x01\0\x01\0\x01\0\0\0\x02ab\0\0";
        assert!(matches!(decode(b'B', bind), Ok(Message::Bind(b)) if b.parameters[0].as_deref() == Some(b"ab")));
        for cut in 0..bind.len() {
            assert_eq!(decode(b'B', &bind[..cut]).unwrap_err().sqlstate(), state::PROTOCOL_VIOLATION, "{cut}");
        }
        assert_eq!(decode(b'S', b"x").unwrap_err().sqlstate(), state::PROTOCOL_VIOLATION);
        assert_eq!(decode(b'Z', b"").unwrap_err().sqlstate(), state::PROTOCOL_VIOLATION);
    }

    #[test]
    fn text_must_be_utf8() {
        let error = decode(b'Q', b"select '\xff'\0").unwrap_err();
        assert_eq!(error.message(), "invalid byte sequence for encoding \"UTF8\": 0xff");
    }
}
