//! Cuts an optimised plan into maximal fragments, one statement each, and the shell above them.
//!
//! Bottom-up: a subtree whose tables are all at one source is kept as a block of that source's SQL ([`Remote`]) for as long as
//! the dialect can write what comes on top. What it refuses is done in the gateway, over the block's result. Inner joins are
//! regrouped by source first ([`region`]), so that `pg ⋈ my ⋈ pg` still gives two fragments.
//!
//! A site's compute is a source, too: its tables are relations, the results of other fragments. What no source can do for itself
//! is done at one of the sites where that is cheapest ([`place`]), as one more fragment, and only the rest in the gateway.

mod finish;
mod leaf;
mod order;
mod partial;
mod place;
mod reduce;
mod region;
mod rows;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cost_model::SourceId;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::utils::{conjunction, split_conjunction};
use datafusion_expr::{Expr, Filter, LogicalPlan, Subquery};

use crate::bind::BoundQuery;
use crate::catalog::{Catalog, EngineKind, Source};
use crate::context::{Pushdown, QueryContext, Reduction};
use crate::emit::block::{Block, Emitter};
use crate::emit::expr::{Scopes, has_subquery};
use crate::emit::{Refusal, Written, dialect};
use crate::error::{Error, Result, state};
use crate::optimize;
use crate::pgtype::{PgType, oid};
use crate::plan::{Considered, Fragment, QueryPlan, Question};
use crate::residency::Residency;
use crate::search::network::Network;
use crate::source::{CatalogTable, PassthroughQuery};
use crate::{prune, replica, stats};

pub use rows::RowCounts;

/// A subtree that one source answers, so far.
#[derive(Clone)]
struct Remote {
    source: Arc<Source>,
    block: Block,
    /// The plan it stands for: schema and estimates.
    plan: LogicalPlan,
    /// It is nothing but a relation at a site that reads it from elsewhere.
    moved: bool,
}

enum Part {
    Remote(Box<Remote>),
    Local(LogicalPlan),
}

impl Part {
    fn remote(&self) -> Option<&Remote> {
        match self {
            Self::Remote(remote) => Some(remote),
            Self::Local(_) => None,
        }
    }

    fn plan(&self) -> &LogicalPlan {
        match self {
            Self::Remote(remote) => &remote.plan,
            Self::Local(plan) => plan,
        }
    }
}

struct Cutter<'a> {
    emitters: BTreeMap<SourceId, Emitter<'a>>,
    sources: &'a BTreeMap<SourceId, Arc<Source>>,
    network: &'a Network,
    placement: place::Choice,
    /// Bytes of what the node that is being cut becomes further up, if that is known to be less.
    result_bytes: Option<f64>,
    pushdown: Pushdown,
    reduction: Reduction,
    residency: Residency<'a>,
    /// Comparison keys are computed here: what reads them is here too.
    keys_stay: bool,
    fragments: Vec<Remote>,
    refusals: Vec<String>,
    placements: RefCell<Vec<Considered>>,
    row_counts: &'a RowCounts,
    questions: RefCell<BTreeSet<Question>>,
}

/// Plans a bound query: optimises, cuts, writes the statements.
pub fn plan(bound: BoundQuery, catalog: &Catalog, ctx: &QueryContext) -> Result<QueryPlan> {
    plan_with(bound, catalog, ctx, &RowCounts::default())
}

