//! Relations over real connections, also over ones that break.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use cost_model::{Epoch, SystemClock};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use planner::error::state;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::*;
use crate::exchange::{HeldRelation, Rows, Writer};
use crate::remote::{Channels, Fetch, Progress, RemoteSiteOptions, Supply, fetch};
use crate::site::{RuntimeSettings, translate};
use crate::wire::{Ticket, proto};

const CHUNK: usize = 8_000;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]))
}

fn batch(from: i64, rows: i64) -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(from..from + rows))]).unwrap()
}

/// A site with nothing but an exchange.
struct Far {
    site: Arc<Site>,
    executor: Arc<Executor>,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Far {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = RuntimeSettings { target_partitions: 1, ..RuntimeSettings::new(dir.path(), Epoch(1)) };
        let executor = Arc::new(Executor::start(settings, SystemClock::shared()).unwrap());
        let site = Arc::new(Site {
            name: SiteId::new("far"),
            order: Vec::new(),
            sources: HashMap::new(),
            exchange: Exchange::default(),
            gateways: Gateways::default(),
            peers: Peers::new(None, Handle::current()),
            executor: executor.clone(),
            compute: executor.compute().clone(),
            clock: SystemClock::shared(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let flight = arrow_flight::flight_service_server::FlightServiceServer::new(flight::Flight(site.clone()));
        tokio::spawn(Server::builder().add_service(flight).serve_with_incoming(TcpIncoming::from(listener)));
        Self { site, executor, address, _dir: dir }
    }

    /// Offered, with some of it on disk.
    fn hold(&self) -> (Writer, Ticket) {
        let pool = self.executor.shared().query_pool();
        let env = self.executor.shared().query_env(pool.clone()).unwrap();
        let (writer, held) = HeldRelation::in_chunks(schema(), &pool, env, 0, CHUNK);
        let ticket = Ticket::random();
        assert!(self.site.exchange.offer_held(ticket, held));
        (writer, ticket)
    }
}

fn channels(address: SocketAddr) -> Arc<Channels> {
    let options = RemoteSiteOptions {
        site: SiteId::new("far"),
        address: address.to_string(),
        token: None,
        tls: None,
        gateway: Uuid::nil(),
        epoch: Epoch(1),
        timeout: Duration::from_secs(5),
        link: None,
        seed: 1,
    };
    Channels::to(options, Handle::current()).unwrap()
}

fn order(ticket: Ticket, supply: Supply) -> Fetch {
    let lost = CancellationToken::new();
    Fetch { ticket, schema: schema(), supply, bytes: None, compression: None, progress: Arc::default(), lost }
}

fn numbers(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

/// Passes connections on, each of which breaks when so many bytes have come back over it.
async fn breaking(to: SocketAddr, after: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            seen.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let far = TcpStream::connect(to).await.unwrap();
                let ((mut near_read, mut near_write), (far_read, mut far_write)) =
                    (near.into_split(), far.into_split());
                let up = tokio::spawn(async move { tokio::io::copy(&mut near_read, &mut far_write).await });
                let _ = tokio::io::copy(&mut far_read.take(after as u64), &mut near_write).await;
                let _ = near_write.shutdown().await;
                up.abort();
            });
        }
    });
    (address, count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn piped_rows_arrive_once() {
    let server = Far::start().await;
    let ticket = Ticket::random();
    let batches: Vec<_> = (0..10).map(|i| Ok(batch(i * 100, 100))).collect();
    let batches = Box::pin(RecordBatchStreamAdapter::new(schema(), stream::iter(batches)));
    let stop = CancellationToken::new();
    let offer = server.site.exchange.offer(ticket).unwrap();
    offer.send(Ok(Rows { batches, compression: proto::Compression::Zstd, stop }));
    let channels = channels(server.address);
    let request = order(ticket, Supply::Piped);
    let progress = request.progress.clone();
    let rows: Vec<_> = fetch(&channels, request).await.unwrap().try_collect().await.unwrap();
    assert_eq!(numbers(&rows), (0..1_000).collect::<Vec<_>>());
    let arrived = progress.read();
    assert_eq!((arrived.rows, arrived.bytes, arrived.finished), (1_000, 8_000, true));
    assert!(fetch(&channels, order(ticket, Supply::Piped)).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_relation_comes_over_several_connections_while_it_is_made() {
    let server = Far::start().await;
    let (mut writer, ticket) = server.hold();
    let channels = channels(server.address);
    let request = order(ticket, Supply::Held { parts: 3 });
    let progress = request.progress.clone();
    let mut rows = fetch(&channels, request).await.unwrap();
    let mut got = Vec::new();
    for i in 0..200 {
        writer.push(&batch(i * 100, 100)).unwrap();
        if i == 100 {
            got.push(rows.next().await.unwrap().unwrap());
            assert!(!progress.read().finished && progress.read().rows > 0);
        }
    }
    let amount = writer.seal().unwrap();
    got.extend(rows.try_collect::<Vec<_>>().await.unwrap());
    let mut all = numbers(&got);
    all.sort_unstable();
    assert_eq!(all, (0..20_000).collect::<Vec<_>>());
    let arrived = progress.read();
    assert_eq!((arrived.rows, arrived.chunks, arrived.bytes), (amount.rows, amount.chunks, amount.bytes));
    assert!(arrived.finished);
    // Another consumer, and nothing at all of what was forgotten.
    let again = fetch(&channels, order(ticket, Supply::Held { parts: 1 })).await.unwrap();
    assert_eq!(numbers(&again.try_collect::<Vec<_>>().await.unwrap()), (0..20_000).collect::<Vec<_>>());
    server.site.exchange.forget(ticket);
    // The tasks that have sent it may still be on their last line.
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if server.executor.usage() == (0, 0) {
            return;
        }
    }
    panic!("{:?} bytes are left", server.executor.usage());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_goes_on_where_its_connection_broke() {
    let server = Far::start().await;
    let (mut writer, ticket) = server.hold();
    for i in 0..400 {
        writer.push(&batch(i * 100, 100)).unwrap();
    }
    writer.seal().unwrap();
    for parts in [1, 3] {
        let (address, connections) = breaking(server.address, 50_000).await;
        let mut request = order(ticket, Supply::Held { parts });
        request.compression = Some(proto::Compression::None);
        let progress = request.progress.clone();
        let rows = fetch(&channels(address), request).await.unwrap();
        let mut all = numbers(&rows.try_collect::<Vec<_>>().await.unwrap());
        if parts > 1 {
            all.sort_unstable();
        }
        assert_eq!(all, (0..40_000).collect::<Vec<_>>());
        assert_eq!(progress.read().rows, 40_000);
        assert!(connections.load(Ordering::Relaxed) >= 6, "it broke several times");
    }
    // Piped rows have nobody who could send them again.
    let (address, connections) = breaking(server.address, 50_000).await;
    let piped = Ticket::random();
    let batches = stream::iter((0..400).map(|i| Ok(batch(i * 100, 100))).collect::<Vec<_>>());
    let batches = Box::pin(RecordBatchStreamAdapter::new(schema(), batches));
    let rows = Rows { batches, compression: proto::Compression::None, stop: CancellationToken::new() };
    server.site.exchange.offer(piped).unwrap().send(Ok(rows));
    let broken = fetch(&channels(address), order(piped, Supply::Piped)).await.unwrap();
    let error = translate(broken.try_collect::<Vec<_>>().await.unwrap_err());
    assert_eq!((error.sqlstate(), connections.load(Ordering::Relaxed)), (state::CONNECTION_FAILURE, 1), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_gives_up_where_nothing_comes_any_more() {
    let server = Far::start().await;
    let (_writer, ticket) = server.hold();
    // Too little for any chunk.
    let (address, _) = breaking(server.address, 2_000).await;
    let started = Instant::now();
    let (mut writer, other) = server.hold();
    writer.push(&batch(0, 10_000)).unwrap();
    let ended = match fetch(&channels(address), order(other, Supply::Held { parts: 1 })).await {
        Ok(rows) => rows.try_collect::<Vec<_>>().await.map_err(translate),
        Err(error) => Err(error),
    };
    assert_eq!(ended.unwrap_err().sqlstate(), state::CONNECTION_FAILURE);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    // A site that is known to be lost is not waited for.
    let request = order(ticket, Supply::Held { parts: 2 });
    let lost = request.lost.clone();
    let rows = fetch(&channels(server.address), request).await.unwrap();
    let reading = tokio::spawn(rows.try_collect::<Vec<_>>());
    lost.cancel();
    let error = translate(reading.await.unwrap().unwrap_err());
    assert_eq!(error.sqlstate(), state::CONNECTION_FAILURE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_producer_says_is_not_tried_again() {
    let server = Far::start().await;
    let (mut writer, ticket) = server.hold();
    writer.push(&batch(0, 10_000)).unwrap();
    let channels = channels(server.address);
    let request = order(ticket, Supply::Held { parts: 2 });
    let progress: Arc<Progress> = request.progress.clone();
    let rows = fetch(&channels, request).await.unwrap();
    writer.fail(Error::new(state::DIVISION_BY_ZERO, "division by zero"));
    let error = translate(rows.try_collect::<Vec<_>>().await.unwrap_err());
    assert_eq!((error.sqlstate(), error.site().map(SiteId::as_str)), (state::DIVISION_BY_ZERO, Some("far")));
    assert!(!progress.read().finished);
    // Released in the middle.
    let (_writer, ticket) = server.hold();
    let rows = fetch(&channels, order(ticket, Supply::Held { parts: 1 })).await.unwrap();
    server.site.exchange.forget(ticket);
    let error = translate(rows.try_collect::<Vec<_>>().await.unwrap_err());
    assert_eq!(error.sqlstate(), state::QUERY_CANCELED);
}
