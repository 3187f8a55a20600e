//! The contract under random interleavings of a producer and its readers.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use cost_model::{Epoch, SystemClock};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use planner::error::state;
use planner::{Error, Result};
use proptest::prelude::*;

use super::*;
use crate::site::{Executor, RuntimeSettings};

const CHUNK: usize = 600;

fn schema() -> SchemaRef {
    let fields = vec![Field::new("n", DataType::Int64, true), Field::new("t", DataType::Utf8View, true)];
    Arc::new(Schema::new(fields))
}

fn batch(from: i64, rows: i64) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(from..from + rows);
    let texts = StringViewArray::from_iter_values((from..from + rows).map(|n| format!("row number {n} of many")));
    RecordBatch::try_new(schema(), vec![Arc::new(numbers), Arc::new(texts)]).unwrap()
}

fn numbers(batch: &RecordBatch) -> Vec<i64> {
    let numbers: Vec<_> = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
    for (n, text) in numbers.iter().zip(batch.column(1).as_string_view().iter()) {
        assert_eq!(text.unwrap(), format!("row number {n} of many"));
    }
    numbers
}

fn executor(dir: &std::path::Path) -> Executor {
    let settings = RuntimeSettings { target_partitions: 1, ..RuntimeSettings::new(dir, Epoch(1)) };
    Executor::start(settings, SystemClock::shared()).unwrap()
}

/// A relation that keeps so many bytes in memory.
fn relation(executor: &Executor, limit: usize) -> (Writer, Arc<HeldRelation>) {
    let pool = executor.shared().query_pool();
    let env = executor.shared().query_env(pool.clone()).unwrap();
    HeldRelation::in_chunks(schema(), &pool, env, limit, CHUNK)
}

/// A consumer over several streams.
struct Consumer {
    ledger: Ledger,
    chunks: std::collections::BTreeMap<u64, Vec<i64>>,
    parts: Vec<Part>,
}

struct Part {
    stream: BoxStream<'static, Result<(u64, RecordBatch)>>,
    last: Option<u64>,
    ended: Option<Result<()>>,
}

impl Consumer {
    fn new(relation: &Arc<HeldRelation>, parts: u32) -> Self {
        let mut this = Self { ledger: Ledger::default(), chunks: Default::default(), parts: Vec::new() };
        for part in 0..parts {
            let stream = relation.read(Portion::new(0, part, parts).unwrap()).boxed();
            this.parts.push(Part { stream, last: None, ended: None });
        }
        this
    }

    /// The stream breaks, and goes on with what is missing, or a little before that.
    fn resume(&mut self, relation: &Arc<HeldRelation>, part: usize, back: u64) {
        let portion = Portion::new(0, part as u32, self.parts.len() as u32).unwrap();
        let from = self.ledger.missing(portion).saturating_sub(back);
        let stream = relation.read(Portion { from, ..portion }).boxed();
        self.parts[part] = Part { stream, last: None, ended: None };
    }