/// The same with what sources have answered to a plan's questions.
pub fn plan_with(
    bound: BoundQuery,
    catalog: &Catalog,
    ctx: &QueryContext,
    row_counts: &RowCounts,
) -> Result<QueryPlan> {
    // Values of `char(n)` are carried without their blanks: only the type's n can bring them back.
    if let Some(column) = bound.columns.iter().find(|c| c.ty.oid == oid::BPCHAR && c.ty.length_typmod().is_none()) {
        let message = format!("a result of type character without a length (column \"{}\")", column.name);
        return Err(Error::unsupported(message).with_hint("Cast it to text or to character(n)."));
    }
    let parts = prune::count(&bound.plan)?;
    let optimized = replica::choose(optimize::optimize(bound.plan)?, catalog, ctx)?;
    let optimized = partial::rewrite(optimized, catalog, &bound.parameters, ctx)?;
    let sources = place::with_computes(catalog, ctx);
    let mut cutter = Cutter {
        emitters: BTreeMap::new(),
        sources: &sources,
        network: &catalog.network,
        placement: place::Choice::of(ctx),
        result_bytes: None,
        pushdown: ctx.pushdown,
        reduction: if ctx.pushdown == Pushdown::Off { Reduction::Off } else { ctx.reduction },
        residency: Residency::of(catalog),
        keys_stay: false,
        fragments: Vec::new(),
        refusals: prune::notes(&parts, &optimized)?,
        placements: RefCell::default(),
        row_counts,
        questions: RefCell::default(),
    };
    for (id, source) in &sources {
        if let Some(dialect) = dialect(source.kind) {
            cutter.emitters.insert(id.clone(), Emitter::new(dialect, source, &bound.parameters));
        }
    }
    let (shell, fragments) = match cutter.cut(&optimized)? {
        // A statement without columns returns none to count rows by.
        Part::Remote(remote) if !bound.columns.is_empty() => {
            let types: Vec<PgType> = bound.columns.iter().map(|c| c.ty).collect();
            cutter.whole(*remote, &types)?
        }
        part => {
            let shell = cutter.localise(part)?;
            let (shell, fragments) = cutter.finish(optimize::drop_columns(shell)?)?;
            (optimize::optimize_shell(shell)?, fragments)
        }
    };
    let questions = cutter.questions(&fragments);
    Ok(QueryPlan {
        questions,
        columns: bound.columns,
        parameters: bound.parameters.clone(),
        fragments,
        shell,
        local: cutter.refusals,
        placements: cutter.placements.into_inner(),
        residency: catalog.residency.clone(),
    })
}

