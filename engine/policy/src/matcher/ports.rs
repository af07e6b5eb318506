//! Ports: ranges are cut into blocks of a power of two, so that a port lies in at most 17 blocks however
//! many ranges there are.

use crate::check::PortRange;

/// The bits of a port.
const BITS: u32 = u16::BITS;

/// The blocks that one port may lie in: one of each size.
pub(crate) const BLOCKS_OF_PORT: usize = 17;

/// Every block that rules name.
#[derive(Debug, Default)]
pub(crate) struct PortTable {
    /// Sorted; a block's number is its place.
    blocks: Vec<u32>,
}

/// The block of this size that holds a port: a bit above its leading bits.
const fn block(port: u16, free: u32) -> u32 {
    ((1 << BITS) | port as u32) >> free
}

/// Cuts a range into the fewest blocks.
fn blocks(range: PortRange) -> impl Iterator<Item = u32> {
    let last = u32::from(range.last);
    let mut next = u32::from(range.first);
    std::iter::from_fn(move || {
        let first = u16::try_from(next).ok().filter(|_| next <= last)?;
        let aligned = first.trailing_zeros().min(BITS);
        let free = aligned.min((last - next + 1).ilog2());
        next += 1 << free;
        Some(block(first, free))
    })
}

impl PortTable {
    /// The table of these ranges.
    pub(crate) fn new(ranges: impl Iterator<Item = PortRange>) -> Self {
        let mut blocks: Vec<u32> = ranges.flat_map(blocks).collect();
        blocks.sort_unstable();
        blocks.dedup();
        Self { blocks }
    }

    /// How many blocks there are.
    pub(crate) const fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The numbers of the blocks of a range that the table was made with.
    pub(crate) fn find(&self, range: PortRange) -> impl Iterator<Item = u32> {
        blocks(range).filter_map(|block| self.number(block))
    }

    /// The numbers of the blocks that a port lies in.
    pub(crate) fn of(&self, port: u16) -> impl Iterator<Item = u32> {
        (0..=BITS).filter_map(move |free| self.number(block(port, free)))
    }

    fn number(&self, block: u32) -> Option<u32> {
        u32::try_from(self.blocks.binary_search(&block).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_in_the_blocks_of_the_ranges_that_hold_it() {
        let ranges = [
            (1, 65535),
            (80, 80),
            (443, 444),
            (1, 1),
            (65535, 65535),
            (1000, 2999),
            (32768, 65535),
            (1023, 1025),
            (0, 65535),
        ]
        .map(|(first, last)| PortRange { first, last });
        let table = PortTable::new(ranges.into_iter());
        for port in 0..=u16::MAX {
            let held: Vec<u32> = table.of(port).collect();
            assert!(held.len() <= BLOCKS_OF_PORT);
            for range in ranges {
                let own: Vec<u32> = table.find(range).collect();
                let found = own.iter().any(|block| held.contains(block));
                assert_eq!(found, range.first <= port && port <= range.last, "{port} {range:?}");
            }
        }
        assert_eq!(PortTable::default().of(80).count(), 0);
    }
}
