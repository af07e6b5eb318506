//! Who may try to log in: five failures in a minute lock an account's logins from that address, and
//! twenty from one address lock it for all accounts; for a minute, then for two, up to a day.
//!
//! A try is charged before its password is hashed, so that a hundred at once are no more than five, and
//! given back where it was right. An IPv6 address counts by its /64, which one machine has whole.
//!
//! INVARIANT: what is locked is never forgotten before its time. A full table forgets what is not
//! locked, longest quiet first; where all of it is locked, newcomers are not heard. To push the failures of
//! one account out takes 4096 others, and an address has twenty a minute: to wait is cheaper.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use super::passwd::AccountName;

/// Failures are counted over this time, and it is the first lock.
const MINUTE: Duration = Duration::from_secs(60);

/// A lock at most; and how long something has to be quiet until its locks are forgotten.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Failures of an account from an address in a minute (SPEC 9).
const ACCOUNT_FAILURES: usize = 5;

/// Failures of an address over all accounts in a minute: four people who each mistype.
const ADDRESS_FAILURES: usize = 20;

/// Accounts and addresses that are remembered: some hundred KiB.
const ENTRIES_MAX: usize = 4096;

/// Locks after which a further one is no longer: 2^11 minutes are more than a day.
const LOCKS_MAX: u32 = 11;

#[derive(Debug)]
struct Entry {
    failures: VecDeque<Instant>,
    locked_until: Option<Instant>,
    locks: u32,
    last: Instant,
}

/// Failures by what they are counted for.
#[derive(Debug)]
struct Table<K> {
    entries: HashMap<K, Entry>,
    failures_max: usize,
}

/// Whether a charge was the one that locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Counted,
    Locked,
}

impl<K: Eq + Hash + Clone> Table<K> {
    fn new(failures_max: usize) -> Self {
        Self { entries: HashMap::new(), failures_max }
    }

    /// How long nothing is heard of it; `None` where it is.
    fn wait(&mut self, key: &K, now: Instant) -> Option<Duration> {
        match self.entries.get(key) {
            Some(entry) => entry.locked_until.and_then(|until| left(until, now)),
            None => self.make_room(now),
        }
    }

    /// Makes room for one more; where there is none, says how long it takes.
    fn make_room(&mut self, now: Instant) -> Option<Duration> {
        if self.entries.len() < ENTRIES_MAX {
            return None;
        }
        let is_locked = |entry: &Entry| entry.locked_until.is_some_and(|until| until > now);
        let quiet = self.entries.iter().filter(|(_, entry)| !is_locked(entry));
        let oldest = quiet.min_by_key(|(_, entry)| entry.last).map(|(key, _)| key.clone());
        let Some(oldest) = oldest else { return Some(MINUTE) };
        self.entries.remove(&oldest);
        None
    }

    fn charge(&mut self, key: K, now: Instant) -> Mark {
        let fresh = || Entry { failures: VecDeque::new(), locked_until: None, locks: 0, last: now };
        let entry = self.entries.entry(key).or_insert_with(fresh);
        if now.saturating_duration_since(entry.last) >= DAY {
            entry.locks = 0;
        }
        entry.last = now;
        // What led to a lock that is over counts no more; until then it is kept for a refund.
        if entry.locked_until.take().is_some() {
            entry.failures.clear();
        }
        entry.failures.retain(|at| now.saturating_duration_since(*at) < MINUTE);
        entry.failures.push_back(now);
        if entry.failures.len() < self.failures_max {
            return Mark::Counted;
        }
        let length = MINUTE.saturating_mul(1 << entry.locks.min(LOCKS_MAX)).min(DAY);
        entry.locked_until = now.checked_add(length);
        entry.locks = entry.locks.saturating_add(1).min(LOCKS_MAX);
        // The day of quiet begins when the lock ends.
        entry.last = entry.locked_until.unwrap_or(now);
        Mark::Locked
    }

    /// Takes one charge back.
    fn refund(&mut self, key: &K, mark: Mark) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        // The others before it stay, or a right login at the right moment would clear them.
        entry.failures.pop_back();
        match mark {
            Mark::Counted => {}
            Mark::Locked => {
                entry.locked_until = None;
                entry.locks = entry.locks.saturating_sub(1);
            }
        }
    }
}

/// All that failed of late.
#[derive(Debug)]
pub(super) struct Lockout {
    accounts: Table<(Option<AccountName>, IpAddr)>,
    addresses: Table<IpAddr>,
}

/// A try that is charged.
#[derive(Debug)]
pub(super) struct Charge {
    account: Option<AccountName>,
    address: IpAddr,
    marks: (Mark, Mark),
}

impl Charge {
    /// Whether this one, if it fails, is the one that locks.
    pub(super) fn locks(&self) -> bool {
        self.marks.0 == Mark::Locked || self.marks.1 == Mark::Locked
    }
}

impl Lockout {
    pub(super) fn new() -> Self {
        Self { accounts: Table::new(ACCOUNT_FAILURES), addresses: Table::new(ADDRESS_FAILURES) }
    }

    /// Charges a try; what is no name at all counts as one account.
    ///
    /// # Errors
    /// How long no try is heard.
    pub(super) fn charge(
        &mut self,
        account: Option<AccountName>,
        address: IpAddr,
        now: Instant,
    ) -> Result<Charge, Duration> {
        let address = network(address);
        let pair = (account, address);
        let waits = [self.accounts.wait(&pair, now), self.addresses.wait(&address, now)];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        let marks = (self.accounts.charge(pair.clone(), now), self.addresses.charge(address, now));
        Ok(Charge { account: pair.0, address, marks })
    }

