//! A process, told apart from a later one that got the same number.

use std::fmt;
use std::str::FromStr;

use rustix::process::{Pid, test_kill_process};

/// A process by its number and when it began, in the clock ticks of proc_pid_stat(5).
/// Where the system does not say when, the number alone counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessIdentity {
    pub(super) pid: u32,
    began: Option<u64>,
}

impl ProcessIdentity {
    /// The process of this number.
    pub(super) fn of(pid: u32) -> Self {
        Self {
            pid,
            began: began(pid),
        }
    }

    /// Whether it still runs.
    pub(super) fn lives(self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match self.began {
            Some(_) => began(self.pid) == self.began,
            None => pid.is_some_and(|pid| test_kill_process(pid).is_ok()),
        }
    }
}

/// When a process began; `None` if it has ended, waited for or not.
fn began(pid: u32) -> Option<u64> {
    const STATE: usize = 0;
    const BEGAN: usize = 19;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name, in which anything can stand.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let has_ended = matches!(fields.get(STATE), Some(&("Z" | "X")));
    if has_ended {
        return None;
    }
    fields.get(BEGAN)?.parse().ok()
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.began.unwrap_or_default())
    }
}

impl FromStr for ProcessIdentity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pid, began) = text.split_once(' ').ok_or(())?;
        let began: u64 = began.parse().map_err(|_| ())?;
        Ok(Self {
            pid: pid.parse().map_err(|_| ())?,
            began: (began > 0).then_some(began),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_of_its_number() {
        let own = ProcessIdentity::of(std::process::id());
        assert!(own.lives());
        assert_eq!(own.to_string().parse(), Ok(own));
        let earlier = ProcessIdentity {
            began: own.began.map(|began| began + 1),
            ..own
        };
        if own.began.is_some() {
            assert!(!earlier.lives());
        }
        let none = ProcessIdentity {
            pid: 0,
            began: None,
        };
        assert!(!none.lives());
    }
}
