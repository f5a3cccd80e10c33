//! How often one address may do something.
//!
//! For each address one moment is kept: when it would be even again if it did nothing from now on. Whoever is further
//! ahead of the present than a burst allows waits. Addresses that are even need not be kept, so the table stays small,
//! and when many others fill it, those closest to even make place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most addresses that are kept.
const ADDRESSES_MAX: usize = 4_096;

/// So often something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// At once, after a rest.
    pub(crate) burst: u32,
    /// In the long run.
    pub(crate) per_minute: u32,
}

impl Rate {
    /// Time that one of them takes to be forgotten.
    fn every(self) -> Duration {
        Duration::from_secs(60) / self.per_minute.max(1)
    }
}

/// How long to wait, in whole seconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) u64);

/// Who did it how often.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate: Rate,
    even: Mutex<HashMap<IpAddr, Instant>>,
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, even: Mutex::new(HashMap::new()) }
    }

    /// Counts one of them, unless there were too many lately.
    ///
    /// # Errors
    /// How long to wait.
    pub(crate) fn take(&self, from: IpAddr, now: Instant) -> Result<(), Wait> {
        let every = self.rate.every();
        let key = place(from);
        let mut table = self.even.lock().unwrap_or_else(PoisonError::into_inner);
        let even = table.get(&key).copied().unwrap_or(now).max(now);
        let ahead = even.duration_since(now);
        let allowed = every * self.rate.burst.max(1);
        if ahead + every > allowed {
            let wait = (ahead + every).saturating_sub(allowed);
            return Err(Wait(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        }
        if !table.contains_key(&key) {
            make_place(&mut table, now);
        }
        table.insert(key, even + every);
        Ok(())
    }
}

/// One machine has a whole network of the newer addresses to choose from.
fn place(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let network = u128::from(ip) & !u128::from(u64::MAX);
            if ip.is_loopback() { ip.into() } else { Ipv6Addr::from(network).into() }
        }
        ip @ IpAddr::V4(_) => ip,
    }
}

fn make_place(table: &mut HashMap<IpAddr, Instant>, now: Instant) {
    if table.len() < ADDRESSES_MAX {
        return;
    }
    table.retain(|_, even| *even > now);
    let least = table.iter().min_by_key(|(_, even)| **even).map(|(ip, _)| *ip);
    if let Some(ip) = least.filter(|_| table.len() >= ADDRESSES_MAX) {
        table.remove(&ip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, per_minute: 6 };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn after_a_burst_one_waits_and_then_goes_on_at_the_rate() {
        let (limiter, start) = (Limiter::new(RATE), Instant::now());
        let take = |seconds: u64| limiter.take(ip("10.0.0.1"), start + Duration::from_secs(seconds));
        assert_eq!([take(0), take(0), take(0)], [Ok(()); 3]);
        assert_eq!(take(0), Err(Wait(10)));
        assert_eq!(take(4), Err(Wait(6)));
        assert_eq!(take(10), Ok(()));
        assert_eq!(take(10), Err(Wait(10)), "what was refused does not count, what was done does");
        assert_eq!([take(100), take(100), take(100)], [Ok(()); 3]);
        assert_eq!(take(100), Err(Wait(10)));
    }

    #[test]
    fn one_address_does_not_use_up_what_another_may() {
        let (limiter, now) = (Limiter::new(RATE), Instant::now());
        for _ in 0..3 {
            limiter.take(ip("2001:db8::1"), now).unwrap();
        }
        assert!(limiter.take(ip("2001:db8::2"), now).is_err(), "a network of these is one machine");
        assert!(limiter.take(ip("2001:db8:0:1::2"), now).is_ok());
        assert!(limiter.take(ip("::1"), now).is_ok());
        assert!(limiter.take(ip("10.0.0.1"), now).is_ok());
    }

    #[test]
    fn the_table_is_bounded_and_keeps_who_is_furthest_ahead() {
        let (limiter, now) = (Limiter::new(RATE), Instant::now());
        let eve = ip("203.0.113.9");
        for _ in 0..3 {
            limiter.take(eve, now).unwrap();
        }
        for number in 0..3 * u32::try_from(ADDRESSES_MAX).unwrap() {
            limiter.take(IpAddr::V4((0x0a00_0000 + number).into()), now).unwrap();
        }
        assert_eq!(limiter.even.lock().unwrap().len(), ADDRESSES_MAX);
        assert!(limiter.take(eve, now).is_err());
        limiter.take(ip("10.99.0.1"), now + Duration::from_secs(60)).unwrap();
        assert_eq!(limiter.even.lock().unwrap().len(), 1, "who is even is not kept");
    }
}
