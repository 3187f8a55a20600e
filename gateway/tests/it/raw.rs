//! What no driver sends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Server, start, start_with};

struct Wire(TcpStream);

impl Wire {
    async fn open(server: &Server) -> Self {
        Self(TcpStream::connect(server.address).await.unwrap())
    }

    async fn logged_in(server: &Server) -> Self {
        let mut wire = Self::open(server).await;
        wire.startup(3 << 16, b"user\0ana\0\0").await;
        wire.until(b'Z').await;
        wire
    }

    async fn startup(&mut self, code: i32, rest: &[u8]) {
        let mut packet = ((rest.len() + 8) as i32).to_be_bytes().to_vec();
        packet.extend(code.to_be_bytes());
        packet.extend(rest);
        self.0.write_all(&packet).await.unwrap();
    }

    async fn send(&mut self, messages: &[(u8, &[u8])]) {
        let mut out = Vec::new();
        for (tag, body) in messages {
            out.push(*tag);
            out.extend(((body.len() + 4) as i32).to_be_bytes());
            out.extend(*body);
        }
        self.0.write_all(&out).await.unwrap();
    }

    /// The next message; `None` when the server has closed.
    async fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        let read = timeout(Duration::from_secs(5), self.0.read_exact(&mut head)).await.expect("no answer");
        read.ok()?;
        let length = i32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.0.read_exact(&mut body).await.unwrap();
        Some((head[0], body))
    }

    /// Types of the messages up to this one.
    async fn until(&mut self, tag: u8) -> String {
        let mut tags = String::new();
        loop {
            let (found, _) = self.receive().await.expect("the server closed");
            tags.push(found as char);
            if found == tag {
                return tags;
            }
        }
    }

    /// The SQLSTATE of the error that comes next.
    async fn error(&mut self) -> String {
        let (tag, body) = self.receive().await.expect("the server closed");
        assert_eq!(tag, b'E');
        let text = String::from_utf8(body).unwrap();
        text.split('\0').find_map(|f| f.strip_prefix('C')).unwrap().to_string()
    }
}

const PARSE: &[u8] = b"\0select local(3)\0\0\0";
const BIND: &[u8] = b"\0\0\0\0\0\0\0\0";
const EXECUTE: &[u8] = b"\0\0\0\0\0";

#[tokio::test]
async fn strangers_cannot_send_long_messages() {
    let server = start_with(
        "",
        &format!(
            "[[user]]\nname = \"ana\"\npassword_verifier = \"{}\"",
            gateway::pg::auth::Verifier::from_password("x")
        ),
    );
    let mut wire = Wire::open(&server).await;
    wire.0.write_all(&(64i32 << 20).to_be_bytes()).await.unwrap();
    assert_eq!(wire.error().await, "08P01");
    assert!(wire.receive().await.is_none());

    let mut wire = Wire::open(&server).await;
    wire.startup(3 << 16, b"user\0ana\0\0").await;
    assert_eq!(wire.receive().await.unwrap().0, b'R');
    wire.0.write_all(b"p\x40\0\0\0").await.unwrap();
    assert_eq!(wire.error().await, "08P01");
    assert!(wire.receive().await.is_none());
}

#[tokio::test]
async fn the_log_in_has_a_time_limit() {
    let server = start("authentication_timeout = \"100ms\"");
    let mut wire = Wire::open(&server).await;
    wire.0.write_all(b"\0\0").await.unwrap();
    assert!(wire.receive().await.is_none());
}

#[tokio::test]
async fn the_length_of_messages_is_limited() {
    let server = start("max_message_size = \"64KiB\"");
    let mut wire = Wire::logged_in(&server).await;
    wire.0.write_all(b"Q\0\x02\0\0").await.unwrap();
    assert_eq!(wire.error().await, "54000");
    assert!(wire.receive().await.is_none());
}

#[tokio::test]
async fn protocols_are_negotiated() {
    let server = start("");
    let mut wire = Wire::open(&server).await;
    wire.startup(3 << 16 | 2, b"user\0ana\0_pq_.x\0y\0\0").await;
    let (tag, body) = wire.receive().await.unwrap();
    assert_eq!((tag, &body[..]), (b'v', &b"\0\x03\0\0\0\0\0\x01_pq_.x\0"[..]));
    wire.until(b'Z').await;
    let mut wire = Wire::open(&server).await;
    wire.startup(2 << 16, b"").await;
    assert_eq!(wire.error().await, "0A000");
    // Encryption is declined as often as it is asked for.
    let mut wire = Wire::open(&server).await;
    for code in [80_877_103, 80_877_104] {
        wire.startup(code, b"").await;
        assert_eq!(wire.0.read_u8().await.unwrap(), b'N');
    }
    wire.startup(3 << 16, b"user\0ana\0\0").await;
    wire.until(b'Z').await;
}

