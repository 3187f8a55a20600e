//! One large table read in parallel ranges of its pages, all under one snapshot.
//!
//! Every row version that a snapshot sees has one place for as long as nothing rewrites the table, so ranges of `ctid` that cover
//! all pages cover every row exactly once. A share lock on the table, taken before its size is looked up and held until all
//! ranges are read, keeps rewrites (`VACUUM FULL`, `CLUSTER`) out; rows that are changed meanwhile get new versions, which the
//! snapshot does not see. Pages that the table grows by fall into the last range, which has no upper end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use planner::plan::SingleTable;
use planner::{Error, Result};
use tokio::task::JoinSet;

use super::scan::{End, Outlet, Statement, pump};
use super::session::Session;
use super::working::Working;

/// Ranges are no smaller than so many pages.
const LEAST_PAGES: u64 = 512;
/// Ranges per connection, so that one that meets fuller pages does not make the others wait for long.
const RANGES_EACH: u64 = 4;
/// Tid Range Scan came with PostgreSQL 14; before, each range would read the whole table.
const LEAST_VERSION: u64 = 140_000;

/// Ranges of pages, handed out one by one.
struct Ranges {
    pages: u64,
    count: u64,
    next: AtomicU64,
}

impl Ranges {
    fn new(pages: u64, connections: u64) -> Self {
        let count = (pages / LEAST_PAGES).clamp(1, connections * RANGES_EACH);
        Self { pages, count, next: AtomicU64::new(0) }
    }

    /// The condition of the next range.
    fn next(&self, alias: &str) -> Option<String> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        (n < self.count).then(|| {
            let column = format!("{}.ctid", identifier(alias));
            let page = |n: u64| self.pages * n / self.count;
            let mut condition = String::new();
            if n > 0 {
                condition += &format!(" AND {column} >= '({},0)'::pg_catalog.tid", page(n));
            }
            if n + 1 < self.count {
                condition += &format!(" AND {column} < '({},0)'::pg_catalog.tid", page(n + 1));
            }
            condition
        })
    }
}

/// What the ranges of one scan share.
struct Scan {
    statement: Statement,
    at: usize,
    alias: String,
    ranges: Ranges,
    outlet: Outlet,
}

pub async fn scan(
    session: &Arc<Session>,
    statement: Statement,
    table: SingleTable,
    at: usize,
    outlet: &Outlet,
) -> Result<()> {
    if !statement.sql.is_char_boundary(at) {
        return Err(Error::internal("the place for range conditions is not in the statement"));
    }
    let mut leader = session.connect().await?;
    let name = format!("{}.{}", identifier(&table.remote_schema), identifier(&table.remote_name));
    if !is_plain_heap(session, &mut leader, &name, outlet).await? {
        leader.give_back();
        return session.scan_alone(&statement, outlet).await;
    }
    let script = format!(
        "{}; LOCK TABLE {name} IN ACCESS SHARE MODE; SELECT pg_catalog.pg_export_snapshot(), \
         pg_catalog.pg_relation_size({}::pg_catalog.regclass) / pg_catalog.current_setting('block_size')::pg_catalog.int8",
        session.begin(),
        literal(&name),
    );
    let answer = session.ask(&mut leader, &script, outlet).await?;
    let [Some(snapshot), Some(pages)] = answer.as_slice() else {
        return Err(Error::internal("a snapshot could not be exported"));
    };
    let pages = pages.parse().map_err(|_| Error::internal("a table's size is not a number"))?;
    let connections = session.request.connections as u64;
    let scan = Arc::new(Scan {
        statement,
        at,
        alias: table.alias,
        ranges: Ranges::new(pages, connections),
        outlet: outlet.clone(),
    });
    let begin = session.begin();
    let mut readers = JoinSet::new();
    readers.spawn(read_ranges(session.clone(), Some(leader), String::new(), scan.clone()));
    for _ in 1..scan.ranges.count.min(connections) {
        let before = format!("{begin}; SET TRANSACTION SNAPSHOT '{snapshot}'");
        readers.spawn(read_ranges(session.clone(), None, before, scan.clone()));
    }
    // The first one's transaction, and with it the snapshot and the lock, lives until all have read.
    let mut read = Vec::new();
    while let Some(reader) = readers.join_next().await {
        read.push(reader.map_err(|e| Error::internal(format!("reading a range failed: {e}")))??);
    }
    for working in read.into_iter().flatten() {
        working.commit().await;
    }
    Ok(())
}

/// Whether ranges of this table can be read as such.
async fn is_plain_heap(session: &Session, working: &mut Working, name: &str, outlet: &Outlet) -> Result<bool> {
    let script = format!(
        "SELECT c.relkind = 'r' AND NOT c.relhassubclass AND a.amname = 'heap' \
         AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= {LEAST_VERSION} \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid = c.relam WHERE c.oid = pg_catalog.to_regclass({})",
        literal(name),
    );
    Ok(session.ask(working, &script, outlet).await? == [Some("t".to_string())])
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Reads ranges until there are none left; the connection if it may be used on. One that cannot be had leaves the work to the
/// others, of whom there is at least the first.
async fn read_ranges(
    session: Arc<Session>,
    working: Option<Working>,
    mut before: String,
    scan: Arc<Scan>,
) -> Result<Option<Working>> {
    let mut working = match working {
        Some(working) => working,
        None => match session.connect().await {
            Ok(working) => working,
            Err(error) => {
                tracing::warn!(source = %session.pool.server.blame.0, %error, "a table is read over fewer connections");
                return Ok(None);
            }
        },
    };
    let client = &working.connection()?.client;
    while let Some(condition) = scan.ranges.next(&scan.alias) {
        let mut statement = scan.statement.clone();
        statement.sql.insert_str(scan.at, &condition);
        let end =
            pump(client, &std::mem::take(&mut before), &statement, &scan.outlet, &session.pool.server.blame).await?;
        if let End::Stopped(_) = end {
            return Ok(None);
        }
    }
    Ok(Some(working))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_page_once() {
        let ranges = Ranges::new(10_000, 2);
        let conditions: Vec<_> = std::iter::from_fn(|| ranges.next("t\"0")).collect();
        assert_eq!(conditions.len(), 8);
        assert_eq!(conditions[0], " AND \"t\"\"0\".ctid < '(1250,0)'::pg_catalog.tid");
        assert_eq!(
            conditions[6],
            " AND \"t\"\"0\".ctid >= '(7500,0)'::pg_catalog.tid AND \"t\"\"0\".ctid < '(8750,0)'::pg_catalog.tid"
        );
        assert_eq!(conditions[7], " AND \"t\"\"0\".ctid >= '(8750,0)'::pg_catalog.tid");
        let small = Ranges::new(3, 4);
        assert_eq!((small.next("t"), small.next("t")), (Some(String::new()), None));
    }
}
