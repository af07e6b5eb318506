//! The backend `hashset`: every name of every list, once, with the set of lists that name it.
//!
//! The file form is the form in memory. Opening it reads the header and the few groups and checks the
//! whole with one hash; no name is parsed. All numbers are little-endian.
//!
//! ```text
//!   0  magic                8 bytes   `EGNAMES` and a line feed
//!   8  version              u32
//!  12  sets                 u32
//!  16  seed                 u64       of every hash of a name
//!  24  names                u64
//!  32  buckets              u64
//!  40  depths               u64       bit n: there is a name of n labels
//!  48  groups               u64
//!  56  items                u64
//!  64  arena                u64       its bytes
//!  72  sets of URLs         u64
//!  80  URLs                 u64       the bytes of their table
//! 128  buckets              64 bytes each (table.rs)
//!      arena                length u8, group LEB128, name; after one byte of padding
//!      groups               u32 each: where a group ends in the items
//!      items                u32 each: number of the set * 2, + 1 where only the host itself is meant
//!      digests              32 bytes each, of the sets in the order of their numbers
//!      digests              of the sets of URLs
//!      URLs                 (urls.rs)
//!      checksum             u64, XXH3 of all before it
//! ```
//!
//! INVARIANT: an opened index never fails on a look-up, whatever the arena holds: every place is read
//! through a checked slice.

use xxhash_rust::xxh3::xxh3_64;

use super::table::{BUCKET_BYTES, Entry, Groups, Item, NameTable, Shape, assemble};
use super::urls::{UrlTable, write_urls};
use crate::digest::Digest;
use crate::lists::{NameList, UrlList};

/// The version of the file form; a file of another one is made again from the sets.
pub const INDEX_VERSION: u32 = 2;

const MAGIC: [u8; 8] = *b"EGNAMES\n";
const HEADER_BYTES: usize = 128;
const CHECKSUM_BYTES: usize = 8;
const DIGEST_BYTES: usize = 32;

/// Every name of several sets, each once, in memory.
#[derive(Debug)]
pub struct DomainIndex {
    table: NameTable,
    sets: Vec<Digest>,
    urls: UrlTable,
    url_sets: Vec<Digest>,
}

/// Why bytes are no index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexFault {
    /// They do not begin like one.
    #[error("not an index of names")]
    NotAnIndex,
    /// Another version wrote them.
    #[error("an index of version {found}; this program reads version {INDEX_VERSION}")]
    Version {
        /// The version of the bytes.
        found: u32,
    },
    /// They are fewer or more than the header says.
    #[error("an index of {found} bytes where its header says {expected}")]
    Length {
        /// How many there are.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
    /// Something in them was changed.
    #[error("an index whose checksum is wrong")]
    Checksum,
    /// The table of URLs is not whole.
    #[error("an index whose URLs are not whole")]
    Urls,
}

/// The numbers of a header, behind magic and version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Header {
    sets: u32,
    shape: Shape,
    groups: u64,
    items: u64,
    arena: u64,
    url_sets: u64,
    urls: u64,
}

/// Writes the index over `sets`; the same sets, in the same order, and seed give the same bytes.
#[must_use]
pub fn write_index(sets: &[(Digest, &NameList)], seed: u64) -> Vec<u8> {
    write_index_with(sets, &[], seed)
}

/// The same with sets of URLs.
#[must_use]
pub fn write_index_with(
    sets: &[(Digest, &NameList)],
    url_sets: &[(Digest, &UrlList)],
    seed: u64,
) -> Vec<u8> {
    let count: u64 = sets.iter().map(|(_, names)| names.len()).sum();
    let mut entries = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for (number, (_, names)) in (0_u32..).zip(sets) {
        entries.extend(
            names
                .iter()
                .filter_map(|(name, scope)| Entry::new(name, Item::new(number, scope), seed)),
        );
    }
    let (mut bytes, shape, groups) = assemble(entries, seed, HEADER_BYTES);
    let lists: Vec<&UrlList> = url_sets.iter().map(|(_, urls)| *urls).collect();
    let urls = write_urls(&lists, seed);
    let slots = usize::try_from(shape.buckets).unwrap_or(0) * BUCKET_BYTES;
    let header = Header {
        sets: u32::try_from(sets.len()).unwrap_or(u32::MAX),
        shape,
        groups: groups.ends.len() as u64,
        items: groups.items.len() as u64,
        arena: (bytes.len() - HEADER_BYTES - slots) as u64,
        url_sets: url_sets.len() as u64,
        urls: urls.len() as u64,
    };
    if let Some(front) = bytes.get_mut(..HEADER_BYTES) {
        front.copy_from_slice(&header.to_bytes());
    }
    bytes.extend(groups.ends.iter().flat_map(|end| end.to_le_bytes()));
    bytes.extend(groups.items.iter().flat_map(|item| item.0.to_le_bytes()));
    bytes.extend(sets.iter().flat_map(|(digest, _)| *digest.as_bytes()));
    bytes.extend(url_sets.iter().flat_map(|(digest, _)| *digest.as_bytes()));
    bytes.extend_from_slice(&urls);
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    bytes
}

