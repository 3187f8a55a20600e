//! EXPLAIN: the shell as a tree, below it the steps at sites and the fragments with their sources, estimates and the SQL that is
//! really sent.

use std::collections::BTreeMap;
use std::fmt::Write;

use datafusion_expr::{Expr, LogicalPlan};

use crate::catalog::EngineKind;
use crate::plan::{Candidate, Fragment, QueryPlan, SqlPiece};
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
        let is_read = plan.fragments.iter().any(|f| f.inputs.contains(&i));
        let shown = |l: &String| l.contains(&format!("Fragment {i} at ")) || l.contains(&format!("Step {i} at "));
        if !is_read && !lines.iter().any(shown) {
            fragment_lines(i, fragment, plan, options, 0, &mut lines);
        }
    }
    for considered in &plan.placements {
        let line = |what: &str, c: &Candidate| {
            format!("{what}: {} (seconds={:.3} bytes on links={:.0})", c.shape, c.seconds, c.wan_bytes)
        };
        lines.push(line("Placement", &considered.chosen));
        lines.extend(considered.others.iter().map(|other| line("  instead of", other)));
    }
    if let Some(measured) = options.measured {
        lines.extend(links(plan, measured));
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

/// What went over each link, in bytes of Arrow data: less travels where it is compressed.
fn links(plan: &QueryPlan, measured: &[Measured]) -> Vec<String> {
    let mut bytes: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (number, (fragment, measured)) in plan.fragments.iter().zip(measured).enumerate() {
        let reader = plan.fragments.iter().find(|f| f.inputs.contains(&number));
        let to = reader.map_or("the gateway", |f| f.site.as_str());
        if fragment.site.as_str() != to {
            *bytes.entry((fragment.site.as_str(), to)).or_default() += measured.bytes;
        }
    }
    bytes.into_iter().map(|((from, to), bytes)| format!("Moved: {bytes} bytes from {from} to {to}")).collect()
}

fn node(node_plan: &LogicalPlan, plan: &QueryPlan, options: Options<'_>, depth: usize, lines: &mut Vec<String>) {
    if let LogicalPlan::TableScan(scan) = node_plan
        && let Some(relation) = scan.source.downcast_ref::<FragmentRelation>()
    {
        if let Some(fragment) = plan.fragments.get(relation.fragment) {
            fragment_lines(relation.fragment, fragment, plan, options, depth, lines);
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

fn fragment_lines(
    number: usize,
    f: &Fragment,
    plan: &QueryPlan,
    options: Options<'_>,
    depth: usize,
    lines: &mut Vec<String>,
) {
    let mut head = indent(depth);
    head += &match f.engine {
        EngineKind::Site => format!("Step {number} at {}", f.site),
        engine => format!("Fragment {number} at {}/{} ({})", f.site, f.source, format!("{engine:?}").to_lowercase()),
    };
    if let Some(rows) = f.estimated_rows {
        let _ = write!(head, "  (rows={rows}");
        if let (Some(bytes), Some(seconds)) = (f.estimated_bytes, f.estimated_seconds) {
            let _ = write!(head, " bytes={bytes} seconds={seconds:.3}");
        }
        head.push(')');
    }
    if let Some(m) = options.measured.and_then(|m| m.get(number)) {
        let _ = write!(head, " (actual rows={} bytes={} seconds={:.3})", m.rows, m.bytes, m.seconds);
    }
    lines.push(head);
    let below = indent(depth + 1).replace("->", "  ");
    lines.push(format!("{below}SQL: {}", one_line(&shown(f))));
    for (n, filter) in f.key_filters.iter().enumerate() {
        let sent = options.measured.and_then(|m| m.get(number)).and_then(|m| m.keys.get(n).copied());
        let sent = sent.map_or(String::new(), |keys| match keys {
            Some(keys) => format!(" (actual keys={keys})"),
            None => " (too many to list)".to_string(),
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
    for (n, input) in f.inputs.iter().enumerate() {
        let Some(read) = plan.fragments.get(*input) else { continue };
        let way = if read.site == f.site { "here".to_string() } else { format!("from {}", read.site) };
        lines.push(format!("{}Relation r{n}, {way}", indent(depth + 1)));
        fragment_lines(*input, read, plan, options, depth + 2, lines);
    }
}

/// The statement as it is sent, with words for what is put into it then.
fn shown(f: &Fragment) -> String {
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
    sql
}

fn indent(depth: usize) -> String {
    if depth == 0 { String::new() } else { format!("{}->  ", "      ".repeat(depth - 1)) }
}

fn one_line(text: &str) -> String {
    text.replace('\n', "\\n")
}
