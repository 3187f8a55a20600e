//! Memory: one pool for the process, a child for each query.
//!
//! DataFusion's operators ask the child, which shares fairly between a query's own operators and forwards every byte to the
//! process's pool. A refusal makes an operator spill, or fail with 53200 if it cannot.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// What any one operator may hold even if nothing is left. An operator that has nothing yet has nothing to spill either, and a
/// sort that spills needs a little to merge: both would fail only because others came first.
const FLOOR: usize = 4 << 20;

/// What all queries of the process hold together.
#[derive(Debug)]
pub struct SitePool {
    limit: usize,
    used: AtomicUsize,
}

impl SitePool {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn try_take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|total| *total <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The child of one query.
#[derive(Debug)]
pub(super) struct QueryPool {
    fair: FairSpillPool,
    site: Arc<SitePool>,
}

impl QueryPool {
    pub(super) fn new(site: Arc<SitePool>) -> Self {
        Self { fair: FairSpillPool::new(site.limit), site }
    }
}

impl fmt::Display for QueryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query({} of {} bytes)", self.fair.reserved(), self.site.limit)
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.fair.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.fair.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.fair.grow(reservation, additional);
        self.site.take(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.fair.shrink(reservation, shrink);
        self.site.give_back(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> DfResult<()> {
        let refused = match self.fair.try_grow(reservation, additional) {
            Ok(()) if self.site.try_take(additional) => return Ok(()),
            Ok(()) => {
                self.fair.shrink(reservation, additional);
                DataFusionError::ResourcesExhausted(format!(
                    "{} asked for {additional} bytes; {} of {} bytes are in use",
                    reservation.consumer().name(),
                    self.site.used(),
                    self.site.limit
                ))
            }
            Err(refused) => refused,
        };
        if reservation.size() + additional <= FLOOR {
            self.grow(reservation, additional);
            return Ok(());
        }
        Err(refused)
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.site.limit)
    }
}

/// For what is held for others: half of the process's memory at most, all of it together. What does not fit goes to disk, so that
/// operators, which may be unable to, find the rest.
#[derive(Debug)]
pub(super) struct HeldPool {
    held: Arc<SitePool>,
    site: Arc<SitePool>,
}

impl HeldPool {
    /// `held`: the same for all of them.
    pub(super) fn new(held: Arc<SitePool>, site: Arc<SitePool>) -> Self {
        Self { held, site }
    }
}

impl fmt::Display for HeldPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held({} of {} bytes)", self.held.used(), self.held.limit)
    }
}

impl MemoryPool for HeldPool {
    fn name(&self) -> &str {
        "held"
    }

    fn grow(&self, _: &MemoryReservation, additional: usize) {
        self.held.take(additional);
        self.site.take(additional);
    }

    fn shrink(&self, _: &MemoryReservation, shrink: usize) {
        self.held.give_back(shrink);
        self.site.give_back(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> DfResult<()> {
        if self.held.try_take(additional) {
            if self.site.try_take(additional) {
                return Ok(());
            }
            self.held.give_back(additional);
        }
        let name = reservation.consumer().name();
        Err(DataFusionError::ResourcesExhausted(format!("{name} asked for {additional} bytes of {self}")))
    }

    fn reserved(&self) -> usize {
        self.held.used()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.held.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn queries_share_the_sites_limit() {
        let site = SitePool::new(100 * MIB);
        let a: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(site.clone()));
        let b: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(site.clone()));
        let in_a = MemoryConsumer::new("a").register(&a);
        let in_b = MemoryConsumer::new("b").register(&b);
        in_a.try_grow(70 * MIB).unwrap();
        let refused = in_b.try_grow(40 * MIB).unwrap_err();
        assert!(matches!(refused, DataFusionError::ResourcesExhausted(_)));
        assert_eq!((site.used(), b.reserved()), (70 * MIB, 0), "a refused request leaves nothing behind");
        drop(in_a);
        in_b.try_grow(40 * MIB).unwrap();
        assert_eq!(site.used(), 40 * MIB);
    }

    #[test]
    fn every_operator_gets_a_little() {
        let site = SitePool::new(10 * MIB);
        let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(site.clone()));
        let first = MemoryConsumer::new("first").register(&pool);
        first.try_grow(10 * MIB).unwrap();
        let merge = MemoryConsumer::new("merge").register(&pool);
        merge.try_grow(FLOOR).unwrap();
        merge.try_grow(1).unwrap_err();
        drop((first, merge));
        assert_eq!(site.used(), 0);
    }

    #[test]
    fn what_is_held_leaves_half_to_the_operators() {
        let (site, held) = (SitePool::new(100 * MIB), SitePool::new(50 * MIB));
        let pool = || -> Arc<dyn MemoryPool> { Arc::new(HeldPool::new(held.clone(), site.clone())) };
        let [a, b] = [pool(), pool()].map(|pool| MemoryConsumer::new("relation").register(&pool));
        a.try_grow(40 * MIB).unwrap();
        assert!(b.try_grow(20 * MIB).is_err());
        assert_eq!((held.used(), site.used()), (40 * MIB, 40 * MIB), "a refused request leaves nothing behind");
        let operators: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(site.clone()));
        MemoryConsumer::new("join").register(&operators).try_grow(60 * MIB).unwrap();
        drop(a);
        b.try_grow(20 * MIB).unwrap();
        assert_eq!(site.used(), 20 * MIB);
    }
}
