//! Asking a server to give up a statement.
//!
//! The driver's own request closes its socket as soon as it has written. Over TLS that comes too early: what the server sends
//! after the handshake is still unread, so the socket is reset and the request may be lost with it. This one goes through a pipe
//! and waits until the server has closed the connection, which it does after it has passed the request on.

use std::net::SocketAddr;

use tokio::io::{AsyncWriteExt, DuplexStream, copy, duplex, sink, split};
use tokio::net::TcpStream;
use tokio_postgres::CancelToken;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

/// `host` is the name in the server's certificate.
pub async fn request(
    token: &CancelToken,
    address: SocketAddr,
    host: &str,
    mut tls: MakeRustlsConnect,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (mut from_server, mut to_server) = TcpStream::connect(address).await?.into_split();
    let (near, far) = duplex(16 << 10);
    let (mut from_driver, mut to_driver) = split(far);
    let tls = <MakeRustlsConnect as MakeTlsConnect<DuplexStream>>::make_tls_connect(&mut tls, host)?;
    let up = async {
        copy(&mut from_driver, &mut to_server).await?;
        to_server.shutdown().await
    };
    let down = async {
        if copy(&mut from_server, &mut to_driver).await.is_err() {
            // The driver is done and reads no more; a reset now ends the wait as well.
            let _ = copy(&mut from_server, &mut sink()).await;
        }
    };
    let (asked, written, ()) = tokio::join!(token.cancel_query_raw(near, tls), up, down);
    asked?;
    Ok(written?)
}
