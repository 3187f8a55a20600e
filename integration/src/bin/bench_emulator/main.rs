//! `make bench-emulator`: what the emulated network can carry, and how far it is from what it was told.
//!
//! Figures of other benchmarks hold only at rates that the emulator holds itself: above half of its ceiling it reports none.

mod load;

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use integration::wan::{Rate, Tcp, Topology, Wan};

use self::load::{Load, echo, emulator_cpu};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const RATES: [f64; 6] = [5.0, 20.0, 100.0, 500.0, 1000.0, 2000.0];
const ROUND_TRIPS: [Duration; 3] = [Duration::from_millis(30), Duration::from_millis(80), Duration::from_millis(150)];
const WRITE: usize = 64 << 10;

/// Measures the ceiling and the error of the emulated wide-area network.
#[derive(Parser)]
struct Args {
    /// Seconds for each transfer
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Round trips for each ping
    #[arg(long, default_value_t = 40)]
    pings: usize,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let time = Duration::from_secs_f64(args.seconds);
    let ceiling = ceiling(time)?;
    rates(time, ceiling)?;
    pings(args.pings)?;
    windows(time, ceiling)?;
    fairness(time)?;
    shared_egress(time)
}

fn pair(rate: Rate, round_trip: Duration, tcp: Tcp) -> Result<Wan> {
    Ok(Topology::new().pair("a", "b", rate, round_trip).tcp(tcp).start()?)
}

/// Until windows are open and queues full.
fn warm_up(round_trip: Duration) {
    std::thread::sleep(round_trip * 12 + Duration::from_millis(500));
}

fn error(actual: f64, expected: f64) -> String {
    format!("{:+.2} %", (actual / expected - 1.0) * 100.0)
}

/// The least of what it carries without any limit, with and without a delay, in Mbit/s.
fn ceiling(time: Duration) -> Result<f64> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!("Load average before: {}", load.split_whitespace().next().unwrap_or_default());
    println!("Ceiling: no rate limit; senders, receivers and emulator share this machine");
    let mut least = f64::INFINITY;
    for (round_trip, streams) in [(0, 1), (0, 4), (30, 4), (30, 16)].map(|(t, s)| (Duration::from_millis(t), s)) {
        let tcp = Tcp { max_window: 16 << 20, ..Tcp::default() };
        let wan = pair(Rate::UNLIMITED, round_trip, tcp)?;
        let load = Load::start(&wan, "a", "b", &vec![WRITE; streams])?;
        warm_up(round_trip);
        let (cpu, started) = (emulator_cpu()?, Instant::now());
        let rate: f64 = load.measure(time).iter().sum();
        let cores = (emulator_cpu()? - cpu) / started.elapsed().as_secs_f64();
        println!("RTT {:>3} ms  {streams:>2} streams  {rate:8.0} Mbit/s  {cores:.2} cores", round_trip.as_millis());
        least = least.min(rate);
    }
    println!("Reported are rates up to {:.0} Mbit/s, half of the least", least / 2.0);
    Ok(least)
}

fn rates(time: Duration, ceiling: f64) -> Result<()> {
    println!("\nRate: a long transfer over enough streams, against what the link is said to carry");
    for rate in RATES {
        if rate > ceiling / 2.0 {
            println!("{rate:>5} Mbit/s  not reported");
            continue;
        }
        for round_trip in ROUND_TRIPS {
            let window = rate * 1e6 / 8.0 * round_trip.as_secs_f64();
            let streams = (2.0 * window / Tcp::default().max_window as f64).ceil() as usize + 1;
            let wan = pair(Rate::mbit(rate), round_trip, Tcp::default())?;
            let load = Load::start(&wan, "a", "b", &vec![WRITE; streams])?;
            warm_up(round_trip);
            let (cpu, started) = (emulator_cpu()?, Instant::now());
            let actual: f64 = load.measure(time).iter().sum();
            let cores = (emulator_cpu()? - cpu) / started.elapsed().as_secs_f64();
            println!(
                "{rate:>5} Mbit/s  RTT {:>3} ms  {streams:>2} streams  {actual:9.3} Mbit/s  error {}  {cores:.2} cores",
                round_trip.as_millis(),
                error(actual, rate)
            );
        }
    }
    Ok(())
}