    /// What is there now, or all there will be.
    async fn take(&mut self, part: usize, to_the_end: bool) {
        let parts = self.parts.len() as u64;
        let Part { stream, last, ended } = &mut self.parts[part];
        while ended.is_none() {
            let item = if to_the_end { Some(stream.next().await) } else { stream.next().now_or_never() };
            match item {
                None => break,
                Some(None) => *ended = Some(Ok(())),
                Some(Some(Err(error))) => *ended = Some(Err(error)),
                Some(Some(Ok((number, chunk)))) => {
                    assert!(last.is_none_or(|last| number == last + parts), "in order, without gaps");
                    assert_eq!(number % parts, part as u64);
                    *last = Some(number);
                    let rows = numbers(&chunk);
                    assert!(!rows.is_empty());
                    match self.ledger.insert(number) {
                        true => assert!(self.chunks.insert(number, rows).is_none()),
                        false => assert_eq!(self.chunks[&number], rows, "a chunk never changes"),
                    }
                }
            }
            if !to_the_end {
                break;
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(i64),
    Join(u32),
    Take(usize, usize),
    Resume(usize, usize, u64),
    Leave(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    Seal,
    Fail,
    Vanish,
    Release,
    ReleaseSealed,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0i64..60).prop_map(Step::Push),
        1 => (1u32..4).prop_map(Step::Join),
        6 => (0usize..4, 0usize..3).prop_map(|(c, p)| Step::Take(c, p)),
        2 => (0usize..4, 0usize..3, 0u64..4).prop_map(|(c, p, back)| Step::Resume(c, p, back)),
        1 => (0usize..4).prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 0..60)
}

fn last() -> impl Strategy<Value = Last> {
    prop::sample::select(vec![Last::Seal, Last::Seal, Last::Fail, Last::Vanish, Last::Release, Last::ReleaseSealed])
}

async fn run(executor: &Executor, limit: usize, steps: Vec<Step>, last: Last) {
    let (mut writer, held) = relation(executor, limit);
    let mut consumers = vec![Consumer::new(&held, 1)];
    let mut pushed = 0;
    for step in steps {
        match step {
            Step::Push(rows) => {
                writer.push(&batch(pushed, rows)).unwrap();
                pushed += rows;
            }
            Step::Join(parts) => consumers.push(Consumer::new(&held, parts)),
            Step::Take(consumer, part) => {
                let at = consumer % consumers.len();
                let part = part % consumers[at].parts.len();
                consumers[at].take(part, false).await;
                assert!(consumers[at].parts[part].ended.is_none(), "it has not ended");
            }
            Step::Resume(consumer, part, back) => {
                let at = consumer % consumers.len();
                let part = part % consumers[at].parts.len();
                consumers[at].resume(&held, part, back);
            }
            Step::Leave(consumer) if consumers.len() > 1 => drop(consumers.remove(consumer % consumers.len())),
            Step::Leave(_) => {}
        }
    }
    let expected = match last {
        Last::Seal => {
            assert_eq!(writer.seal().unwrap().rows, pushed as u64);
            None
        }
        Last::Fail => {
            writer.fail(Error::new(state::DIVISION_BY_ZERO, "division by zero"));
            Some(state::DIVISION_BY_ZERO)
        }
        Last::Vanish => {
            drop(writer);
            Some(state::INTERNAL_ERROR)
        }
        Last::Release => {
            held.release();
            // Enough for a chunk: its producer hears that nobody wants it.
            let told = writer.push(&batch(0, 100)).unwrap_err();
            assert_eq!(told.sqlstate(), state::QUERY_CANCELED);
            drop(writer);
            Some(state::QUERY_CANCELED)
        }
        Last::ReleaseSealed => {
            writer.seal().unwrap();
            held.release();
            Some(state::QUERY_CANCELED)
        }
    };
    // One that comes when all is over, too.
    consumers.push(Consumer::new(&held, 2));
    for consumer in &mut consumers {
        for part in 0..consumer.parts.len() {
            consumer.take(part, true).await;
            match (&consumer.parts[part].ended, expected) {
                (Some(Ok(())), None) => {}
                (Some(Err(error)), Some(code)) => assert_eq!(error.sqlstate(), code),
                (ended, _) => panic!("{last:?} ended as {ended:?}"),
            }
        }
        if expected.is_none() {
            consumer.ledger.seal(held.sealed().await.unwrap().chunks).unwrap();
            assert!(consumer.ledger.is_complete());
            let rows: Vec<i64> = consumer.chunks.values().flatten().copied().collect();
            assert_eq!(rows, (0..pushed).collect::<Vec<_>>());
        }
    }
    if matches!(last, Last::Release | Last::ReleaseSealed) {
        drop(consumers);
        assert_eq!(executor.usage(), (0, 0), "though somebody still knows of it");
    } else {
        drop((consumers, held));
        assert_eq!(executor.usage(), (0, 0));
    }
}

#[test]
fn nothing_is_lost_doubled_or_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let executor = executor(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // All in memory, all on disk, and from the one to the other.
    let limit = prop::sample::select(vec![usize::MAX, 0, 4_000]);
    let cases = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(cases, |(limit in limit, steps in steps(), last in last())| {
        runtime.block_on(run(&executor, limit, steps, last));
    });
}

#[tokio::test]
async fn what_does_not_fit_goes_to_disk_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let executor = executor(dir.path());
    let (mut writer, held) = relation(&executor, 10_000);
    writer.push(&batch(0, 50)).unwrap();
    assert!(executor.usage().0 > 0 && executor.usage().1 == 0, "{:?}", executor.usage());
    for from in (50..5_000).step_by(50) {
        writer.push(&batch(from, 50)).unwrap();
    }
    assert!(executor.usage().0 == 0 && executor.usage().1 > 50_000, "{:?}", executor.usage());
    let amount = writer.seal().unwrap();
    assert_eq!((amount.rows, amount.spilled_bytes), (5_000, executor.usage().1));
    let rows: Vec<_> = held.rows().try_collect().await.unwrap();
    assert_eq!(rows.iter().flat_map(numbers).collect::<Vec<_>>(), (0..5_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_disk_is_its_readers_error_too() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        RuntimeSettings { target_partitions: 1, spill_limit: 5_000, ..RuntimeSettings::new(dir.path(), Epoch(1)) };
    let executor = Executor::start(settings, SystemClock::shared()).unwrap();
    let (mut writer, held) = relation(&executor, 0);
    let failed = (0..100).find_map(|i| writer.push(&batch(i * 50, 50)).err()).unwrap();
    assert_eq!(failed.sqlstate(), state::DISK_FULL);
    assert_eq!(held.sealed().await.unwrap_err().sqlstate(), state::DISK_FULL);
    drop(writer);
    let told = held.read(Portion::ALL).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(told.sqlstate(), state::DISK_FULL);
    drop(held);
    assert_eq!(executor.usage(), (0, 0));
}

#[tokio::test]
async fn a_reader_that_waits_hears_of_every_end() {
    let dir = tempfile::tempdir().unwrap();
    let executor = executor(dir.path());
    let waits = |held: &Arc<HeldRelation>| tokio::spawn(held.read(Portion::ALL).try_collect::<Vec<_>>());
    let (writer, held) = relation(&executor, 0);
    let reader = waits(&held);
    tokio::task::yield_now().await;
    writer.seal().unwrap();
    assert!(reader.await.unwrap().unwrap().is_empty());
    let (writer, held) = relation(&executor, 0);
    let reader = waits(&held);
    tokio::task::yield_now().await;
    held.release();
    reader.await.unwrap().unwrap_err();
    drop(writer);
}
