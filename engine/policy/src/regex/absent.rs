//! Stands in for `intel.rs` where the program is built without Hyperscan: there is never a database.

use super::print::Printed;
use super::scanner::{PatternScanner, ScanFault, Tools};

/// A database of expressions; there is none.
#[derive(Debug)]
pub(super) struct Scanner(());

/// What a thread scans with.
#[derive(Debug, Default)]
pub(super) struct Scratch;

/// Why there is no database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IntelFault {
    /// The library does not take this expression.
    #[expect(dead_code, reason = "only the library names an expression")]
    Refused(usize),
    /// There is no library.
    Failed(String),
}

fn absent() -> IntelFault {
    IntelFault::Failed("this program was built without Hyperscan".to_owned())
}

impl Scanner {
    /// Compiles expressions.
    pub(super) fn compile(_expressions: &[Printed]) -> Result<Self, IntelFault> {
        Err(absent())
    }

    /// Whether the library takes an expression on its own.
    pub(super) const fn takes(_expression: &Printed) -> bool {
        false
    }

    /// The database as bytes.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, IntelFault> {
        Err(absent())
    }

    /// The database that these bytes are.
    pub(super) fn from_bytes(_bytes: &[u8]) -> Result<Self, IntelFault> {
        Err(absent())
    }

    /// How many bytes the database has in memory.
    pub(super) const fn bytes(&self) -> usize {
        0
    }
}

impl PatternScanner for Scanner {
    fn fit(&self, _slot: usize, tools: &mut Tools) {
        tools.intel = Scratch;
    }

    fn scan(
        &self,
        _slot: usize,
        _text: &[u8],
        tools: &mut Tools,
        _found: &mut dyn FnMut(u32),
    ) -> Result<(), ScanFault> {
        let Scratch = tools.intel;
        Err(ScanFault)
    }
}
