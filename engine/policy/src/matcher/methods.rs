//! Methods: tokens that differ in case are different methods (RFC 9110, section 9.1), and servers may
//! take them for the same. The table finds all spellings of one; how exactly a rule means its own is
//! its own matter.

use std::collections::HashMap;

use super::runs::{Run, Runs};

/// Every method that rules name.
#[derive(Debug, Default)]
pub(crate) struct MethodTable {
    /// Sorted; a method's number is its place.
    texts: Vec<Box<str>>,
    /// The numbers of all spellings, by the one in upper case.
    spellings: HashMap<Box<[u8]>, Run>,
    longest: usize,
}

impl MethodTable {
    /// The table of these methods.
    pub(crate) fn new<'n, T: Iterator<Item = &'n str>>(texts: T, runs: &mut Runs) -> Self {
        let mut texts: Vec<Box<str>> = texts.map(Box::from).collect();
        texts.sort_unstable();
        texts.dedup();
        let mut spellings: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
        for (text, number) in texts.iter().zip(0..) {
            let upper = text.to_ascii_uppercase().into_bytes().into_boxed_slice();
            spellings.entry(upper).or_default().push(number);
        }
        let spellings = spellings.into_iter().map(|(upper, numbers)| (upper, runs.add(numbers)));
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or_default();
        Self { spellings: spellings.collect(), texts, longest }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.texts.len()
    }

    /// The bytes of the longest.
    pub(crate) const fn longest(&self) -> usize {
        self.longest
    }

    /// The number of a method that the table was made with.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        let place = self.texts.binary_search_by(|own| (**own).cmp(text)).ok()?;
        u32::try_from(place).ok()
    }

    /// The numbers of all spellings of `method`; `upper` is memory.
    pub(crate) fn spellings(&self, method: &[u8], upper: &mut Vec<u8>) -> Run {
        upper.clear();
        // What a client sends may be far longer, and is then none of them.
        if method.len() > self.longest {
            return Run::default();
        }
        upper.extend(method.iter().map(u8::to_ascii_uppercase));
        self.spellings.get(upper.as_slice()).copied().unwrap_or_default()
    }

    /// Whether the method with this number is spelled like `method`.
    pub(crate) fn is_spelled(&self, number: u32, method: &[u8]) -> bool {
        self.texts.get(number as usize).is_some_and(|text| text.as_bytes() == method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_are_found() {
        let mut runs = Runs::default();
        let table = MethodTable::new(["GET", "get", "POST", "GET"].into_iter(), &mut runs);
        assert_eq!(table.len(), 3);
        let mut upper = Vec::new();
        let mut spelled = |method: &[u8]| runs.of(table.spellings(method, &mut upper)).len();
        for (method, expected) in
            [(&b"GET"[..], 2), (b"gEt", 2), (b"post", 1), (b"PUT", 0), (b"", 0), (b"GETX", 0)]
        {
            assert_eq!(spelled(method), expected);
        }
        let number = table.find("get").unwrap();
        assert!(table.is_spelled(number, b"get") && !table.is_spelled(number, b"GET"));
        assert_eq!(table.find("Get"), None);
    }
}
