//! The join graph made ready: who is connected to whom, which sets are allowed, and how many rows a set has.
//!
//! The rows of a set never depend on the order it was joined in: relations, conditions and non-inner joins inside it each
//! contribute one factor. Equalities are taken to be independent and contained (System R), and several between the same two
//! relations never to have more values together than a table has rows.

use super::graph::{Condition, JoinGraph, JoinKind, Key};
use super::sets::{RelSet, contains, is_subset, members, single};

/// All equalities between two relations.
pub(super) struct Edge {
    pub relations: [usize; 2],
    pub reads: RelSet,
    /// Values and width of the combined key on either side.
    pub distinct: [f64; 2],
    pub width: [f64; 2],
    /// Values both sides' keys are from.
    pub domain: f64,
}

pub(super) struct Dependency {
    pub kind: JoinKind,
    pub right: RelSet,
    /// `right` and what it requires.
    pub all: RelSet,
    log_factor: f64,
}

pub(super) struct Shape {
    pub edges: Vec<Edge>,
    pub neighbours: Vec<RelSet>,
    pub dependencies: Vec<Dependency>,
    /// Relations read and logarithm of the selectivity, of edges and other conditions.
    factors: Vec<(RelSet, f64)>,
    log_rows: Vec<f64>,
    widths: Vec<f64>,
}

/// What a join that leaves rows out leaves at least: an anti join of which nothing is known to remain still returns something.
const FEWEST: f64 = 0.01;

impl Shape {
    pub fn new(graph: &JoinGraph) -> Self {
        let edges = edges(graph);
        let mut factors: Vec<(RelSet, f64)> = edges.iter().map(|e| (e.reads, -e.domain.ln())).collect();
        factors.extend(graph.conditions.iter().filter_map(|c| match c {
            Condition::Other { reads, selectivity } => Some((*reads, selectivity.clamp(1e-12, 1.0).ln())),
            Condition::Equal { .. } => None,
        }));
        let mut shape = Self {
            neighbours: neighbours(graph),
            edges,
            dependencies: Vec::new(),
            factors,
            log_rows: graph.relations.iter().map(|r| r.rows.max(1.0).ln()).collect(),
            widths: graph.relations.iter().map(|r| r.width).collect(),
        };
        let mut dependents = graph.dependents.clone();
        dependents.sort_by_key(|d| d.right.count_ones());
        for d in dependents {
            let mut dependency =
                Dependency { kind: d.kind, right: d.right, all: d.right | d.requires, log_factor: 0.0 };
            dependency.log_factor = shape.factor(&dependency);
            shape.dependencies.push(dependency);
        }
        shape
    }

    /// What a non-inner join multiplies the rows of its left side with.
    fn factor(&self, dependency: &Dependency) -> f64 {
        let partners = self.log_rows(dependency.right)
            + self.factors.iter().filter(|(reads, _)| dependency.owns(*reads)).map(|(_, f)| f).sum::<f64>();
        match dependency.kind {
            JoinKind::Inner => partners,
            JoinKind::Left => partners.max(0.0),
            JoinKind::Semi => partners.min(0.0),
            JoinKind::Anti | JoinKind::NullAwareAnti => (1.0 - partners.min(0.0).exp()).max(FEWEST).ln(),
        }
    }

    fn log_rows(&self, set: RelSet) -> f64 {
        let mut counted = set;
        let mut sum = 0.0;
        for d in self.applied(set) {
            counted &= !d.right;
            sum += d.log_factor;
        }
        sum += members(counted).map(|i| self.log_rows[i]).sum::<f64>();
        for (reads, factor) in &self.factors {
            let outside = is_subset(*reads, set) && !self.applied(set).any(|d| d.covers(*reads));
            sum += if outside { *factor } else { 0.0 };
        }
        sum
    }