impl DomainIndex {
    /// Opens the file form.
    ///
    /// # Errors
    ///
    /// [`IndexFault`], where the bytes are not one whole index of this version.
    pub fn open(mut bytes: Vec<u8>) -> Result<Self, IndexFault> {
        let header = Header::read(&bytes)?;
        let expected = header.file_bytes();
        if expected != Some(bytes.len()) {
            let expected = expected.map_or(u64::MAX, |bytes| bytes as u64);
            return Err(IndexFault::Length { found: bytes.len() as u64, expected });
        }
        let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if xxh3_64(body).to_le_bytes() != checksum {
            return Err(IndexFault::Checksum);
        }
        let tail = header.table_end().unwrap_or(body.len());
        let mut rest = body.get(tail..).unwrap_or_default();
        let ends = numbers(&mut rest, header.groups);
        let items = numbers(&mut rest, header.items).into_iter().map(Item).collect();
        let sets = digests(&mut rest, u64::from(header.sets));
        let url_sets = digests(&mut rest, header.url_sets);
        let urls = UrlTable::open(rest, header.shape.seed).ok_or(IndexFault::Urls)?;
        bytes.truncate(tail);
        let table = NameTable::over(bytes, HEADER_BYTES, header.shape, Groups { ends, items });
        Ok(Self { table, sets, urls, url_sets })
    }

    /// How many distinct names it holds.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.table.entries()
    }

    /// How many bytes it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sets = self.sets.len() + self.url_sets.len();
        self.table.bytes() + self.urls.bytes() + (sets * DIGEST_BYTES) as u64
    }

    /// The sets that it was made of, in the order of their numbers.
    #[must_use]
    pub fn sets(&self) -> &[Digest] {
        &self.sets
    }

    /// The sets of URLs that it was made of, in the order of their numbers.
    #[must_use]
    pub fn url_sets(&self) -> &[Digest] {
        &self.url_sets
    }

    /// How many distinct URLs it holds.
    #[must_use]
    pub const fn url_entries(&self) -> usize {
        self.urls.len()
    }

    /// The URLs.
    pub(crate) const fn urls(&self) -> &UrlTable {
        &self.urls
    }

    /// The table that is asked.
    pub(crate) const fn table(&self) -> &NameTable {
        &self.table
    }
}

/// Takes `count` numbers off the front of `rest`.
fn numbers(rest: &mut &[u8], count: u64) -> Vec<u32> {
    let bytes = usize::try_from(count).unwrap_or(0).saturating_mul(4).min(rest.len());
    let (front, after) = rest.split_at(bytes);
    *rest = after;
    front.as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number)).collect()
}

