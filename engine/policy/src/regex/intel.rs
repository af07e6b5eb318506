//! Hyperscan: every expression of a shard in one pass.
//!
//! Block mode, each expression reported once. Expressions come from `print.rs`, never from a text that
//! the bindings would read as `/.../flags`. INVARIANT: a text comes out of `Memory::hold`, which owns the
//! bytes behind it.

use hyperscan::{
    BlockDatabase, Builder as _, Error, HsError, Matching, Pattern, PatternFlags, Patterns,
    SerializedDatabase as _,
};

use super::print::{Case, Printed};
use super::scanner::{PatternScanner, ScanFault, Tools};

/// A database of expressions.
pub(super) struct Scanner(BlockDatabase);

/// What a thread scans with: one piece of memory for all databases.
#[derive(Default)]
pub(super) struct Scratch(Option<hyperscan::Scratch>);

/// Why there is no database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IntelFault {
    /// The library does not take this expression.
    Refused(usize),
    /// It does not take them together, or not here.
    Failed(String),
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Scanner {
    /// Compiles expressions; each is reported by its place.
    pub(super) fn compile(expressions: &[Printed]) -> Result<Self, IntelFault> {
        match Patterns(expressions.iter().map(pattern).collect()).build() {
            Ok(database) => Ok(Self(database)),
            Err(Error::Hyperscan(HsError::CompileError(fault))) => {
                Err(fault.expression().map_or_else(
                    || IntelFault::Failed(fault.message().to_owned()),
                    IntelFault::Refused,
                ))
            }
            Err(fault) => Err(IntelFault::Failed(fault.to_string())),
        }
    }

    /// Whether the library takes an expression on its own.
    pub(super) fn takes(expression: &Printed) -> bool {
        pattern(expression).info().is_ok()
    }

    /// The database as bytes.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, IntelFault> {
        let bytes = self.0.serialize();
        bytes.map(|bytes| bytes.to_vec()).map_err(|fault| IntelFault::Failed(fault.to_string()))
    }

    /// The database that these bytes are. Only bytes whose checksum fits may come here.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, IntelFault> {
        let database = bytes.deserialize();
        database.map(Self).map_err(|fault| IntelFault::Failed(fault.to_string()))
    }

    /// How many bytes the database has in memory.
    pub(super) fn bytes(&self) -> usize {
        self.0.size().unwrap_or(0)
    }
}

fn pattern(expression: &Printed) -> Pattern {
    let case = match expression.case {
        Case::Folded => PatternFlags::CASELESS,
        Case::Exact => PatternFlags::empty(),
    };
    Pattern {
        expression: expression.text.clone(),
        flags: PatternFlags::SINGLEMATCH | case,
        id: None,
        ext: hyperscan::ExprExt::default(),
        som: None,
    }
}

impl PatternScanner for Scanner {
    fn fit(&self, _slot: usize, tools: &mut Tools) {
        match tools.intel.0.take() {
            None => tools.intel.0 = self.0.alloc_scratch().ok(),
            Some(mut scratch) => match self.0.realloc_scratch(&mut scratch) {
                Ok(_) => tools.intel.0 = Some(scratch),
                // The library has freed it already, and the bindings would free it again.
                Err(_) => std::mem::forget(scratch),
            },
        }
    }

    fn scan(
        &self,
        _slot: usize,
        text: &[u8],
        tools: &mut Tools,
        found: &mut dyn FnMut(u32),
    ) -> Result<(), ScanFault> {
        let scratch = tools.intel.0.as_ref().ok_or(ScanFault)?;
        let report = |id: u32, _from: u64, _to: u64, _flags: u32| {
            found(id);
            Matching::Continue
        };
        match self.0.scan(text, scratch, report) {
            Ok(()) | Err(Error::Hyperscan(HsError::ScanTerminated)) => Ok(()),
            Err(_) => Err(ScanFault),
        }
    }
}
