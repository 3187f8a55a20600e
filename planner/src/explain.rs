//! EXPLAIN: the shell as a tree, each fragment with its source, estimate and the SQL that is really sent.

use std::fmt::Write;

use datafusion_expr::{Expr, LogicalPlan};

use crate::plan::{Fragment, QueryPlan, SqlPiece};
use crate::source::FragmentRelation;

/// What EXPLAIN ANALYZE measured of one fragment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    pub rows: u64,
    /// Bytes of Arrow data that left the connector.
    pub bytes: u64,
    /// From sending the statement to its last row.
    pub seconds: f64,
    /// For each of its key filters the keys that were sent; `None`: too many.
    pub keys: Vec<Option<usize>>,
}

/// What to show besides the tree.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Column types of fragments, and why something stays in the gateway.
    pub verbose: bool,
    /// One entry per fragment, after running the query.
    pub measured: Option<&'a [Measured]>,
    pub planning_seconds: Option<f64>,
    pub execution_seconds: Option<f64>,
}

/// One line of text per row of the result, as psql prints a `QUERY PLAN`.
pub fn explain(plan: &QueryPlan, options: Options<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    node(&plan.shell, plan, options, 0, &mut lines);
    for (i, fragment) in plan.fragments.iter().enumerate() {
        if !lines.iter().any(|l| l.contains(&format!("Fragment {i} at "))) {
            fragment_lines(i, fragment, options, 0, &mut lines);
        }
    }
    if options.verbose {
        lines.extend(plan.local.iter().map(|why| format!("Note: {why}")));
    }
    if let Some(seconds) = options.planning_seconds {
        lines.push(format!("Planning Time: {:.3} ms", seconds * 1e3));
    }
    if let Some(seconds) = options.execution_seconds {
        lines.push(format!("Execution Time: {:.3} ms", seconds * 1e3));
    }
    lines
}

fn node(node_plan: &LogicalPlan, plan: &QueryPlan, options: Options<'_>, depth: usize, lines: &mut Vec<String>) {
    if let LogicalPlan::TableScan(scan) = node_plan
        && let Some(relation) = scan.source.downcast_ref::<FragmentRelation>()
    {
        if let Some(fragment) = plan.fragments.get(relation.fragment) {
            fragment_lines(relation.fragment, fragment, options, depth, lines);
        }
        return;
    }
    // Projections that only rename or drop columns say nothing.
    let renames =
        |p: &datafusion_expr::Projection| p.expr.iter().all(|e| matches!(e.clone().unalias(), Expr::Column(_)));
    match node_plan {
        LogicalPlan::Projection(p) if renames(p) && !options.verbose => {
            return node(&p.input, plan, options, depth, lines);
        }
        LogicalPlan::SubqueryAlias(a) => return node(&a.input, plan, options, depth, lines),
        _ => {}
    }
    let rows = crate::stats::estimate(node_plan).map_or(String::new(), |e| format!("  (rows={})", e.rows));
    lines.push(format!("{}{}{rows}", indent(depth), one_line(&node_plan.display().to_string())));
    for input in node_plan.inputs() {
        node(input, plan, options, depth + 1, lines);
    }
}

fn fragment_lines(number: usize, f: &Fragment, options: Options<'_>, depth: usize, lines: &mut Vec<String>) {
    let engine = format!("{:?}", f.engine).to_lowercase();
    let mut head = format!("{}Fragment {number} at {}/{} ({engine})", indent(depth), f.site, f.source);
    if let Some(rows) = f.estimated_rows {
        let _ = write!(head, "  (rows={rows})");
    }
    if let Some(m) = options.measured.and_then(|m| m.get(number)) {
        let _ = write!(head, " (actual rows={} bytes={} seconds={:.3})", m.rows, m.bytes, m.seconds);
    }
    lines.push(head);
    let below = indent(depth + 1).replace("->", "  ");
    let mut sql = String::new();
    for piece in &f.sql.0 {
        match piece {
            SqlPiece::Text(text) => sql += text,
            SqlPiece::Conditions => {}
            SqlPiece::Keys(n) => match f.key_filters.get(*n) {
                Some(filter) => sql += &format!("({} IN (keys of fragment {}))", filter.sql, filter.from),
                None => sql += "TRUE",
            },
            SqlPiece::Parameter { index, .. } => sql += &format!("${index}"),
        }
    }
    lines.push(format!("{below}SQL: {}", one_line(&sql)));
    for (n, filter) in f.key_filters.iter().enumerate() {
        let sent = options.measured.and_then(|m| m.get(number)).and_then(|m| m.keys.get(n).copied());
        let sent = sent.map_or(String::new(), |keys| match keys {
            Some(keys) => format!(" (actual keys={keys})"),
            None => " (not sent: too many)".to_string(),
        });
        lines.push(format!(
            "{below}Keys: {} by column {} of fragment {}{sent}",
            filter.sql, filter.from_column, filter.from
        ));
    }
    if options.verbose {
        let columns: Vec<String> = f.columns.iter().map(ToString::to_string).collect();
        lines.push(format!("{below}Columns: {}", columns.join(", ")));
    }
}

fn indent(depth: usize) -> String {
    if depth == 0 { String::new() } else { format!("{}->  ", "      ".repeat(depth - 1)) }
}

fn one_line(text: &str) -> String {
    text.replace('\n', "\\n")
}
