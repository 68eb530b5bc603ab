//! How many threads to compute with.
//!
//! All threads of llama.cpp wait for the slowest at every step, so that one on a slow core makes all of them slow:
//! only the fast cores count, each once, and only those this process may run on.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// The number of performance cores that this process may use, at least 1.
#[must_use]
pub fn performance_core_count() -> usize {
    let allowed = available_parallelism().map_or(1, NonZeroUsize::get);
    of_this_machine(allowed).clamp(1, allowed)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn of_this_machine(allowed: usize) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let cpus: Vec<Cpu> = parse_cpu_list(list).into_iter().map(Cpu::read).collect();
    count_performance_cores(&cpus).unwrap_or_else(|| physical_cores(allowed))
}

/// Apple tells the number of its performance cores only through calls this crate does not make. Phones have 2 among
/// 6, Macs half or more: a guess that leaves some idle, where one too many would halve the speed.
#[cfg(target_vendor = "apple")]
fn of_this_machine(allowed: usize) -> usize {
    let physical = physical_cores(allowed);
    if cfg!(target_os = "ios") { (physical / 3).max(2) } else { physical.div_ceil(2) }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn of_this_machine(allowed: usize) -> usize {
    physical_cores(allowed)
}

fn physical_cores(allowed: usize) -> usize {
    sysinfo::System::physical_core_count().unwrap_or(allowed)
}

/// What the system says of a logical processor.
#[derive(Debug, Clone, Default)]
struct Cpu {
    /// Relative computing power, 1024 for the machine's best.
    capacity: Option<u64>,
    max_khz: Option<u64>,
    /// The logical processors of the same core, as the system lists them.
    core: Option<String>,
}

impl Cpu {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn read(number: usize) -> Self {
        let read = |name: &str| {
            let text = std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu{number}/{name}")).ok()?;
            Some(text.trim().to_owned())
        };
        Self {
            capacity: read("cpu_capacity").and_then(|text| text.parse().ok()),
            max_khz: read("cpufreq/cpuinfo_max_freq").and_then(|text| text.parse().ok()),
            core: read("topology/thread_siblings_list"),
        }
    }
}

/// Cores of at least half the best one's capacity, or four fifths of its clock where capacities are not told: the
/// large and middle clusters of phones, the P-cores of PCs. `None` if the system says nothing of them.
fn count_performance_cores(cpus: &[Cpu]) -> Option<usize> {
    let best = |of: fn(&Cpu) -> Option<u64>| cpus.iter().map(of).collect::<Option<Vec<_>>>()?.into_iter().max();
    let is_fast: Box<dyn Fn(&Cpu) -> bool> = match (best(|cpu| cpu.capacity), best(|cpu| cpu.max_khz)) {
        (Some(best), _) => Box::new(move |cpu| cpu.capacity.is_some_and(|capacity| capacity >= best / 2)),
        (None, Some(best)) => Box::new(move |cpu| cpu.max_khz.is_some_and(|khz| khz >= best / 5 * 4)),
        (None, None) => Box::new(|_| true),
    };
    let cores =
        cpus.iter().filter(|cpu| is_fast(cpu)).map(|cpu| cpu.core.as_deref()).collect::<Option<HashSet<_>>>()?;
    (!cores.is_empty()).then_some(cores.len())
}

/// The numbers in a list such as `0-3,6`.
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code, reason = "Linux's form"))]
fn parse_cpu_list(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
        Some(first..=last.min(first.saturating_add(4096)))
    };
    list.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(number: usize, capacity: Option<u64>, max_khz: Option<u64>) -> Cpu {
        Cpu { capacity, max_khz, core: Some(number.to_string()) }
    }

    #[test]
    fn a_phones_small_cores_do_not_count() {
        let capacities = [326, 326, 326, 328, 787, 787, 787, 1024];
        let cpus: Vec<_> = capacities.iter().enumerate().map(|(n, c)| cpu(n, Some(*c), None)).collect();
        assert_eq!(count_performance_cores(&cpus), Some(4));
        assert_eq!(count_performance_cores(&cpus[..4]), Some(4), "held on the small ones, it uses them");
    }

    #[test]
    fn clocks_tell_cores_apart_where_capacities_are_missing() {
        let clocks = [5_000_000, 5_000_000, 3_800_000, 3_800_000, 3_800_000];
        let cpus: Vec<_> = clocks.iter().enumerate().map(|(n, c)| cpu(n, None, Some(*c))).collect();
        assert_eq!(count_performance_cores(&cpus), Some(2));
    }

    #[test]
    fn two_threads_of_one_core_are_one() {
        let cpus: Vec<_> = (0..8).map(|n| cpu(n / 2, Some(1024), None)).collect();
        assert_eq!(count_performance_cores(&cpus), Some(4));
        assert_eq!(count_performance_cores(&[Cpu::default()]), None);
        assert_eq!(count_performance_cores(&[]), None);
    }

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(parse_cpu_list("\t0-2,5,7-7"), [0, 1, 2, 5, 7]);
        assert_eq!(parse_cpu_list("x,-,1-,3"), [3]);
        assert!(parse_cpu_list("").is_empty());
    }

    #[test]
    fn there_is_at_least_one() {
        let count = performance_core_count();
        assert!(count >= 1 && count <= available_parallelism().map_or(1, NonZeroUsize::get));
    }
}
