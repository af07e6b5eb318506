//! One shard, compiled: which expressions its patterns became, and who scans for them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use regex_syntax::hir::Hir;

use super::automata;
use super::dialect::RegexPattern;
use super::faults::PatternFault;
use super::intel::{self, IntelFault};
use super::plan::{Backend, Field, ShardPlan};
use super::print::{Lasting, Printed, lasting, print};
use super::scanner::{Counts, PatternScanner, ScanFault, Scanned, Tools};
use crate::compile::CompiledPolicy;

/// So many times the library is given the expressions of a shard, each time without those that it
/// refused; past that the whole shard is the fallback's.
const STARTS_MAX: usize = 20;

/// Who scans for a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placed {
    /// Hyperscan, together with the others of its shard.
    Hyperscan,
    /// regex-automata, since Hyperscan does not take it, or is not used.
    Fallback,
}

/// Why there is no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardFault {
    /// A pattern of the store is none of ours.
    #[error("the pattern `{pattern}` cannot be used")]
    Pattern {
        /// The pattern.
        pattern: RegexPattern,
        /// Why.
        #[source]
        source: PatternFault,
    },
    /// No scanner takes the pattern.
    #[error("no scanner takes the pattern `{pattern}`: {reason}")]
    Refused {
        /// The pattern.
        pattern: RegexPattern,
        /// What the last one says.
        reason: String,
    },
    /// They are too large together.
    #[error("no scanner takes the {patterns} patterns of a shard together: {reason}")]
    Together {
        /// How many there are.
        patterns: usize,
        /// What the last scanner says.
        reason: String,
    },
    /// The kept bytes are of another shard, library or processor.
    #[error(
        "the kept shard was made from other patterns, by another library or for another processor"
    )]
    Foreign,
    /// The kept bytes are damaged.
    #[error("the kept shard is damaged: {reason}")]
    Corrupt {
        /// What does not fit.
        reason: &'static str,
    },
    /// The library does not give its database, or does not take it back.
    #[error("the library does not hand over its database: {reason}")]
    Library {
        /// What it says.
        reason: String,
    },
}

/// What scans for an expression, and for which pattern it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expression {
    /// The place of its pattern in the shard.
    pub(super) pattern: u32,
    /// In which reading it counts.
    pub(super) counts: Counts,
    /// Who scans for it.
    pub(super) placed: Placed,
}

/// A compiled shard; immutable, and shared by all rulesets that have these patterns.
pub struct Shard {
    pub(super) plan: ShardPlan,
    pub(super) backend: Backend,
    pub(super) expressions: Vec<Expression>,
    pub(super) intel: Option<Intel>,
    fallback: Option<automata::Scanner>,
    /// Everything in regex-automata, once the library has failed on a text.
    rescue: OnceLock<Option<automata::Scanner>>,
    /// How often it failed.
    faults: AtomicU64,
}

/// Hyperscan's part of a shard.
#[derive(Debug)]
pub(super) struct Intel {
    pub(super) scanner: intel::Scanner,
    /// The place of each of its expressions among all of the shard.
    numbers: Vec<u32>,
}

