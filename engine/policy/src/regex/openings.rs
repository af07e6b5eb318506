//! The words that a text begins with, out of tens of thousands, in one search.
//!
//! Words are sorted. Let W be the last word that is not behind the text. A word that the text begins with
//! is not behind the text either, so it is W or before it; and whatever lies in sorted order between a
//! word and a text that begins with it begins with it too. So all words that the text begins with are W or
//! what W begins with, and each word knows the longest other one that it begins with.

/// Words, and what each stands for.
#[derive(Debug)]
pub(super) struct Openings<T> {
    /// All words, one behind the other.
    bytes: Vec<u8>,
    /// The first eight bytes of each word, filled up with zeros: most of a search ends here.
    keys: Vec<u64>,
    /// Where each word is in `bytes`, and where what it stands for is in `items`. One more than words.
    places: Vec<(usize, usize)>,
    /// The longest word that this one begins with, itself apart.
    parents: Vec<Option<u32>>,
    items: Vec<T>,
    longest: usize,
}

impl<T> Default for Openings<T> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<T> Openings<T> {
    /// A table of these words; a word may be there more than once, and empty ones are left out.
    pub(super) fn new(mut words: Vec<(Vec<u8>, T)>) -> Self {
        words.retain(|(word, _)| !word.is_empty());
        words.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut table = Self {
            bytes: Vec::new(),
            keys: Vec::new(),
            places: Vec::new(),
            parents: Vec::new(),
            items: Vec::with_capacity(words.len()),
            longest: 0,
        };
        let mut open: Vec<(u32, Vec<u8>)> = Vec::new();
        for (word, item) in words {
            if open.last().is_none_or(|(_, last)| *last != word) {
                while open.pop_if(|(_, last)| !word.starts_with(last)).is_some() {}
                table.places.push((table.bytes.len(), table.items.len()));
                table.keys.push(key(&word));
                table.bytes.extend_from_slice(&word);
                table.parents.push(open.last().map(|(place, _)| *place));
                table.longest = table.longest.max(word.len());
                let place = u32::try_from(table.keys.len() - 1).unwrap_or(u32::MAX);
                open.push((place, word));
            }
            table.items.push(item);
        }
        table.places.push((table.bytes.len(), table.items.len()));
        table
    }

    /// Whether there is no word.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The most bytes of a word.
    pub(super) const fn longest(&self) -> usize {
        self.longest
    }

    /// Gives the length of every word that `text` begins with to `found`, and what the word stands for.
    pub(super) fn lookup(&self, text: &[u8], found: &mut dyn FnMut(usize, &[T])) {
        let key = key(text);
        let from = self.keys.partition_point(|own| *own < key);
        let (_, behind) = self.keys.split_at_checked(from).unwrap_or_default();
        let to = from + behind.partition_point(|own| *own == key);
        // Of words that begin alike some may be behind the text.
        let not_behind = |place: &usize| self.word(*place).is_some_and(|word| word <= text);
        let last = partition(from, to, not_behind);
        let mut at = last.checked_sub(1);
        let mut begins = false;
        while let Some(place) = at {
            let Some(word) = self.word(place) else { return };
            begins = begins || text.starts_with(word);
            if begins {
                found(word.len(), self.items(place));
            }
            at = self.parents.get(place).copied().flatten().map(|parent| parent as usize);
        }
    }

    fn word(&self, place: usize) -> Option<&[u8]> {
        let ((from, _), (to, _)) = (self.places.get(place)?, self.places.get(place + 1)?);
        self.bytes.get(*from..*to)
    }

    fn items(&self, place: usize) -> &[T] {
        let ends = (self.places.get(place), self.places.get(place + 1));
        let (Some((_, from)), Some((_, to))) = ends else { return &[] };
        self.items.get(*from..*to).unwrap_or_default()
    }
}

/// The first eight bytes as a number that sorts as they do. Words of one key may still differ, also in
/// zeros at their end.
fn key(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    for (own, byte) in first.iter_mut().zip(text) {
        *own = *byte;
    }
    u64::from_be_bytes(first)
}

/// The first place of `from..to` that `is_before` does not hold for; it holds for all before that.
fn partition(mut from: usize, mut to: usize, is_before: impl Fn(&usize) -> bool) -> usize {
    while from < to {
        let middle = from + (to - from) / 2;
        match is_before(&middle) {
            true => from = middle + 1,
            false => to = middle,
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(words: &[&[u8]], text: &[u8]) {
        let numbered = words.iter().zip(0..).map(|(word, number)| (word.to_vec(), number));
        let table: Openings<usize> = Openings::new(numbered.collect());
        let mut found = Vec::new();
        table.lookup(text, &mut |length, items| {
            assert!(items.iter().all(|item| words[*item].len() == length));
            found.extend_from_slice(items);
        });
        found.sort_unstable();
        let all = words.iter().zip(0..).filter(|(word, _)| !word.is_empty());
        let expected: Vec<usize> =
            all.filter(|(word, _)| text.starts_with(word)).map(|(_, number)| number).collect();
        assert_eq!(found, expected, "{words:?} in {text:?}");
    }

    #[test]
    fn words_that_begin_a_text() {
        let words: &[&[u8]] =
            &[b"a", b"ab", b"abc", b"b", b"ab", b"", b"abcdefgh", b"abcdefghi", b"abcdefgi", b"ac"];
        for text in ["", "a", "ab", "abb", "abcd", "abcdefgh", "abcdefghij", "ad", "b", "c", "aa"] {
            check(words, text.as_bytes());
        }
        check(&[b"a", b"a\0", b"a\0\0"], b"a\0");
        check(&[b"\xff", b"\xff\xff"], b"\xff\xff\xff\xff\xff\xff\xff\xff\xff");
        check(&[], b"a");
    }

    proptest! {
        #[test]
        fn as_one_by_one(
            words in prop::collection::vec("[ab\0]{0,11}", 0..40),
            texts in prop::collection::vec("[ab\0]{0,14}", 1..20),
        ) {
            let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            texts.iter().for_each(|text| check(&words, text.as_bytes()));
        }
    }
}