fn pings(count: usize) -> Result<()> {
    println!("\nRound trip of a few bytes over 100 Mbit/s, idle and beside four streams that fill the link");
    for round_trip in ROUND_TRIPS {
        for streams in [0, 4] {
            let wan = pair(Rate::mbit(100.0), round_trip, Tcp::default())?;
            let _load = Load::start(&wan, "a", "b", &vec![WRITE; streams])?;
            let mut stream = TcpStream::connect(wan.listen("a", "b", echo()?)?)?;
            stream.set_nodelay(true)?;
            warm_up(round_trip);
            let mut took = Vec::new();
            for _ in 0..count.max(1) {
                let started = Instant::now();
                stream.write_all(b"ping")?;
                stream.read_exact(&mut [0; 4])?;
                took.push((started.elapsed().as_secs_f64() - round_trip.as_secs_f64()) * 1e3);
            }
            took.sort_by(f64::total_cmp);
            println!(
                "RTT {:>3} ms  {}  error p50 {:+.2} ms  p95 {:+.2} ms",
                round_trip.as_millis(),
                if streams == 0 { "idle" } else { "full" },
                took[took.len() / 2],
                took[took.len() * 95 / 100]
            );
        }
    }
    Ok(())
}

fn windows(time: Duration, ceiling: f64) -> Result<()> {
    println!("\nOne stream over a link without rate limit, against its window each round trip");
    for round_trip in ROUND_TRIPS {
        for window in [256 << 10, 1 << 20, 4 << 20] {
            let expected = f64::from(window) * 8e-6 / round_trip.as_secs_f64();
            let label = format!("RTT {:>3} ms  window {:>4} KiB", round_trip.as_millis(), window >> 10);
            if expected > ceiling / 2.0 {
                println!("{label}  not reported");
                continue;
            }
            let tcp = Tcp { max_window: window as usize, ..Tcp::default() };
            let wan = pair(Rate::UNLIMITED, round_trip, tcp)?;
            let load = Load::start(&wan, "a", "b", &[WRITE])?;
            warm_up(round_trip);
            // Bytes come in bursts, one each round trip: whole ones are measured.
            let round_trips = (time.as_secs_f64() / round_trip.as_secs_f64()).ceil() as u32;
            let actual: f64 = load.measure(round_trip * round_trips).iter().sum();
            println!("{label}  {actual:8.2} Mbit/s  error {}", error(actual, expected));
        }
    }
    Ok(())
}

fn fairness(time: Duration) -> Result<()> {
    println!("\nFour streams over 100 Mbit/s, RTT 30 ms, that write 500, 5,000, 50,000 and 500,000 bytes at a time");
    let round_trip = ROUND_TRIPS[0];
    let wan = pair(Rate::mbit(100.0), round_trip, Tcp::default())?;
    let load = Load::start(&wan, "a", "b", &[500, 5_000, 50_000, 500_000])?;
    warm_up(round_trip);
    let rates = load.measure(time);
    let squares: f64 = rates.iter().map(|rate| rate * rate).sum();
    let jain = rates.iter().sum::<f64>().powi(2) / (rates.len() as f64 * squares);
    println!("{rates:.2?} Mbit/s  Jain's index {jain:.4}");
    Ok(())
}

fn shared_egress(time: Duration) -> Result<()> {
    println!("\nTwo links of 100 Mbit/s from a site that can send 100: one stream on the first, four on the second");
    let round_trip = ROUND_TRIPS[0];
    let wan =
        Topology::new().mesh(&["a", "b", "c"], Rate::mbit(100.0), round_trip).egress("a", Rate::mbit(100.0)).start()?;
    let loads = [Load::start(&wan, "a", "b", &[WRITE])?, Load::start(&wan, "a", "c", &[WRITE; 4])?];
    warm_up(round_trip);
    let (one, four) = std::thread::scope(|scope| {
        let one = scope.spawn(|| loads[0].measure(time).iter().sum::<f64>());
        let four = loads[1].measure(time).iter().sum::<f64>();
        one.join().map(|one| (one, four)).map_err(|_| "a measurement panicked")
    })?;
    println!("{one:.2} and {four:.2} Mbit/s  sum {:.2}  error {}", one + four, error(one + four, 100.0));
    Ok(())
}
