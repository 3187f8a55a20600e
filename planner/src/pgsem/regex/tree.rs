//! What of a pattern decides where its match ends and where its groups lie.
//!
//! PostgreSQL's engine does not backtrack in Perl's order: the whole match is the longest (or shortest) one that starts
//! leftmost, and only then groups are found, by splitting the text that matched. This is `parseqatom` of `regcomp.c`: everything
//! without groups and without mixed preferences is one leaf, whatever is inside.

use super::parse::{Alternatives, Atom, Piece, Preference, Quantifier};

/// Preferences of a part and what is below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    pub prefers: Option<Preference>,
    /// Both preferences occur below.
    mixed: bool,
    captures: bool,
}

impl Traits {
    fn preferring(prefers: Option<Preference>) -> Self {
        Self { prefers, ..Self::default() }
    }

    /// What a part containing these two has; the first preference counts (`COMBINE`).
    fn combine(self, other: Self) -> Self {
        Self { prefers: self.prefers.or(other.prefers), ..self.above(other) }
    }

    /// What a part containing these two has, without a preference of its own (`UP`).
    fn above(self, other: Self) -> Self {
        let clash = matches!((self.prefers, other.prefers), (Some(a), Some(b)) if a != b);
        Self { prefers: None, mixed: self.mixed || other.mixed || clash, captures: self.captures || other.captures }
    }

    fn is_messy(self) -> bool {
        self.mixed || self.captures
    }
}

#[derive(Debug)]
pub struct Node {
    pub kind: Kind,
    pub traits: Traits,
    /// Number of the group this part is.
    pub capture: Option<usize>,
    /// The part as the `regex` crate writes it, without groups.
    pub pattern: String,
}

#[derive(Debug)]
pub enum Kind {
    /// Nothing inside matters.
    Leaf,
    Concat(Box<Node>, Box<Node>),
    Alternate(Vec<Node>),
    /// From no repetition to `max`.
    Repeat {
        inner: Box<Node>,
        max: Option<u32>,
    },
    /// A group that is a group already: `((x))`.
    Wrap(Box<Node>),
}

impl Node {
    fn leaf(traits: Traits, pattern: String) -> Self {
        Self { kind: Kind::Leaf, traits, capture: None, pattern }
    }

    fn concat(left: Self, right: Self, traits: Traits) -> Self {
        let pattern = format!("{}{}", left.pattern, right.pattern);
        Self { kind: Kind::Concat(Box::new(left), Box::new(right)), traits, capture: None, pattern }
    }

    pub fn prefers_shorter(&self) -> bool {
        self.traits.prefers == Some(Preference::Shorter)
    }
}

pub fn alternatives(of: &Alternatives) -> Node {
    let mut branches: Vec<Node> = of.0.iter().map(|pieces| branch(pieces)).collect();
    if branches.len() == 1
        && let Some(only) = branches.pop()
    {
        return only;
    }
    let patterns: Vec<&str> = branches.iter().map(|b| b.pattern.as_str()).collect();
    let pattern = format!("(?:{})", patterns.join("|"));
    let longer = Traits::preferring(Some(Preference::Longer));
    let traits = branches.iter().fold(longer, |all, b| Traits { prefers: longer.prefers, ..all.above(b.traits) });
    let kind = if traits.is_messy() { Kind::Alternate(branches) } else { Kind::Leaf };
    Node { kind, traits, capture: None, pattern }
}

