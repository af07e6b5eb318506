//! Passwords: the rules of new ones, and the thread that hashes.
//!
//! A hash takes 19 MiB and some 30 ms of a core, which strangers can ask for. One thread does them one
//! after the other, below the priority of those that answer Squid, and few may wait.
//!
//! INVARIANT: a login costs one hash whether or not there is such an account.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use argon2::{Algorithm, Argon2, Params, Version};
use eg_proto::control::Secret;
use eg_proto::control::auth::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::passwd::{AccountName, Cost, HASH_BYTES, Hashed};

/// Hashes that may wait: the last one is done within a second.
const WAITING_MAX: usize = 16;

/// How far below the others the thread runs: it takes what Squid's questions leave.
const NICENESS: i32 = 10;

/// A salt, in bytes.
const SALT_BYTES: usize = 16;

/// Why a password cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PasswordFault {
    /// Too short.
    #[error("a password has {PASSWORD_CHARS_MIN} characters at least")]
    Short,
    /// Too long.
    #[error("a password has {PASSWORD_BYTES_MAX} bytes at most")]
    Long,
    /// The account's name.
    #[error("a password is not the name of its account, nor made of it")]
    Name,
    /// Not typed by anybody.
    #[error("a password has no control characters")]
    Control,
    /// One character.
    #[error("a password is more than one character, over and over")]
    Same,
}

/// Whether `password` may be that of `name`.
pub(super) fn check_new(name: &AccountName, password: &str) -> Result<(), PasswordFault> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordFault::Long);
    }
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(PasswordFault::Short);
    }
    if password.chars().any(char::is_control) {
        return Err(PasswordFault::Control);
    }
    // `adminadminadmin` too, and the name in capitals.
    if password.to_lowercase().replace(name.as_str(), "").is_empty() {
        return Err(PasswordFault::Name);
    }
    let mut characters = password.chars();
    let first = characters.next();
    if characters.all(|other| Some(other) == first) {
        return Err(PasswordFault::Same);
    }
    Ok(())
}

/// Why there is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HashFault {
    /// Too many wait.
    #[error("{WAITING_MAX} logins wait already; try again in a second")]
    Busy,
    /// The engine has no memory, or no random numbers, for it.
    #[error("the engine could not hash the password")]
    Failed,
}

/// The thread's queue.
#[derive(Debug)]
pub(super) struct Hasher {
    queue: SyncSender<Job>,
    #[cfg_attr(not(test), expect(dead_code, reason = "tests count what a login costs"))]
    done: Arc<AtomicU64>,
    cost: Cost,
}

#[derive(Debug)]
struct Job {
    password: Secret,
    task: Task,
}

#[derive(Debug)]
enum Task {
    Verify(Hashed, oneshot::Sender<Result<bool, HashFault>>),
    Make(Cost, oneshot::Sender<Result<Hashed, HashFault>>),
}

impl Hasher {
    /// Starts the thread; new passwords cost `cost`.
    pub(super) fn start(cost: Cost) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(WAITING_MAX);
        let done = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&done);
        thread::Builder::new().name("passwords".to_owned()).spawn(move || {
            if let Err(fault) = rustix::process::nice(NICENESS) {
                tracing::warn!(%fault, "the thread of passwords runs at full priority");
            }
            work(&jobs, &count);
        })?;
        Ok(Self { queue, done, cost })
    }

    /// Whether `password` is the one that `known` was made of. Without a known one the same work is
    /// done, for nothing.
    pub(super) async fn verify(
        &self,
        password: Secret,
        known: Option<Hashed>,
    ) -> Result<bool, HashFault> {
        let is_known = known.is_some();
        let nobody =
            || Hashed { cost: self.cost, salt: vec![0; SALT_BYTES], hash: [0; HASH_BYTES] };
        let (answer, result) = oneshot::channel();
        self.queue(password, Task::Verify(known.unwrap_or_else(nobody), answer))?;
        let same = result.await.unwrap_or(Err(HashFault::Failed))?;
        Ok(same && is_known)
    }

    /// A new password as it is kept.
    pub(super) async fn make(&self, password: Secret) -> Result<Hashed, HashFault> {
        let (answer, result) = oneshot::channel();
        self.queue(password, Task::Make(self.cost, answer))?;
        result.await.unwrap_or(Err(HashFault::Failed))
    }

    /// How many hashes there were.
    #[cfg(test)]
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    fn queue(&self, password: Secret, task: Task) -> Result<(), HashFault> {
        self.queue.try_send(Job { password, task }).map_err(|fault| match fault {
            TrySendError::Full(_) => HashFault::Busy,
            TrySendError::Disconnected(_) => HashFault::Failed,
        })
    }
}