    /// The non-inner joins that have taken place in a set.
    fn applied(&self, set: RelSet) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(move |d| d.is_applied(set))
    }

    pub fn rows(&self, set: RelSet) -> f64 {
        self.log_rows(set).exp().clamp(1.0, 1e30)
    }

    /// Bytes per row: a semi or anti join returns its left side only.
    pub fn width(&self, set: RelSet) -> f64 {
        let gone = self.applied(set).filter(|d| d.kind != JoinKind::Left).fold(0, |gone, d| gone | d.right);
        members(set & !gone).map(|i| self.widths[i]).sum()
    }

    /// Whether a join may leave exactly these relations behind: a non-inner join's right side is alone or complete.
    pub fn is_allowed(&self, set: RelSet) -> bool {
        self.dependencies.iter().all(|d| d.right & set == 0 || is_subset(set, d.right) || is_subset(d.all, set))
    }

    /// The join of two allowed sets: its kind, and whether the second is its left side. `None`: there is none.
    pub fn kind(&self, a: RelSet, b: RelSet) -> Option<(JoinKind, bool)> {
        let both = a | b;
        let mut found = (JoinKind::Inner, false);
        for d in &self.dependencies {
            let open = d.right & both != 0 && !is_subset(both, d.right);
            if !open || d.is_applied(a) || d.is_applied(b) {
                continue;
            }
            // Two at once are no join that anybody wrote.
            if found.0 != JoinKind::Inner || !is_subset(d.all, both) {
                return None;
            }
            found = (
                d.kind,
                if b == d.right {
                    false
                } else if a == d.right {
                    true
                } else {
                    return None;
                },
            );
        }
        Some(found)
    }
}

impl Dependency {
    fn is_applied(&self, set: RelSet) -> bool {
        is_subset(self.all, set) && set != self.right
    }

    /// A condition of this join, not inside its right side.
    fn owns(&self, reads: RelSet) -> bool {
        self.covers(reads) && !is_subset(reads, self.right)
    }

    /// A condition that is accounted for in this join's factor.
    fn covers(&self, reads: RelSet) -> bool {
        reads & self.right != 0 && is_subset(reads, self.all)
    }
}

/// Equalities by pair of relations, in the order of their first appearance.
fn edges(graph: &JoinGraph) -> Vec<Edge> {
    let mut groups: Vec<([usize; 2], Vec<[Key; 2]>)> = Vec::new();
    for condition in &graph.conditions {
        let Condition::Equal { left, right } = condition else { continue };
        let (a, b) = if left.relation <= right.relation { (*left, *right) } else { (*right, *left) };
        let relations = [a.relation, b.relation];
        match groups.iter_mut().find(|(r, _)| *r == relations) {
            Some((_, keys)) => keys.push([a, b]),
            None => groups.push((relations, vec![[a, b]])),
        }
    }
    groups.into_iter().map(|(relations, keys)| edge(graph, relations, &keys)).collect()
}

fn edge(graph: &JoinGraph, relations: [usize; 2], keys: &[[Key; 2]]) -> Edge {
    let table_rows = relations.map(|r| graph.relations[r].table_rows.max(graph.relations[r].rows).max(1.0));
    let product = [0, 1].map(|side| keys.iter().map(|k| k[side].distinct.max(1.0)).product::<f64>());
    let capped = [0, 1].map(|side| product[side] > table_rows[side]);
    let distinct = [0, 1].map(|side| product[side].min(table_rows[side]));
    // More combinations than rows on both sides: the smaller table's key, which the larger refers to.
    let domain = if capped[0] && capped[1] { distinct[0].min(distinct[1]) } else { distinct[0].max(distinct[1]) };
    Edge {
        relations,
        reads: single(relations[0]) | single(relations[1]),
        distinct: distinct.map(|d| d.min(domain)),
        width: [0, 1].map(|side| keys.iter().map(|k| k[side].width).sum()),
        domain,
    }
}

/// Relations that a condition has in common. Where that leaves parts unconnected, the smallest relations of
/// the parts are connected: cross products take place there and nowhere else.
fn neighbours(graph: &JoinGraph) -> Vec<RelSet> {
    let mut neighbours = vec![0; graph.relations.len()];
    for together in graph.conditions.iter().map(Condition::reads) {
        for i in members(together) {
            neighbours[i] |= together & !single(i);
        }
    }
    let mut parts: Vec<RelSet> = Vec::new();
    for i in 0..graph.relations.len() {
        if !parts.iter().any(|p| contains(*p, i)) {
            parts.push(reachable(&neighbours, i));
        }
    }
    let smallest = |part: &RelSet| {
        members(*part).min_by(|a, b| graph.relations[*a].rows.total_cmp(&graph.relations[*b].rows)).unwrap_or(0)
    };
    let ends: RelSet = if parts.len() > 1 { parts.iter().map(|p| single(smallest(p))).sum() } else { 0 };
    for i in members(ends) {
        neighbours[i] |= ends & !single(i);
    }
    neighbours
}

fn reachable(neighbours: &[RelSet], from: usize) -> RelSet {
    let mut seen = single(from);
    loop {
        let more = members(seen).fold(seen, |all, i| all | neighbours[i]);
        if more == seen {
            return seen;
        }
        seen = more;
    }
}
