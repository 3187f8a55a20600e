//! Senders and receivers on both sides of an emulated link.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use integration::wan::Wan;

use super::Result;

/// Bytes received so far, of each connection.
type Received = Arc<Mutex<Vec<Arc<AtomicU64>>>>;

/// Connections that always have more to send.
pub struct Load {
    senders: Vec<TcpStream>,
    received: Received,
}

impl Load {
    /// One connection for each size of write.
    pub fn start(wan: &Wan, from: &str, to: &str, writes: &[usize]) -> Result<Self> {
        let received = Received::default();
        let sink = sink(received.clone())?;
        let address = wan.listen(from, to, sink)?;
        let mut senders = Vec::new();
        for write in writes {
            let mut stream = TcpStream::connect(address)?;
            senders.push(stream.try_clone()?);
            let data = vec![0; *write];
            // It ends with its connection.
            thread::spawn(move || while stream.write_all(&data).is_ok() {});
        }
        while received.lock().map_err(|_| "a receiver panicked")?.len() < writes.len() {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { senders, received })
    }

    fn counts(&self) -> Vec<u64> {
        let counters = self.received.lock().map(|counters| counters.clone()).unwrap_or_default();
        counters.iter().map(|counter| counter.load(Ordering::Relaxed)).collect()
    }

    /// Megabits per second of each connection from now on, for a time.
    pub fn measure(&self, time: Duration) -> Vec<f64> {
        let (before, started) = (self.counts(), Instant::now());
        thread::sleep(time);
        let (after, seconds) = (self.counts(), started.elapsed().as_secs_f64());
        after.iter().zip(before).map(|(after, before)| (after - before) as f64 * 8e-6 / seconds).collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for sender in &self.senders {
            // Fails if it has ended already.
            let _ = sender.shutdown(Shutdown::Both);
        }
    }
}

fn sink(received: Received) -> Result<SocketAddr> {
    serve(move |mut client| {
        let counter = Arc::new(AtomicU64::new(0));
        if let Ok(mut counters) = received.lock() {
            counters.push(counter.clone());
        }
        let mut buffer = vec![0; 256 << 10];
        while let Ok(bytes @ 1..) = client.read(&mut buffer) {
            counter.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    })
}

/// A server that sends back what it gets.
pub fn echo() -> Result<SocketAddr> {
    serve(|mut client| {
        let _ = client.set_nodelay(true);
        let mut buffer = [0; 256];
        while let Ok(bytes @ 1..) = client.read(&mut buffer) {
            if client.write_all(&buffer[..bytes]).is_err() {
                return;
            }
        }
    })
}

fn serve(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().map_while(std::result::Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || answer(client));
        }
    });
    Ok(address)
}

/// Seconds of processor that the emulator's threads have used.
pub fn emulator_cpu() -> Result<f64> {
    /// Linux counts these times in hundredths of a second on all its platforms.
    const TICKS: f64 = 100.0;
    let mut ticks = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        let Some((name, rest)) = stat.split_once(')') else { continue };
        if name.contains("(wan-") {
            // User and system time are the 14th and 15th field, counted from the process id.
            for field in rest.split_whitespace().skip(11).take(2) {
                ticks += field.parse::<f64>()?;
            }
        }
    }
    Ok(ticks / TICKS)
}
