//! Users: the names that rules and their lists name, compared byte by byte.

use std::collections::HashMap;

use super::runs::{Run, Runs};

/// Every name of a policy, and the lists that hold it.
#[derive(Debug, Default)]
pub(crate) struct UserTable {
    /// The number of each name.
    numbers: HashMap<Box<[u8]>, u32>,
    /// By number, the lists that hold it.
    lists: Vec<Run>,
}

/// A name that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UserHit {
    /// Its number.
    pub(crate) number: u32,
    /// The lists that hold it.
    pub(crate) lists: Run,
}

impl UserTable {
    /// The table of these names, each with the list that it comes from, or with none where a rule says
    /// it itself.
    pub(crate) fn new<'n, N: Iterator<Item = (&'n str, Option<u32>)>>(
        names: N,
        runs: &mut Runs,
    ) -> Self {
        let mut numbers: HashMap<Box<[u8]>, u32> = HashMap::new();
        let mut lists: Vec<Vec<u32>> = Vec::new();
        for (name, list) in names {
            let next = u32::try_from(lists.len()).unwrap_or(u32::MAX);
            let number = *numbers.entry(name.as_bytes().into()).or_insert(next);
            if number == next {
                lists.push(Vec::new());
            }
            if let (Some(list), Some(lists)) = (list, lists.get_mut(number as usize)) {
                lists.push(list);
            }
        }
        Self { numbers, lists: lists.into_iter().map(|lists| runs.add(lists)).collect() }
    }

    /// How many names there are.
    pub(crate) const fn len(&self) -> usize {
        self.lists.len()
    }

    /// The name that `user` is.
    pub(crate) fn find(&self, user: &[u8]) -> Option<UserHit> {
        let number = *self.numbers.get(user)?;
        Some(UserHit { number, lists: *self.lists.get(number as usize)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_bytes_alone() {
        let mut runs = Runs::default();
        let names = [("ada", None), ("eve", Some(3)), ("ada", Some(1)), ("ada", Some(3))];
        let table = UserTable::new(names.into_iter(), &mut runs);
        assert_eq!(table.len(), 2);
        let lists = |user: &[u8]| table.find(user).map(|hit| runs.of(hit.lists).to_vec());
        assert_eq!(lists(b"ada"), Some(vec![1, 3]));
        assert_eq!(lists(b"eve"), Some(vec![3]));
        for other in [&b"Ada"[..], b"ad", b"ada ", b"", b"\xff"] {
            assert_eq!(lists(other), None);
        }
    }
}
