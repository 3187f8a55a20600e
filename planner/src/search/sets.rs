//! Sets of relations and of sites as bits of a word: union, intersection and containment in one instruction each.

/// Relations of a join graph, by position.
pub type RelSet = u64;
/// Sites of a network, by position.
pub type SiteSet = u64;

pub const MAX_RELATIONS: usize = 64;
pub const MAX_SITES: usize = 64;

pub fn single(member: usize) -> u64 {
    1 << member
}

/// The first `n` members.
pub fn first(n: usize) -> u64 {
    if n >= 64 { u64::MAX } else { (1 << n) - 1 }
}

#[inline(always)]
pub fn contains(set: u64, member: usize) -> bool {
    set >> member & 1 == 1
}

#[inline(always)]
pub fn is_subset(part: u64, whole: u64) -> bool {
    part & !whole == 0
}

/// Ascending.
pub fn members(set: u64) -> impl Iterator<Item = usize> {
    let mut rest = set;
    std::iter::from_fn(move || {
        let next = (rest != 0).then(|| rest.trailing_zeros() as usize);
        rest &= rest.wrapping_sub(1);
        next
    })
}

/// All non-empty subsets; every one comes after its own subsets.
pub fn subsets(set: u64) -> impl Iterator<Item = u64> {
    let mut last = 0u64;
    std::iter::from_fn(move || {
        last = last.wrapping_sub(set) & set;
        (last != 0).then_some(last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_subsets_are_complete_and_ascend() {
        assert_eq!(members(0b1010_0001).collect::<Vec<_>>(), [0, 5, 7]);
        assert_eq!(subsets(0b1010).collect::<Vec<_>>(), [0b10, 0b1000, 0b1010]);
        assert_eq!(subsets(0).count(), 0);
        assert_eq!((first(3), first(64)), (7, u64::MAX));
    }
}