fn work(jobs: &Receiver<Job>, done: &AtomicU64) {
    while let Ok(Job { password, task }) = jobs.recv() {
        // Whoever does not wait any more has broken off; the work would be for nobody.
        match task {
            Task::Verify(known, answer) => {
                if !answer.is_closed() {
                    done.fetch_add(1, Ordering::SeqCst);
                    let _ = answer.send(verify_now(&password, &known));
                }
            }
            Task::Make(cost, answer) => {
                if !answer.is_closed() {
                    done.fetch_add(1, Ordering::SeqCst);
                    let _ = answer.send(make_now(&password, cost));
                }
            }
        }
    }
}

fn verify_now(password: &Secret, known: &Hashed) -> Result<bool, HashFault> {
    let hash = hash(password, known.cost, &known.salt)?;
    Ok(hash.ct_eq(&known.hash).into())
}

/// A new password as it is kept, made on the caller's thread.
pub(super) fn make_now(password: &Secret, cost: Cost) -> Result<Hashed, HashFault> {
    let mut salt = vec![0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| HashFault::Failed)?;
    let hash = *hash(password, cost, &salt)?;
    Ok(Hashed { cost, salt, hash })
}

fn hash(
    password: &Secret,
    cost: Cost,
    salt: &[u8],
) -> Result<Zeroizing<[u8; HASH_BYTES]>, HashFault> {
    let Cost { memory, passes, lanes } = cost;
    let params = Params::new(memory, passes, lanes, Some(HASH_BYTES));
    let params = params.map_err(|_| HashFault::Failed)?;
    let mut hash = Zeroizing::new([0; HASH_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.expose().as_bytes(), salt, hash.as_mut_slice())
        .map_err(|_| HashFault::Failed)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As little as argon2 takes.
    const CHEAP: Cost = Cost { memory: 8, passes: 1, lanes: 1 };

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn rules_of_new_passwords() {
        let name = AccountName::parse("administrator").unwrap();
        for (password, expected) in [
            ("correct horse", Ok(())),
            ("zwölf Zeiche", Ok(())),
            ("elf Zeichen", Err(PasswordFault::Short)),
            ("", Err(PasswordFault::Short)),
            ("administrator", Err(PasswordFault::Name)),
            ("ADMINISTRATOR", Err(PasswordFault::Name)),
            ("administratoradministrator", Err(PasswordFault::Name)),
            ("administrator1", Ok(())),
            ("aaaaaaaaaaaaaaaa", Err(PasswordFault::Same)),
            ("correct horse\n", Err(PasswordFault::Control)),
            ("correct\u{3}horse", Err(PasswordFault::Control)),
        ] {
            assert_eq!(check_new(&name, password), expected, "{password}");
        }
        assert_eq!(check_new(&name, &"ab".repeat(128)), Ok(()));
        assert_eq!(check_new(&name, &"ab".repeat(129)), Err(PasswordFault::Long));
    }

    /// The answer of the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -k
    /// 65536 -p 1 -r`.
    #[test]
    fn hashes_are_those_of_the_reference() {
        let cost = Cost { memory: 65536, passes: 2, lanes: 1 };
        let hash = hash(&secret("password"), cost, b"somesalt").unwrap();
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }

    #[tokio::test]
    async fn a_password_is_known_again() {
        let hasher = Hasher::start(CHEAP).unwrap();
        let known = hasher.make(secret("correct horse")).await.unwrap();
        assert_eq!(hasher.verify(secret("correct horse"), Some(known.clone())).await, Ok(true));
        assert_eq!(hasher.verify(secret("correct horsf"), Some(known)).await, Ok(false));
        assert_eq!(hasher.done(), 3);
    }

    #[tokio::test]
    async fn nobody_costs_as_much_and_is_never_right() {
        let hasher = Hasher::start(CHEAP).unwrap();
        assert_eq!(hasher.verify(secret("x"), None).await, Ok(false));
        assert_eq!(hasher.done(), 1);
    }

    #[tokio::test]
    async fn few_may_wait_and_the_rest_is_told_so() {
        let hasher = Arc::new(Hasher::start(Cost::NEW).unwrap());
        let asks: Vec<_> = (0..WAITING_MAX * 3)
            .map(|_| {
                let hasher = Arc::clone(&hasher);
                tokio::spawn(async move { hasher.verify(secret("x"), None).await })
            })
            .collect();
        let mut busy = 0;
        for ask in asks {
            match ask.await.unwrap() {
                Ok(same) => assert!(!same),
                Err(fault) => {
                    assert_eq!(fault, HashFault::Busy);
                    busy += 1;
                }
            }
        }
        assert!(busy > 0);
        // Whoever is refused costs nothing.
        assert_eq!(hasher.done(), (WAITING_MAX * 3) as u64 - busy);
    }
}