impl Cutter<'_> {
    fn emitter(&self, source: &Source) -> Result<&Emitter<'_>> {
        self.emitters.get(&source.id).ok_or_else(|| Error::internal(format!("source {} has no dialect", source.id)))
    }

    fn cut(&mut self, plan: &LogicalPlan) -> Result<Part> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                if let Some(query) = scan.source.downcast_ref::<PassthroughQuery>() {
                    let source = self.sources.get(&query.source).cloned().ok_or_else(|| {
                        Error::new(state::UNDEFINED_OBJECT, format!("source \"{}\" does not exist", query.source))
                    })?;
                    let block = self.emitter(&source)?.passthrough(scan, query);
                    let block = block.map_err(|Refusal(why)| Error::unsupported(why))?;
                    return Ok(Part::Remote(Box::new(Remote { source, block, plan: plan.clone(), moved: false })));
                }
                let Some(table) = scan.source.downcast_ref::<CatalogTable>() else {
                    return Ok(Part::Local(plan.clone()));
                };
                let source = self.sources.get(&table.placement.source).cloned();
                let Some(source) = source.filter(|s| s.kind != EngineKind::System) else {
                    return Ok(Part::Local(plan.clone()));
                };
                let block = self.emitter(&source)?.scan(scan).map_err(|Refusal(why)| {
                    Error::unsupported(format!("table {}.{}: {why}", table.table.schema, table.table.name))
                })?;
                Ok(Part::Remote(Box::new(Remote { source, block, plan: plan.clone(), moved: false })))
            }
            LogicalPlan::Join(_) if region::is_inner_join(plan) && self.pushdown == Pushdown::Full => {
                self.cut_region(plan)
            }
            LogicalPlan::Join(_) => {
                let parts = self.cut_inputs(plan)?;
                self.combine(plan, parts)
            }
            LogicalPlan::Filter(filter) => {
                let mut inputs = self.cut_inputs(plan)?;
                let part = inputs.pop().ok_or_else(|| Error::internal("a filter of nothing"))?;
                self.filter(plan, filter, part)
            }
            _ => {
                let parts = self.cut_inputs(plan)?;
                self.combine(plan, parts)
            }
        }
    }

    fn cut_inputs(&mut self, plan: &LogicalPlan) -> Result<Vec<Part>> {
        let above = self.result_bytes;
        // One input's result becomes this node's, also where that is smaller; of two, nothing is known.
        self.result_bytes = match plan.inputs().as_slice() {
            [_] => above.into_iter().chain(place::bytes(plan)).reduce(f64::min),
            _ => None,
        };
        let parts = plan.inputs().into_iter().map(|input| self.cut(input)).collect();
        self.result_bytes = above;
        parts
    }

    /// Puts a node on top of its inputs: in their source if it is one and can, else here.
    fn combine(&mut self, node: &LogicalPlan, parts: Vec<Part>) -> Result<Part> {
        if let Some(remotes) = same_source(&parts)
            && self.may_push(node)
        {
            let source = remotes[0].source.clone();
            let blocks = remotes.iter().map(|r| r.block.clone()).collect();
            match self.merge(node, self.emitter(&source)?, blocks) {
                Ok(block) if self.keys_stay && block.columns.iter().any(|c| c.key) => {
                    self.refuse(&source, node, "a comparison key as a result");
                }
                Ok(block) => {
                    let plan = if source.id.is_compute() { self.over(node, &parts)? } else { node.clone() };
                    return Ok(Part::Remote(Box::new(Remote { source, block, plan, moved: false })));
                }
                Err(Refusal(why)) => self.refuse(&source, node, &why),
            }
        }
        if let Some(site) = self.site_for(node, &parts) {
            let moved = self.moved_all(parts, &site)?;
            return self.combine(node, moved);
        }
        let inputs = parts.into_iter().map(|p| self.localise(p)).collect::<Result<Vec<_>>>()?;
        Ok(Part::Local(self.rebuild(node, inputs)?))
    }

    /// Which nodes may be tried at all under the session's `narrows.pushdown`.
    fn may_push(&self, node: &LogicalPlan) -> bool {
        match self.pushdown {
            Pushdown::Full => true,
            Pushdown::Off => matches!(node, LogicalPlan::SubqueryAlias(_)),
            Pushdown::Filter => match node {
                LogicalPlan::SubqueryAlias(_) => true,
                LogicalPlan::Projection(p) => p.expr.iter().all(|e| matches!(e.clone().unalias(), Expr::Column(_))),
                _ => false,
            },
        }
    }

    fn merge(&self, node: &LogicalPlan, emitter: &Emitter<'_>, mut blocks: Vec<Block>) -> Written<Block> {
        let outer = Scopes::default();
        if let LogicalPlan::Union(union) = node {
            return emitter.union(blocks, union);
        }
        let last = blocks.pop().ok_or_else(|| Refusal::new("nothing to read"))?;
        match node {
            LogicalPlan::SubqueryAlias(_) => Ok(last.with_schema(node.schema().clone())),
            LogicalPlan::Projection(p) => emitter.project(last, p, &outer),
            LogicalPlan::Aggregate(a) => emitter.aggregate(last, a, &outer),
            LogicalPlan::Window(w) => emitter.window(last, w, &outer),
            LogicalPlan::Sort(s) => emitter.sort(last, s, &outer),
            LogicalPlan::Limit(l) => emitter.limit(last, l),
            LogicalPlan::Distinct(datafusion_expr::Distinct::All(_)) => emitter.distinct(last),
            LogicalPlan::Join(j) => {
                let left = blocks.pop().ok_or_else(|| Refusal::new("a join of one"))?;
                emitter.join(left, last, j, &outer)
            }
            other => Err(Refusal::new(other.display().to_string())),
        }
    }

    /// The node over the plans of its parts, which may read relations by now.
    fn over(&self, node: &LogicalPlan, parts: &[Part]) -> Result<LogicalPlan> {
        let inputs = parts.iter().map(|p| p.plan().clone()).collect();
        Ok(node.with_new_exprs(node.expressions(), inputs)?)
    }

    /// Pushes the conjuncts that can be pushed and keeps the others.
    fn filter(&mut self, node: &LogicalPlan, filter: &Filter, part: Part) -> Result<Part> {
        let mut remote = match part {
            Part::Remote(remote) if self.pushdown != Pushdown::Off => remote,
            part => {
                let input = self.localise(part)?;
                return Ok(Part::Local(self.rebuild(node, vec![input])?));
            }
        };
        let single_tables_only = self.pushdown == Pushdown::Filter;
        let mut kept = Vec::new();
        for conjunct in split_conjunction(&filter.predicate) {
            let source = remote.source.clone();
            let written = match single_tables_only && has_subquery(conjunct) {
                true => Err(Refusal::new("a subquery")),
                false => self.emitter(&source)?.filter(remote.block.clone(), &[conjunct], &Scopes::default()),
            };
            match written {
                Ok(block) => remote.block = block,
                Err(Refusal(why)) => {
                    self.refuse(&source, node, &why);
                    kept.push(conjunct.clone());
                }
            }
        }
        let all = kept.is_empty();
        let applied = split_conjunction(&filter.predicate).into_iter().filter(|c| !kept.contains(c)).cloned();
        if let Some(applied) = conjunction(applied) {
            remote.plan = LogicalPlan::Filter(Filter::try_new(applied, Arc::new(remote.plan))?);
        }
        let part = Part::Remote(remote);
        let Some(rest) = conjunction(kept).filter(|_| !all) else { return Ok(part) };
        let rest_of = |plan: LogicalPlan, rest| Filter::try_new(rest, Arc::new(plan));
        if let Some(site) = self.site_for(node, std::slice::from_ref(&part)) {
            let mut moved = self.moved_all(vec![part], &site)?;
            let part = moved.pop().ok_or_else(|| Error::internal("a moved part is gone"))?;
            let rest = rest_of(part.plan().clone(), rest)?;
            return self.filter(&LogicalPlan::Filter(rest.clone()), &rest, part);
        }
        let input = self.localise(part)?;
        let rest = self.cut_subqueries(rest)?;
        Ok(Part::Local(LogicalPlan::Filter(rest_of(input, rest)?)))
    }

    /// The same node over new inputs, its uncorrelated subqueries cut as well.
    fn rebuild(&mut self, node: &LogicalPlan, inputs: Vec<LogicalPlan>) -> Result<LogicalPlan> {
        let exprs = node.expressions().into_iter().map(|e| self.cut_subqueries(e)).collect::<Result<Vec<_>>>()?;
        Ok(node.with_new_exprs(exprs, inputs)?)
    }

    fn cut_subqueries(&mut self, expr: Expr) -> Result<Expr> {
        if !has_subquery(&expr) {
            return Ok(expr);
        }
        let cut = expr.transform_down(|e| {
            Ok(match e {
                Expr::ScalarSubquery(s) => {
                    let plan = self.cut(&s.subquery)?;
                    let subquery = Subquery { subquery: Arc::new(self.localise(plan)?), ..s };
                    Transformed::yes(Expr::ScalarSubquery(subquery))
                }
                e @ (Expr::Exists(_) | Expr::InSubquery(_)) => {
                    return Err(Error::unsupported(format!("this {}", e.variant_name())).into());
                }
                e => Transformed::no(e),
            })
        });
        Ok(cut?.data)
    }

    fn refuse(&mut self, source: &Source, node: &LogicalPlan, why: &str) {
        self.refusals.push(format!("{} stays here: {} does not take {why}", node.display(), source.id));
    }
}