#[tokio::test]
async fn a_pipeline_is_answered_in_order() {
    let server = start("");
    let mut wire = Wire::logged_in(&server).await;
    let query: &[(u8, &[u8])] = &[(b'P', PARSE), (b'B', BIND), (b'D', b"P\0"), (b'E', EXECUTE), (b'S', b"")];
    wire.send(&[query, query].concat()).await;
    assert_eq!(wire.until(b'Z').await, "12TDDDCZ");
    assert_eq!(wire.until(b'Z').await, "12TDDDCZ");
    // Row limits without a transaction, until Sync.
    wire.send(&[
        (b'B', BIND),
        (b'E', b"\0\0\0\0\x02"),
        (b'E', b"\0\0\0\0\x02"),
        (b'E', EXECUTE),
        (b'S', b""),
        (b'E', EXECUTE),
        (b'S', b""),
    ])
    .await;
    assert_eq!(wire.until(b'Z').await, "2DDsDCCZ");
    assert_eq!(wire.until(b'Z').await, "EZ");
}

#[tokio::test]
async fn after_an_error_everything_up_to_sync_is_skipped() {
    let server = start("");
    let mut wire = Wire::logged_in(&server).await;
    wire.send(&[
        (b'P', b"\0select fail\0\0\0"),
        (b'B', BIND),
        (b'E', EXECUTE),
        (b'Q', b"select local(1)\0"),
        (b'S', b""),
    ])
    .await;
    assert_eq!(wire.until(b'Z').await, "EZ");
    // Cut messages are errors, not crashes.
    wire.send(&[(b'P', b"x"), (b'S', b"")]).await;
    assert_eq!(wire.error().await, "08P01");
    wire.until(b'Z').await;
    wire.send(&[(b'Q', b"select '\xff'\0")]).await;
    assert_eq!(wire.error().await, "22021");
    wire.until(b'Z').await;
    wire.send(&[(b'Q', b"select local(1)\0")]).await;
    assert_eq!(wire.until(b'Z').await, "TDCZ");
    wire.send(&[(b'F', b"\0\0\0\x01\0\0\0\0\0\0")]).await;
    assert_eq!(wire.error().await, "0A000");
    wire.until(b'Z').await;
    wire.send(&[(b'?', b"")]).await;
    assert_eq!(wire.error().await, "08P01");
    assert!(wire.receive().await.is_none());
}

#[tokio::test]
async fn binds_are_checked() {
    let server = start("");
    let mut wire = Wire::logged_in(&server).await;
    let parse: &[u8] = b"s\0select echo $1\0\0\x01\0\0\0\x17";
    wire.send(&[(b'P', parse), (b'S', b"")]).await;
    assert_eq!(wire.until(b'Z').await, "1Z");
    for (bind, state) in [
        (&b"\0s\0\0\0\0\0\0\0"[..], "08P01"),                        // no parameter
        (b"\0s\0\0\x02\0\0\0\0\0\x01\xff\xff\xff\xff\0\0", "08P01"), // two formats for one
        (b"\0s\0\0\x01\0\x01\0\x01\0\0\0\x02ab\0\0", "22P03"),       // two bytes for int4
        (b"\0s\0\0\0\0\x01\0\0\0\x02ab\0\0", "22P02"),               // not a number
        (b"\0s\0\0\x01\0\x07\0\x01\xff\xff\xff\xff\0\0", "22023"),   // no such format
        (b"\0s\0\0\0\0\x01\xff\xff\xff\xff\0\x02\0\0\0\0", "08P01"), // two result formats for one column
        (b"\0t\0\0\0\0\0\0\0", "26000"),                             // no such statement
    ] {
        wire.send(&[(b'B', bind), (b'S', b"")]).await;
        assert_eq!(wire.error().await, state, "{bind:?}");
        wire.until(b'Z').await;
    }
    wire.send(&[(b'B', b"\0s\0\0\0\0\x01\0\0\0\x02-7\0\x01\0\x01"), (b'E', EXECUTE), (b'S', b"")]).await;
    assert_eq!(wire.receive().await.unwrap().0, b'2');
    assert_eq!(wire.receive().await.unwrap().1, b"\0\x01\0\0\0\x04\xff\xff\xff\xf9");
}
