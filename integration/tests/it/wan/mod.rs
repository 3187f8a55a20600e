//! The emulated network with real sockets. Lower bounds of time are strict: they are what the emulation is for. Upper bounds are
//! wide: the machine may be busy.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use integration::wan::{Rate, Tcp, Topology, Wan, parse_trace};

const LONG: Duration = Duration::from_secs(20);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A server that answers each connection in a thread of its own.
fn serve(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, answer) = (client.unwrap(), answer.clone());
            thread::spawn(move || answer(client));
        }
    });
    address
}

fn echo() -> SocketAddr {
    serve(|mut client| {
        client.set_nodelay(true).unwrap();
        let mut buffer = vec![0; 65_536];
        while let Ok(bytes @ 1..) = client.read(&mut buffer) {
            if client.write_all(&buffer[..bytes]).is_err() {
                return;
            }
        }
    })
}

/// Reads all, then answers with eight bytes: how many there were.
fn count() -> SocketAddr {
    serve(|mut client| {
        let bytes = std::io::copy(&mut client, &mut std::io::sink()).unwrap();
        client.write_all(&bytes.to_be_bytes()).unwrap();
    })
}

fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Sends so many bytes over so many connections at once, until the other side has them all.
fn upload(address: SocketAddr, streams: usize, bytes: usize) -> Duration {
    let started = Instant::now();
    let senders: Vec<_> = (0..streams)
        .map(|_| {
            thread::spawn(move || {
                let mut stream = dial(address);
                stream.write_all(&vec![7; bytes / streams]).unwrap();
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                let mut received = [0; 8];
                stream.read_exact(&mut received).unwrap();
                assert_eq!(u64::from_be_bytes(received) as usize, bytes / streams);
            })
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    started.elapsed()
}

fn ping(stream: &mut TcpStream) -> Duration {
    let started = Instant::now();
    stream.write_all(b"ping").unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ping");
    started.elapsed()
}

fn pair(rate: Rate, round_trip: Duration) -> Wan {
    Topology::new().pair("a", "b", rate, round_trip).start().unwrap()
}

#[test]
fn a_transfer_takes_the_time_its_rate_says_in_each_direction() {
    let wan = Topology::new()
        .link("a", "b", Rate::mbit(20.0), ms(5))
        .link("b", "a", Rate::mbit(40.0), ms(5))
        .start()
        .unwrap();
    let address = wan.listen("a", "b", count()).unwrap();
    let took = upload(address, 2, 2_000_000);
    assert!((ms(780)..LONG).contains(&took), "{took:?}");
    let sent = wan.counters("a", "b").unwrap();
    assert_eq!((sent.bytes, sent.connections), (2_000_000, 2));
    assert_eq!(wan.counters("b", "a").unwrap().bytes, 16);
    assert_eq!(wan.bytes(), 2_000_016);

    let address = wan
        .listen(
            "a",
            "b",
            serve(|mut client| {
                client.write_all(&[7; 2_000_000]).unwrap();
            }),
        )
        .unwrap();
    let started = Instant::now();
    let bytes = dial(address).read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(bytes, 2_000_000);
    assert!((ms(390)..LONG).contains(&started.elapsed()), "{:?}", started.elapsed());
}

#[test]
fn bytes_arrive_as_they_were_sent() {
    let wan = pair(Rate::mbit(200.0), ms(4));
    let mut stream = dial(wan.listen("a", "b", echo()).unwrap());
    let sent: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut receiver = stream.try_clone().unwrap();
    let expected = sent.clone();
    let reader = thread::spawn(move || {
        let mut received = Vec::new();
        receiver.read_to_end(&mut received).unwrap();
        assert!(received == expected);
    });
    stream.write_all(&sent).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    reader.join().unwrap();
}

#[test]
fn a_round_trip_takes_the_delay_of_both_links() {
    let wan = pair(Rate::mbit(100.0), ms(60));
    let started = Instant::now();
    let mut stream = dial(wan.listen("a", "b", echo()).unwrap());
    ping(&mut stream);
    // The handshake is one more.
    assert!((ms(120)..LONG).contains(&started.elapsed()));
    let took = ping(&mut stream);
    assert!((ms(60)..LONG).contains(&took), "{took:?}");
    wan.set_delay("a", "b", ms(100)).unwrap();
    let took = ping(&mut stream);
    assert!((ms(130)..LONG).contains(&took), "{took:?}");
}

#[test]
fn several_streams_carry_more_than_one_where_the_window_is_the_limit() {
    let tcp = Tcp { max_window: 128 << 10, ..Tcp::default() };
    let wan = Topology::new().pair("a", "b", Rate::mbit(400.0), ms(100)).tcp(tcp).start().unwrap();
    let address = wan.listen("a", "b", count()).unwrap();
    let one = upload(address, 1, 2_000_000);
    // 16 windows, each a round trip.
    assert!(one >= ms(1500), "{one:?}");
    let eight = upload(address, 8, 2_000_000);
    assert!(eight < one.mul_f64(0.75), "{eight:?} with eight streams, {one:?} with one");
}

#[test]
fn links_from_one_site_share_its_egress() {
    let wan = Topology::new()
        .mesh(&["a", "b", "c"], Rate::mbit(100.0), ms(10))
        .egress("a", Rate::mbit(20.0))
        .start()
        .unwrap();
    let addresses = ["b", "c"].map(|to| wan.listen("a", to, count()).unwrap());
    let uploads = addresses.map(|address| thread::spawn(move || upload(address, 1, 1_000_000)));
    let took = uploads.map(|upload| upload.join().unwrap()).into_iter().max().unwrap();
    assert!((ms(780)..LONG).contains(&took), "{took:?}");
}

#[test]
fn a_slow_receiver_stops_the_sender() {
    let wan = pair(Rate::UNLIMITED, ms(2));
    let address = wan.listen("a", "b", serve(|_client| thread::sleep(LONG))).unwrap();
    let mut stream = dial(address);
    stream.set_write_timeout(Some(ms(1000))).unwrap();
    let error = stream.write_all(&vec![0; 256 << 20]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_cut_link_ends_connections_and_refuses_new_ones_until_it_is_mended() {
    let wan = pair(Rate::mbit(100.0), ms(2));
    let address = wan.listen("a", "b", echo()).unwrap();
    let mut stream = dial(address);
    ping(&mut stream);
    wan.cut("b", "a").unwrap();
    assert!(matches!(stream.read(&mut [0]), Ok(0)));
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    wan.mend("a", "b").unwrap();
    ping(&mut dial(address));
    assert_eq!(wan.counters("a", "b").unwrap().connections, 2);
}

#[test]
fn a_black_hole_swallows_all_and_a_mended_one_gives_it_back() {
    let wan = pair(Rate::mbit(100.0), ms(2));
    let address = wan.listen("a", "b", echo()).unwrap();
    let mut before = dial(address);
    ping(&mut before);
    wan.black_hole("a", "b").unwrap();
    let mut after = dial(address);
    for stream in [&mut before, &mut after] {
        stream.write_all(b"ping").unwrap();
        stream.set_read_timeout(Some(ms(300))).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    wan.mend("a", "b").unwrap();
    for stream in [&mut before, &mut after] {
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        ping(stream);
    }
}

#[test]
fn a_reset_breaks_both_ends_and_only_what_is_open() {
    let (ends, ended) = std::sync::mpsc::channel();
    let server = serve(move |mut client| {
        client.write_all(b"x").unwrap();
        ends.send(client.read(&mut [0]).map_err(|e| e.kind())).unwrap();
    });
    let wan = pair(Rate::mbit(100.0), ms(2));
    let address = wan.listen("a", "b", server).unwrap();
    let mut stream = dial(address);
    stream.read_exact(&mut [0]).unwrap();
    wan.reset("a", "b").unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(ended.recv_timeout(LONG).unwrap(), Err(ErrorKind::ConnectionReset));
    dial(address).read_exact(&mut [0]).unwrap();
}

#[test]
fn a_server_that_goes_away_breaks_what_is_sent_to_it() {
    let wan = pair(Rate::mbit(100.0), ms(2));
    let address = wan.listen("a", "b", serve(|mut client| client.read_exact(&mut [0; 1000]).unwrap())).unwrap();
    let error = dial(address).write_all(&vec![0; 64 << 20]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
}

#[test]
fn nobody_at_the_address_is_a_reset() {
    let wan = pair(Rate::mbit(100.0), ms(40));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut stream = dial(wan.listen("a", "b", nobody).unwrap());
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_trace_stops_and_starts_a_link() {
    let wan = pair(Rate::mbit(200.0), ms(2));
    let address = wan.listen("a", "b", count()).unwrap();
    wan.schedule(&parse_trace("seconds,from,to,mbit_per_s\n0,a,b,0\n0.7,a,b,200").unwrap()).unwrap();
    let took = upload(address, 1, 100_000);
    assert!((ms(690)..LONG).contains(&took), "{took:?}");
}

#[test]
fn what_does_not_exist_is_named() {
    let wan = pair(Rate::mbit(1.0), ms(1));
    let error = wan.set_rate("a", "c", Rate::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "there is no site c in this network");
    let error = wan.listen("a", "a", SocketAddr::from(([127, 0, 0, 1], 1))).unwrap_err();
    assert_eq!(error.to_string(), "there is no link from a to a in this network");
}

#[test]
fn it_works_and_ends_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stream = runtime.block_on(async {
        let wan = pair(Rate::mbit(100.0), ms(2));
        let mut stream = dial(wan.listen("a", "b", echo()).unwrap());
        ping(&mut stream);
        wan.cut("a", "b").unwrap();
        wan.mend("a", "b").unwrap();
        stream = dial(wan.listen("a", "b", echo()).unwrap());
        ping(&mut stream);
        stream
    });
    assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
}