fn same_source(parts: &[Part]) -> Option<Vec<&Remote>> {
    let remotes: Option<Vec<&Remote>> = parts.iter().map(Part::remote).collect();
    remotes.filter(|r| r.first().is_some_and(|first| r.iter().all(|x| x.source.id == first.source.id)))
}

impl Remote {
    fn estimated_rows(&self) -> Option<f64> {
        stats::estimate(&self.plan).map(|e| e.rows)
    }
}

fn reads_passthrough(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let visited = plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::TableScan(scan) if scan.source.is::<PassthroughQuery>());
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found || visited.is_err()
}

/// The fragment a finished statement becomes.
fn fragment(
    remote: &Remote,
    sql: crate::plan::SqlTemplate,
    columns: Vec<PgType>,
    schema: arrow::datatypes::SchemaRef,
    estimated_rows: Option<f64>,
) -> Fragment {
    Fragment {
        source: remote.source.id.clone(),
        site: remote.source.site.clone(),
        engine: remote.source.kind,
        sql,
        columns,
        schema,
        estimated_rows,
        estimated_bytes: None,
        estimated_seconds: None,
        single_table: remote.block.single_table.clone(),
        passthrough: reads_passthrough(&remote.plan),
        inputs: Vec::new(),
        key_filters: Vec::new(),
        position: 0,
    }
}