/// Takes `count` digests off the front of `rest`.
fn digests(rest: &mut &[u8], count: u64) -> Vec<Digest> {
    let bytes = usize::try_from(count).unwrap_or(0).saturating_mul(DIGEST_BYTES).min(rest.len());
    let (front, after) = rest.split_at(bytes);
    *rest = after;
    let (digests, _) = front.as_chunks::<DIGEST_BYTES>();
    digests.iter().map(|digest| Digest::from_bytes(*digest)).collect()
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(INDEX_VERSION.to_le_bytes());
        bytes.extend(self.sets.to_le_bytes());
        let Shape { seed, entries, buckets, depths } = self.shape;
        let own = [self.groups, self.items, self.arena, self.url_sets, self.urls];
        for number in [seed, entries, buckets, depths].into_iter().chain(own) {
            bytes.extend(number.to_le_bytes());
        }
        bytes.resize(HEADER_BYTES, 0);
        bytes.try_into().unwrap_or([0; HEADER_BYTES])
    }

    fn read(bytes: &[u8]) -> Result<Self, IndexFault> {
        let header = bytes.get(..HEADER_BYTES).ok_or(IndexFault::NotAnIndex)?;
        let (words, _) = header.as_chunks::<8>();
        let [magic, version, numbers @ ..] = words else { return Err(IndexFault::NotAnIndex) };
        let [a, b, c, d, sets @ ..] = *version;
        let found = u32::from_le_bytes([a, b, c, d]);
        if *magic != MAGIC {
            return Err(IndexFault::NotAnIndex);
        }
        if found != INDEX_VERSION {
            return Err(IndexFault::Version { found });
        }
        let mut numbers = numbers.iter().map(|word| u64::from_le_bytes(*word));
        let mut next = || numbers.next().unwrap_or(0);
        let shape = Shape { seed: next(), entries: next(), buckets: next(), depths: next() };
        let sets = u32::from_le_bytes(sets);
        let (groups, items, arena) = (next(), next(), next());
        Ok(Self { sets, shape, groups, items, arena, url_sets: next(), urls: next() })
    }

    /// Where slots and arena end.
    fn table_end(&self) -> Option<usize> {
        let slots = usize::try_from(self.shape.buckets).ok()?.checked_mul(BUCKET_BYTES)?;
        let arena = usize::try_from(self.arena).ok()?;
        HEADER_BYTES.checked_add(slots)?.checked_add(arena)
    }

    /// How long the whole file is.
    fn file_bytes(&self) -> Option<usize> {
        let numbers = usize::try_from(self.groups.checked_add(self.items)?).ok()?;
        let sets = u64::from(self.sets).checked_add(self.url_sets)?;
        let sets = usize::try_from(sets).ok()?.checked_mul(DIGEST_BYTES)?;
        let urls = usize::try_from(self.urls).ok()?;
        let tail = numbers.checked_mul(4)?.checked_add(sets)?.checked_add(urls)?;
        let tail = tail.checked_add(CHECKSUM_BYTES)?;
        self.table_end()?.checked_add(tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::table::walk;

    fn file() -> Vec<u8> {
        let one = names(b"example.com\nlisted.net\n=only.org\n");
        let other = names(b"example.com\n");
        write_index(&[(Digest::of(b"1"), &one), (Digest::of(b"2"), &other)], 5)
    }

    fn names(text: &[u8]) -> NameList {
        crate::lists::read_names(text).unwrap().0
    }

    fn sets(index: &DomainIndex, host: &str) -> Vec<u32> {
        let (mut suffixes, mut hits) = (Vec::new(), Vec::new());
        walk(host.as_bytes(), index.table().seed(), &mut suffixes);
        index.table().probe(host.as_bytes(), &suffixes, &mut hits);
        let items = hits.iter().flat_map(|hit| {
            index.table().items(hit.group).iter().filter(|item| item.holds(hit.reach))
        });
        items.map(|item| item.set()).collect()
    }

    #[test]
    fn a_file_opens_to_what_was_written() {
        let index = DomainIndex::open(file()).unwrap();
        assert_eq!(index.entries(), 3);
        assert_eq!(index.sets(), [Digest::of(b"1"), Digest::of(b"2")]);
        assert_eq!(sets(&index, "www.example.com"), [0, 1]);
        assert_eq!(sets(&index, "listed.net"), [0]);
        assert_eq!(sets(&index, "only.org"), [0]);
        assert_eq!(sets(&index, "www.only.org"), [0; 0]);
        assert!(index.bytes() < file().len() as u64 + 128);
    }

    #[test]
    fn the_same_sets_and_seed_give_the_same_bytes() {
        assert_eq!(file(), file());
        let names = names(b"a.example\n");
        let set = [(Digest::of(b"1"), &names)];
        assert_ne!(write_index(&set, 1), write_index(&set, 2));
    }

    #[test]
    fn an_index_of_nothing_holds_nothing() {
        let index = DomainIndex::open(write_index(&[], 1)).unwrap();
        assert_eq!((index.entries(), sets(&index, "a.example")), (0, Vec::new()));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let file = file();
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            assert!(DomainIndex::open(changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_file_that_is_cut_or_grown_is_refused() {
        let file = file();
        for length in [0, 7, 8, 127, 128, file.len() - 1] {
            assert!(DomainIndex::open(file[..length].to_vec()).is_err(), "{length} bytes");
        }
        let mut grown = file;
        grown.push(0);
        let found = grown.len() as u64;
        let fault = IndexFault::Length { found, expected: found - 1 };
        assert_eq!(DomainIndex::open(grown).unwrap_err(), fault);
    }

    #[test]
    fn other_versions_and_other_files_are_told_apart() {
        let mut later = file();
        later[8] = 9;
        let fault = DomainIndex::open(later).unwrap_err();
        assert_eq!(fault, IndexFault::Version { found: 9 });
        assert_eq!(DomainIndex::open(vec![0; 500]).unwrap_err(), IndexFault::NotAnIndex);
    }

    #[test]
    fn a_header_that_lies_about_lengths_is_refused() {
        // All numbers but those of names and depths say how long something is.
        for at in [32_usize, 48, 56, 64] {
            let mut lying = file();
            lying[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
            let fault = DomainIndex::open(lying).unwrap_err();
            assert!(matches!(fault, IndexFault::Length { .. }), "byte {at}: {fault}");
        }
    }

    #[test]
    fn a_forged_arena_gives_misses_and_no_panic() {
        let mut forged = file();
        let end = forged.len() - CHECKSUM_BYTES;
        for byte in &mut forged[HEADER_BYTES..end] {
            *byte = !*byte;
        }
        let checksum = xxh3_64(&forged[..end]).to_le_bytes();
        forged[end..].copy_from_slice(&checksum);
        let index = DomainIndex::open(forged).unwrap();
        assert_eq!(sets(&index, "www.example.com"), [0; 0]);
    }
}