    /// The try was right: the account begins anew from there, and the address gets this one back.
    pub(super) fn right(&mut self, charge: Charge) {
        self.addresses.refund(&charge.address, charge.marks.1);
        self.accounts.entries.remove(&(charge.account, charge.address));
    }

    /// The try was no try, as where the engine could not hash.
    pub(super) fn refund(&mut self, charge: Charge) {
        self.addresses.refund(&charge.address, charge.marks.1);
        self.accounts.refund(&(charge.account, charge.address), charge.marks.0);
    }
}

fn left(until: Instant, now: Instant) -> Option<Duration> {
    until.checked_duration_since(now).filter(|left| !left.is_zero())
}

/// What one machine has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn name(text: &str) -> Option<AccountName> {
        AccountName::parse(text)
    }

    fn v4(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(number))
    }

    #[test]
    fn five_in_a_minute_lock_for_a_minute_and_then_for_twice_as_long() {
        let mut lockout = Lockout::new();
        let mut now = Instant::now();
        let mut minutes = Vec::new();
        for _ in 0..13 {
            for number in 1..=5 {
                let charge = lockout.charge(name("a"), v4(1), now).unwrap();
                assert_eq!(charge.marks.0 == Mark::Locked, number == 5);
            }
            let wait = lockout.charge(name("a"), v4(1), now).unwrap_err();
            minutes.push(wait.as_secs() / 60);
            assert!(
                lockout.charge(name("a"), v4(1), now + wait - Duration::from_millis(1)).is_err()
            );
            now += wait;
        }
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]);
        // Another account and another address never waited.
        assert!(lockout.charge(name("b"), v4(1), now).is_ok());
        assert!(lockout.charge(name("a"), v4(2), now).is_ok());
        // A day of quiet, and it begins anew.
        now += DAY + MINUTE;
        for _ in 0..5 {
            lockout.charge(name("a"), v4(1), now).unwrap();
        }
        assert_eq!(lockout.charge(name("a"), v4(1), now).unwrap_err(), MINUTE);
    }

    #[test]
    fn four_a_minute_lock_nothing() {
        let mut lockout = Lockout::new();
        let start = Instant::now();
        for step in 0..100 {
            lockout.charge(name("a"), v4(1), start + MINUTE / 4 * step).unwrap();
        }
    }

    #[test]
    fn what_was_right_is_not_held_against_anybody() {
        let mut lockout = Lockout::new();
        let now = Instant::now();
        for _ in 0..100 {
            for _ in 0..4 {
                let charge = lockout.charge(name("a"), v4(1), now).unwrap();
                lockout.refund(charge);
            }
            let charge = lockout.charge(name("a"), v4(1), now).unwrap();
            lockout.right(charge);
        }
        // The fifth one is right: it is no lock.
        for _ in 0..4 {
            lockout.charge(name("a"), v4(1), now).unwrap();
        }
        let fifth = lockout.charge(name("a"), v4(1), now).unwrap();
        assert!(fifth.locks());
        assert!(lockout.charge(name("a"), v4(1), now).is_err());
        lockout.right(fifth);
        assert!(lockout.charge(name("a"), v4(1), now).is_ok());
    }

    #[test]
    fn an_address_has_twenty_over_all_accounts_and_being_right_once_clears_none() {
        let mut lockout = Lockout::new();
        let now = Instant::now();
        for number in 0..20 {
            lockout.charge(name(&format!("a{number}")), v4(1), now).unwrap();
            if number < 19 {
                let own = lockout.charge(name("own"), v4(1), now).unwrap();
                lockout.right(own);
            }
        }
        assert_eq!(lockout.charge(name("z"), v4(1), now).unwrap_err(), MINUTE);
        assert!(lockout.charge(name("z"), v4(2), now).is_ok());
    }

    #[test]
    fn a_machine_has_one_network() {
        let mut lockout = Lockout::new();
        let now = Instant::now();
        for end in 1..=5 {
            let address: IpAddr = format!("2001:db8::{end}").parse().unwrap();
            lockout.charge(name("a"), address, now).unwrap();
        }
        assert!(lockout.charge(name("a"), "2001:db8::ffff".parse().unwrap(), now).is_err());
        assert!(lockout.charge(name("a"), "2001:db8:0:1::1".parse().unwrap(), now).is_ok());
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), v4(0x0a00_0001));
    }

    #[test]
    fn a_flood_unlocks_nobody() {
        let mut lockout = Lockout::new();
        let now = Instant::now();
        for _ in 0..5 {
            lockout.charge(name("admin"), v4(0), now).unwrap();
        }
        for number in 1..20_000 {
            drop(lockout.charge(name("admin"), v4(number), now));
        }
        assert!(lockout.accounts.entries.len() <= ENTRIES_MAX);
        assert!(lockout.addresses.entries.len() <= ENTRIES_MAX);
        assert!(lockout.charge(name("admin"), v4(0), now).is_err());
        // A table that is all locked hears no newcomers, and forgets nobody.
        let mut lockout = Lockout::new();
        for number in 0..u32::try_from(ENTRIES_MAX).unwrap() {
            for _ in 0..5 {
                lockout.charge(name("admin"), v4(number), now).unwrap();
            }
        }
        assert_eq!(lockout.charge(name("admin"), v4(99_999), now).unwrap_err(), MINUTE);
        assert!(lockout.charge(name("admin"), v4(0), now).is_err());
        let later = now + MINUTE;
        assert!(lockout.charge(name("admin"), v4(99_999), later).is_ok());
    }
}
