//! A shard as bytes: what lies in a file named by its key.
//!
//! ```text
//! magic | key, 32 bytes | expressions, u32 | 6 bytes for each | Hyperscan's database | SHA-256 of it all
//! ```
//!
//! INVARIANT: the library is given bytes only behind a checksum that fits; it follows offsets in them.

use super::automata;
use super::intel::{self, IntelFault};
use super::plan::{Backend, ShardPlan};
use super::print::{Lasting, lasting};
use super::scanner::Counts;
use super::shard::{Expression, Intel, Placed, Shard, ShardFault, fallback};
use crate::digest::Digest;

const MAGIC: &[u8; 8] = b"EGSHARD1";

/// Bytes of a digest.
const DIGEST: usize = 32;

/// Bytes of an expression: its pattern, when it counts, who scans for it.
const EXPRESSION: usize = 6;

impl Shard {
    /// The shard as bytes, for [`Self::from_bytes`].
    ///
    /// # Errors
    ///
    /// The library does not give its database.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ShardFault> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(self.plan.key(self.backend).as_bytes());
        let count = u32::try_from(self.expressions.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_be_bytes());
        for expression in &self.expressions {
            bytes.extend_from_slice(&expression.pattern.to_be_bytes());
            bytes.push(match expression.counts {
                Counts::Always => 0,
                Counts::Whole => 1,
                Counts::Open => 2,
            });
            bytes.push(match expression.placed {
                Placed::Hyperscan => 0,
                Placed::Fallback => 1,
            });
        }
        if let Some(intel) = &self.intel {
            bytes.extend(intel.scanner.to_bytes().map_err(library)?);
        }
        let sum = Digest::of(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        Ok(bytes)
    }

    /// The shard that [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// The bytes are damaged, or of other patterns, another library or another processor.
    pub fn from_bytes(
        plan: &ShardPlan,
        backend: Backend,
        bytes: &[u8],
    ) -> Result<Self, ShardFault> {
        let (bytes, sum) = bytes
            .split_last_chunk::<DIGEST>()
            .ok_or(ShardFault::Corrupt { reason: "it is too short" })?;
        if Digest::of(bytes) != Digest::from_bytes(*sum) {
            return Err(ShardFault::Corrupt { reason: "its checksum does not fit" });
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(ShardFault::Foreign)?;
        let (key, rest) = rest.split_first_chunk::<DIGEST>().ok_or(CUT)?;
        if Digest::from_bytes(*key) != plan.key(backend) {
            return Err(ShardFault::Foreign);
        }
        let (count, rest) = rest.split_first_chunk::<4>().ok_or(CUT)?;
        let count = u32::from_be_bytes(*count) as usize;
        let (listed, database) = count
            .checked_mul(EXPRESSION)
            .and_then(|length| rest.split_at_checked(length))
            .ok_or(CUT)?;
        let listed = listed.chunks_exact(EXPRESSION).map(expression);
        let listed = listed.collect::<Option<Vec<Expression>>>();
        let listed =
            listed.ok_or(ShardFault::Corrupt { reason: "it has an unknown expression" })?;
        if !is_of(plan, &listed) {
            return Err(OTHER);
        }
        let any = |placed: Placed| listed.iter().any(|expression| expression.placed == placed);
        let intel = match (any(Placed::Hyperscan), database.is_empty()) {
            (true, false) => {
                let scanner = intel::Scanner::from_bytes(database).map_err(library)?;
                Some(Intel::new(scanner, &listed))
            }
            (false, true) => None,
            (true, true) | (false, false) => {
                return Err(ShardFault::Corrupt { reason: "its database is not what it lists" });
            }
        };
        let left = match any(Placed::Fallback) {
            true => left(plan, &listed)?,
            false => None,
        };
        Ok(Self::new(plan.clone(), backend, listed, intel, left))
    }
}

/// The part that regex-automata scans for, which is made anew from the patterns.
fn left(plan: &ShardPlan, listed: &[Expression]) -> Result<Option<automata::Scanner>, ShardFault> {
    let mut trees = Vec::new();
    for (number, expression) in (0..).zip(listed) {
        match expression.placed {
            Placed::Hyperscan => continue,
            Placed::Fallback => {}
        }
        let pattern = plan.patterns().get(expression.pattern as usize).ok_or(OTHER)?;
        let tree = pattern
            .tree()
            .map_err(|source| ShardFault::Pattern { pattern: pattern.clone(), source })?;
        match (expression.counts, lasting(&tree)) {
            (Counts::Always | Counts::Whole, _) => trees.push((number, tree)),
            (Counts::Open, Lasting::Of(variant)) => trees.push((number, variant)),
            (Counts::Open, Lasting::Always | Lasting::Never) => return Err(OTHER),
        }
    }
    fallback(plan, trees, listed)
}

/// Whether these are the expressions of a plan: each pattern in order, and variants behind them.
fn is_of(plan: &ShardPlan, listed: &[Expression]) -> bool {
    let count = plan.patterns().len();
    let own = |(place, expression): (usize, &Expression)| match expression.counts {
        Counts::Always | Counts::Whole => expression.pattern as usize == place && place < count,
        Counts::Open => place >= count && (expression.pattern as usize) < count,
    };
    listed.len() >= count && listed.iter().enumerate().all(own)
}

const OTHER: ShardFault = ShardFault::Corrupt { reason: "it lists other expressions" };

const CUT: ShardFault = ShardFault::Corrupt { reason: "it is cut off" };

fn expression(bytes: &[u8]) -> Option<Expression> {
    let (pattern, rest) = bytes.split_first_chunk::<4>()?;
    let (counts, placed) = match rest {
        [counts, placed] => (*counts, *placed),
        _ => return None,
    };
    let counts = match counts {
        0 => Counts::Always,
        1 => Counts::Whole,
        2 => Counts::Open,
        _ => return None,
    };
    let placed = match placed {
        0 => Placed::Hyperscan,
        1 => Placed::Fallback,
        _ => return None,
    };
    Some(Expression { pattern: u32::from_be_bytes(*pattern), counts, placed })
}

fn library(fault: IntelFault) -> ShardFault {
    let reason = match fault {
        IntelFault::Refused(place) => format!("it refuses expression {place}"),
        IntelFault::Failed(reason) => reason,
    };
    ShardFault::Library { reason }
}
