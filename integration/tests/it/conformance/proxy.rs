//! A network path that can be cut: what a server that went away looks like, without a server that goes away.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Proxy {
    pub port: u16,
    /// Whether the path is up.
    up: Arc<watch::Sender<bool>>,
}

impl Proxy {
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let up = Arc::new(watch::Sender::new(true));
        tokio::spawn(accept(listener, server, up.clone()));
        Self { port, up }
    }

    /// Breaks all connections; new ones break at once.
    pub fn cut(&self) {
        self.up.send_replace(false);
    }

    pub fn mend(&self) {
        self.up.send_replace(true);
    }
}

async fn accept(listener: TcpListener, server: u16, up: Arc<watch::Sender<bool>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut up = up.subscribe();
        if !*up.borrow_and_update() {
            continue;
        }
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = up.wait_for(|up| !up) => {}
            }
        });
    }
}
