//! How many rows a fragment returns: what its source's own optimiser says, where it was asked, else what the statistics tell.
//!
//! A source knows its values better than the few numbers that the catalog has of them. Asking costs a round trip, so the first
//! plan is made without; it says what should be asked ([`Question`]), and for a query that takes long enough a second plan is made
//! with the answers ([`RowCounts`]).

use std::collections::BTreeMap;

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::LogicalPlan;

use super::{Cutter, Remote};
use crate::catalog::EngineKind;
use crate::emit::complete;
use crate::plan::{Fragment, Question};

/// Sources' own estimates, by source and statement.
#[derive(Clone, Debug, Default)]
pub struct RowCounts(pub BTreeMap<Question, f64>);

/// Seconds that a query is predicted to take before anybody is asked.
const WORTH_ASKING: f64 = 0.1;

impl Cutter<'_> {
    pub(super) fn rows(&self, remote: &Remote) -> Option<f64> {
        let known = self.question(remote).and_then(|question| {
            let known = self.row_counts.0.get(&question).copied();
            self.questions.borrow_mut().insert(question);
            known
        });
        known.or_else(|| remote.estimated_rows())
    }

    pub(super) fn bytes(&self, remote: &Remote) -> Option<f64> {
        Some(self.rows(remote)? * crate::stats::row_width(&remote.plan))
    }

    /// What to ask a remote part's source. PostgreSQL alone estimates what leaves a whole statement.
    fn question(&self, remote: &Remote) -> Option<Question> {
        if remote.source.kind != EngineKind::Postgres || remote.moved || !is_selective(&remote.plan) {
            return None;
        }
        let text = self.emitter(&remote.source).ok()?.select(&remote.block, None).ok()?;
        // One with parameters has no values yet.
        let statement = complete(&text).ok()?;
        Some(Question { source: remote.source.id.clone(), sql: statement.sql })
    }

    /// What is worth asking, now that the plan is known.
    pub(super) fn questions(&self, fragments: &[Fragment]) -> Vec<Question> {
        let placed = self.placements.borrow().iter().map(|p| p.chosen.seconds).fold(0.0, f64::max);
        let read = fragments.iter().filter_map(|f| f.estimated_seconds).fold(placed, f64::max);
        let unknown = fragments.iter().any(|f| f.estimated_seconds.is_none());
        match fragments.len() > 1 && (read > WORTH_ASKING || unknown) {
            true => self.questions.take().into_iter().filter(|q| !self.row_counts.0.contains_key(q)).collect(),
            false => Vec::new(),
        }
    }
}

/// Whether something stands between the tables and the result: how many rows a table has is known.
fn is_selective(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let visited = plan.apply(|node| {
        found |= match node {
            LogicalPlan::TableScan(scan) => !scan.filters.is_empty(),
            LogicalPlan::Filter(_) | LogicalPlan::Join(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => {
                true
            }
            _ => false,
        };
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found && visited.is_ok()
}
