//! How many connections a door has room for, and how many of them one source may have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The bits of an IPv6 address that one network has: whoever has one address there has all of them.
const V6_BITS: u32 = 64;

/// The places of a door.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    each: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken.
    All,
    /// This source has as many as one may.
    Source,
}

impl Full {
    /// For the log.
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::All => "Control API: all connections are taken",
            Self::Source => "Control API: this source has as many connections as one may",
        }
    }
}

impl Places {
    /// So many, and so many for each source.
    pub(super) fn new(max: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { max, each, taken: Mutex::default(), freed: Notify::new() })
    }

    /// How many there are.
    pub(super) const fn max(&self) -> usize {
        self.max
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.table().all
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one for `source`, which none of this machine has.
    pub(super) fn take(self: &Arc<Self>, source: Option<IpAddr>) -> Result<Place, Full> {
        let source = source.map(network);
        let mut taken = self.table();
        if taken.all >= self.max {
            return Err(Full::All);
        }
        if let Some(source) = source {
            let of_source = taken.by_source.entry(source).or_insert(0);
            if *of_source >= self.each {
                return Err(Full::Source);
            }
            *of_source += 1;
        }
        taken.all += 1;
        drop(taken);
        Ok(Place { places: Arc::clone(self), source })
    }

    /// Waits until there is one; for one who waits.
    pub(super) async fn wait(&self) {
        while self.taken() >= self.max {
            self.freed.notified().await;
        }
    }
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    source: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.table();
        taken.all = taken.all.saturating_sub(1);
        if let Some(source) = self.source
            && let Some(of_source) = taken.by_source.get_mut(&source)
        {
            *of_source = of_source.saturating_sub(1);
            if *of_source == 0 {
                taken.by_source.remove(&source);
            }
        }
        drop(taken);
        self.places.freed.notify_one();
    }
}

/// What counts as one source.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - V6_BITS))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_source_leaves_places_for_others() {
        let places = Places::new(5, 2);
        let held: Vec<Place> = (0..10).filter_map(|_| places.take(ip("192.0.2.1")).ok()).collect();
        assert_eq!(held.len(), 2);
        assert_eq!(places.take(ip("192.0.2.1")).unwrap_err(), Full::Source);
        // The same address in IPv6's clothes.
        assert_eq!(places.take(ip("::ffff:192.0.2.1")).unwrap_err(), Full::Source);
        let other = places.take(ip("192.0.2.2")).unwrap();
        let network = [places.take(ip("2001:db8::1")), places.take(ip("2001:db8::ffff:2"))];
        assert_eq!(places.take(ip("2001:db8:0:1::1")).unwrap_err(), Full::All);
        drop(held);
        assert_eq!(places.take(ip("2001:db8::3")).unwrap_err(), Full::Source);
        places.take(ip("192.0.2.1")).unwrap();
        drop((other, network));
        assert_eq!(places.taken(), 0);
        assert!(places.table().by_source.is_empty(), "nothing is left of those who went");
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_that_comes_free() {
        let places = Places::new(1, 1);
        places.wait().await;
        let first = places.take(None).unwrap();
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        assert_eq!(places.taken(), 0);
    }
}