impl Intel {
    pub(super) fn new(scanner: intel::Scanner, expressions: &[Expression]) -> Self {
        let numbers = expressions.iter().zip(0..);
        let numbers = numbers.filter(|(expression, _)| expression.placed == Placed::Hyperscan);
        Self { scanner, numbers: numbers.map(|(_, number)| number).collect() }
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("field", &self.plan.field())
            .field("patterns", &self.plan.patterns().len())
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

impl Shard {
    /// Compiles what a plan holds. This takes from milliseconds to seconds, on one thread.
    ///
    /// # Errors
    ///
    /// [`ShardFault`], where a pattern is none of ours or no scanner takes it.
    pub fn compile(plan: &ShardPlan, backend: Backend) -> Result<Self, ShardFault> {
        let (trees, mut expressions) = expressions(plan)?;
        let intel = match backend {
            Backend::Regex => None,
            Backend::Hyperscan => place(&trees, &mut expressions),
        };
        let left = (0..).zip(trees).zip(&expressions);
        let left = left.filter(|(_, expression)| expression.placed == Placed::Fallback);
        let fallback = fallback(plan, left.map(|(tree, _)| tree).collect(), &expressions)?;
        Ok(Self::new(plan.clone(), backend, expressions, intel, fallback))
    }

    pub(super) fn new(
        plan: ShardPlan,
        backend: Backend,
        expressions: Vec<Expression>,
        intel: Option<Intel>,
        fallback: Option<automata::Scanner>,
    ) -> Self {
        Self {
            plan,
            backend,
            expressions,
            intel,
            fallback,
            rescue: OnceLock::new(),
            faults: AtomicU64::new(0),
        }
    }

    /// What it was made for.
    #[must_use]
    pub const fn plan(&self) -> &ShardPlan {
        &self.plan
    }

    /// What its texts are.
    #[must_use]
    pub const fn field(&self) -> Field {
        self.plan.field()
    }

    /// What it was compiled for.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// Every pattern and who scans for it, in the order of the plan.
    pub fn placed(&self) -> impl Iterator<Item = (&RegexPattern, Placed)> {
        // A pattern's own expression comes before its variants, and in the order of the patterns.
        let own = self.expressions.iter().filter(|expression| match expression.counts {
            Counts::Always | Counts::Whole => true,
            Counts::Open => false,
        });
        self.plan.patterns().iter().zip(own.map(|expression| expression.placed))
    }

    /// How many bytes it has in memory, without what threads scan with.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let intel = self.intel.as_ref().map_or(0, |intel| intel.scanner.bytes());
        let fallback = self.fallback.as_ref().map_or(0, automata::Scanner::bytes);
        u64::try_from(intel.saturating_add(fallback)).unwrap_or(u64::MAX)
    }

    /// How often the library failed on a text, so that the fallback answered.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Makes room in what a thread scans with.
    pub(super) fn fit(&self, slot: usize, tools: &mut Tools) {
        if let Some(intel) = &self.intel {
            intel.scanner.fit(slot, tools);
        }
        if let Some(fallback) = &self.fallback {
            fallback.fit(slot, tools);
        }
    }

    /// Gives every expression that fits to `found`, as the place of its pattern and the readings in
    /// which it counts.
    pub(super) fn scan(
        &self,
        slot: usize,
        text: &[u8],
        tools: &mut Tools,
        found: &mut dyn FnMut(u32, Counts),
    ) -> Scanned {
        let mut found = |number: u32| {
            if let Some(expression) = self.expressions.get(number as usize) {
                found(expression.pattern, expression.counts);
            }
        };
        if let Some(fallback) = &self.fallback
            && fallback.scan(slot, text, tools, &mut found).is_err()
        {
            return Scanned::Broken;
        }
        let Some(intel) = &self.intel else { return Scanned::Fully };
        let answer = intel.scanner.scan(slot, text, tools, &mut |id| {
            if let Some(number) = intel.numbers.get(id as usize) {
                found(*number);
            }
        });
        match answer {
            Ok(()) => Scanned::Fully,
            Err(ScanFault) => self.rescue(text, &mut found),
        }
    }

    /// Answers without the library, which failed on this text. This compiles once and allocates: it is
    /// the way out of a state that should not be.
    pub(super) fn rescue(&self, text: &[u8], found: &mut dyn FnMut(u32)) -> Scanned {
        self.faults.fetch_add(1, Ordering::Relaxed);
        let scanner = self.rescue.get_or_init(|| {
            let (trees, _) = expressions(&self.plan).ok()?;
            automata::Scanner::compile(&(0..).zip(trees).collect::<Vec<_>>()).ok()
        });
        let Some(scanner) = scanner else { return Scanned::Broken };
        scanner.scan_with(text, &mut scanner.scratch(), found);
        Scanned::Fully
    }
}

/// The expressions of a plan: each pattern as it stands, in order, and behind them the variants that
/// last where more of the text will follow, as it does for the URI of a tunnel.
fn expressions(plan: &ShardPlan) -> Result<(Vec<Hir>, Vec<Expression>), ShardFault> {
    let (mut trees, mut expressions) = (Vec::new(), Vec::new());
    let mut variants = Vec::new();
    let placed = Placed::Fallback;
    for (pattern, place) in plan.patterns().iter().zip(0..) {
        let tree = pattern
            .tree()
            .map_err(|source| ShardFault::Pattern { pattern: pattern.clone(), source })?;
        let counts = match (plan.field(), lasting(&tree)) {
            (Field::Sni | Field::UserAgent | Field::Referer, _) => Counts::Always,
            (Field::Uri, Lasting::Always) => Counts::Always,
            (Field::Uri, Lasting::Never) => Counts::Whole,
            (Field::Uri, Lasting::Of(variant)) => {
                variants.push((place, variant));
                Counts::Whole
            }
        };
        trees.push(tree);
        expressions.push(Expression { pattern: place, counts, placed });
    }
    for (pattern, variant) in variants {
        trees.push(variant);
        expressions.push(Expression { pattern, counts: Counts::Open, placed });
    }
    Ok((trees, expressions))
}

/// Gives the library every expression that it takes.
fn place(trees: &[Hir], expressions: &mut [Expression]) -> Option<Intel> {
    let mut places: Vec<usize> = Vec::new();
    let mut printed: Vec<Printed> = Vec::new();
    for (place, tree) in trees.iter().enumerate() {
        if let Ok(expression) = print(tree) {
            places.push(place);
            printed.push(expression);
        }
    }
    for _ in 0..STARTS_MAX {
        if printed.is_empty() {
            return None;
        }
        match intel::Scanner::compile(&printed) {
            Ok(scanner) => {
                for place in places {
                    if let Some(expression) = expressions.get_mut(place) {
                        expression.placed = Placed::Hyperscan;
                    }
                }
                return Some(Intel::new(scanner, expressions));
            }
            Err(IntelFault::Refused(refused)) if refused < printed.len() => {
                // Those before it are fine; of those behind it each is asked about, since a start for
                // each one that is refused takes far longer.
                let mut behind =
                    printed.split_off(refused).into_iter().zip(places.split_off(refused));
                behind.next();
                for (expression, place) in behind {
                    if intel::Scanner::takes(&expression) {
                        printed.push(expression);
                        places.push(place);
                    }
                }
            }
            Err(IntelFault::Refused(_) | IntelFault::Failed(_)) => return None,
        }
    }
    None
}

/// What regex-automata scans for: these expressions, by their numbers.
pub(super) fn fallback(
    plan: &ShardPlan,
    left: Vec<(u32, Hir)>,
    expressions: &[Expression],
) -> Result<Option<automata::Scanner>, ShardFault> {
    if left.is_empty() {
        return Ok(None);
    }
    let reason = match automata::Scanner::compile(&left) {
        Ok(scanner) => return Ok(Some(scanner)),
        Err(automata::AutomataFault(reason)) => reason,
    };
    // Whichever of them is too large alone is named.
    for (number, tree) in left {
        if let Err(automata::AutomataFault(reason)) = automata::Scanner::compile(&[(number, tree)])
        {
            let expression = expressions.get(number as usize);
            let pattern = expression.and_then(|own| plan.patterns().get(own.pattern as usize));
            if let Some(pattern) = pattern.cloned() {
                return Err(ShardFault::Refused { pattern, reason });
            }
        }
    }
    Err(ShardFault::Together { patterns: plan.patterns().len(), reason })
}

/// Compiles every shard of a policy, one after another.
///
/// # Errors
///
/// [`ShardFault`] of the first that cannot be compiled.
pub fn compile_all(
    policy: &CompiledPolicy,
    backend: Backend,
) -> Result<Vec<Arc<Shard>>, ShardFault> {
    let plans = policy.shards();
    plans.iter().map(|plan| Shard::compile(plan, backend).map(Arc::new)).collect()
}
