//! The contest among candidates (`func_match_argtypes`, `func_select_candidate` of `parse_func.c`).

use super::super::registry::CastContext;
use super::coerce::{can_coerce, category, is_preferred};
use crate::pgtype::oid;

/// A candidate with as many argument types as the call has arguments.
pub trait Contestant: Copy {
    fn arg(&self, i: usize) -> u32;
}

fn args<C: Contestant>(c: &C, n: usize) -> Vec<u32> {
    (0..n).map(|i| c.arg(i)).collect()
}

/// Those whose arguments the call's may become implicitly.
pub fn matching<C: Contestant>(candidates: &[C], input: &[u32]) -> Vec<C> {
    let fits = |c: &&C| can_coerce(input, &args(*c, input.len()), CastContext::Implicit);
    candidates.iter().filter(fits).copied().collect()
}

/// The best of several matching candidates; `None`: no single best one.
pub fn best<C: Contestant>(mut candidates: Vec<C>, input: &[u32]) -> Option<C> {
    let known = |i: usize| input[i] != oid::UNKNOWN;
    keep_best(&mut candidates, |c| (0..input.len()).filter(|&i| known(i) && c.arg(i) == input[i]).count());
    if let [one] = candidates[..] {
        return Some(one);
    }
    keep_best(&mut candidates, |c| {
        let good = |i: &usize| {
            let arg = c.arg(*i);
            known(*i) && (arg == input[*i] || (category(arg) == category(input[*i]) && is_preferred(arg)))
        };
        (0..input.len()).filter(good).count()
    });
    if let [one] = candidates[..] {
        return Some(one);
    }
    if (0..input.len()).all(known) {
        return None;
    }
    if let Some(slots) = unknown_slots(&candidates, input) {
        let fits = |c: &C| {
            slots.iter().all(|&(i, cat, preferred)| category(c.arg(i)) == cat && (!preferred || is_preferred(c.arg(i))))
        };
        if candidates.iter().any(fits) {
            candidates.retain(fits);
        }
        if let [one] = candidates[..] {
            return Some(one);
        }
    }
    one_known_type(candidates, input)
}

fn keep_best<C: Contestant>(candidates: &mut Vec<C>, score: impl Fn(&C) -> usize) {
    if let Some(best) = candidates.iter().map(&score).max() {
        candidates.retain(|c| score(c) == best);
    }
}

/// For each unknown argument its index, the category it should have, and whether a candidate has the preferred type there.
/// Strings win any contradiction between candidates; other contradictions give `None`.
fn unknown_slots<C: Contestant>(candidates: &[C], input: &[u32]) -> Option<Vec<(usize, char, bool)>> {
    let mut slots = Vec::new();
    for i in (0..input.len()).filter(|&i| input[i] == oid::UNKNOWN) {
        let mut slot: Option<(char, bool)> = None;
        let mut conflict = false;
        for c in candidates {
            let (cat, preferred) = (category(c.arg(i)), is_preferred(c.arg(i)));
            slot = match slot {
                None => Some((cat, preferred)),
                Some((have, p)) if have == cat => Some((have, p | preferred)),
                Some(_) if cat == 'S' => Some((cat, preferred)),
                other => {
                    conflict = true;
                    other
                }
            };
        }
        let (cat, preferred) = slot?;
        if conflict && cat != 'S' {
            return None;
        }
        slots.push((i, cat, preferred));
    }
    Some(slots)
}

/// Last resort: if all known arguments have one type, the unknown ones are taken to have it too.
fn one_known_type<C: Contestant>(candidates: Vec<C>, input: &[u32]) -> Option<C> {
    let mut known = input.iter().copied().filter(|&t| t != oid::UNKNOWN);
    let ty = known.next()?;
    if known.any(|t| t != ty) {
        return None;
    }
    match matching(&candidates, &vec![ty; input.len()])[..] {
        [one] => Some(one),
        _ => None,
    }
}