fn branch(pieces: &[Piece]) -> Node {
    let mut prefix = Node::leaf(Traits::default(), String::new());
    for (i, piece) in pieces.iter().enumerate() {
        let (atom, quantifier) = match piece {
            Piece::Assertion(pattern) => {
                prefix.pattern.push_str(pattern);
                continue;
            }
            // Nothing at all, not even its groups.
            Piece::Atom(_, Quantifier { max: Some(0), .. }) => continue,
            Piece::Atom(atom, quantifier) => (atom, *quantifier),
        };
        let (node, is_capture) = match atom {
            Atom::Set(set) => (Node::leaf(Traits::default(), set.pattern()), false),
            Atom::Group { capture, inner } => (group(alternatives(inner), *capture), capture.is_some()),
        };
        let own = Traits::preferring(quantifier.preference);
        let together = join(join(prefix.traits, own), node.traits);
        if !is_capture && !together.is_messy() {
            prefix.pattern.push_str(&repeated(&node.pattern, quantifier.min, quantifier.max));
            prefix.traits = together;
            continue;
        }
        return split(prefix, i == 0, node, quantifier, &pieces[i + 1..]);
    }
    prefix
}

/// The traits of both with whichever preference there is: as long as they do not clash, the flags just add up.
fn join(a: Traits, b: Traits) -> Traits {
    Traits { prefers: a.prefers.or(b.prefers), ..a.above(b) }
}

fn group(mut node: Node, capture: Option<usize>) -> Node {
    if capture.is_none() {
        return node;
    }
    if node.capture.is_some() {
        let (traits, pattern) = (node.traits, node.pattern.clone());
        node = Node { kind: Kind::Wrap(Box::new(node)), traits, capture: None, pattern };
    }
    node.capture = capture;
    node.traits.captures = true;
    node
}

/// A branch as: what stands before the atom, the quantified atom, the rest.
fn split(prefix: Node, prefix_is_empty: bool, atom: Node, quantifier: Quantifier, rest: &[Piece]) -> Node {
    let first = Traits::preferring(quantifier.preference).combine(atom.traits);
    let atom = quantified(atom, quantifier, first);
    if rest.is_empty() {
        if prefix_is_empty {
            return atom;
        }
        let traits = prefix.traits.combine(atom.traits);
        return Node::concat(prefix, atom, traits);
    }
    let rest = branch(rest);
    let tail_traits = first.combine(rest.traits);
    let traits = prefix.traits.combine(tail_traits);
    if prefix_is_empty {
        return Node::concat(atom, rest, traits);
    }
    let both_leaves = matches!((&atom.kind, &rest.kind), (Kind::Leaf, Kind::Leaf));
    let tail = if both_leaves && !join(atom.traits, rest.traits).is_messy() {
        Node::leaf(atom.traits.combine(rest.traits), format!("{}{}", atom.pattern, rest.pattern))
    } else {
        Node::concat(atom, rest, tail_traits)
    };
    Node::concat(prefix, tail, traits)
}

fn quantified(atom: Node, Quantifier { min, max, preference }: Quantifier, traits: Traits) -> Node {
    let same = preference.is_none()
        || (atom.traits.prefers.is_none() && !atom.traits.mixed)
        || (preference == atom.traits.prefers && !atom.traits.mixed);
    if min == 1 && max == Some(1) && same {
        return atom;
    }
    let pattern = repeated(&atom.pattern, min, max);
    if !atom.traits.captures {
        return Node::leaf(traits, pattern);
    }
    if min > 0 {
        // Only the last repetition's groups count.
        let before = repeated(&atom.pattern, min - 1, max.map(|max| max - 1));
        return Node::concat(Node::leaf(Traits::preferring(traits.prefers), before), atom, traits);
    }
    Node { kind: Kind::Repeat { inner: Box::new(atom), max }, traits, capture: None, pattern }
}

fn repeated(pattern: &str, min: u32, max: Option<u32>) -> String {
    match (min, max) {
        (1, Some(1)) => pattern.to_string(),
        (_, Some(0)) => String::new(),
        (0, None) => format!("(?:{pattern})*"),
        (1, None) => format!("(?:{pattern})+"),
        (0, Some(1)) => format!("(?:{pattern})?"),
        (min, None) => format!("(?:{pattern}){{{min},}}"),
        (min, Some(max)) => format!("(?:{pattern}){{{min},{max}}}"),
    }
}
